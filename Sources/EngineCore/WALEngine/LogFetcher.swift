// Fetches single records by their LSN, for recovery's undo, which follows a transaction's records backwards: a window of
// blocks up to the wanted one is read at once and kept. A block is found by its number in the zone or in the overflow.

import AsyncIO
import DirectStorage
import IOScheduler
import Platform

package final class LogFetcher {
    private let zone: LogZone
    private let io: BlockIO
    private let window: UnsafeMutableRawPointer
    private let assembly: UnsafeMutableRawPointer
    private var windowStart: UInt64 = 0
    private var windowCount: UInt64 = 0
    /// Where the window was read from if it is the overflow.
    private var windowPage = PageID.none
    private let overflow: LogOverflow?
    private let allocator: any Platform

    private static let windowBlockCount: UInt64 = 64

    /// 53200 without memory.
    package init(
        io: BlockIO, zone: LogZone, platform: any Platform, overflow: LogOverflow? = nil
    ) throws(EngineError) {
        self.overflow = overflow
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
        if let found = inWindow(number) { return found }
        while true {
            let zoneStart = overflow?.zoneStart ?? 0
            if number < zoneStart {
                try loadFromOverflow(number, lsn)
            } else {
                try loadFromZone(number, from: zoneStart)
            }
            if let found = inWindow(number) { return found }
            // It may have left the zone while it was read.
            if number < zoneStart || number >= overflow?.zoneStart ?? 0 { throw missing(lsn) }
        }
    }

    /// The block's payload if it is in the window and sound.
    private func inWindow(_ number: UInt64) -> (UnsafeRawPointer, used: Int)? {
        guard number >= windowStart, number < windowStart + windowCount else { return nil }
        let index = Int(number - windowStart)
        let at = window + index * LogBlock.byteCount
        var used: Int?
        if windowPage == .none {
            if let header = LogBlockHeader(at), header.number == number { used = header.payloadUsed }
        } else {
            used = overflow?.payloadUsed(at, number, at: PageID(windowPage.rawValue + UInt64(index)))
        }
        return used.map { (UnsafeRawPointer(at + LogBlock.headerByteCount), $0) }
    }

    // Mostly backwards: the block, one after it, and what comes before.

    private func loadFromZone(_ number: UInt64, from zoneStart: UInt64) throws(EngineError) {
        let end = number + min(2, zone.slotCount - zone.slot(number))
        let before = min(Self.windowBlockCount - 2, zone.slot(number), number - zoneStart)
        try load(number - before, count: end - (number - before), page: .none, zone.byteOffset(number - before))
    }

    private func loadFromOverflow(_ number: UInt64, _ lsn: LSN) throws(EngineError) {
        guard let run = overflow?.run(holding: number) else { throw missing(lsn) }
        let end = min(number + 2, run.endNumber)
        let start = number - min(Self.windowBlockCount - 2, number - run.firstNumber)
        let page = run.page(of: start)
        try load(start, count: end - start, page: page, page.rawValue * UInt64(pageSize))
    }

    private func load(_ start: UInt64, count: UInt64, page: PageID, _ offset: UInt64) throws(EngineError) {
        windowCount = 0
        try io.read(into: window, offset: offset, byteCount: Int(count) * LogBlock.byteCount, class: .read)
        windowStart = start
        windowCount = count
        windowPage = page
    }

    private func missing(_ lsn: LSN) -> EngineError {
        EngineError(
            .dataCorrupted, "the log record at LSN \(lsn.rawValue) cannot be read", severity: .panic,
            hint: "Restore from a backup, or let a replica take over.")
    }
}
