// Reads the log record by record from a given LSN to its end: recovery's only source, and the model for replicas.
//
// Invariant: every record handed out lies in blocks whose checksums and chain have been verified, and is complete. A
// record that a crash cut off is dropped: either the log ends inside it, or it runs into a block of a later boot, which
// starts with a record of its own.

import AsyncIO
import Platform

package final class LogReader {
    private let zone: LogZone
    private let io: BlockIO
    private let readAhead: LogReadAhead
    private let mustReach: LSN
    private let cleanEnd: LSN?
    private var piece: LogReadAhead.Piece
    /// The block being read, in `piece`; its payload from `offset` to `used` is still to be parsed.
    private var number: UInt64
    private var block: UnsafeMutableRawPointer
    private var offset = 0
    private var used = 0
    private var chain = LogChain()
    /// Where records that span blocks are put together.
    private let assembly: UnsafeMutableRawPointer
    private var hasStopped = false
    /// End of the last record handed out (or the start).
    package private(set) var position: LSN
    /// Set once `next` has returned nil.
    package private(set) var tail: LogTail?

    /// A reader at `start`, the start of a record or the end of the log. `mustReach`: the log is known to have been
    /// durable up to there (the superblock's checkpoint LSN). XX001 if block `start` is missing though it must exist.
    /// `cleanEnd`: where an orderly shutdown says the log ends; ending there needs no further proof. Costs 4 MiB and a fiber
    /// until it is dropped. Parks.
    package init(
        io: BlockIO, zone: LogZone, from start: LSN, mustReach: LSN, cleanEnd: LSN? = nil
    ) throws(EngineError) {
        self.io = io
        self.zone = zone
        self.mustReach = mustReach
        self.cleanEnd = cleanEnd
        let first = LogBlock.number(of: start)
        precondition(first > 0, "the log begins at block 1")
        // From the block before: the chain needs its checksum.
        readAhead = try LogReadAhead(io: io, zone: zone, from: first - 1)
        assembly = .allocate(byteCount: LogRecordLayout.maxByteCount, alignment: 16)
        position = start
        number = first - 1
        piece = LogReadAhead.Piece(base: readAhead.buffer.baseAddress.unsafelyUnwrapped)
        block = piece.base
        piece = readAhead.take()
        block = piece.base
        if let header = LogBlockHeader(block), header.number == number {
            chain = LogChain(checksum: header.checksum, epoch: header.epoch, isKnown: true)
        }
        if try advance() { offset = LogBlock.offset(of: start) }
    }

    deinit {
        if !hasStopped { readAhead.stop() }
        assembly.deallocate()
    }

    /// The next record, valid until the next call; nil at the end of the log, from then on. XX001 if the log is damaged.
    package func next() throws(EngineError) -> LogRecordView? {
        while tail == nil {
            if offset >= used {
                _ = try advance()
                continue
            }
            let start = LogBlock.firstLSN(number).rawValue + UInt64(offset)
            let at = block + LogBlock.headerByteCount + offset
            let length = Int(at.little(LogRecordLayout.totalLength, as: UInt32.self))
            if length < LogRecordLayout.headerByteCount || length > LogRecordLayout.maxByteCount {
                throw malformed(start)
            }
            if length <= used - offset {
                offset += length
                position = LSN(start + UInt64(length))
                return try LogRecordView(UnsafeRawBufferPointer(start: at, count: length), startLSN: LSN(start))
            }
            if try assemble(length) {
                position = LSN(start + UInt64(length))
                return try LogRecordView(
                    UnsafeRawBufferPointer(start: assembly, count: length), startLSN: LSN(start))
            }
        }
        return nil
    }

    /// Collects a record that begins at `offset` and runs into the following blocks. False if it was cut off; the reader
    /// is then at the block that does not continue it, or at the end.
    private func assemble(_ length: Int) throws(EngineError) -> Bool {
        let start = LogBlock.firstLSN(number).rawValue + UInt64(offset)
        let epoch = chain.epoch
        var have = 0
        while true {
            let count = min(length - have, used - offset)
            (assembly + have).copyMemory(from: block + LogBlock.headerByteCount + offset, byteCount: count)
            have += count
            offset += count
            if have == length { return true }
            if used != LogBlock.payloadByteCount { throw malformed(start) }
            if try !advance() { return false }
            if chain.epoch != epoch { return false }
        }
    }

    /// Goes to the next block if it continues the log; otherwise sets `tail` and returns false.
    private func advance() throws(EngineError) -> Bool {
        number += 1
        if number >= piece.firstNumber + UInt64(piece.blockCount) { piece = readAhead.take() }
        block = piece.base + Int(number - piece.firstNumber) * LogBlock.byteCount
        let header = LogBlockHeader(block)
        if let cause = chain.mismatch(header, number: number, zone: zone) {
            readAhead.stop()
            hasStopped = true
            if let failure = readAhead.failure(of: number) { throw failure }
            if cleanEnd != LogBlock.firstLSN(number) {
                try LogEnd.judge(
                    cause, number: number, chain: chain, zone: zone, io: io, mustReach: mustReach,
                    buffer: readAhead.buffer)
            }
            tail = LogTail(
                nextNumber: number, checksum: chain.checksum, epoch: chain.epoch, endLSN: position, cause: cause)
            return false
        }
        guard let header else { return false }
        chain = LogChain(checksum: header.checksum, epoch: header.epoch, isKnown: true)
        offset = 0
        used = header.payloadUsed
        return true
    }

    private func malformed(_ start: UInt64) -> EngineError {
        EngineError(
            .dataCorrupted, "malformed log record at LSN \(start)", severity: .panic,
            detail: "Its block's checksum is right, so it was written like this.")
    }
}
