// Undo information in a log record: enough to undo the change through the tree after a crash, wherever the entry has
// moved to, and to tell a replica what happened. Little-endian:
//
//      0  u32 tree
//      4  u8  action         UndoAction
//      5  u8  flags          bit 0: the old row was spilled, and what follows is its stub
//      6  u16 key length
//      8  u64 root page
//     16  u64 old writer     header of the version before; a tombstone says there was no row
//     24  u32 old length
//     28  key, then old row
//
// The old header's undo address is not kept: nothing follows it after a restart.

import BTree
import Platform
import WALEngine

package struct LogUndo {
    package let tree: TreeID
    package let root: PageID
    package let action: UndoAction
    package let isSpilled: Bool
    package let oldWriter: UInt64
    package let key: UnsafeRawBufferPointer
    /// Bytes of the old row; empty unless `action` is `replace`. Of a run, its length.
    package let oldRow: UnsafeRawBufferPointer

    static let headerByteCount = 28

    /// XX001 if the bytes are not undo information.
    package init(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
        guard bytes.count >= Self.headerByteCount, let base = bytes.baseAddress,
            let action = UndoAction(rawValue: base.little(4, as: UInt8.self))
        else { throw Self.malformed }
        let keyLength = Int(base.little(6, as: UInt16.self))
        let oldLength = Int(base.little(24, as: UInt32.self))
        guard bytes.count == Self.headerByteCount + keyLength + oldLength else { throw Self.malformed }
        tree = TreeID(base.little(0, as: UInt32.self))
        root = PageID(base.little(8, as: UInt64.self))
        self.action = action
        isSpilled = base.little(5, as: UInt8.self) & 1 != 0
        oldWriter = base.little(16, as: UInt64.self)
        key = UnsafeRawBufferPointer(start: base + Self.headerByteCount, count: keyLength)
        oldRow = UnsafeRawBufferPointer(start: base + Self.headerByteCount + keyLength, count: oldLength)
    }

    private static var malformed: EngineError {
        EngineError(.dataCorrupted, "malformed undo information in the log", severity: .panic)
    }

    @inline(__always)
    static func byteCount(keyLength: Int, oldLength: Int) -> Int { headerByteCount + keyLength + oldLength }

    @inline(__always)
    static func append(
        to record: inout LogRecordBuilder, _ tree: BTree, _ action: UndoAction, oldWriter: UInt64,
        key: UnsafeRawBufferPointer, oldRow: UnsafeRawBufferPointer, isSpilled: Bool
    ) {
        let base = record.appendUndo(byteCount: byteCount(keyLength: key.count, oldLength: oldRow.count))
        base.setLittle(0, tree.treeID.rawValue)
        base.setLittle(4, action.rawValue)
        base.setLittle(5, UInt8(isSpilled ? 1 : 0))
        base.setLittle(6, UInt16(key.count))
        base.setLittle(8, tree.root.rawValue)
        base.setLittle(16, oldWriter)
        base.setLittle(24, UInt32(oldRow.count))
        if key.count > 0 {
            (base + headerByteCount).copyMemory(from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
        }
        if oldRow.count > 0 {
            (base + headerByteCount + key.count).copyMemory(
                from: oldRow.baseAddress.unsafelyUnwrapped, byteCount: oldRow.count)
        }
    }
}
