// A leaf that is exclusively latched so that entries can be read and changed, as part of one log record.
//
//     var leaf = try tree.withLeaf(for: key, reserving: size, logging: recordSize)
//     let (slot, found) = leaf.find(key)
//     var record = log.makeRecord(.update, …)          // undo bytes first
//     leaf.insert(into: &record, at: slot, key, payload)
//     let (start, end) = log.append(&record, publish: …)
//     if leaf.finish(start: start, end: end) { try tree.merge(around: key) }
//
// Between the first operation and `finish` nothing may park or throw. A guard that goes out of scope without an operation
// unlatches.

import BufferPool
import DirectStorage
import Platform
import WALEngine

@usableFromInline
package struct LeafGuard: ~Copyable {
    package let page: PageID
    package let node: TreePage
    let pool: PoolView
    var isChanged = false
    /// Bytes in use when the leaf was latched, if an operation has made it smaller.
    private var usedBefore = 0

    init(_ page: PageID, pool: PoolView) {
        self.page = page
        self.pool = pool
        node = TreePage(pool.pointer(page))
    }

    // Embedded Swift wants to see the deinit of a move-only type wherever one ends.
    @inlinable deinit { unlatch() }
    @usableFromInline func unlatch() {
        precondition(!isChanged, "a changed leaf was not finished")
        pool.unlatchExclusive(page)
    }

    /// Where `key` is, or is to be inserted.
    @inline(__always) package func find(_ key: TreeKey) -> (slot: Int, found: Bool) { node.search(key) }

    /// The entry's payload in the page, valid until the next operation. Writing to it is for what needs no log, such as
    /// stamping a committed writer: such a change may be lost.
    @inline(__always) package func payload(_ slot: Int) -> UnsafeMutableRawBufferPointer { node.payload(slot) }

    /// True if the payload in the page is the spilled form of a long one, see Overflow.swift.
    @inline(__always) package func isSpilled(_ slot: Int) -> Bool { node.isSpilled(slot) }

    // MARK: Operations; there must be room, see `withLeaf`

    package mutating func insert(
        into record: inout LogRecordBuilder, at slot: Int, _ key: TreeKey, _ payload: UnsafeRawBufferPointer,
        spilled: Bool = false
    ) {
        let suffix = key.dropFirst(node.prefixLength)
        let byteCount = 6 + suffix.count + payload.count
        let operands = record.appendPageOperation(page: page, opcode: PageOpcode.insert, byteCount: byteCount)
        Operands.insert(operands, slot, suffix, payload, spilled)
        perform(PageOpcode.insert, operands, byteCount)
    }

    package mutating func remove(into record: inout LogRecordBuilder, at slot: Int) {
        let operands = record.appendPageOperation(page: page, opcode: PageOpcode.remove, byteCount: 2)
        operands.setLittle(0, UInt16(slot))
        noteUse()
        perform(PageOpcode.remove, operands, 2)
    }

    /// Before the first operation that makes the leaf smaller.
    mutating func noteUse() { if usedBefore == 0 { usedBefore = node.usedByteCount } }

    /// Replaces a payload. Only the bytes between the first and the last that differ are logged; of the first 16, where row
    /// versions keep their header, whole words: a word may have been changed in place without a record since, so that at
    /// redo the page has another one than the bytes kept here were compared with.
    package mutating func replace(
        into record: inout LogRecordBuilder, at slot: Int, _ payload: UnsafeRawBufferPointer, spilled: Bool = false
    ) {
        let old = node.payload(slot)
        let common = min(old.count, payload.count)
        var front = Self.equalBytes(old, payload, limit: common)
        if front < 16 { front &= ~7 }
        let backLimit = common - min(max(front, 16), common)
        var back = 0
        while back < backLimit && old[old.count - 1 - back] == payload[payload.count - 1 - back] { back += 1 }
        let middle = payload.count - front - back
        let byteCount = 8 + middle
        let operands = record.appendPageOperation(page: page, opcode: PageOpcode.patch, byteCount: byteCount)
        operands.setLittle(0, UInt16(slot))
        operands.setLittle(2, UInt16(front))
        operands.setLittle(4, UInt16(back))
        operands.setLittle(6, UInt16(spilled ? 1 : 0))
        if middle > 0 {
            (operands + 8).copyMemory(from: payload.baseAddress.unsafelyUnwrapped + front, byteCount: middle)
        }
        if payload.count < old.count { noteUse() }
        perform(PageOpcode.patch, operands, byteCount)
    }

    /// Overwrites the first 16 bytes of a payload, where row versions keep their header.
    package mutating func patch(into record: inout LogRecordBuilder, at slot: Int, _ header: (UInt64, UInt64)) {
        let byteCount = 8 + 16
        let operands = record.appendPageOperation(page: page, opcode: PageOpcode.patch, byteCount: byteCount)
        operands.setLittle(0, UInt16(slot))
        operands.setLittle(2, UInt16(0))
        operands.setLittle(4, UInt16(node.payload(slot).count - 16))
        operands.setLittle(6, UInt16(node.isSpilled(slot) ? 1 : 0))
        operands.setLittle(8, header.0)
        operands.setLittle(16, header.1)
        perform(PageOpcode.patch, operands, byteCount)
    }

    private static func equalBytes(
        _ a: UnsafeMutableRawBufferPointer, _ b: UnsafeRawBufferPointer, limit: Int
    ) -> Int {
        var index = 0
        while index &+ 8 <= limit
            && a.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                == b.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        { index &+= 8 }
        while index < limit && a[index] == b[index] { index &+= 1 }
        return index
    }

    mutating func perform(_ opcode: UInt16, _ operands: UnsafeMutableRawPointer, _ byteCount: Int) {
        isChanged = true
        BTreeRedo.perform(node.base, opcode, UnsafeRawBufferPointer(start: operands, count: byteCount))
    }

    // MARK: The end

    /// After the record was appended: stamps the page with it and unlatches. True if the leaf has become so empty that
    /// `BTree.merge(around:)` is due.
    @discardableResult
    package consuming func finish(start: LSN, end: LSN) -> Bool {
        PageHeader.setPageLSN(node.base, Mutation.isActive(.pageLSNTooLow) ? start : end)
        pool.markDirty(page, recLSN: start)
        isChanged = false
        return isMergeDue(node.usedByteCount)
    }

    /// Asks for a merge when the leaf becomes poor, again each time it has lost another sixteenth of a page, and when it
    /// becomes empty: not after each removal, because siblings may be too full to merge with.
    private func isMergeDue(_ used: Int) -> Bool {
        let step = pageSize / 16
        if usedBefore == 0 || used >= TreePage.mergeThreshold { return false }
        return usedBefore >= TreePage.mergeThreshold || used / step < usedBefore / step || node.slotCount == 0
    }

    /// Unlatches a leaf that was not changed.
    package consuming func release() {}
}
