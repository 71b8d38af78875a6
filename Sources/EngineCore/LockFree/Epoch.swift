// Epoch-based reclamation (Fraser, Cambridge TR-579, 2004; crossbeam-epoch is kin): what was unlinked from a shared structure
// is freed once every worker that might have seen it has left the section in which it did.
//
// The global epoch moves from e to e + 1 only when every worker inside a section entered it in e. So while a worker is in a
// section entered in e, the global epoch is at most e + 1, and what is retired in epoch r may be freed at r + 2.

import Platform
import Synchronization

package final class Epoch: @unchecked Sendable {
    private let global = Atomic<UInt64>(2)
    private let slots: UnsafeMutablePointer<EpochSlot>
    private let workerCount: Int

    package init(workerCount: Int) {
        self.workerCount = workerCount
        slots = .allocate(capacity: workerCount)
        for index in 0..<workerCount { (slots + index).initialize(to: EpochSlot()) }
    }

    /// Frees all that is retired; no worker may be in a section.
    deinit {
        for index in 0..<workerCount {
            precondition(slots[index].nesting == 0, "an epoch ends with a worker inside")
            free(slots + index, retiredBefore: .max)
        }
        slots.deinitialize(count: workerCount)
        slots.deallocate()
    }

    /// Opens a section on the worker's own core: what its pointers reach stays valid until `exit`. Sections nest, and
    /// fibers of one worker may overlap; but a fiber that parks inside holds up reclamation everywhere.
    @inline(__always) package func enter(_ core: CoreIndex) {
        let slot = slots + core
        slot.pointee.nesting += 1
        // Sequentially consistent: the announcement is visible before the section reads anything.
        if slot.pointee.nesting == 1 {
            slot.pointee.entered.store(global.load(ordering: .relaxed), ordering: .sequentiallyConsistent)
        }
    }

    @inline(__always) package func exit(_ core: CoreIndex) {
        let slot = slots + core
        slot.pointee.nesting -= 1
        if slot.pointee.nesting == 0 { slot.pointee.entered.store(0, ordering: .releasing) }
    }

    /// Frees `object` by `free` when nobody can reach it any more. It is unlinked already; called on worker `core`.
    package func retire(_ core: CoreIndex, _ object: UnsafeMutableRawPointer, _ free: @escaping Free) {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        let epoch = global.load(ordering: .sequentiallyConsistent)
        let slot = slots + core
        slot.pointee.append(Retired(object: object, free: free, epoch: epoch))
        if slot.pointee.count & 63 == 0 { collect(core) }
    }

    package typealias Free = @convention(c) (UnsafeMutableRawPointer) -> Void

    /// Tries to move the epoch on, and frees what this worker retired long enough ago. Returns what is left to free.
    @discardableResult
    package func collect(_ core: CoreIndex) -> Int {
        let epoch = global.load(ordering: .sequentiallyConsistent)
        var mayAdvance = true
        for index in 0..<workerCount {
            let entered = slots[index].entered.load(ordering: .sequentiallyConsistent)
            if entered != 0 && entered != epoch { mayAdvance = false }
        }
        if mayAdvance {
            _ = global.compareExchange(expected: epoch, desired: epoch + 1, ordering: .sequentiallyConsistent)
        }
        let now = global.load(ordering: .acquiring)
        free(slots + core, retiredBefore: now - 1)
        return slots[core].count
    }

    /// `free` functions may retire more: the entry is out of the ring before it is called.
    private func free(_ slot: UnsafeMutablePointer<EpochSlot>, retiredBefore epoch: UInt64) {
        while let entry = slot.pointee.take(retiredBefore: epoch) { entry.free(entry.object) }
    }

    fileprivate struct Retired: BitwiseCopyable {
        var object: UnsafeMutableRawPointer
        var free: Free
        var epoch: UInt64
    }
}

private struct EpochSlot: ~Copyable {
    /// Epoch at which the worker's open section began; 0 outside.
    let entered = Atomic<UInt64>(0)
    var nesting = 0
    // A ring of retired objects, oldest first: their epochs never decrease.
    var retired: UnsafeMutablePointer<Epoch.Retired>
    var capacity = 128
    var head = 0
    var count = 0
    private let padding = (
        UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0)
    )

    init() { retired = .allocate(capacity: capacity) }
    deinit { retired.deallocate() }

    mutating func append(_ entry: Epoch.Retired) {
        if count == capacity {
            let larger = UnsafeMutablePointer<Epoch.Retired>.allocate(capacity: 2 * capacity)
            for index in 0..<count { (larger + index).initialize(to: retired[(head + index) & (capacity - 1)]) }
            retired.deallocate()
            retired = larger
            head = 0
            capacity *= 2
        }
        (retired + ((head + count) & (capacity - 1))).initialize(to: entry)
        count += 1
    }

    /// Removes the oldest entry if it was retired in an epoch before `epoch`.
    mutating func take(retiredBefore epoch: UInt64) -> Epoch.Retired? {
        if count == 0 || retired[head].epoch >= epoch { return nil }
        let entry = retired[head]
        head = (head + 1) & (capacity - 1)
        count -= 1
        return entry
    }
}
