// The form of a log record: what every writer composes and what recovery and replicas parse.
//
// A record is a self-contained atomic unit: all pages it names are latched while it is appended, and redo applies all of
// its page operations or, by the pages' LSNs, those that are missing. It is physiological (Mohan et al., ARIES, TODS
// 1992): a page number, an operation inside that page, and for transactions the logical information to undo it.
//
// Little-endian. `totalLength` is a multiple of 8, so every record starts at a multiple of 8 and its length never
// straddles two log blocks.
//
//      0  u32 totalLength        with the padding at the end
//      4  u8  kind
//      5  u8  flags
//      6  u16 pageOperationCount
//      8  u64 transactionID      0: a system record
//     16  u64 previousLSN        start of this transaction's previous record; 0: this is the first
//     24  u64 undoNextLSN        compensation: start of the next record to undo; 0: none is left
//     32  u32 undoLength
//     36  u32 reserved           0
//     40  undo bytes             (commit and checkpoint records keep their payload here)
//      …  page operations, each: u64 pageID | u16 opcode | u16 reserved | u32 length | bytes, not aligned
//      …  zeros up to totalLength

import Platform

/// What a record is to recovery.
package enum LogRecordKind: UInt8, Sendable {
    /// A transaction's row operation: page operations and the undo information.
    case update = 1
    /// A structure change, allocation or purge, done whole and never undone.
    case system = 2
    /// Compensation: the undo of one update. Redo only; `undoNextLSN` leads past the undone record.
    case compensation = 3
    case commit = 4
    /// End of a rollback.
    case abort = 5
    case checkpoint = 6
    /// A note that recovery skips and that replicas or tools read.
    case note = 7
}

/// Offsets of the record header and of a page operation's header.
package enum LogRecordLayout {
    package static let totalLength = 0
    package static let kind = 4
    package static let flags = 5
    package static let pageOperationCount = 6
    package static let transactionID = 8
    package static let previousLSN = 16
    package static let undoNextLSN = 24
    package static let undoLength = 32
    package static let headerByteCount = 40

    package static let operationPageID = 0
    package static let operationCode = 8
    package static let operationLength = 12
    package static let operationHeaderByteCount = 16

    package static let alignment = 8
    /// The longest record: 64 page images. A log with a small ring or zone takes less, see `Log.maxRecordByteCount`.
    package static let maxByteCount = 256 << 10

    /// Bytes of a record with that much undo information and `operationCount` page operations of `operationByteCount`
    /// bytes in all: what to ask `Log.ensureRoom` for.
    @inline(__always)
    package static func byteCount(undo: Int, operationCount: Int, operationByteCount: Int) -> Int {
        roundUp(headerByteCount + undo + operationCount * operationHeaderByteCount + operationByteCount, alignment)
    }
}

/// What to do to one page.
package struct PageOperation {
    package var page: PageID
    package var opcode: UInt16
    /// Points into the record.
    package var bytes: UnsafeRawBufferPointer
    @inline(__always) package init(page: PageID, opcode: UInt16, bytes: UnsafeRawBufferPointer) {
        self.page = page
        self.opcode = opcode
        self.bytes = bytes
    }
}

/// A record in memory, checked once against its own lengths; every accessor stays inside it. Valid as long as the bytes.
package struct LogRecordView {
    @usableFromInline let base: UnsafeRawPointer
    package let kind: LogRecordKind
    package let byteCount: Int
    /// LSN of its first byte; zero for a record that has not been appended.
    package let startLSN: LSN
    @usableFromInline let undoByteCount: Int

    /// Fails with XX001 if the lengths do not fit each other. Walks the page operations once, so that iterating needs no
    /// error.
    package init(_ bytes: UnsafeRawBufferPointer, startLSN: LSN = .zero) throws(EngineError) {
        guard let base = bytes.baseAddress, bytes.count >= LogRecordLayout.headerByteCount else {
            throw Self.malformed(startLSN)
        }
        let total = Int(base.little(LogRecordLayout.totalLength, as: UInt32.self))
        let undo = Int(base.little(LogRecordLayout.undoLength, as: UInt32.self))
        guard total == bytes.count, total % LogRecordLayout.alignment == 0,
            let kind = LogRecordKind(rawValue: base.little(LogRecordLayout.kind, as: UInt8.self)),
            undo <= total - LogRecordLayout.headerByteCount
        else { throw Self.malformed(startLSN) }
        self.base = base
        self.kind = kind
        byteCount = total
        undoByteCount = undo
        self.startLSN = startLSN
        var at = LogRecordLayout.headerByteCount + undo
        for _ in 0..<pageOperationCount {
            guard total - at >= LogRecordLayout.operationHeaderByteCount else { throw Self.malformed(startLSN) }
            let length = Int(base.little(at + LogRecordLayout.operationLength, as: UInt32.self))
            at += LogRecordLayout.operationHeaderByteCount
            guard length <= total - at else { throw Self.malformed(startLSN) }
            at += length
        }
        guard total - at < LogRecordLayout.alignment else { throw Self.malformed(startLSN) }
    }

    private static func malformed(_ lsn: LSN) -> EngineError {
        EngineError(
            .dataCorrupted, "malformed log record at LSN \(lsn.rawValue)", severity: .panic,
            hint: "The log is damaged; restore from a backup.")
    }

    /// The page LSN of every page the record changed.
    @inline(__always) package var endLSN: LSN { LSN(startLSN.rawValue + UInt64(byteCount)) }
    @inline(__always) package var flags: UInt8 { base.little(LogRecordLayout.flags, as: UInt8.self) }
    @inline(__always) package var transactionID: UInt64 { base.little(LogRecordLayout.transactionID, as: UInt64.self) }
    @inline(__always) package var previousLSN: LSN { LSN(base.little(LogRecordLayout.previousLSN, as: UInt64.self)) }
    @inline(__always) package var undoNextLSN: LSN { LSN(base.little(LogRecordLayout.undoNextLSN, as: UInt64.self)) }
    @inline(__always) package var pageOperationCount: Int {
        Int(base.little(LogRecordLayout.pageOperationCount, as: UInt16.self))
    }
    /// Undo information of an update; payload of a commit, checkpoint or note.
    @inline(__always) package var undo: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + LogRecordLayout.headerByteCount, count: undoByteCount)
    }
    @inline(__always) package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base, count: byteCount)
    }
    @inline(__always) package var pageOperations: PageOperations {
        PageOperations(at: base + LogRecordLayout.headerByteCount + undoByteCount, remaining: pageOperationCount)
    }

    /// The page operations in the order they were written.
    package struct PageOperations: Sequence, IteratorProtocol {
        @usableFromInline var at: UnsafeRawPointer
        @usableFromInline var remaining: Int
        @inline(__always) init(at: UnsafeRawPointer, remaining: Int) {
            self.at = at
            self.remaining = remaining
        }
        @inline(__always) package mutating func next() -> PageOperation? {
            if remaining == 0 { return nil }
            remaining -= 1
            let length = Int(at.little(LogRecordLayout.operationLength, as: UInt32.self))
            let operation = PageOperation(
                page: PageID(at.little(LogRecordLayout.operationPageID, as: UInt64.self)),
                opcode: at.little(LogRecordLayout.operationCode, as: UInt16.self),
                bytes: UnsafeRawBufferPointer(start: at + LogRecordLayout.operationHeaderByteCount, count: length))
            at += LogRecordLayout.operationHeaderByteCount + length
            return operation
        }
    }
}
