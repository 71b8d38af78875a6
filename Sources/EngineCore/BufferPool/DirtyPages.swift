// Which pages were changed since they were last written, by the start LSN of the first record that changed them (recLSN,
// Mohan et al., ARIES, TODS 1992). The least one bounds where redo must begin.
//
// One list per worker, linked through arrays that are indexed by page number and sorted by recLSN: a worker marks pages
// in the order of its records, so an insertion walks from the tail and stops at once. Heads are the oldest.
//
// Invariant: a page is in a list iff its recLSN word is not zero. Words change only under the page's latch (exclusive to
// mark, at least shared to clear) and the list's spin latch; they may be read as a hint without either.

import CPrimitives
import Platform
import Synchronization

package struct DirtyPages: @unchecked Sendable {
    /// (recLSN + 1) | list << 56; zero if the page is clean.
    @usableFromInline let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let links: UnsafeMutablePointer<Link>
    private let lists: UnsafeMutablePointer<List>
    private let listCount: Int

    /// Neighbours by page number; 0 ends a list (page 0 is never dirty).
    struct Link {
        var previous: UInt32
        var next: UInt32
    }

    struct List: ~Copyable {
        let latch = Atomic<Bool>(false)
        var head: UInt32 = 0
        var tail: UInt32 = 0
        let count = Atomic<Int>(0)
        private let padding = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))

        func lock() { while latch.exchange(true, ordering: .acquiring) { spinHint() } }
        func unlock() { latch.store(false, ordering: .releasing) }
    }

    private static let lsnMask: UInt64 = (1 << 56) - 1

    /// Bytes of zeroed memory for each page: 16, touched when a page first gets dirty.
    static let byteCountPerPage = 16

    init(memory: UnsafeMutableRawPointer, pageCount: Int, listCount: Int) {
        precondition(pageCount <= Int(UInt32.max))
        words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: pageCount)
        links = (memory + pageCount * 8).bindMemory(to: Link.self, capacity: pageCount)
        self.listCount = min(listCount, 256)
        lists = .allocate(capacity: self.listCount)
        for index in 0..<self.listCount { (lists + index).initialize(to: List()) }
    }

    func deallocate() {
        lists.deinitialize(count: listCount)
        lists.deallocate()
    }

    @inlinable @inline(__always)
    func isDirty(_ page: PageID) -> Bool {
        words[Int(truncatingIfNeeded: page.rawValue)].load(ordering: .relaxed) != 0
    }

    /// Nil if the page is clean. Exact under the page's latch.
    func recLSN(_ page: PageID) -> LSN? {
        let word = words[Int(page.rawValue)].load(ordering: .relaxed)
        return word == 0 ? nil : LSN((word & Self.lsnMask) - 1)
    }

    /// Marks a clean page.
    func insert(_ page: PageID, _ recLSN: LSN, worker: Int) {
        assert(page.rawValue > 0 && recLSN.rawValue < Self.lsnMask - 1)
        let listIndex = worker % listCount
        let list = lists + listIndex
        let key = recLSN.rawValue + 1
        let number = UInt32(page.rawValue)
        list.pointee.lock()
        assert(words[Int(number)].load(ordering: .relaxed) == 0)
        var before = list.pointee.tail
        while before != 0 && words[Int(before)].load(ordering: .relaxed) & Self.lsnMask > key {
            before = links[Int(before)].previous
        }
        let after = before == 0 ? list.pointee.head : links[Int(before)].next
        links[Int(number)] = Link(previous: before, next: after)
        if before == 0 { list.pointee.head = number } else { links[Int(before)].next = number }
        if after == 0 { list.pointee.tail = number } else { links[Int(after)].previous = number }
        words[Int(number)].store(key | UInt64(listIndex) << 56, ordering: .relaxed)
        list.pointee.count.add(1, ordering: .relaxed)
        list.pointee.unlock()
    }

    /// Clears a dirty page.
    func remove(_ page: PageID) {
        let number = Int(page.rawValue)
        let word = words[number].load(ordering: .relaxed)
        assert(word != 0)
        let list = lists + Int(word >> 56)
        list.pointee.lock()
        let link = links[number]
        if link.previous == 0 { list.pointee.head = link.next } else { links[Int(link.previous)].next = link.next }
        if link.next == 0 { list.pointee.tail = link.previous } else { links[Int(link.next)].previous = link.previous }
        words[number].store(0, ordering: .relaxed)
        list.pointee.count.subtract(1, ordering: .relaxed)
        list.pointee.unlock()
    }

    /// The least recLSN of all lists; nil if no page is dirty.
    func oldest() -> LSN? {
        var least: UInt64?
        for index in 0..<listCount {
            let list = lists + index
            list.pointee.lock()
            let head = list.pointee.head
            if head != 0 {
                let key = words[Int(head)].load(ordering: .relaxed) & Self.lsnMask
                least = min(least ?? key, key)
            }
            list.pointee.unlock()
        }
        return least.map { LSN($0 - 1) }
    }

    /// The greatest recLSN of all lists; nil if no page is dirty.
    func newest() -> LSN? {
        var greatest: UInt64?
        for index in 0..<listCount {
            let list = lists + index
            list.pointee.lock()
            let tail = list.pointee.tail
            if tail != 0 {
                let key = words[Int(tail)].load(ordering: .relaxed) & Self.lsnMask
                greatest = max(greatest ?? key, key)
            }
            list.pointee.unlock()
        }
        return greatest.map { LSN($0 - 1) }
    }

    var count: Int {
        var sum = 0
        for index in 0..<listCount { sum += lists[index].count.load(ordering: .relaxed) }
        return sum
    }

    /// Appends to `batch` up to `limit` of the oldest dirty pages with recLSN up to `bound`, from the heads of all lists in
    /// equal shares. They may be cleaned by others meanwhile.
    func collectOldest(upTo bound: LSN, limit: Int, into batch: inout PageBatch) {
        for index in 0..<listCount {
            let share = (limit - batch.count) / (listCount - index)
            let list = lists + index
            list.pointee.lock()
            var number = list.pointee.head
            var taken = 0
            while number != 0 && taken < share {
                if words[Int(number)].load(ordering: .relaxed) & Self.lsnMask > bound.rawValue &+ 1 { break }
                batch.append(PageID(UInt64(number)))
                taken += 1
                number = links[Int(number)].next
            }
            list.pointee.unlock()
        }
    }
}
