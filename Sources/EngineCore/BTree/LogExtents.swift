// Extents lent to the log (WALEngine/LogOverflow.swift). They are free in the map on the device: which of them are in use is
// said by the log's own table, which the superblock names. So there is one truth, and nothing to free after a crash. In
// memory they are taken, so that no tree gets them.
//
// They come from the end of the device, where trees grow to last.

import Fibers
import Platform

extension PageAllocator {
    /// Takes a free extent for the log. Nil if there is none. What redo could still do to its pages, and what the pool has
    /// not yet written, belongs to records before the log's insert position of now.
    package func takeLogExtent() -> Int? { mutex.withLock { space.takeForLog() } }

    /// Recovery, before anything is allocated: takes the extent that holds `page`. XX001 if a tree has it.
    package func adoptLogExtent(of page: PageID) throws(EngineError) -> Int {
        guard geometry.contains(page) else { throw Self.damaged("page \(page.rawValue) cannot be the log's") }
        let extent = geometry.extent(of: page)
        guard mutex.withLock({ space.takeForLog(extent) }) != nil else {
            throw Self.damaged("extent \(extent) is the log's and a tree's")
        }
        return extent
    }

    /// The extent can be used by trees. Nothing durable says any more that it is the log's.
    package func giveBackLogExtent(_ extent: Int) {
        mutex.withLock { space.giveBackLent(extent, by: ExtentMapPage.logOwner) }
    }

    /// Extents that the log has.
    package var logExtentCount: Int { extentCount(of: ExtentMapPage.logOwner) }

    func extentCount(of owner: TreeID) -> Int {
        mutex.withLock {
            var count = 0
            for extent in 0..<geometry.extentCount where space.owner(extent) == owner { count += 1 }
            return count
        }
    }

    package func logExtentPages(_ extent: Int) -> Range<UInt64> {
        let first = geometry.firstPage(of: extent).rawValue
        return first..<first + UInt64(geometry.pageCount(of: extent))
    }
}
