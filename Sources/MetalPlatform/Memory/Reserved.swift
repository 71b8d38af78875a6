// Reserved address ranges: buffer pool, undo, fiber stacks. A page gets memory when it is touched and loses it by `discard`.
//
// No interprocessor interrupt is ever sent for a page that goes (vmcache, SIGMOD 2023, section 6, says what they cost).
// A discarded page's frame stays in limbo until every core has dropped its TLB since, which each does once in a turn of
// its loop; then the frame is free. Until then a core may still reach the frame by its TLB's old entry, and no fault tells: so
// a page that is used again gets its entry back first, by `Platform.restore`, and the same frame with it. A range given back is
// kept from reuse the same way.
//
// Epochs: `epoch` counts closed batches. A core that has loaded CR3 after reading epoch e has seen e. A core that halts or
// runs no worker has dropped its TLB before and drops it again when it comes back, so it holds nothing up.

import CMetal
import Platform
import Synchronization

struct ReservedRange: BitwiseCopyable {
    var base: UInt
    /// Including what rounding to large pages adds.
    var end: UInt
}

/// Pages and ranges that one core has given up.
struct LimboBatch: BitwiseCopyable {
    /// Addresses; bit 0 set: a whole range begins there.
    var entries: UnsafeMutablePointer<UInt>?
    var count = 0
    var capacity = 0
    /// The batch's number in its core, part of its entries' tag.
    var number: UInt64 = 0
    /// Epoch that every core must have seen; 0 while the batch is open.
    var epoch: UInt64 = 0
}

struct CoreMemoryState: ~Copyable {
    /// Newest epoch after which the core has dropped its TLB; the maximum while it halts or runs nothing.
    let seen = Atomic<UInt64>(.max)
    var open = LimboBatch()
    var closed = LimboBatch()
    var batches: UInt64 = 0
    /// Pages that the core touches first get their memory there.
    let node: Int
    private let padding = (UInt64(0), UInt64(0), UInt64(0))
    init(node: Int) { self.node = node }
}

struct ReservedSpace: ~Copyable {
    private let tables: UnsafeMutablePointer<PageTables>
    private let frames: UnsafeMutablePointer<Frames>
    private let guardLock = SpinLock()
    /// Sorted by base.
    private let ranges: UnsafeMutablePointer<ReservedRange>
    private var rangeCount = 0
    private let epoch = Atomic<UInt64>(1)
    let cores: UnsafeMutablePointer<CoreMemoryState>
    private(set) var coreCount: Int

    private static let maxRanges = 32768

    init(
        tables: UnsafeMutablePointer<PageTables>, frames: UnsafeMutablePointer<Frames>, nodeOfCore: [Int]
    ) {
        self.tables = tables
        self.frames = frames
        coreCount = nodeOfCore.count
        ranges = .allocate(capacity: Self.maxRanges)
        cores = .allocate(capacity: coreCount)
        for core in 0..<coreCount { (cores + core).initialize(to: CoreMemoryState(node: nodeOfCore[core])) }
    }

    // MARK: Ranges

    mutating func reserve(byteCount: Int) -> UInt? {
        let large = UInt(largePageByteCount)
        let size = roundUp(UInt(byteCount), large)
        guardLock.lock()
        defer { guardLock.unlock() }
        if rangeCount == Self.maxRanges { return nil }
        var index = 0
        var base = reservedBase
        // A large page between ranges stays free: running over an end is a fault.
        while index < rangeCount && ranges[index].base < base + size + large {
            base = ranges[index].end + large
            index += 1
        }
        if base + size > reservedEnd { return nil }
        for at in stride(from: rangeCount, to: index, by: -1) { ranges[at] = ranges[at - 1] }
        ranges[index] = ReservedRange(base: base, end: base + size)
        rangeCount += 1
        return base
    }

    func contains(_ address: UInt) -> Bool {
        guardLock.lock()
        defer { guardLock.unlock() }
        return index(of: address) != nil
    }

    private func index(of address: UInt) -> Int? {
        var low = 0
        var high = rangeCount
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].end <= address { low = middle + 1 } else { high = middle }
        }
        return low < rangeCount && ranges[low].base <= address ? low : nil
    }

    /// Gives back a range with all its memory, once no core knows it.
    mutating func release(_ base: UInt, core: Int) {
        guardLock.lock()
        let found = index(of: base).map { ranges[$0] }
        guardLock.unlock()
        guard let range = found, range.base == base else {
            preconditionFailure("deallocation of what was not reserved")
        }
        discard(from: range.base, to: range.end, core: core, isRange: true)
        note(base | 1, core)
        turn(core)
    }

    private mutating func removeRange(_ base: UInt) {
        guardLock.lock()
        guard let at = index(of: base) else { preconditionFailure("a range is gone before its end") }
        let range = ranges[at]
        for next in at..<(rangeCount - 1) { ranges[next] = ranges[next + 1] }
        rangeCount -= 1
        tables.pointee.removeTables(from: range.base, to: range.end)
        guardLock.unlock()
    }

    // MARK: Pages

    /// For the page-fault handler and for devices' addresses: the physical address, with memory brought.
    mutating func materialise(_ address: UInt, core: Int) -> PhysicalAddress? {
        guard contains(address) else { return nil }
        let node = cores[core].node
        if let physical = tables.pointee.materialise(address, node: node) { return physical }
        // Perhaps what this core holds in limbo helps.
        turn(core)
        return tables.pointee.materialise(address, node: node)
    }

    mutating func discard(from base: UInt, to end: UInt, core: Int, isRange: Bool = false) {
        var at = base
        let tag = PageEntry.tag(core: core, batch: cores[core].batches)
        while at < end {
            let (slot, skip) = tables.pointee.existingEntry(at)
            guard let slot else {
                at += skip
                continue
            }
            let value = dbk_atomic_load(slot)
            if value & PageEntry.present != 0 {
                let limbo = value & PageEntry.addressMask | PageEntry.limbo | tag
                if dbk_atomic_replace(slot, value, limbo) == 0 { continue }
                dbk_invlpg(at)
                note(at, core)
            } else if isRange && value & PageEntry.guardPage != 0 {
                dbk_atomic_store(slot, 0)
            } else if isRange && value & PageEntry.limbo != 0 {
                // In an older batch, perhaps another core's: from now on it is this one's.
                if dbk_atomic_replace(slot, value, value & ~PageEntry.tagMask | tag) == 0 { continue }
                note(at, core)
            }
            at += UInt(pageSize)
        }
    }

    /// Makes the pages fault from now on. They must not be in memory.
    func protect(_ base: UInt, pageCount: Int) {
        for page in 0..<pageCount {
            guard let slot = tables.pointee.entry(base + UInt(page * pageSize), level: 0) else { return }
            dbk_atomic_store(slot, PageEntry.guardPage)
        }
    }

    // MARK: Limbo

    private mutating func note(_ entry: UInt, _ core: Int) {
        let state = cores + core
        if state.pointee.open.count == state.pointee.open.capacity {
            let capacity = max(512, state.pointee.open.capacity * 2)
            let grown = UnsafeMutablePointer<UInt>.allocate(capacity: capacity)
            if let old = state.pointee.open.entries {
                grown.update(from: old, count: state.pointee.open.count)
                old.deallocate()
            }
            state.pointee.open.entries = grown
            state.pointee.open.capacity = capacity
        }
        state.pointee.open.entries.unsafelyUnwrapped[state.pointee.open.count] = entry
        state.pointee.open.count += 1
    }

    /// Once in a turn of the core's loop: drops the TLB if others wait for it, frees what all have let go of.
    mutating func turn(_ core: Int) {
        let state = cores + core
        if state.pointee.closed.count == 0 && state.pointee.open.count > 0 { closeBatch(core) }
        let now = epoch.load(ordering: .acquiring)
        let seen = state.pointee.seen.load(ordering: .relaxed)
        if seen != now {
            dbk_write_cr3(UInt64(tables.pointee.root))
            // A core that halts or runs nothing keeps its mark.
            if seen != .max { state.pointee.seen.store(now, ordering: .releasing) }
        }
        if state.pointee.closed.count > 0 { reap(core) }
    }

    /// True while frames of this core wait for other cores.
    func hasLimbo(_ core: Int) -> Bool { cores[core].closed.count + cores[core].open.count > 0 }

    /// The core halts or leaves its worker: nobody waits for it any more.
    func leave(_ core: Int) { cores[core].seen.store(.max, ordering: .releasing) }

    /// The core is back: whatever it knew may be gone.
    func enter(_ core: Int) {
        // The mark first: a batch closed after it waits for this core; one closed before it is dropped here.
        cores[core].seen.store(0, ordering: .sequentiallyConsistent)
        let now = epoch.load(ordering: .sequentiallyConsistent)
        dbk_write_cr3(UInt64(tables.pointee.root))
        cores[core].seen.store(now, ordering: .releasing)
    }

    private mutating func closeBatch(_ core: Int) {
        let state = cores + core
        let closed = state.pointee.closed
        state.pointee.closed = state.pointee.open
        state.pointee.closed.number = state.pointee.batches
        state.pointee.closed.epoch = epoch.add(1, ordering: .sequentiallyConsistent).newValue
        state.pointee.batches += 1
        state.pointee.open = closed
    }

    private mutating func reap(_ core: Int) {
        let state = cores + core
        for other in 0..<coreCount where other != core {
            if cores[other].seen.load(ordering: .sequentiallyConsistent) < state.pointee.closed.epoch { return }
        }
        let tag = PageEntry.tag(core: core, batch: state.pointee.closed.number)
        let entries = state.pointee.closed.entries.unsafelyUnwrapped
        let count = state.pointee.closed.count
        state.pointee.closed.count = 0
        for index in 0..<count {
            let address = entries[index]
            if address & 1 != 0 {
                removeRange(address & ~1)
                continue
            }
            guard let slot = tables.pointee.existingEntry(address).slot else { continue }
            let value = dbk_atomic_load(slot)
            // Touched since: the page has its frame back, or is in a later batch.
            if value & PageEntry.limbo == 0 || value & PageEntry.tagMask != tag { continue }
            if dbk_atomic_replace(slot, value, 0) != 0 {
                frames.pointee.free(UInt(value & PageEntry.addressMask), order: 0)
            }
        }
    }
}
