// Composes one log record in a scratch buffer of the worker: no allocation, no growth.
//
// A builder lives between latching the pages and appending the record, so nothing parks while it exists – with one
// exception: an append into a full ring (see Log.append). Scratch buffers are therefore a stack per worker: a builder
// takes the top one and gives it back, and another fiber of the worker that builds meanwhile takes the next.

import Platform

/// The free scratch buffers of one worker. Used by that worker alone.
package struct LogScratch {
    /// First word of a free buffer: the next free one.
    @usableFromInline var free: UnsafeMutableRawPointer?

    static let byteCount = LogRecordLayout.maxByteCount

    @inline(__always) mutating func take() -> UnsafeMutableRawPointer {
        guard let top = free else { return .allocate(byteCount: Self.byteCount, alignment: pageSize) }
        free = top.load(as: UnsafeMutableRawPointer?.self)
        return top
    }
    @inline(__always) mutating func give(_ buffer: UnsafeMutableRawPointer) {
        buffer.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = buffer
    }
    mutating func deallocate() {
        while free != nil { take().deallocate() }
    }
}

/// Use: `begin` by `Log.makeRecord`, then undo bytes, then page operations, then `Log.append(&builder)`. Exceeding
/// `LogRecordLayout.maxByteCount` is a broken invariant: `ensureRoom` has refused such a size with 54000 before.
package struct LogRecordBuilder: ~Copyable {
    private let scratch: UnsafeMutablePointer<LogScratch>
    private let base: UnsafeMutableRawPointer
    private var count: Int
    private var operationCount: UInt16

    init(
        scratch: UnsafeMutablePointer<LogScratch>, kind: LogRecordKind, transactionID: UInt64, previousLSN: LSN,
        undoNextLSN: LSN, flags: UInt8
    ) {
        self.scratch = scratch
        base = scratch.pointee.take()
        count = LogRecordLayout.headerByteCount
        operationCount = 0
        base.setLittle(LogRecordLayout.kind, kind.rawValue)
        base.setLittle(LogRecordLayout.flags, flags)
        base.setLittle(LogRecordLayout.transactionID, transactionID)
        base.setLittle(LogRecordLayout.previousLSN, previousLSN.rawValue)
        base.setLittle(LogRecordLayout.undoNextLSN, undoNextLSN.rawValue)
        base.setLittle(LogRecordLayout.undoLength, UInt64(0))  // and the reserved word after it
    }

    deinit { scratch.pointee.give(base) }

    /// Bytes so far, without the padding.
    package var byteCount: Int { count }

    /// Room for `byteCount` more bytes of undo information. Before the first page operation; calls add up.
    @inline(__always)
    package mutating func appendUndo(byteCount: Int) -> UnsafeMutableRawPointer {
        precondition(operationCount == 0, "undo information comes before page operations")
        let at = claim(byteCount)
        base.setLittle(LogRecordLayout.undoLength, UInt32(count - LogRecordLayout.headerByteCount))
        return at
    }

    package mutating func appendUndo(_ bytes: UnsafeRawBufferPointer) {
        let at = appendUndo(byteCount: bytes.count)
        if let source = bytes.baseAddress { at.copyMemory(from: source, byteCount: bytes.count) }
    }

    /// Starts a page operation and returns where its `byteCount` bytes go.
    @inline(__always)
    package mutating func appendPageOperation(page: PageID, opcode: UInt16, byteCount: Int) -> UnsafeMutableRawPointer {
        let at = claim(LogRecordLayout.operationHeaderByteCount + byteCount)
        at.setLittle(LogRecordLayout.operationPageID, page.rawValue)
        at.setLittle(LogRecordLayout.operationCode, UInt32(opcode))  // and the reserved half word after it
        at.setLittle(LogRecordLayout.operationLength, UInt32(byteCount))
        operationCount += 1
        return at + LogRecordLayout.operationHeaderByteCount
    }

    package mutating func appendPageOperation(page: PageID, opcode: UInt16, _ bytes: UnsafeRawBufferPointer) {
        let at = appendPageOperation(page: page, opcode: opcode, byteCount: bytes.count)
        if let source = bytes.baseAddress { at.copyMemory(from: source, byteCount: bytes.count) }
    }

    @inline(__always) private mutating func claim(_ byteCount: Int) -> UnsafeMutableRawPointer {
        precondition(byteCount >= 0 && byteCount <= LogScratch.byteCount - count, "log record too long")
        let at = base + count
        count += byteCount
        return at
    }

    /// Completes header and padding. The bytes stay valid as long as the builder.
    @inline(__always)
    package mutating func finish() -> UnsafeRawBufferPointer {
        let total = roundUp(count, LogRecordLayout.alignment)
        (base + count).initializeMemory(as: UInt8.self, repeating: 0, count: total - count)
        base.setLittle(LogRecordLayout.totalLength, UInt32(total))
        base.setLittle(LogRecordLayout.pageOperationCount, operationCount)
        return UnsafeRawBufferPointer(start: base, count: total)
    }
}
