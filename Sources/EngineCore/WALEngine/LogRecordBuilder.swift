// Composes one log record in the scratch buffer of the worker: no allocation, no growth.
//
// A builder lives between latching the pages and appending the record. Nothing parks while it exists, and a fiber builds
// one record at a time, so a worker needs one buffer – with one exception: an append into a full ring parks (see
// Log.append). It takes the buffer away and leaves the worker a spare one until it is done.

import Platform

/// The scratch buffers of one worker. Used by that worker alone.
package struct LogScratch {
    @usableFromInline var current: UnsafeMutableRawPointer
    /// Counts builders, to catch a second one while the first is still being filled.
    @usableFromInline var generation: UInt32 = 0
    /// First word of a spare buffer: the next one.
    private var spare: UnsafeMutableRawPointer?

    static let byteCount = LogRecordLayout.maxByteCount

    init() { current = Self.allocate() }

    private static func allocate() -> UnsafeMutableRawPointer { .allocate(byteCount: byteCount, alignment: pageSize) }

    /// Replaces the current buffer by another; the caller gives it back.
    mutating func takeCurrent() -> UnsafeMutableRawPointer {
        let taken = current
        if let next = spare {
            spare = next.load(as: UnsafeMutableRawPointer?.self)
            current = next
        } else {
            current = Self.allocate()
        }
        return taken
    }

    mutating func giveBack(_ buffer: UnsafeMutableRawPointer) {
        buffer.storeBytes(of: spare, as: UnsafeMutableRawPointer?.self)
        spare = buffer
    }

    mutating func deallocate() {
        current.deallocate()
        while let next = spare {
            spare = next.load(as: UnsafeMutableRawPointer?.self)
            next.deallocate()
        }
    }
}

/// Use: `Log.makeRecord`, then undo bytes, then page operations, then `Log.append(&builder)`. It may be dropped instead.
/// Exceeding `LogRecordLayout.maxByteCount` is a broken invariant: `ensureRoom` has refused such a size with 54000 before.
package struct LogRecordBuilder: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private var count: Int
    private var operationCount: UInt16
    private let generation: UInt32
    private let scratch: UnsafeMutablePointer<LogScratch>

    @inline(__always)
    init(
        scratch: UnsafeMutablePointer<LogScratch>, kind: LogRecordKind, transactionID: UInt64, previousLSN: LSN,
        undoNextLSN: LSN, flags: UInt8
    ) {
        self.scratch = scratch
        base = scratch.pointee.current
        scratch.pointee.generation &+= 1
        generation = scratch.pointee.generation
        count = LogRecordLayout.headerByteCount
        operationCount = 0
        base.setLittle(LogRecordLayout.kind, UInt32(kind.rawValue) | UInt32(flags) << 8)  // and the operation count
        base.setLittle(LogRecordLayout.transactionID, transactionID)
        base.setLittle(LogRecordLayout.previousLSN, previousLSN.rawValue)
        base.setLittle(LogRecordLayout.undoNextLSN, undoNextLSN.rawValue)
        base.setLittle(LogRecordLayout.undoLength, UInt64(0))  // and the reserved word after it
    }

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
        assert(generation == scratch.pointee.generation, "one record is built at a time")
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
