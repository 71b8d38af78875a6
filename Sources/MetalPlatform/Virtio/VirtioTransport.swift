// virtio over PCI, the modern interface (Virtual I/O Device 1.2, section 4.1): finds the register structures through the vendor
// capabilities, negotiates features, and sets up queues. Knows nothing of what the device does.

import CMetal
import Platform

enum VirtioFeature {
    static let indirectDescriptors: UInt64 = 1 << 28
    static let version1: UInt64 = 1 << 32
}

final class VirtioTransport {
    private let function: PCIFunction
    private let common: UInt
    private let notifications: UInt
    private let notifyMultiplier: UInt
    /// The device's own configuration registers; 0 if it has none.
    let configuration: UInt
    let interrupts: MessageInterrupts?
    private(set) var features: UInt64 = 0

    private enum Status {
        static let acknowledge: UInt8 = 1
        static let driver: UInt8 = 2
        static let driverReady: UInt8 = 4
        static let featuresReady: UInt8 = 8
        static let failed: UInt8 = 128
    }

    /// Nil if the function is no modern virtio device.
    init?(_ function: PCIFunction) {
        self.function = function
        function.enable()
        var places: [4 of UInt] = [0, 0, 0, 0]
        var multiplier: UInt = 0
        for capability in function.capabilities(9) {
            let bus = function.bus
            let kind = Int(bus.read8(function.address, capability + 3))
            // Common, notification, interrupt status, device: 1 to 4.
            if kind < 1 || kind > 4 || places[kind - 1] != 0 { continue }
            places[kind - 1] = function.map(
                bar: Int(bus.read8(function.address, capability + 4)),
                offset: Int(bus.read32(function.address, capability + 8)),
                byteCount: Int(bus.read32(function.address, capability + 12)))
            if kind == 2 { multiplier = UInt(bus.read32(function.address, capability + 16)) }
        }
        if places[0] == 0 || places[1] == 0 { return nil }
        common = places[0]
        notifications = places[1]
        notifyMultiplier = multiplier
        configuration = places[3]
        interrupts = MessageInterrupts(function)
    }

    /// Resets the device: once that is done, it touches no memory any more (section 2.4). False if it does not come to an end.
    func reset() -> Bool {
        dbk_write8(common + 20, 0)
        var patience = 1_000_000
        while dbk_read8(common + 20) != 0 && patience > 0 { patience -= 1 }
        return patience > 0
    }

    /// Resets the device and agrees on those of `wanted` that it has; false if it insists on something else.
    func negotiate(_ wanted: UInt64) -> Bool {
        if !reset() { return false }
        dbk_write8(common + 20, Status.acknowledge)
        dbk_write8(common + 20, Status.acknowledge | Status.driver)
        var offered: UInt64 = 0
        for half in 0..<2 {
            dbk_write32(common, UInt32(half))
            offered |= UInt64(dbk_read32(common + 4)) << UInt64(32 * half)
        }
        features = offered & (wanted | VirtioFeature.version1)
        for half in 0..<2 {
            dbk_write32(common + 8, UInt32(half))
            dbk_write32(common + 12, UInt32(truncatingIfNeeded: features >> UInt64(32 * half)))
        }
        dbk_write8(common + 20, Status.acknowledge | Status.driver | Status.featuresReady)
        // Configuration changes need no interrupt.
        dbk_write16(common + 16, 0xffff)
        return features & VirtioFeature.version1 != 0 && dbk_read8(common + 20) & Status.featuresReady != 0
    }

    func has(_ feature: UInt64) -> Bool { features & feature != 0 }

    var queueCount: Int { Int(dbk_read16(common + 18)) }

    /// A queue of at most `limit` descriptors whose completions end halts of `apicID` by MSI-X vector `vector`; nil if the
    /// device has no such queue or there is no memory.
    func makeQueue(
        _ index: Int, limit: Int, vector: Int, apicID: UInt32, frames: UnsafeMutablePointer<Frames>
    ) -> VirtioQueue? {
        dbk_write16(common + 22, UInt16(index))
        let most = Int(dbk_read16(common + 24))
        if most == 0 { return nil }
        var count = 1
        while count * 2 <= min(most, limit) { count *= 2 }
        let bell = notifications + UInt(dbk_read16(common + 30)) * notifyMultiplier
        guard let queue = VirtioQueue(index: index, count: count, bell: bell, frames: frames) else { return nil }
        if let interrupts, vector < interrupts.count { interrupts.route(vector, to: apicID) }
        attach(queue, index, vector: vector)
        return queue
    }

    /// Tells the device of a queue, after its first start or a reset.
    func attach(_ queue: borrowing VirtioQueue, _ index: Int, vector: Int) {
        dbk_write16(common + 22, UInt16(index))
        dbk_write16(common + 24, UInt16(queue.count))
        if canInterrupt(vector) {
            dbk_write16(common + 26, UInt16(vector))
        } else {
            dbk_write16(common + 26, 0xffff)
        }
        dbk_write64(common + 32, UInt64(queue.descriptors))
        dbk_write64(common + 40, UInt64(queue.available))
        dbk_write64(common + 48, UInt64(queue.used))
        dbk_write16(common + 28, 1)
    }

    /// All queues are made: the device may begin.
    func start() {
        dbk_write8(
            common + 20, Status.acknowledge | Status.driver | Status.featuresReady | Status.driverReady)
    }

    func fail() { dbk_write8(common + 20, dbk_read8(common + 20) | Status.failed) }

    func canInterrupt(_ vector: Int) -> Bool { interrupts.map { vector < $0.count } ?? false }
}
