// Entries under consecutive eight-byte keys, inserted or removed as one operation: how a table takes many rows at once. Rowids are
// given out in blocks, so nothing lies between the entries of a run.
//
// Operands of `insertRun`, little-endian and not aligned:
//
//   0   u16 slot
//   2   u16 count
//   4   u64 first key, as a number; the key is its big-endian bytes
//   12  16 bytes that every payload begins with, where row versions keep their header
//   28  per entry: u16 length of the rest of its payload, the rest

import Platform
import WALEngine

struct EntryRun {
    static let headerByteCount = 28
    static let keyByteCount = 8
    static let sharedByteCount = 16

    let base: UnsafeRawPointer
    let byteCount: Int

    var slot: Int { Int(base.little(0, as: UInt16.self)) }
    var count: Int { Int(base.little(2, as: UInt16.self)) }
    var firstKey: UInt64 { base.little(4, as: UInt64.self) }
    var entries: UnsafeRawPointer { base + Self.headerByteCount }

    init(_ base: UnsafeRawPointer, _ byteCount: Int) {
        self.base = base
        self.byteCount = byteCount
    }

    /// Free bytes that the run takes in a page with that prefix; nil if the operands are malformed.
    func spaceNeeded(prefixLength: Int) -> Int? {
        guard byteCount >= Self.headerByteCount, prefixLength <= Self.keyByteCount, count > 0 else { return nil }
        let fixed = TreePage.slotByteCount + Self.keyByteCount - prefixLength + Self.sharedByteCount
        var at = Self.headerByteCount
        var total = 0
        for _ in 0..<count {
            guard byteCount - at >= 2 else { return nil }
            let length = Int(base.little(at, as: UInt16.self))
            at += 2 + length
            guard at <= byteCount, length < Int(TreePage.spilledFlag) - Self.sharedByteCount else { return nil }
            total += fixed + length
        }
        return at == byteCount ? total : nil
    }
}

extension TreePage {
    /// Inserts the run, which is well-formed and fits.
    func insert(_ run: EntryRun, spaceNeeded: Int) {
        let oldCount = slotCount
        let (index, count) = (run.slot, run.count)
        precondition(index <= oldCount && spaceNeeded <= freeByteCount, "no room in the page")
        if contiguousFreeByteCount < spaceNeeded { compact() }
        let prefixLength = prefixLength
        var bounds = (run.firstKey.bigEndian, (run.firstKey &+ UInt64(count - 1)).bigEndian)
        withUnsafeBytes(of: &bounds) { bytes in
            let base = bytes.baseAddress.unsafelyUnwrapped
            share(
                TreeKey(base: base, count: EntryRun.keyByteCount).dropFirst(prefixLength),
                TreeKey(base: base + 8, count: EntryRun.keyByteCount).dropFirst(prefixLength))
        }
        slot(index + count).copyMemory(from: slot(index), byteCount: (oldCount - index) * Self.slotByteCount)
        setSlotCount(oldCount + count)
        let suffixByteCount = EntryRun.keyByteCount - prefixLength
        let shared = (
            run.base.loadUnaligned(fromByteOffset: 12, as: UInt64.self),
            run.base.loadUnaligned(fromByteOffset: 20, as: UInt64.self)
        )
        var at = run.entries
        var top = heapStart
        var total = 0
        for number in 0..<count {
            let length = Int(at.little(0, as: UInt16.self))
            let payloadByteCount = EntryRun.sharedByteCount + length
            top -= suffixByteCount + payloadByteCount
            total += suffixByteCount + payloadByteCount
            var key = (run.firstKey &+ UInt64(number)).bigEndian
            withUnsafeBytes(of: &key) { bytes in
                (base + top).copyMemory(
                    from: bytes.baseAddress.unsafelyUnwrapped + prefixLength, byteCount: suffixByteCount)
            }
            let payload = base + (top + suffixByteCount)
            payload.storeBytes(of: shared.0, as: UInt64.self)
            payload.storeBytes(of: shared.1, toByteOffset: 8, as: UInt64.self)
            (payload + EntryRun.sharedByteCount).copyMemory(from: at + 2, byteCount: length)
            writeSlot(
                index + number, offset: top, suffixByteCount: suffixByteCount, payloadByteCount: payloadByteCount,
                spilled: false)
            at += 2 + length
        }
        base.setLittle(Offset.heapStart, UInt16(top))
        addHeapBytes(total)
        updateHints(from: index, oldCount: oldCount)
    }

    /// The first key that is not to be inserted before slot `index` of a tree of eight-byte keys.
    func keyBound(_ index: Int) -> UInt64 {
        if index < slotCount {
            var key: UInt64 = 0
            for (position, byte) in prefix.bytes.enumerated() where position < 8 {
                key |= UInt64(byte) << (56 - 8 * position)
            }
            for (position, byte) in suffix(index).bytes.enumerated() where position + prefixLength < 8 {
                key |= UInt64(byte) << (56 - 8 * (position + prefixLength))
            }
            return key
        }
        if !hasUpperFence { return UInt64.max }
        // A fence may be cut short; what is missing counts as zeros.
        var bound: UInt64 = 0
        for (position, byte) in upperFence.bytes.enumerated() where position < 8 {
            bound |= UInt64(byte) << (56 - 8 * position)
        }
        return bound
    }
}

extension LeafGuard {
    /// How many of the entries that begin at `rows` (as in `insertRun`) can go into the leaf before `slot`, and their bytes there.
    package func fit(_ slot: Int, firstKey: UInt64, _ rows: UnsafeRawBufferPointer) -> (count: Int, byteCount: Int) {
        let bound = node.keyBound(slot)
        let fixed = TreePage.slotByteCount + EntryRun.keyByteCount - node.prefixLength + EntryRun.sharedByteCount
        var free = node.freeByteCount
        var at = 0
        var count = 0
        while at < rows.count && firstKey + UInt64(count) < bound {
            let length = Int(rows.baseAddress.unsafelyUnwrapped.little(at, as: UInt16.self))
            free -= fixed + length
            if free < 0 { break }
            at += 2 + length
            count += 1
        }
        return (count, at)
    }

    /// Inserts `count` entries under `firstKey` and the keys after it. `shared` is what each payload begins with, `rows` the rest
    /// of each behind its length (u16, little-endian).
    package mutating func insertRun(
        into record: inout LogRecordBuilder, at slot: Int, firstKey: UInt64, count: Int, shared: (UInt64, UInt64),
        _ rows: UnsafeRawBufferPointer
    ) {
        let byteCount = EntryRun.headerByteCount + rows.count
        let operands = record.appendPageOperation(page: page, opcode: PageOpcode.insertRun, byteCount: byteCount)
        operands.setLittle(0, UInt16(slot))
        operands.setLittle(2, UInt16(count))
        operands.setLittle(4, firstKey)
        operands.setLittle(12, shared.0)
        operands.setLittle(20, shared.1)
        (operands + EntryRun.headerByteCount).copyMemory(
            from: rows.baseAddress.unsafelyUnwrapped, byteCount: rows.count)
        perform(PageOpcode.insertRun, operands, byteCount)
    }

    /// Removes `count` entries from `slot` on.
    package mutating func removeRun(into record: inout LogRecordBuilder, at slot: Int, count: Int) {
        let operands = record.appendPageOperation(page: page, opcode: PageOpcode.removeRun, byteCount: 4)
        operands.setLittle(0, UInt16(slot))
        operands.setLittle(2, UInt16(count))
        noteUse()
        perform(PageOpcode.removeRun, operands, 4)
    }
}
