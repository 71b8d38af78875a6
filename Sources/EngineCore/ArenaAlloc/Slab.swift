// Objects of one type that come and go one by one: chunks cut into slots, free slots linked through themselves (Bonwick,
// USENIX 1994, without the constructor cache). Used by one worker, or under its owner's lock.

import Platform

package final class Slab<Element: ~Copyable> {
    private let budget: MemoryBudget
    private let slotsPerChunk: Int
    private var free: UnsafeMutableRawPointer?
    private var chunks: [UnsafeMutableRawPointer] = []
    /// Slots in use.
    package private(set) var count = 0

    private static var stride: Int { max(roundUp(MemoryLayout<Element>.stride, 16), 16) }
    private var chunkByteCount: Int { Self.stride * slotsPerChunk }

    package init(budget: MemoryBudget, slotsPerChunk: Int = 64) {
        precondition(slotsPerChunk > 0 && MemoryLayout<Element>.alignment <= 16)
        self.budget = budget
        self.slotsPerChunk = slotsPerChunk
    }

    /// Every element must have been given back.
    deinit {
        precondition(count == 0, "a slab ends with elements in use")
        for chunk in chunks {
            chunk.deallocate()
            budget.release(chunkByteCount)
        }
    }

    /// Uninitialised memory for one element. 53200 when the budget is used up.
    package func allocate() throws(EngineError) -> UnsafeMutablePointer<Element> {
        if free == nil { try grow() }
        let slot = free.unsafelyUnwrapped
        free = slot.load(as: UnsafeMutableRawPointer?.self)
        count += 1
        return slot.assumingMemoryBound(to: Element.self)
    }

    /// Gives back a slot whose element has been deinitialised.
    package func deallocate(_ element: UnsafeMutablePointer<Element>) {
        let slot = UnsafeMutableRawPointer(element)
        slot.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = slot
        count -= 1
        precondition(count >= 0, "slot given back twice")
    }

    private func grow() throws(EngineError) {
        try budget.charge(chunkByteCount)
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: chunkByteCount, alignment: 16)
        chunks.append(chunk)
        for index in (0..<slotsPerChunk).reversed() {
            let slot = chunk + index * Self.stride
            slot.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
            free = slot
        }
    }
}
