// What came before a failure: statements, requests to the disk, records of the log.

import AsyncIO
import DirectStorage
import Fibers
import Platform
import SimulatedPlatform
import WALEngine

extension History {
    /// Fills the report's trace. The records are read from the disk, by a machine without faults.
    func trace() {
        report.statements = world.verdict.statements.suffix(20).map { "\($0.time / 1000) us: \($0.text)" }
        report.requests = disk.events.suffix(20).map { $0.text }
        disk.isCalm = true
        live(.autopsy)
    }

    /// The last records of the log, as recovery would read them.
    func readLog() throws(EngineError) {
        let scheduler = Fiber.scheduler
        let io = BlockIO(scheduler: scheduler)
        guard let superblock = try DeviceCheck.superblock(io: io, platform: scheduler.platform).superblock else {
            return report.records.append("no superblock can be believed")
        }
        let layout = superblock.layout
        let zone = LogZone(offset: layout.walOffset, byteCount: layout.walByteCount)
        do throws(EngineError) {
            let reader = try LogReader(
                io: io, zone: zone, from: max(LogZone.firstLSN, superblock.checkpoint.startLSN),
                mustReach: superblock.checkpoint.checkpointLSN)
            while let record = try reader.next() {
                if report.records.count == 40 { report.records.removeFirst(20) }
                report.records.append(text(record))
            }
        } catch {
            report.records.append("the log cannot be read: \(error.message)")
        }
        report.records = report.records.suffix(20)
    }

    private func text(_ record: LogRecordView) -> String {
        var text = "LSN \(record.startLSN.rawValue): \(record.kind), transaction \(record.transactionID)"
        for operation in record.pageOperations { text += ", page \(operation.page.rawValue) op \(operation.opcode)" }
        return text
    }
}
