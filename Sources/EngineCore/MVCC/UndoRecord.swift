// One undo record: what a row was before one change, in the memory of the transaction that changed it.
//
//      0  oldWriter  u64    header of the version before
//      8  oldUndo    u64
//     16  previous   u64    the transaction's undo record before this one, 0 for its first
//     24  logStart   u64    start LSN of the log record of the change
//     32  logPrevious u64   start LSN of the transaction's log record before that: where undo goes on after this one
//     40  tree       u64    the VersionedTree, unretained (trees outlive the undo of their rows, see Retirement.swift)
//     48  command    u32
//     52  oldLength  u32    bytes of the old row
//     56  action     u8
//     57  flags      u8
//     58  keyLength  u16
//     60  reserved   u32
//     64  key, then old row
//
// Written once under the leaf's latch before the row header points to it, and never changed. Addresses of records carry marks
// (UndoArea.swift).

import BTree
import Platform

package enum UndoAction: UInt8 {
    /// There was no entry: undo removes it.
    case insert = 0
    /// The entry had other bytes: undo puts them back. Also an insert over a tombstone.
    case replace = 1
    /// The entry was marked as a tombstone, bytes kept: undo unmarks it.
    case delete = 2
    /// There were no entries under the key and those after it, as many as the four bytes behind it say: undo removes them. Its
    /// rows share the record. See RowRuns.swift.
    case insertRun = 3
}

package struct UndoRecord: BitwiseCopyable {
    @usableFromInline let base: UnsafeMutableRawPointer

    package static let headerByteCount = 64
    /// Of the longest one: longer rows are spilled.
    static let maxByteCount = roundUp(headerByteCount + TreePage.maxKeyByteCount + pageSize / 4, 16)
    /// Flags: the change is one that FOR KEY SHARE conflicts with (a delete, or an update of a key column).
    package static let changesKey: UInt8 = 1
    /// The old row is the stub of a spilled one, whose chain this record owns: freed when the transaction retires.
    package static let oldIsSpilled: UInt8 = 2

    @inline(__always) package init(_ address: UInt64) {
        base = UnsafeMutableRawPointer(bitPattern: UInt(address & UndoAddress.mask)).unsafelyUnwrapped
    }
    @usableFromInline @inline(__always) init(at base: UnsafeMutableRawPointer) { self.base = base }

    @inline(__always) package var oldWriter: UInt64 { base.load(as: UInt64.self) }
    @inline(__always) package var oldUndo: UInt64 { base.load(fromByteOffset: 8, as: UInt64.self) }
    @inline(__always) package var previous: UInt64 { base.load(fromByteOffset: 16, as: UInt64.self) }
    @inline(__always) package var logStart: UInt64 { base.load(fromByteOffset: 24, as: UInt64.self) }
    @inline(__always) package var logPrevious: UInt64 { base.load(fromByteOffset: 32, as: UInt64.self) }
    @inline(__always) package var tree: UInt { base.load(fromByteOffset: 40, as: UInt.self) }
    @inline(__always) package var command: UInt32 { base.load(fromByteOffset: 48, as: UInt32.self) }
    @inline(__always) package var oldLength: Int { Int(base.load(fromByteOffset: 52, as: UInt32.self)) }
    @inline(__always) package var action: UndoAction {
        UndoAction(rawValue: base.load(fromByteOffset: 56, as: UInt8.self)).unsafelyUnwrapped
    }
    @inline(__always) package var changesKey: Bool {
        base.load(fromByteOffset: 57, as: UInt8.self) & Self.changesKey != 0
    }
    @inline(__always) package var oldIsSpilled: Bool {
        base.load(fromByteOffset: 57, as: UInt8.self) & Self.oldIsSpilled != 0
    }
    @inline(__always) package var keyLength: Int { Int(base.load(fromByteOffset: 58, as: UInt16.self)) }
    @inline(__always) package var key: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.headerByteCount, count: keyLength)
    }
    @inline(__always) package var oldRow: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.headerByteCount + keyLength, count: oldLength)
    }

    var versionedTree: VersionedTree {
        Unmanaged<VersionedTree>.fromOpaque(UnsafeRawPointer(bitPattern: tree).unsafelyUnwrapped).takeUnretainedValue()
    }

    /// Whether it can be one. Memory that no record was written to is zeros.
    @inline(__always) var isPlausible: Bool {
        tree != 0 && base.load(fromByteOffset: 56, as: UInt8.self) <= UndoAction.insertRun.rawValue
            && byteCount <= Self.maxByteCount
    }

    var byteCount: Int { Self.byteCount(keyLength: keyLength, oldLength: oldLength) }

    /// Bytes of a record.
    @inline(__always) static func byteCount(keyLength: Int, oldLength: Int) -> Int {
        roundUp(headerByteCount + keyLength + oldLength, 8)
    }

    @inline(__always) func setLog(start: UInt64) { base.storeBytes(of: start, toByteOffset: 24, as: UInt64.self) }

    /// Fills everything but `logStart`.
    @inline(__always) func fill(
        oldWriter: UInt64, oldUndo: UInt64, previous: UInt64, logPrevious: UInt64, tree: UInt, command: UInt32,
        action: UndoAction, flags: UInt8, key: UnsafeRawBufferPointer, oldRow: UnsafeRawBufferPointer
    ) {
        base.storeBytes(of: oldWriter, as: UInt64.self)
        base.storeBytes(of: oldUndo, toByteOffset: 8, as: UInt64.self)
        base.storeBytes(of: previous, toByteOffset: 16, as: UInt64.self)
        base.storeBytes(of: 0, toByteOffset: 24, as: UInt64.self)
        base.storeBytes(of: logPrevious, toByteOffset: 32, as: UInt64.self)
        base.storeBytes(of: tree, toByteOffset: 40, as: UInt.self)
        base.storeBytes(of: command, toByteOffset: 48, as: UInt32.self)
        base.storeBytes(of: UInt32(oldRow.count), toByteOffset: 52, as: UInt32.self)
        base.storeBytes(of: action.rawValue, toByteOffset: 56, as: UInt8.self)
        base.storeBytes(of: flags, toByteOffset: 57, as: UInt8.self)
        base.storeBytes(of: UInt16(key.count), toByteOffset: 58, as: UInt16.self)
        base.storeBytes(of: 0, toByteOffset: 60, as: UInt32.self)
        let body = base + Self.headerByteCount
        if key.count > 0 { body.copyMemory(from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count) }
        if oldRow.count > 0 {
            (body + key.count).copyMemory(from: oldRow.baseAddress.unsafelyUnwrapped, byteCount: oldRow.count)
        }
    }
}
