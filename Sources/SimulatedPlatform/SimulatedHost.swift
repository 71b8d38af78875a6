// An address on the simulated network: the engine's own stack behind a device of the switch. A machine has one for its server, and
// one for the clients that run on it as fibers and reach the server by the network only.

import NetworkEngine
import Platform

package final class SimulatedHost {
    package let service: StreamService
    private let stack: NetworkStack
    private let memory: UnsafeMutableRawPointer
    private let network: SimulatedNetwork
    private let port: SimulatedNetwork.Port
    private let coreCount: Int

    /// `10.0.0.<number>` on a network of 24 bits.
    init(_ number: Int, _ network: SimulatedNetwork, coreCount: Int, random: inout SimulationRandom, now: UInt64) {
        var configuration = NetworkConfiguration(
            macAddress: MACAddress(rawValue: 0x0200_0000_0000 + UInt64(number)),
            secret: (random.next(), random.next()))
        configuration.address = IPv4Address(10, 0, 0, UInt8(number))
        configuration.connectionLimit = 128
        configuration.halfOpenLimit = 32
        configuration.bufferByteCount = 4 << 20
        configuration.maxWindowByteCount = 256 << 10
        configuration.transmitFrameCount = 128
        configuration.coreCount = coreCount
        memory = .allocate(byteCount: NetworkStack.byteCount(configuration), alignment: pageSize)
        let stack = NetworkStack(configuration, memory: memory, now: Nanoseconds(now))
        self.stack = stack
        service = StreamService(stack: stack, owner: 0)
        self.network = network
        self.coreCount = coreCount
        port = network.attach(configuration.macAddress) { frame, now in
            guard let base = frame.baseAddress else { return }
            stack.receive(base, frame.count, checksumIsGood: false, now: Nanoseconds(now))
        }
    }

    deinit { memory.deallocate() }

    /// The machine is gone.
    func detach() { network.detach(port) }

    var nextDeadline: UInt64 { service.hasWork ? 0 : stack.nextDeadline.rawValue }

    /// Does what is asked for and due, sends what there is, and hands over what is done.
    func drive(_ now: UInt64, _ complete: (CoreIndex, CompletionEvent) -> Void) {
        service.drive(now: Nanoseconds(now))
        var sent = 0
        while let frame = stack.nextTransmit() {
            sent += 1
            network.send(UnsafeRawBufferPointer(start: frame.base, count: frame.byteCount), from: port, now: now)
        }
        if sent > 0 { stack.transmitDone(sent) }
        while case let core = stack.takeCoreToWake(), core >= 0 {}
        withUnsafeTemporaryAllocation(of: CompletionEvent.self, capacity: 64) { buffer in
            for core in 0..<coreCount {
                while case let count = stack.takeCompletions(core, into: buffer), count > 0 {
                    for index in 0..<count { complete(core, buffer[index]) }
                }
            }
        }
    }
}
