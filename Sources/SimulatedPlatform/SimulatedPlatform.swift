// A machine in virtual time, on one thread: cores, clock, memory and disk, all of it decided by one seed.
//
// Each core's worker is a coroutine. It gives way when it polls or parks, and then chance picks the next core among those that
// have something to do; when none has, time moves on to the next event. Between two such points a core runs alone, so what is
// tried are all interleavings at a yield, not those between two instructions.
//
// Invariant: nothing here depends on the time of day, the processor's clock, or an address.

import CLinux
import CPrimitives
import Fibers
import NetworkEngine
import Platform

package struct MachineProfile: Sendable {
    package var coreCount = 2
    /// Nanoseconds that a turn of a worker's loop takes.
    package var turn: ClosedRange<Int> = 200...20_000
    /// Of a thousand requests for memory: how many are refused.
    package var outOfMemoryPermille = 0
    /// Of a thousand turns: in how many the wall clock jumps, to either side.
    package var clockJumpPermille = 0
    package init() {}
}

/// How a run of the workers came to its end.
package enum MachineEnd: Sendable {
    case stopped
    case powerLost
    /// The engine has ended its process.
    case exited
    /// Every core waits, and nothing is on its way.
    case stuck
    /// It should have come to its end long ago.
    case late
}

package final class SimulatedPlatform: Platform, @unchecked Sendable {
    private struct Core {
        var word: UnsafeMutableRawPointer?
        var isParked = false
        var isNotified = false
        var deadline = Nanoseconds.never
        var hasEnded = false
        var ready: [CompletionEvent] = []
    }

    package let disk: SimulatedDisk
    /// Nil without a network.
    private let network: SimulatedNetwork?
    private var server: SimulatedHost?
    /// Whose streams clients on this machine use.
    package private(set) var clients: SimulatedHost?
    private let profile: MachineProfile
    private var random: SimulationRandom
    private var cores: [Core] = []
    private let stackPointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private var mainStackPointer: UnsafeMutableRawPointer?
    private var running: CoreIndex = 0
    private var body: (@Sendable (CoreIndex) -> Void)?
    /// Nanoseconds since the world began; goes on over power losses.
    package private(set) var time: UInt64
    private var wallOffset: Int64 = 1_700_000_000_000_000
    /// When the power goes, if it does.
    package var powerLossTime: UInt64?
    /// When the faults stop and whoever works is to finish what it is at: `isDraining` is true from then on.
    package var drainTime: UInt64?
    package private(set) var isDraining = false
    /// How long what is under way then may take, in nanoseconds.
    package var patience = UInt64.max
    /// When the machine must have come to its end.
    package var deadline: UInt64?
    /// Then only the process is killed: what the device has, it keeps.
    package var keepsPower = false
    package private(set) var end = MachineEnd.stopped
    /// The last lines that the engine has said.
    package private(set) var console: [String] = []
    /// No memory is refused any more.
    package var isCalm = false
    package private(set) var refusedCount = 0
    /// Of a thousand points (Platform/Interleaving.swift): at how many other cores go on; for builds that have such points.
    package var interruptionPermille = 0
    #if MUTATIONS
        /// Points since the core last gave way: many times what the longest search takes.
        private var pointCount = 0
        private static let pointLimit = 10_000_000
    #endif
    private var memory: [(base: UnsafeMutableRawPointer, byteCount: Int)] = []

    package init(
        _ profile: MachineProfile, _ disk: SimulatedDisk, _ network: SimulatedNetwork?, _ random: SimulationRandom,
        startingAt time: UInt64
    ) {
        self.profile = profile
        self.disk = disk
        self.network = network
        self.random = random
        if let network {
            server = SimulatedHost(1, network, coreCount: profile.coreCount, random: &self.random, now: time)
            clients = SimulatedHost(2, network, coreCount: profile.coreCount, random: &self.random, now: time)
        }
        self.time = time
        cores = Array(repeating: Core(), count: profile.coreCount)
        stackPointers = .allocate(capacity: profile.coreCount)
    }

    deinit { stackPointers.deallocate() }

    /// Gives back the memory of a machine that has lost its power. Nothing of what ran on it may be touched again.
    package func scrap() {
        for block in memory { dbk_discard(block.base, block.byteCount) }
    }

    // MARK: Cores

    package var topology: Topology {
        Topology(
            nodeOfCore: Array(repeating: 0, count: profile.coreCount), distance: [[10]])
    }

    private static let stackByteCount = 1 << 20

    package func runWorkers(_ body: @escaping @Sendable (CoreIndex) -> Void) {
        self.body = body
        defer {
            server?.detach()
            clients?.detach()
        }
        #if MUTATIONS
            Interleaving.hook = { [unowned(unsafe) self] isSpinning in interrupt(isSpinning) }
            defer { Interleaving.hook = nil }
        #endif
        for core in 0..<cores.count {
            guard let stack = dbk_map(Self.stackByteCount, -1, 0) else { preconditionFailure("no memory for a core") }
            memory.append((stack, Self.stackByteCount))
            stackPointers[core] = dbk_stack_prepare(
                stack + Self.stackByteCount, { SimulatedPlatform.start($0) }, Unmanaged.passUnretained(self).toOpaque())
        }
        while true {
            if let powerLossTime, time >= powerLossTime {
                end = .powerLost
                if keepsPower { disk.loseProcess() } else { disk.losePower() }
                return
            }
            if disk.hasSprung {
                // While it is under way, or when it has just happened.
                disk.hasSprung = false
                powerLossTime = min(
                    powerLossTime ?? .max, time + UInt64(random.next(in: 0...disk.profile.latency.upperBound)))
            }
            if let drainTime, time >= drainTime { drain() }
            if let deadline, time >= deadline {
                end = .late
                disk.forgetRequests()
                return
            }
            disk.advance(to: time) { core, event in cores[core].ready.append(event) }
            driveNetwork()
            if end == .exited {
                disk.loseProcess()
                return
            }
            if end == .late {
                disk.forgetRequests()
                return
            }
            if !cores.contains(where: { !$0.hasEnded }) {
                end = .stopped
                disk.forgetRequests()
                return
            }
            let candidates = cores.indices.filter { isRunnable(cores[$0]) }
            if candidates.isEmpty {
                guard let next = nextEvent else {
                    end = .stuck
                    return
                }
                time = max(time + 1, next)
                continue
            }
            turn(candidates[random.next(below: candidates.count)])
        }
    }

    private func driveNetwork() {
        guard let network else { return }
        network.advance(to: time)
        for host in [server, clients] {
            host?.drive(time) { core, event in cores[core].ready.append(event) }
        }
    }

    private func drain() {
        drainTime = nil
        isDraining = true
        isCalm = true
        network?.isCalm = true
        disk.isCalm = true
        deadline = time + patience
    }

    private func isRunnable(_ core: Core) -> Bool {
        !core.hasEnded
            && (!core.isParked || core.isNotified || !core.ready.isEmpty || core.deadline.rawValue <= time)
    }

    private var nextEvent: UInt64? {
        var next = disk.nextDue
        if let due = network?.nextDue { next = min(next ?? UInt64.max, due) }
        for host in [server, clients] {
            if let deadline = host?.nextDeadline, deadline != Nanoseconds.never.rawValue {
                next = min(next ?? UInt64.max, deadline)
            }
        }
        for core in cores where !core.hasEnded && core.isParked && core.deadline != .never {
            next = min(next ?? UInt64.max, core.deadline.rawValue)
        }
        if let instant = powerLossTime ?? drainTime { next = min(next ?? UInt64.max, instant) }
        return next
    }

    private func turn(_ core: CoreIndex) {
        time += UInt64(random.next(in: profile.turn))
        if random.chance(permille: profile.clockJumpPermille) {
            wallOffset += Int64(random.next(in: -7_200_000_000...7_200_000_000))
        }
        cores[core].isParked = false
        running = core
        #if MUTATIONS
            pointCount = 0
        #endif
        dbk_core_word_set(cores[core].word)
        dbk_switch(&mainStackPointer, stackPointers[core])
        cores[core].word = dbk_core_word_get()
        dbk_core_word_set(nil)
    }

    private static func start(_ context: UnsafeMutableRawPointer?) {
        guard let context else { preconditionFailure("a core without a machine") }
        let machine = Unmanaged<SimulatedPlatform>.fromOpaque(context).takeUnretainedValue()
        let core = machine.running
        machine.body?(core)
        machine.cores[core].hasEnded = true
        machine.giveWay(core)
        preconditionFailure("a core that has ended runs again")
    }

    #if MUTATIONS
        /// Between two instructions.
        private func interrupt(_ isSpinning: Bool) {
            guard dbk_core_word_get() != nil else { return }
            pointCount += 1
            if pointCount > Self.pointLimit { end = .late }
            if end == .late || isSpinning || random.chance(permille: interruptionPermille) { giveWay(running) }
        }
    #endif

    /// The core's turn is over.
    private func giveWay(_ core: CoreIndex) { dbk_switch(stackPointers + core, mainStackPointer) }

    package func park(_ core: CoreIndex, until deadline: Nanoseconds) {
        if cores[core].isNotified {
            cores[core].isNotified = false
            return
        }
        cores[core].isParked = true
        cores[core].deadline = deadline
        giveWay(core)
        cores[core].isNotified = false
        cores[core].deadline = .never
    }

    package func wake(_ core: CoreIndex) { cores[core].isNotified = true }

    package func submit(_ core: CoreIndex) {}

    package func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        giveWay(core)
        var count = 0
        while count < events.count, !cores[core].ready.isEmpty {
            events[count] = cores[core].ready.remove(at: random.next(below: cores[core].ready.count))
            count += 1
        }
        return count
    }

    // MARK: Time

    package func now() -> Nanoseconds { Nanoseconds(time) }
    package func wallClock() -> Int64 { Int64(time / 1000) + wallOffset }

    // MARK: Memory

    package func allocate(byteCount: Int, node: Int, huge: Bool) -> UnsafeMutableRawPointer? {
        if refusesMemory() { return nil }
        return note(dbk_map(byteCount, -1, 0), byteCount)
    }
    package func reserve(byteCount: Int) -> UnsafeMutableRawPointer? {
        if refusesMemory() { return nil }
        return note(dbk_reserve(byteCount), byteCount)
    }
    /// Chance decides whether a request for memory is refused.
    package func refusesMemory() -> Bool {
        if isCalm || !random.chance(permille: profile.outOfMemoryPermille) { return false }
        refusedCount += 1
        return true
    }
    private func note(_ base: UnsafeMutableRawPointer?, _ byteCount: Int) -> UnsafeMutableRawPointer? {
        if let base { memory.append((base, byteCount)) }
        return base
    }
    package func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int) {
        guard let index = memory.firstIndex(where: { $0.base == base }) else {
            preconditionFailure("memory is given back that was never given out")
        }
        precondition(memory[index].byteCount == byteCount, "memory is given back in another size than it was given out")
        memory.remove(at: index)
        dbk_unmap(base, byteCount)
    }
    package func discard(_ base: UnsafeMutableRawPointer, pageCount: Int) { dbk_discard(base, pageCount * pageSize) }
    package func protect(_ base: UnsafeMutableRawPointer, pageCount: Int) { dbk_protect(base, pageCount * pageSize) }

    // MARK: Block device

    package var blockGeometry: BlockGeometry {
        BlockGeometry(
            byteCount: disk.profile.byteCount, logicalBlockSize: 512,
            atomicWriteByteCount: disk.profile.atomicWriteByteCount, hasVolatileCache: true,
            maxTransferByteCount: disk.profile.maxTransferByteCount, queueDepth: disk.profile.queueDepth)
    }

    package func queueBlock(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>,
        offset: UInt64, tag: Tag
    ) -> Bool {
        disk.queue(core, operation, vectors, offset: offset, tag: tag, now: time)
    }

    // MARK: Streams

    package func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        guard let server else { throw EngineError.notSupported("a network in a simulated machine without one") }
        return try server.service.listen(address: address)
    }
    package func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool {
        server?.service.queueAccept(core, listener, tag: tag) ?? true
    }
    package func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool {
        server?.service.queueReceive(core, stream, into: buffer, tag: tag) ?? true
    }
    package func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool {
        server?.service.queueSend(core, stream, buffer, tag: tag) ?? true
    }
    package func shutdown(_ stream: StreamHandle) { server?.service.shutdown(stream) }
    package func close(_ stream: StreamHandle) { server?.service.close(stream) }

    // MARK: The rest

    package func consoleWrite(_ bytes: UnsafeRawBufferPointer) {
        console.append(String(decoding: bytes, as: UTF8.self))
        if console.count > 50 { console.removeFirst() }
    }
    package func entropy(_ bytes: UnsafeMutableRawBufferPointer) {
        for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
    }
    /// The process is gone: nothing of it runs again.
    package func exit(status: Int32) -> Never {
        end = .exited
        giveWay(running)
        preconditionFailure("a process that has ended runs again")
    }
}
