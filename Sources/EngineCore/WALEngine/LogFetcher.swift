// Fetches single records by their LSN, for recovery's undo, which follows a transaction's records backwards: a window of
// blocks up to the wanted one is read at once and kept.

import AsyncIO
import IOScheduler
import Platform

package final class LogFetcher {
    private let zone: LogZone
    private let io: BlockIO
    private let window: UnsafeMutableRawPointer
    private let assembly: UnsafeMutableRawPointer
    private var windowStart: UInt64 = 0
    private var windowCount: UInt64 = 0
    private let allocator: any Platform

    private static let windowBlockCount: UInt64 = 64

    package init(io: BlockIO, zone: LogZone, platform: any Platform) throws(EngineError) {
        self.io = io
        self.zone = zone
        allocator = platform
        let byteCount = Int(Self.windowBlockCount) * LogBlock.byteCount
        guard let memory = platform.allocate(byteCount: byteCount, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "out of memory", detail: "There is no memory to read the log.")
        }
        window = memory
        assembly = .allocate(byteCount: LogRecordLayout.maxByteCount, alignment: 16)
    }

    deinit {
        allocator.deallocate(window, byteCount: Int(Self.windowBlockCount) * LogBlock.byteCount)
        assembly.deallocate()
    }

    /// The record that starts at `lsn`; valid until the next call. XX001 if there is none. Parks for a read if the record
    /// is not in the window.
    package func record(at lsn: LSN) throws(EngineError) -> LogRecordView {
        var number = LogBlock.number(of: lsn)
        var offset = LogBlock.offset(of: lsn)
        var have = 0
        var length = LogRecordLayout.headerByteCount
        repeat {
            let (payload, used) = try self.block(number, lsn)
            if have == 0 {
                length = Int((payload + offset).little(LogRecordLayout.totalLength, as: UInt32.self))
                guard offset < used, length >= LogRecordLayout.headerByteCount, length <= LogRecordLayout.maxByteCount
                else { throw missing(lsn) }
            }
            let count = min(length - have, used - offset)
            (assembly + have).copyMemory(from: payload + offset, byteCount: count)
            have += count
            if have < length && used != LogBlock.payloadByteCount { throw missing(lsn) }
            number += 1
            offset = 0
        } while have < length
        return try LogRecordView(UnsafeRawBufferPointer(start: assembly, count: length), startLSN: lsn)
    }

    private func block(_ number: UInt64, _ lsn: LSN) throws(EngineError) -> (UnsafeRawPointer, used: Int) {
        if number < windowStart || number >= windowStart + windowCount {
            // Mostly backwards: the block, one after it, and what comes before.
            let end = number + min(2, zone.slotCount - zone.slot(number))
            let before = min(Self.windowBlockCount - 2, zone.slot(number), number)
            windowStart = number - before
            windowCount = end - windowStart
            try io.read(
                into: window, offset: zone.byteOffset(windowStart), byteCount: Int(windowCount) * LogBlock.byteCount,
                class: .read)
        }
        let at = window + Int(number - windowStart) * LogBlock.byteCount
        guard let header = LogBlockHeader(at), header.number == number else { throw missing(lsn) }
        return (UnsafeRawPointer(at + LogBlock.headerByteCount), header.payloadUsed)
    }

    private func missing(_ lsn: LSN) -> EngineError {
        EngineError(
            .dataCorrupted, "the log record at LSN \(lsn.rawValue) cannot be read", severity: .panic,
            hint: "Restore from a backup, or let a replica take over.")
    }
}
