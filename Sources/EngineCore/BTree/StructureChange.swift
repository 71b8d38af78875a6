// One atomic change of several pages: all of them latched, one system record, all unlatched.
//
// No deadlock, whatever the order in which pages are latched: a change first reads all its pages optimistically, which may
// park, and then upgrades each token without waiting. If one upgrade fails it lets go of everything and starts over. Only
// pages that nobody else can be waiting for, those just reserved from the allocator, are held across a wait.
//
// No change of a page is visible or written back before its record is in the log: the pages are exclusively latched from
// before the first operation until after the append, and nothing parks in between, because room in the log was ensured
// before the first latch.

import BufferPool
import DirectStorage
import Platform
import WALEngine

/// The pages of one change. At most `capacity`; a plain value without reference counts. Ends with `commit` or `abandon`.
struct StructureChange: ~Copyable {
    static let capacity = 12

    private let pool: PoolView
    private unowned(unsafe) let log: Log
    private var pages = InlineArray<12, PageID>(repeating: .none)
    private var changed: UInt32 = 0
    private var new: UInt32 = 0
    private var count = 0

    init(pool: PoolView, log: Log) {
        self.pool = pool
        self.log = log
    }

    /// Latches a page that was read under `token`, without waiting. True if the page is still as it was read; also if the
    /// page is part of the change already, with the token from before.
    mutating func latch(_ page: PageID, _ token: UInt64) -> Bool {
        if contains(page) { return true }
        if !pool.tryUpgrade(page, token) { return false }
        add(page)
        return true
    }

    /// Latches a reserved page, which need not be in memory; its first operation is an image. Parks: before all `latch`es, and
    /// after `Log.ensureRoom`: the page may be dirty from an earlier life, and the zone is freed by checkpoints that write it.
    mutating func latchNew(_ page: PageID) throws(EngineError) {
        precondition(count == Int(new.nonzeroBitCount), "new pages come first")
        try pool.pool.latchNew(page)
        new |= 1 << UInt32(count)
        add(page)
    }

    private mutating func add(_ page: PageID) {
        precondition(count < Self.capacity, "too many pages in one change")
        pages[count] = page
        count += 1
    }

    func contains(_ page: PageID) -> Bool { index(of: page) >= 0 }

    private func index(of page: PageID) -> Int {
        for index in 0..<count where pages[index] == page { return index }
        return -1
    }

    func pointer(_ page: PageID) -> UnsafeMutableRawPointer {
        precondition(contains(page), "the page is not latched")
        return pool.pointer(page)
    }

    // MARK: Operations: each is written to the record and performed from there

    /// Room for the operands of an operation; `perform` it once they are written.
    mutating func operation(
        _ record: inout LogRecordBuilder, _ page: PageID, _ opcode: UInt16, byteCount: Int
    ) -> UnsafeMutableRawBufferPointer {
        let index = index(of: page)
        precondition(index >= 0, "the page is not latched")
        changed |= 1 << UInt32(index)
        return UnsafeMutableRawBufferPointer(
            start: record.appendPageOperation(page: page, opcode: opcode, byteCount: byteCount), count: byteCount)
    }

    func perform(_ page: PageID, _ opcode: UInt16, _ operands: UnsafeMutableRawBufferPointer) {
        BTreeRedo.perform(pool.pointer(page), opcode, UnsafeRawBufferPointer(operands))
    }

    /// The page becomes a copy of `source`, except for the checksum and page LSN.
    mutating func image(
        _ record: inout LogRecordBuilder, _ page: PageID, of source: UnsafeRawPointer, low: Int, high: Int
    ) {
        let operands = operation(&record, page, PageOpcode.image, byteCount: 4 + low + pageSize - high)
        let base = operands.baseAddress.unsafelyUnwrapped
        base.setLittle(0, UInt16(low))
        base.setLittle(2, UInt16(high))
        (base + 4).copyMemory(from: source, byteCount: low)
        (base + 4 + low).copyMemory(from: source + high, byteCount: pageSize - high)
        perform(page, PageOpcode.image, operands)
    }

    mutating func image(_ record: inout LogRecordBuilder, _ page: PageID, of node: TreePage) {
        image(&record, page, of: node.base, low: node.slotsEnd, high: node.heapStart)
    }

    mutating func insert(
        _ record: inout LogRecordBuilder, _ page: PageID, at slot: Int, suffix: TreeKey,
        payload: UnsafeRawBufferPointer,
        spilled: Bool = false
    ) {
        let operands = operation(&record, page, PageOpcode.insert, byteCount: 6 + suffix.count + payload.count)
        Operands.insert(operands.baseAddress.unsafelyUnwrapped, slot, suffix, payload, spilled)
        perform(page, PageOpcode.insert, operands)
    }

    /// Inserts the separator `key`, right of which `child` lies, before slot `slot` of an inner node.
    mutating func insertChild(
        _ record: inout LogRecordBuilder, _ page: PageID, at slot: Int, _ key: TreeKey, _ child: PageID
    ) {
        var raw = child.rawValue.littleEndian
        let suffix = key.dropFirst(TreePage(pool.pointer(page)).prefixLength)
        withUnsafeBytes(of: &raw) { insert(&record, page, at: slot, suffix: suffix, payload: $0) }
    }

    mutating func remove(_ record: inout LogRecordBuilder, _ page: PageID, at slot: Int) {
        let operands = operation(&record, page, PageOpcode.remove, byteCount: 2)
        operands.baseAddress.unsafelyUnwrapped.setLittle(0, UInt16(slot))
        perform(page, PageOpcode.remove, operands)
    }

    mutating func truncate(_ record: inout LogRecordBuilder, _ page: PageID, keep: Int, upper: TreeKey) {
        let operands = operation(&record, page, PageOpcode.truncate, byteCount: 2 + upper.count)
        let base = operands.baseAddress.unsafelyUnwrapped
        base.setLittle(0, UInt16(keep))
        (base + 2).copyMemory(from: upper.base, byteCount: upper.count)
        perform(page, PageOpcode.truncate, operands)
    }

    /// The page leaves its tree. The allocator's part of it is `PageAllocator.free`.
    mutating func release(_ record: inout LogRecordBuilder, _ page: PageID) {
        perform(page, PageOpcode.release, operation(&record, page, PageOpcode.release, byteCount: 0))
    }

    // MARK: The end

    /// Appends the record, marks the changed pages and unlatches all. Nothing parks.
    @discardableResult
    mutating func commit(_ record: inout LogRecordBuilder) -> (start: LSN, end: LSN) {
        let (start, end) = log.append(&record)
        for index in 0..<count {
            let page = pages[index]
            if changed >> UInt32(index) & 1 != 0 {
                let stamp = Mutation.isActive(.pageLSNTooHigh) ? LSN(end.rawValue + 4096) : end
                PageHeader.setPageLSN(pool.pointer(page), stamp)
                pool.markDirty(page, recLSN: start)
            }
            pool.unlatchExclusive(page)
        }
        clear()
        return (start, end)
    }

    /// Unlatches all; no operation has been performed.
    mutating func abandon() {
        precondition(changed == 0, "a change that has begun is committed")
        for index in 0..<count {
            if new >> UInt32(index) & 1 != 0 { forget(pages[index]) }
            pool.unlatchExclusive(pages[index])
        }
        clear()
    }

    /// A page that was latched as new has been wiped. If it is still dirty from an earlier life, it will be written like
    /// this: the page LSN tells redo to leave that life's operations alone.
    private func forget(_ page: PageID) {
        PageHeader.initialize(pool.pointer(page), id: page, type: .free)
        PageHeader.setPageLSN(pool.pointer(page), log.insertLSN)
    }

    private mutating func clear() {
        count = 0
        changed = 0
        new = 0
    }
}

/// Writes operands where there is more than one place that does.
enum Operands {
    @inline(__always)
    static func insert(
        _ base: UnsafeMutableRawPointer, _ slot: Int, _ suffix: TreeKey, _ payload: UnsafeRawBufferPointer,
        _ spilled: Bool
    ) {
        base.setLittle(0, UInt16(slot))
        base.setLittle(2, UInt16(suffix.count))
        base.setLittle(4, UInt16(payload.count) | (spilled ? TreePage.spilledFlag : 0))
        (base + 6).copyMemory(from: suffix.base, byteCount: suffix.count)
        if payload.count > 0 {
            (base + 6 + suffix.count).copyMemory(from: payload.baseAddress.unsafelyUnwrapped, byteCount: payload.count)
        }
    }
}
