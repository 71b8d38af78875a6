// What a checkpoint remembers when the log before its analysis LSN has been given back: the transactions that were running
// there, and where the blocks lie that hold what they have to undo. It is one or more records of kind `checkpoint` in the
// log itself, the last of which the superblock names; each leads to the one before by its previous LSN.
//
// Payload of a record, little-endian:
//
//      0  u32 runs, u32 transactions
//      8  runs, each: u64 first block number, u64 first page, u64 block count
//         transactions, each: u64 id, u64 last LSN, u64 next LSN to be undone

import Platform
import WALEngine

struct CheckpointTable {
    var runs: [LogOverflowRun] = []
    var transactions = TransactionTable()

    private static let entryByteCount = 24

    /// Bytes that so many entries take in the log, about.
    static func byteCount(entryCount: Int) -> UInt64 { UInt64(entryCount * entryByteCount) }

    /// Appends the records and waits until they are durable; the LSN that the superblock is to name.
    func write(to log: Log) throws(EngineError) -> LSN {
        let room = log.maxRecordByteCount - LogRecordLayout.headerByteCount - 16
        let perRecord = min(1000, room / Self.entryByteCount)
        let ids = transactions.running.keys.sorted()
        let count = runs.count + ids.count
        var previous = LSN.zero
        var end = LSN.zero
        var next = 0
        repeat {
            let last = min(next + perRecord, count)
            let byteCount = 8 + (last - next) * Self.entryByteCount
            try log.ensureRoom(
                LogRecordLayout.byteCount(undo: byteCount, operationCount: 0, operationByteCount: 0), for: .system)
            var record = log.makeRecord(.checkpoint, previousLSN: previous)
            let base = record.appendUndo(byteCount: byteCount)
            let runCount = max(0, min(last, runs.count) - next)
            base.setLittle(0, UInt32(runCount))
            base.setLittle(4, UInt32(last - next - runCount))
            for index in next..<last {
                let at = base + 8 + (index - next) * Self.entryByteCount
                if index < runs.count { set(at, runs[index]) } else { set(at, ids[index - runs.count]) }
            }
            (previous, end) = log.append(&record)
            next = last
        } while next < count
        try log.waitDurable(end)
        return previous
    }

    private func set(_ at: UnsafeMutableRawPointer, _ run: LogOverflowRun) {
        at.setLittle(0, run.firstNumber)
        at.setLittle(8, run.firstPage.rawValue)
        at.setLittle(16, run.blockCount)
    }

    private func set(_ at: UnsafeMutableRawPointer, _ id: UInt64) {
        guard let loser = transactions.running[id] else { return }
        at.setLittle(0, id)
        at.setLittle(8, loser.lastLSN.rawValue)
        at.setLittle(16, loser.undoNextLSN.rawValue)
    }

    init() {}

    /// Reads the table that a superblock names. XX001 if it is not there.
    init(at tableLSN: LSN, _ fetcher: LogFetcher) throws(EngineError) {
        var lsn = tableLSN
        while lsn != .zero {
            let record = try fetcher.record(at: lsn)
            guard record.kind == .checkpoint, record.previousLSN < lsn, let base = record.undo.baseAddress,
                record.undo.count >= 8
            else { throw Self.malformed(lsn) }
            let runCount = Int(base.little(0, as: UInt32.self))
            let count = runCount + Int(base.little(4, as: UInt32.self))
            guard record.undo.count == 8 + count * Self.entryByteCount else { throw Self.malformed(lsn) }
            for index in 0..<count {
                let at = base + 8 + index * Self.entryByteCount
                if index < runCount {
                    runs.append(
                        LogOverflowRun(
                            firstNumber: at.little(0, as: UInt64.self), blockCount: at.little(16, as: UInt64.self),
                            firstPage: PageID(at.little(8, as: UInt64.self))))
                } else {
                    transactions.set(
                        at.little(0, as: UInt64.self),
                        Loser(
                            lastLSN: LSN(at.little(8, as: UInt64.self)),
                            undoNextLSN: LSN(at.little(16, as: UInt64.self))))
                }
            }
            lsn = record.previousLSN
        }
        runs.sort { $0.firstNumber < $1.firstNumber }
        for index in 1..<max(1, runs.count) where runs[index].firstNumber < runs[index - 1].endNumber {
            throw Self.malformed(tableLSN)
        }
    }

    private static func malformed(_ lsn: LSN) -> EngineError {
        EngineError(
            .dataCorrupted, "the log record at LSN \(lsn.rawValue) is not a checkpoint's", severity: .panic,
            hint: "The superblock or the log is damaged; restore from a backup.")
    }
}
