// Log, pool and allocator on a scratch disk: what a tree needs to be measured.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import LayoutManager
import Platform
import WALEngine

final class TreeRoom {
    let io: BlockIO
    let log: Log
    let pool: BufferPool
    let allocator: PageAllocator

    init(_ scheduler: Scheduler, frameCount: Int) throws(EngineError) {
        io = BlockIO(scheduler: scheduler)
        let layout = try DiskLayout.compute(
            deviceByteCount: io.geometry.byteCount, options: LayoutOptions(walByteCount: io.geometry.byteCount / 4))
        let zone = LogZone(
            offset: layout.walFirstPage * UInt64(pageSize), byteCount: layout.walPageCount * UInt64(pageSize))
        log = try Log(scheduler: scheduler, io: io, zone: zone)
        let checksum = PageChecksum(seed: 1)
        pool = try BufferPool(
            scheduler: scheduler, io: io, log: log, layout: layout, checksum: checksum, frameCount: frameCount)
        let geometry = ExtentGeometry(
            firstDataPage: PageID(layout.dataFirstPage), dataPageCount: layout.endPage - layout.dataFirstPage)
        let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { page.deallocate() }
        for index in 0..<geometry.mapPageCount {
            PageAllocator.formatMapPage(index, geometry, into: page)
            checksum.set(page)
            try io.write(
                from: page, offset: (geometry.firstMapPage.rawValue + UInt64(index)) * UInt64(pageSize),
                byteCount: pageSize, class: .read)
        }
        try log.open(at: .empty, epoch: 1, oldestNeeded: LogZone.firstLSN)
        try pool.start()
        allocator = try PageAllocator(pool: pool, log: log, geometry: geometry)
    }

    func makeTree(_ id: UInt32, layout: TreeLayout = .headsAndHints) throws(EngineError) -> BTree {
        let root = try BTree.create(pool: pool, log: log, allocator: allocator, treeID: TreeID(id), layout: layout)
        return BTree(pool: pool, log: log, allocator: allocator, treeID: TreeID(id), root: root, layout: layout)
    }

    /// Writes everything back and frees the log.
    func checkpoint() throws(EngineError) {
        let bound = log.insertLSN
        try log.waitDurable(bound)
        try pool.flushAll()
        log.oldestNeededLSN = bound
    }

    func close() throws(EngineError) {
        pool.stop()
        try log.close()
    }
}
