// The double-write zone: on devices that may tear a 4 KiB write, pages go to the zone first, and in place only when the
// copies in the zone are durable. (As InnoDB's double-write buffer; a full-page image in the log would cost log volume
// instead.)
//
// The zone is cut into one slice per worker; each holds one batch. Crash points of a batch:
//
//   1. while the slice is written       in-place pages are whole: nothing was written there since the slice's last batch
//                                       became durable in place
//   2. slice durable, before in place   in-place pages are whole and older than their copies
//   3. while in place is written        some pages are torn or older; each has a whole copy in the slice
//   4. in place written, not flushed    as 3
//   5. in place durable                 copies are no longer needed; the slice may be reused
//
// So at open, a copy is put in place if the page there is torn, or older. But a copy may also be left from long ago, when
// its page was since written by another slice's batch. Such a copy must not replace a page that rotted later: it would
// silently lose changes. What tells them apart is the redo LSN: as long as a batch is in flight, its pages count as dirty,
// so the checkpoint's redo LSN is less than the page LSN of every one of them. A copy with a page LSN at or below the redo
// LSN is from before. One with a greater page LSN that is stale nevertheless is safe to restore: redo brings every change
// after the redo LSN again.

import AsyncIO
import IOScheduler
import Platform

/// A slice of the zone for one batch.
package struct DoubleWriteZone: Sendable {
    private let firstPage: UInt64
    /// Most pages in one batch.
    package let slicePageCount: Int
    private let sliceCount: Int

    /// Cuts the zone for `laneCount` writers at once. If the zone has too few pages for all, some share a slice; see
    /// `sharesSlices`.
    package init(layout: DiskLayout, laneCount: Int) {
        let pages = Int(layout.doubleWritePageCount)
        firstPage = layout.doubleWriteFirstPage
        sliceCount = max(1, min(laneCount, pages / 16))
        slicePageCount = min(128, pages / sliceCount)
    }

    /// Slice for a writer; writers with the same slice must take turns.
    package func slice(_ lane: Int) -> Int { lane % sliceCount }

    /// Byte offset of a slice.
    package func offset(_ slice: Int) -> UInt64 {
        assert(slice < sliceCount)
        return (firstPage + UInt64(slice * slicePageCount)) * UInt64(pageSize)
    }
}

package enum DoubleWrite {
    /// True if pages must go through the zone on this device.
    package static func isNeeded(_ geometry: BlockGeometry) -> Bool { geometry.atomicWriteByteCount < pageSize }

    /// What `recover` found.
    package struct Report: Sendable {
        /// Whole copies in the zone that a batch in flight may have left.
        package var copyCount = 0
        /// Pages that were torn, or never arrived, and were written from their copy.
        package var restored: [PageID] = []
    }

    /// Puts back pages that the last crash tore. Before anything else reads data pages; a second run finds nothing to do.
    /// A crash within leaves the copies as they are.
    package static func recover(io: BlockIO, superblock: Superblock, platform: any Platform) throws(EngineError)
        -> Report
    {
        let layout = superblock.layout
        let byteCount = Int(layout.doubleWritePageCount) * pageSize
        guard let zone = platform.allocate(byteCount: byteCount + pageSize, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "there is no memory to read the double-write zone")
        }
        defer { platform.deallocate(zone, byteCount: byteCount + pageSize) }
        try io.read(
            into: zone, offset: layout.doubleWriteFirstPage * UInt64(pageSize), byteCount: byteCount, class: .read)
        let inPlace = zone + byteCount
        var report = Report()
        if Mutation.isActive(.tornPagesNotRestored) { return report }
        for index in 0..<Int(layout.doubleWritePageCount) {
            let copy = UnsafeRawPointer(zone + index * pageSize)
            let page = PageHeader.pageID(copy)
            let checksum = superblock.pageChecksum
            // Zeros, a copy torn in case 1, or another database's.
            guard layout.contains(page), checksum.defect(of: copy, expected: page) == nil else { continue }
            if PageHeader.pageLSN(copy) <= superblock.checkpoint.redoLSN { continue }
            report.copyCount += 1
            let offset = page.rawValue * UInt64(pageSize)
            try io.read(into: inPlace, offset: offset, byteCount: pageSize, class: .read)
            let isWhole = checksum.defect(of: inPlace, expected: page) == nil
            // Of several copies of a page the newest wins, whatever their order: it is newer than what an older one left.
            if isWhole && PageHeader.pageLSN(inPlace) >= PageHeader.pageLSN(copy) { continue }
            // What was read may lie in the device's cache only, if the last process was killed and the device kept its power. A
            // page in place is not overwritten before its copy is durable.
            if report.restored.isEmpty { try io.flush() }
            try io.write(from: copy, offset: offset, byteCount: pageSize, class: .writeback)
            if !report.restored.contains(page) { report.restored.append(page) }
        }
        // Durable before redo relies on it: the zone is overwritten by the first batch.
        if !report.restored.isEmpty { try io.flush() }
        return report
    }
}
