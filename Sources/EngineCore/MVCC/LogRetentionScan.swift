// Reading the zone once more, ahead of giving it back: which transactions run where, and which blocks hold updates of those
// that have not ended. These are copied in stretches of up to a mebibyte, small gaps included.
//
// A record may run over many blocks. Its header says whose it is, so only the header's bytes are put together. It is noted in the
// table when its end has been seen: one that a crash cut off never happened, as recovery's analysis has it, and the block behind
// it, of a later boot, begins a record of its own. A record that is not finished where reading stops is read again from its
// start the next time; a block whose copy is kept is not copied again.

import AsyncIO
import BufferPool
import Fibers
import IOScheduler
import Platform
import WALEngine

extension LogRetention {
    private static let stretchBlockCount: UInt64 = 256
    /// Blocks that nobody needs are copied if they are so few between two that somebody does.
    private static let gapBlockCount = 8

    /// Moves the place towards `target`, the start of a record, as far as there are pages. XX001 if a block of the zone is
    /// damaged. Parks for I/O.
    func advance(to target: LSN, durableRedo: LSN, _ isOver: (UInt64) -> Bool) throws(EngineError) {
        if position >= target { return }
        let byteCount = Int(Self.stretchBlockCount) * LogBlock.byteCount
        guard let memory = pool.scheduler.platform.allocate(byteCount: byteCount, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "out of memory", detail: "There is no memory to read the log.")
        }
        defer { pool.scheduler.platform.deallocate(memory, byteCount: byteCount) }
        var scan = RecordScan(from: position)
        var number = LogBlock.number(of: position)
        let end = LogBlock.number(of: LogBlock.roundedUp(target))
        while number < end && scan.recordStart < target {
            let available = UInt64(availablePageCount(durableRedo))
            let zone = log.zone
            let count = min(Self.stretchBlockCount, available, end - number, zone.slotCount - zone.slot(number))
            if count == 0 { break }
            try pool.io.read(
                into: memory, offset: zone.byteOffset(number), byteCount: Int(count) * LogBlock.byteCount, class: .scan)
            var stretch = Stretch(base: memory, firstNumber: number, count: Int(count))
            for index in 0..<Int(count) {
                let block = memory + index * LogBlock.byteCount
                guard let header = LogBlockHeader(block), header.number == number + UInt64(index) else {
                    throw Self.damaged(number + UInt64(index))
                }
                read(block, header, index, until: target, &scan, &stretch, isOver)
            }
            try copy(&stretch, durableRedo)
            number += count
        }
        if needsFlush { try pool.io.flush() }
        needsFlush = false
        position = number == end || scan.recordStart >= target ? target : scan.recordStart
    }

    private static func damaged(_ number: UInt64) -> EngineError {
        EngineError(
            .dataCorrupted, "block \(number) of the log cannot be read",
            detail: "It may be needed to undo a transaction.",
            hint: "End long transactions; check the device.")
    }

    /// Notes the records that begin in a block, and marks the block if it holds a part of one that is needed.
    private func read(
        _ block: UnsafeRawPointer, _ header: LogBlockHeader, _ index: Int, until target: LSN, _ scan: inout RecordScan,
        _ stretch: inout Stretch, _ isOver: (UInt64) -> Bool
    ) {
        let first = LogBlock.firstLSN(header.number).rawValue
        var offset = scan.begin(block: header)
        var beganInBlockBefore = scan.isInHeader
        if scan.isNeeded { stretch.owners.insert(scan.owner) }
        while offset < header.payloadUsed {
            if scan.isAtStart {
                scan.recordStart = LSN(first + UInt64(offset))
                if scan.recordStart >= target { return }
            }
            let bytes = UnsafeRawBufferPointer(
                start: block + LogBlock.headerByteCount + offset, count: header.payloadUsed - offset)
            let step = scan.take(bytes)
            offset += step.byteCount
            if let head = step.header {
                scan.isNeeded = head.kind == .update && !isOver(head.transactionID)
                if scan.isNeeded {
                    scan.owner = head.transactionID
                    stretch.owners.insert(head.transactionID)
                    if beganInBlockBefore && index > 0 { stretch.mark(index - 1) }
                    if beganInBlockBefore && index == 0 { keepsCopy(of: header.number - 1, for: [head.transactionID]) }
                }
                beganInBlockBefore = false
            }
            // A header that goes on in the next stretch may be anybody's.
            if scan.isNeeded || scan.isInHeader && index == stretch.count - 1 { stretch.mark(index) }
            if scan.isAtStart {
                if let head = scan.header, scan.isNeeded || head.kind != .update {
                    table.transactions.note(
                        head.kind, head.transactionID, at: scan.recordStart, undoNextLSN: head.undoNextLSN)
                }
                scan.header = nil
                scan.isNeeded = false
                scan.recordStart = LSN(first + UInt64(offset))
            }
        }
    }

    // MARK: Copying

    private func copy(_ stretch: inout Stretch, _ durableRedo: LSN) throws(EngineError) {
        var index = 0
        while index < stretch.count {
            let number = stretch.firstNumber + UInt64(index)
            if !stretch.isMarked(index) || number <= lastCopied && keepsCopy(of: number, for: stretch.owners) {
                index += 1
                continue
            }
            var end = index + 1
            var probe = end
            while probe < stretch.count && probe - end < Self.gapBlockCount {
                if stretch.isMarked(probe) { end = probe + 1 }
                probe += 1
            }
            while index < end { index += try copyRun(stretch, index, end - index, durableRedo) }
        }
    }

    /// Copies blocks as far as there are pages in a row; how many.
    private func copyRun(
        _ stretch: Stretch, _ index: Int, _ limit: Int, _ durableRedo: LSN
    ) throws(EngineError) -> Int {
        let pages = takePages(limit, durableRedo, for: stretch.owners)
        needsFlush = true
        let base = stretch.base + index * LogBlock.byteCount
        for at in 0..<pages.count {
            let block = base + at * LogBlock.byteCount
            guard let header = LogBlockHeader(block) else { preconditionFailure("the block was verified") }
            overflow.form(block, header, page: PageID(pages.lowerBound + UInt64(at)))
        }
        try pool.io.write(
            from: base, offset: pages.lowerBound * UInt64(pageSize), byteCount: pages.count * pageSize,
            class: .writeback)
        let number = stretch.firstNumber + UInt64(index)
        let run = LogOverflowRun(
            firstNumber: number, blockCount: UInt64(pages.count), firstPage: PageID(pages.lowerBound))
        lastCopied = run.endNumber - 1
        // One run lies in one extent: with that it is dropped.
        if let last = table.runs.last, last.endNumber == number, last.page(of: number) == run.firstPage,
            pages.lowerBound != extentStart
        {
            table.runs[table.runs.count - 1].blockCount += run.blockCount
        } else {
            table.runs.append(run)
        }
        return pages.count
    }
}

/// Blocks of the zone in memory, and what is known of them.
private struct Stretch {
    let base: UnsafeMutableRawPointer
    let firstNumber: UInt64
    let count: Int
    /// Transactions with updates in the marked blocks.
    var owners: Set<UInt64> = []
    private var marks = InlineArray<4, UInt64>(repeating: 0)

    init(base: UnsafeMutableRawPointer, firstNumber: UInt64, count: Int) {
        precondition(count <= 256)
        self.base = base
        self.firstNumber = firstNumber
        self.count = count
    }

    mutating func mark(_ index: Int) { marks[index / 64] |= 1 << UInt64(index % 64) }
    func isMarked(_ index: Int) -> Bool { marks[index / 64] >> UInt64(index % 64) & 1 != 0 }
}

/// Finds record headers in a stream of payloads.
private struct RecordScan {
    struct Header {
        let kind: LogRecordKind
        let transactionID: UInt64
        let undoNextLSN: LSN
    }

    /// Start of the record being read, or of the next one.
    var recordStart: LSN
    /// The record being read is one that somebody may have to undo.
    var isNeeded = false
    /// Whose, if it is needed.
    var owner: UInt64 = 0
    /// The header of the record being read, once it is complete.
    var header: Header?
    private var firstOffset: Int
    private var epoch: UInt32?
    private var head = InlineArray<5, UInt64>(repeating: 0)
    private var headByteCount = 0
    /// Bytes of the record behind its header.
    private var restByteCount = 0

    init(from start: LSN) {
        recordStart = start
        firstOffset = LogBlock.offset(of: start)
    }

    var isAtStart: Bool { headByteCount == 0 && restByteCount == 0 }
    var isInHeader: Bool { headByteCount > 0 && restByteCount == 0 }

    /// Where to go on in the payload of the next block. A record that runs into a block of a later boot was cut off.
    mutating func begin(block: LogBlockHeader) -> Int {
        if let epoch, epoch != block.epoch {
            headByteCount = 0
            restByteCount = 0
            header = nil
            isNeeded = false
        }
        epoch = block.epoch
        defer { firstOffset = 0 }
        return firstOffset
    }

    /// Takes bytes up to the end of the header, or of the record; a header that is complete with them.
    mutating func take(_ bytes: UnsafeRawBufferPointer) -> (byteCount: Int, header: Header?) {
        if restByteCount > 0 {
            let count = min(restByteCount, bytes.count)
            restByteCount -= count
            return (count, nil)
        }
        // Lengths and places are multiples of eight.
        let base = bytes.baseAddress.unsafelyUnwrapped
        var taken = 0
        while headByteCount < LogRecordLayout.headerByteCount && taken < bytes.count {
            head[headByteCount / 8] = base.little(taken, as: UInt64.self)
            headByteCount += 8
            taken += 8
        }
        if headByteCount < LogRecordLayout.headerByteCount { return (taken, nil) }
        headByteCount = 0
        let total = Int(UInt32(truncatingIfNeeded: head[0]))
        restByteCount = max(0, total - LogRecordLayout.headerByteCount)
        let kind = LogRecordKind(rawValue: UInt8(truncatingIfNeeded: head[0] >> 32)) ?? .note
        header = Header(kind: kind, transactionID: head[1], undoNextLSN: LSN(head[3]))
        return (taken, header)
    }
}
