// Verifying a device page by page, for an offline check: reads everything, changes nothing.

import AsyncIO
import IOScheduler
import Platform

package enum DeviceCheck {
    package struct Report: Sendable {
        /// What each superblock copy is.
        package var copies: [SuperblockCopy] = []
        package var verdict = SuperblockQuorum.Case.e
        package var soundPageCount: UInt64 = 0
        /// Zeros: never used, or never written back before the last stop.
        package var unwrittenPageCount: UInt64 = 0
        package var defectivePageCount: UInt64 = 0
        /// The first hundred of them.
        package var defects: [Defect] = []
        package init() {}
    }

    package struct Defect: Sendable {
        package var page: PageID
        package var defect: PageDefect
    }

    /// Judges the four superblock copies; `superblock` is nil if no quorum can be believed. Mends nothing.
    package static func superblock(
        io: BlockIO, platform: any Platform
    ) throws(EngineError) -> (superblock: Superblock?, report: Report) {
        var report = Report()
        report.copies = try SuperblockStore.readCopies(io: io, platform: platform)
        let decision = SuperblockQuorum.decide(report.copies, deviceByteCount: io.geometry.byteCount)
        report.verdict = decision.verdict
        return (decision.superblock, report)
    }

    /// Verifies checksum and number of the data pages in `pages`, in large reads of the class for scans. `progress` is
    /// called after each of them with the next page; it may stop the check by returning false. A range that the device
    /// cannot read is read again page by page, to name the pages. The database must not be running: pages being written
    /// would look torn. What is found in a page that is not in use means nothing: a crash may have torn it.
    package static func pages(
        _ pages: Range<UInt64>, of superblock: Superblock, io: BlockIO, platform: any Platform,
        into report: inout Report, isInUse: (PageID) -> Bool = { _ in true },
        progress: (PageID) -> Bool = { _ in true }
    ) throws(EngineError) {
        let stretch = max(1, min(io.geometry.maxTransferByteCount, 1 << 20) / pageSize)
        guard let memory = platform.allocate(byteCount: stretch * pageSize, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "there is no memory to check the device")
        }
        defer { platform.deallocate(memory, byteCount: stretch * pageSize) }
        var next = max(pages.lowerBound, superblock.layout.dataFirstPage)
        let end = min(pages.upperBound, superblock.layout.endPage)
        while next < end {
            let count = Int(min(UInt64(stretch), end - next))
            do throws(EngineError) {
                try io.read(
                    into: memory, offset: next * UInt64(pageSize), byteCount: count * pageSize, class: .scan)
                for index in 0..<count {
                    judge(memory + index * pageSize, PageID(next + UInt64(index)), superblock, &report, isInUse)
                }
            } catch {
                readSingly(next, count, memory, superblock, io, &report, isInUse)
            }
            next += UInt64(count)
            if !progress(PageID(next)) { return }
        }
    }

    private static func readSingly(
        _ first: UInt64, _ count: Int, _ memory: UnsafeMutableRawPointer, _ superblock: Superblock, _ io: BlockIO,
        _ report: inout Report, _ isInUse: (PageID) -> Bool
    ) {
        for page in first..<first + UInt64(count) {
            do throws(EngineError) {
                try io.read(into: memory, offset: page * UInt64(pageSize), byteCount: pageSize, class: .scan)
                judge(memory, PageID(page), superblock, &report, isInUse)
            } catch {
                if isInUse(PageID(page)) { note(.unreadable, PageID(page), &report) }
            }
        }
    }

    private static func judge(
        _ bytes: UnsafeRawPointer, _ page: PageID, _ superblock: Superblock, _ report: inout Report,
        _ isInUse: (PageID) -> Bool
    ) {
        switch superblock.pageChecksum.defect(of: bytes, expected: page) {
        case nil: report.soundPageCount += 1
        case .neverWritten: report.unwrittenPageCount += 1
        case .some(let defect): if isInUse(page) { note(defect, page, &report) }
        }
    }

    private static func note(_ defect: PageDefect, _ page: PageID, _ report: inout Report) {
        report.defectivePageCount += 1
        if report.defects.count < 100 { report.defects.append(Defect(page: page, defect: defect)) }
    }
}
