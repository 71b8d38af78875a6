// A split virtqueue (Virtual I/O Device 1.2, section 2.7) whose requests each take one descriptor: a buffer, or the address of
// an indirect table. So a request's number is its descriptor's, and nothing is ever chained in the ring.

import CMetal
import Platform

struct VirtioQueue: ~Copyable {
    static let next: UInt16 = 1
    /// The device writes into the buffer.
    static let write: UInt16 = 2
    static let indirect: UInt16 = 4

    let count: Int
    let descriptors: UInt
    let available: UInt
    let used: UInt
    private let index: UInt16
    private let bell: UInt
    /// Descriptors not in use, as a stack.
    private let freeNumbers: UnsafeMutablePointer<UInt16>
    private(set) var freeCount: Int
    private var produced: UInt16 = 0
    private var published: UInt16 = 0
    private var consumed: UInt16 = 0

    /// Nil if there is no memory. `count` is a power of two.
    init?(index: Int, count: Int, bell: UInt, frames: UnsafeMutablePointer<Frames>) {
        let availableOffset = count * 16
        let usedOffset = roundUp(availableOffset + 6 + 2 * count, 64)
        let byteCount = usedOffset + 6 + 8 * count
        guard let base = frames.pointee.allocateRun((byteCount + pageSize - 1) / pageSize) else { return nil }
        clear(base, byteCount: byteCount)
        self.index = UInt16(index)
        self.count = count
        self.bell = bell
        descriptors = base
        available = base + UInt(availableOffset)
        used = base + UInt(usedOffset)
        freeNumbers = .allocate(capacity: count)
        for number in 0..<count { freeNumbers[number] = UInt16(count - 1 - number) }
        freeCount = count
        // No interrupts but where a core is about to halt.
        dbk_write16(available, 1)
    }

    var inFlightCount: Int { count - freeCount }

    /// The number that the next `push` takes.
    var nextNumber: Int { Int(freeNumbers[freeCount - 1]) }

    /// Queues a request; there must be a free descriptor. The device sees it after `publish`.
    @discardableResult
    mutating func push(_ address: PhysicalAddress, byteCount: Int, flags: UInt16) -> Int {
        freeCount -= 1
        let number = Int(freeNumbers[freeCount])
        Self.write(descriptors + UInt(number * 16), address, byteCount, flags, next: 0)
        dbk_write16(available + 4 + UInt(Int(produced) & (count - 1)) * 2, UInt16(number))
        produced &+= 1
        return number
    }

    /// For a device that has been reset, after the last `takeUsed`: empty rings, as it expects them. Descriptors in use stay so, and
    /// are pushed again or freed.
    mutating func clearRings() {
        dbk_write16(available + 2, 0)
        dbk_write16(used + 2, 0)
        (produced, published, consumed) = (0, 0, 0)
    }

    /// A descriptor in use, as it is.
    mutating func pushAgain(_ number: Int) {
        dbk_write16(available + 4 + UInt(Int(produced) & (count - 1)) * 2, UInt16(number))
        produced &+= 1
    }

    /// The device will never complete it.
    mutating func free(_ number: Int) {
        freeNumbers[freeCount] = UInt16(number)
        freeCount += 1
    }

    /// One descriptor, in the ring or in an indirect table.
    static func write(_ at: UInt, _ address: PhysicalAddress, _ byteCount: Int, _ flags: UInt16, next: UInt16) {
        dbk_write64(at, UInt64(address))
        dbk_write32(at + 8, UInt32(byteCount))
        dbk_write16(at + 12, flags)
        dbk_write16(at + 14, next)
    }

    /// Shows the device what was pushed, and rings unless it looks by itself.
    mutating func publish() {
        if produced == published { return }
        published = produced
        dbk_write16_release(available + 2, produced)
        dbk_full_fence()
        if dbk_read16(used) & 1 == 0 { dbk_write16(bell, index) }
    }

    var hasUsed: Bool { dbk_read16_acquire(used + 2) != consumed }

    /// The next request that the device is done with, and how many bytes it wrote. Its descriptor is free again.
    mutating func takeUsed() -> (number: Int, byteCount: Int)? {
        if !hasUsed { return nil }
        let at = used + 4 + UInt(Int(consumed) & (count - 1)) * 8
        let number = Int(dbk_read32(at))
        precondition(number < count, "the device completes a request that was never made")
        consumed &+= 1
        free(number)
        return (number, Int(dbk_read32(at + 4)))
    }

    /// Interrupts on or off; after switching them on, look again before halting.
    func setInterrupts(_ isOn: Bool) {
        dbk_write16(available, isOn ? 0 : 1)
        if isOn { dbk_full_fence() }
    }
}
