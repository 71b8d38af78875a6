// The sixteen bytes in front of every row and index entry, and the identifier of the transaction that wrote it.
//
//     writer  u64   bit 63: in doubt – bits 0..<62 are a TransactionID; else bits 0..<62 are a commit LSN (0: always)
//                   bit 62: tombstone – this version says "there is no row"; the row bytes behind it stay for undo
//     undo    u64   address of the undo record that holds the version before this one, with its marks (UndoArea.swift); 0 if
//                   there was none
//
// The newest version is always in place and older ones only in memory (Neumann, Mühlbauer, Kemper: Fast Serializable
// Multi-Version Concurrency Control, SIGMOD 2015). `undo` is meaningless on a page read after a restart, and is never
// followed there: it is followed only from a version that the reader must not see, and after a restart every version
// is from before every snapshot.

import Platform

/// Identifies a writing transaction for ever: boot count << 40 | generation << 20 | slot. The low bits name the slot
/// that knows its state while anybody could ask.
package struct TransactionID: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64
    @inline(__always) package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inline(__always) package init(_ value: UInt64) { rawValue = value }
    /// A transaction that has written nothing; in log records, the system.
    package static let none = TransactionID(0)
    @inline(__always) package static func == (a: TransactionID, b: TransactionID) -> Bool { a.rawValue == b.rawValue }
    @inline(__always) package var bootCount: UInt64 { rawValue >> 40 }
}

package enum RowHeader {
    package static let byteCount = 16
    package static let inDoubt: UInt64 = 1 << 63
    package static let tombstone: UInt64 = 1 << 62
    /// The bits that hold a transaction id or a commit LSN.
    package static let writerMask: UInt64 = tombstone - 1

    @inline(__always) package static func writer(_ payload: UnsafeRawPointer) -> UInt64 {
        payload.little(0, as: UInt64.self)
    }
    @inline(__always) package static func undo(_ payload: UnsafeRawPointer) -> UInt64 {
        payload.little(8, as: UInt64.self)
    }
    @inline(__always) package static func store(_ payload: UnsafeMutableRawPointer, writer: UInt64, undo: UInt64) {
        payload.setLittle(0, writer)
        payload.setLittle(8, undo)
    }
    @inline(__always) package static func isTombstone(_ writer: UInt64) -> Bool { writer & tombstone != 0 }
    /// For a payload that is too short to have one.
    @inline(never) package static func missing() -> EngineError {
        EngineError(
            .dataCorrupted, "an entry of a table is too short for a row",
            hint: "Its page is damaged; restore the table from a backup.")
    }
    /// For undo where there is none.
    @inline(never) @usableFromInline static func strayUndo() -> EngineError {
        EngineError(
            .dataCorrupted, "an entry of a table names an older version that does not exist",
            hint: "Its page is damaged; restore the table from a backup.")
    }
    @inline(__always) package static func isInDoubt(_ writer: UInt64) -> Bool { writer & inDoubt != 0 }
}
