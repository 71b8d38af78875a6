// A database of trees and nothing else, on the case's disk: layout, log, pool, allocator.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import Platform
import WALEngine

final class TreeRig {
    let context: SuiteContext
    let io: BlockIO
    let layout: DiskLayout
    let zone: LogZone
    let log: Log
    let pool: BufferPool
    let allocator: PageAllocator
    let geometry: ExtentGeometry

    init(
        _ context: SuiteContext, frameCount: Int = 16_384, deviceByteCount: UInt64? = nil,
        walByteCount: UInt64 = 64 << 20
    ) throws(EngineError) {
        self.context = context
        io = BlockIO(scheduler: context.scheduler)
        layout = try DiskLayout.compute(
            deviceByteCount: deviceByteCount ?? io.geometry.byteCount,
            options: LayoutOptions(walByteCount: walByteCount))
        zone = LogZone(
            offset: layout.walFirstPage * UInt64(pageSize), byteCount: layout.walPageCount * UInt64(pageSize))
        log = try Log(scheduler: context.scheduler, io: io, zone: zone)
        pool = try BufferPool(
            scheduler: context.scheduler, io: io, log: log, layout: layout, checksum: PageChecksum(seed: 1),
            frameCount: frameCount, isSound: TreePage.isSound)
        geometry = ExtentGeometry(
            firstDataPage: PageID(layout.dataFirstPage), dataPageCount: layout.endPage - layout.dataFirstPage)
        try Self.format(io, layout, geometry, pool.checksum)
        try log.open(at: .empty, epoch: 1, oldestNeeded: LogZone.firstLSN)
        try pool.start()
        allocator = try PageAllocator(pool: pool, log: log, geometry: geometry)
    }

    private static func format(
        _ io: BlockIO, _ layout: DiskLayout, _ geometry: ExtentGeometry, _ checksum: PageChecksum
    ) throws(EngineError) {
        let page = UnsafeMutableRawPointer.allocate(byteCount: 1 << 20, alignment: pageSize)
        defer { page.deallocate() }
        page.initializeMemory(as: UInt8.self, repeating: 0, count: 1 << 20)
        try io.fill(
            with: page, patternByteCount: 1 << 20, offset: layout.walFirstPage * UInt64(pageSize),
            byteCount: layout.walPageCount * UInt64(pageSize))
        for index in 0..<geometry.mapPageCount {
            PageAllocator.formatMapPage(index, geometry, into: page)
            checksum.set(page)
            try io.write(
                from: page, offset: (geometry.firstMapPage.rawValue + UInt64(index)) * UInt64(pageSize),
                byteCount: pageSize, class: .read)
        }
    }

    func makeTree(_ id: UInt32 = 1, layout: TreeLayout = .headsAndHints) throws(EngineError) -> BTree {
        let root = try BTree.create(pool: pool, log: log, allocator: allocator, treeID: TreeID(id), layout: layout)
        return BTree(pool: pool, log: log, allocator: allocator, treeID: TreeID(id), root: root, layout: layout)
    }

    /// Checks every tree and the map, over the pool. Nothing may be changing them.
    @discardableResult
    func check(_ trees: [BTree]) throws(EngineError) -> CheckReport {
        let pool = pool
        var check = try TreeCheck(geometry) { (page, target) throws(EngineError) in
            try pool.latchShared(page)
            target.copyMemory(from: pool.pointer(page), byteCount: pageSize)
            pool.unlatchShared(page)
        }
        for tree in trees { try check.check(tree: tree.treeID, root: tree.root) }
        try check.finish()
        return check.report
    }

    /// Fails the case if the check finds anything.
    @discardableResult
    func expectSound(_ trees: [BTree], line: UInt32 = #line) throws(EngineError) -> CheckReport {
        let report = try check(trees)
        for problem in report.problems { context.fail(problem, line: line) }
        return report
    }

    /// Makes room in the log's zone: every change so far is on the device.
    func checkpoint() throws(EngineError) {
        let bound = log.insertLSN
        try log.waitDurable(bound)
        try pool.flushAll()
        log.oldestNeededLSN = bound
    }

    /// Ends the fibers of pool and log. The rig cannot be used after.
    func close() throws(EngineError) {
        pool.stop()
        try log.close()
    }
}

// MARK: Single operations, each a record of its own

extension BTree {
    /// True if there was none with that key.
    func put(_ key: [UInt8], _ payload: [UInt8]) throws(EngineError) -> Bool {
        let spilled: SpilledPayload?
        if Self.mustSpill(keyByteCount: key.count, payloadByteCount: payload.count) {
            let base = UnsafeMutableRawBufferPointer.allocate(byteCount: payload.count, alignment: 8)
            defer { base.deallocate() }
            base.copyBytes(from: payload)
            spilled = try withKey(key) { (key) throws(EngineError) in try spill(key, UnsafeRawBufferPointer(base)) }
        } else {
            spilled = nil
        }
        let inLeaf = spilled.map { $0.withBytes { Array($0) } } ?? payload
        let (isNew, old) = try withKey(key) { (key) throws(EngineError) in
            try putInLeaf(key, inLeaf, isSpilled: spilled != nil)
        }
        if let spilled { try settle(spilled, attached: true) }
        if let old { try freeChain(old) }
        return isNew
    }

    private func putInLeaf(
        _ key: TreeKey, _ payload: [UInt8], isSpilled: Bool
    ) throws(EngineError) -> (Bool, SpilledPayload?) {
        var leaf = try withLeaf(for: key, reserving: payload.count, logging: payload.count + key.count + 256)
        let (slot, found) = leaf.find(key)
        var old: SpilledPayload?
        if found && leaf.isSpilled(slot) { old = SpilledPayload(UnsafeRawBufferPointer(leaf.payload(slot))) }
        var record = log.makeRecord(.system)
        payload.withUnsafeBytes { bytes in
            if found {
                leaf.replace(into: &record, at: slot, bytes, spilled: isSpilled)
            } else {
                leaf.insert(into: &record, at: slot, key, bytes, spilled: isSpilled)
            }
        }
        let (start, end) = log.append(&record)
        if leaf.finish(start: start, end: end) { try merge(around: key) }
        return (!found, old)
    }

    /// True if there was one.
    func take(_ key: [UInt8]) throws(EngineError) -> Bool {
        try withKey(key) { (key) throws(EngineError) in try takeFromLeaf(key) }
    }

    private func takeFromLeaf(_ key: TreeKey) throws(EngineError) -> Bool {
        var leaf = try withLeaf(for: key, reserving: nil, logging: 256)
        let (slot, found) = leaf.find(key)
        if !found {
            leaf.release()
            return false
        }
        var old: SpilledPayload?
        if leaf.isSpilled(slot) { old = SpilledPayload(UnsafeRawBufferPointer(leaf.payload(slot))) }
        var record = log.makeRecord(.system)
        leaf.remove(into: &record, at: slot)
        let (start, end) = log.append(&record)
        if leaf.finish(start: start, end: end) { try merge(around: key) }
        if let old { try freeChain(old) }
        return true
    }

    func get(_ key: [UInt8], _ buffer: inout PayloadBuffer) throws(EngineError) -> Bool {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, key.count), alignment: 8)
        defer { copy.deallocate() }
        copy.copyBytes(from: key)
        return try lookup(UnsafeRawBufferPointer(rebasing: copy[..<key.count]), into: &buffer)
    }

    private func withKey<R>(_ key: [UInt8], _ body: (TreeKey) throws(EngineError) -> R) throws(EngineError) -> R {
        try key.withKey(body)
    }
}

extension [UInt8] {
    /// The bytes at an address that lasts across fiber switches.
    func withKey<R>(_ body: (TreeKey) throws(EngineError) -> R) throws(EngineError) -> R {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: Swift.max(1, count), alignment: 8)
        defer { copy.deallocate() }
        copy.copyBytes(from: self)
        return try body(TreeKey(UnsafeRawBufferPointer(rebasing: copy[..<count])))
    }
}

func bigEndian(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * $0)) } }
