// Hands out and takes back pages. An extent of 1,024 pages belongs to one tree, so that a tree lies together on the device
// and is dropped by a few bits; but a tree's first 64 pages come from extents shared by all small trees, because a catalog
// of hundreds of tables with a few rows each would otherwise take a gigabyte.
//
// Allocation has two steps. `reserve` promises a page in memory, and is where a full disk shows (53100), before anything is
// latched or changed. The promise becomes an allocation by an operation in the same log record that brings the page into
// its tree; so a crash at any point leaves the page either free or in the tree. Freeing is the same the other way round.
//
// Chains of overflow pages are written before the leaf entry that refers to them, and freed after it. Meanwhile the chain's
// first page is marked suspect in the map. After a crash `suspects` lists those that are left, and each is freed unless the
// entry named in it still refers to it (see Overflow.swift).

import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

/// A page promised to a tree. Used up by `PageAllocator.allocate` and a commit, or given back by `cancel`.
package struct PageReservation {
    package let page: PageID
    let tree: TreeID
}

package final class PageAllocator: @unchecked Sendable {
    let pool: PoolView
    unowned(unsafe) let log: Log
    package let geometry: ExtentGeometry
    /// Protects `space`. Held for a few dozen instructions, and across one log record while a shared extent is made; never
    /// taken by a fiber that holds a page latched.
    let mutex = FiberMutex()
    var space: FreeSpace
    /// Everything logged before it is on the device, and recovery would not repeat it. Not under the mutex: whoever holds
    /// that may be waiting for a checkpoint.
    private let checkpointRedo = Atomic<UInt64>(0)
    /// Chains that were suspect when the map was read, but for those freed since.
    package private(set) var suspects: [PageID] = []

    /// Writes an empty map page of a new device into `page`: to be done for all of `geometry.mapPageCount`.
    package static func formatMapPage(_ index: Int, _ geometry: ExtentGeometry, into page: UnsafeMutableRawPointer) {
        ExtentMapPage.initialize(page, id: PageID(geometry.firstMapPage.rawValue + UInt64(index)))
    }

    /// Reads the map: after redo, before anything allocates. One page for each 60 MiB of the device.
    package init(pool: BufferPool, log: Log, geometry: ExtentGeometry) throws(EngineError) {
        self.pool = pool.view
        self.log = log
        self.geometry = geometry
        space = FreeSpace(geometry, at: log.insertLSN)
        try readMap()
    }

    deinit { space.deallocate() }

    // MARK: Opening

    private func readMap() throws(EngineError) {
        for extent in 0..<geometry.extentCount {
            let mapPage = geometry.mapPage(of: extent)
            try pool.latchShared(mapPage)
            let error = loadExtent(extent, ExtentMapPage(pool.pointer(mapPage)))
            pool.unlatchShared(mapPage)
            if let error { throw error }
            if space.owner(extent) == ExtentMapPage.sharedOwner { try loadShared(extent) }
        }
    }

    private func loadExtent(_ extent: Int, _ map: ExtentMapPage) -> EngineError? {
        guard PageHeader.type(map.base) == .extentMap else {
            return Self.damaged("page \(geometry.mapPage(of: extent).rawValue) is not an extent map page")
        }
        let entry = extent % ExtentMapPage.extentsPerPage
        let owner = map.owner(entry)
        if owner == .none { return map.usedCount(entry) == 0 ? nil : Self.damaged("extent \(extent) has no owner") }
        space.assign(extent, to: owner)
        for word in 0..<16 {
            var used = map.usedWord(entry, word)
            let suspect = map.suspectWord(entry, word)
            while used != 0 {
                let index = word * 64 + used.trailingZeroBitCount
                used &= used - 1
                if owner == ExtentMapPage.sharedOwner {
                    // Whose they are is in the owner page.
                    space.take(extent, index)
                } else {
                    space.take(extent, index, for: owner)
                }
                if suspect >> UInt64(index % 64) & 1 != 0 {
                    suspects.append(geometry.page(extent: extent, index: index))
                }
            }
        }
        return nil
    }

    private func loadShared(_ extent: Int) throws(EngineError) {
        let page = geometry.firstPage(of: extent)
        try pool.latchShared(page)
        defer { pool.unlatchShared(page) }
        guard PageHeader.type(pool.pointer(page)) == .extentBitmap else {
            throw Self.damaged("page \(page.rawValue) does not say who owns the pages of extent \(extent)")
        }
        let owners = SharedExtentPage(pool.pointer(page))
        for index in 1..<SharedExtentPage.firstIndex where !space.isTaken(extent, index) { space.take(extent, index) }
        for index in SharedExtentPage.firstIndex..<geometry.pageCount(of: extent) where space.isTaken(extent, index) {
            space.adopt(extent, index, for: owners.owner(index))
        }
    }

    static func damaged(_ what: String) -> EngineError {
        EngineError(
            .dataCorrupted, "the free-space map is damaged: \(what)", hint: "Restore from a backup or a replica.")
    }

    // MARK: Reserving

    /// Promises a page to a tree, close to `near` if possible. Parks; latch nothing before. 53100 if the disk is full.
    package func reserve(for tree: TreeID, near: PageID = .none) throws(EngineError) -> PageReservation {
        mutex.lock()
        defer { mutex.unlock() }
        if let found = try find(tree, near) {
            space.take(found.extent, found.index, for: tree)
            return PageReservation(page: geometry.page(extent: found.extent, index: found.index), tree: tree)
        }
        throw EngineError(
            .diskFull, "could not extend: the disk is full",
            detail: "All \(geometry.extentCount) extents of the device are in use.",
            hint: "Drop or truncate tables, or move the database to a larger device.")
    }

    private func find(_ tree: TreeID, _ near: PageID) throws(EngineError) -> (extent: Int, index: Int)? {
        let sharedCount = space.trees[tree.rawValue]?.sharedPages.count ?? 0
        let extentCount = space.trees[tree.rawValue]?.extents.count ?? 0
        if extentCount > 0 || sharedCount >= FreeSpace.sharedPageLimit {
            if let found = space.findOwn(tree, near: near) { return found }
            let last = space.trees[tree.rawValue]?.extents.last.map { geometry.firstPage(of: $0) } ?? near
            if let extent = space.findFreeExtent(near: last) {
                space.assign(extent, to: tree)
                return (extent, 0)
            }
        }
        if let found = space.findShared(near: near) { return found }
        if let extent = space.findFreeExtent(near: .none) {
            try makeShared(extent)
            return space.findShared(near: .none)
        }
        return nil
    }

    /// Turns a free extent into a shared one, in a record of its own.
    private func makeShared(_ extent: Int) throws(EngineError) {
        let ownerPage = geometry.firstPage(of: extent)
        let mapPage = geometry.mapPage(of: extent)
        var change = StructureChange(pool: pool, log: log)
        do throws(EngineError) {
            while true {
                try change.latchNew(ownerPage)
                // Waits for the device at most, never for a checkpoint, which would want the mutex.
                try log.ensureRoom(1024, for: .system)
                if change.latch(mapPage, try pool.optimisticRead(mapPage)) { break }
                change.abandon()
                Fiber.yield()
            }
        } catch {
            change.abandon()
            throw error
        }
        var record = log.makeRecord(.system)
        withScratchNode { scratch in
            SharedExtentPage.initialize(scratch.base, id: ownerPage)
            change.image(&record, ownerPage, of: scratch.base, low: PageHeader.byteCount, high: pageSize)
        }
        emitAllocate(&record, &change, ownerPage, owner: ExtentMapPage.sharedOwner, shared: true, suspect: false)
        change.commit(&record)
        space.assign(extent, to: ExtentMapPage.sharedOwner)
        for index in 0..<SharedExtentPage.firstIndex where !space.isTaken(extent, index) { space.take(extent, index) }
    }

    /// Gives a reservation back that was not used.
    package func cancel(_ reservation: PageReservation) {
        mutex.withLock { space.giveBack(reservation.page, of: reservation.tree, at: log.insertLSN) }
    }

    // MARK: As part of a structure change

    /// Tokens of the map pages that record whether `page` is in use. Parks if they are not in memory.
    func readMapPages(of page: PageID) throws(EngineError) -> MapTokens {
        let extent = geometry.extent(of: page)
        let mapPage = geometry.mapPage(of: extent)
        // The kind of an extent does not change while a page of it is in use or promised.
        let shared = mutex.withLock { space.owner(extent) } == ExtentMapPage.sharedOwner
        let ownerPage = shared ? geometry.firstPage(of: extent) : PageID.none
        let ownerToken = shared ? try pool.optimisticRead(ownerPage) : 0
        return MapTokens(
            mapPage: mapPage, mapToken: try pool.optimisticRead(mapPage), ownerPage: ownerPage, ownerToken: ownerToken)
    }

    /// Latches the map pages without waiting.
    func latch(_ tokens: MapTokens, _ change: inout StructureChange) -> Bool {
        if !change.latch(tokens.mapPage, tokens.mapToken) { return false }
        return tokens.ownerPage == .none || change.latch(tokens.ownerPage, tokens.ownerToken)
    }

    /// Errors: XX001 unless the map has the page in use, as it must before it is freed. Its map pages are latched.
    func checkInUse(_ page: PageID, _ tokens: MapTokens) throws(EngineError) {
        let map = ExtentMapPage(pool.pointer(tokens.mapPage))
        let extent = geometry.extent(of: page) % ExtentMapPage.extentsPerPage
        if tokens.ownerPage != .none, PageHeader.type(pool.pointer(tokens.ownerPage)) != .extentBitmap {
            throw Self.damaged("page \(tokens.ownerPage.rawValue) is none of it")
        }
        if !map.canFree(extent, geometry.index(of: page)) {
            throw Self.damaged("page \(page.rawValue) is in use and called free")
        }
    }

    /// The reserved page becomes allocated. Its map pages are latched.
    func allocate(
        _ record: inout LogRecordBuilder, _ change: inout StructureChange, _ reservation: PageReservation,
        _ tokens: MapTokens, suspect: Bool = false
    ) {
        let shared = tokens.ownerPage != .none
        emitAllocate(&record, &change, reservation.page, owner: reservation.tree, shared: shared, suspect: suspect)
        if shared { emitOwner(&record, &change, reservation.page, tokens.ownerPage, reservation.tree) }
    }

    /// The page becomes free on disk. Its map pages are latched. After the commit, `didFree`.
    func free(
        _ record: inout LogRecordBuilder, _ change: inout StructureChange, _ page: PageID, _ tokens: MapTokens
    ) {
        let operands = change.operation(&record, tokens.mapPage, PageOpcode.deallocate, byteCount: 4)
        setLocation(operands, page)
        change.perform(tokens.mapPage, PageOpcode.deallocate, operands)
        if tokens.ownerPage != .none { emitOwner(&record, &change, page, tokens.ownerPage, .none) }
    }

    /// The page can be handed out again. Latch nothing before.
    func didFree(_ page: PageID, of tree: TreeID) {
        mutex.withLock {
            if !suspects.isEmpty { suspects.removeAll { $0 == page } }
            space.giveBack(page, of: tree, at: log.insertLSN)
        }
    }

    /// Marks the first page of a chain, or takes the mark away. Its map page is latched.
    func setSuspect(
        _ record: inout LogRecordBuilder, _ change: inout StructureChange, _ page: PageID, _ mapPage: PageID,
        _ value: Bool
    ) {
        let operands = change.operation(&record, mapPage, PageOpcode.suspect, byteCount: 5)
        setLocation(operands, page)
        operands[4] = value ? 1 : 0
        change.perform(mapPage, PageOpcode.suspect, operands)
    }

    private func setLocation(_ operands: UnsafeMutableRawBufferPointer, _ page: PageID) {
        let base = operands.baseAddress.unsafelyUnwrapped
        base.setLittle(0, UInt16(geometry.extent(of: page) % ExtentMapPage.extentsPerPage))
        base.setLittle(2, UInt16(geometry.index(of: page)))
    }

    private func emitAllocate(
        _ record: inout LogRecordBuilder, _ change: inout StructureChange, _ page: PageID, owner: TreeID, shared: Bool,
        suspect: Bool
    ) {
        let mapPage = geometry.mapPage(of: geometry.extent(of: page))
        let operands = change.operation(&record, mapPage, PageOpcode.allocate, byteCount: 10)
        setLocation(operands, page)
        operands.baseAddress.unsafelyUnwrapped.setLittle(4, owner.rawValue)
        operands[8] = shared ? 1 : 0
        operands[9] = suspect ? 1 : 0
        change.perform(mapPage, PageOpcode.allocate, operands)
    }

    private func emitOwner(
        _ record: inout LogRecordBuilder, _ change: inout StructureChange, _ page: PageID, _ ownerPage: PageID,
        _ owner: TreeID
    ) {
        let operands = change.operation(&record, ownerPage, PageOpcode.own, byteCount: 6)
        operands.baseAddress.unsafelyUnwrapped.setLittle(0, UInt16(geometry.index(of: page)))
        operands.baseAddress.unsafelyUnwrapped.setLittle(2, owner.rawValue)
        change.perform(ownerPage, PageOpcode.own, operands)
    }

    // MARK: Whole trees

    /// Frees all pages of a tree that nobody uses any more, a record per map page and shared page. If a crash comes
    /// between, `owners` still lists the tree, and freeing it again finishes the job.
    package func freeTree(_ tree: TreeID) throws(EngineError) {
        guard let freed = mutex.withLock({ space.forget(tree) }) else { return }
        for page in freed.sharedPages {
            try change(page) { record, change, tokens in free(&record, &change, page, tokens) }
            mutex.withLock { space.giveBack(page, of: tree, at: log.insertLSN) }
            Fiber.yieldIfDue()
        }
        for extent in freed.extents {
            let mapPage = geometry.mapPage(of: extent)
            try change(geometry.firstPage(of: extent), mustBeInUse: false) { record, change, tokens in
                let operands = change.operation(&record, mapPage, PageOpcode.vacate, byteCount: 2)
                operands.baseAddress.unsafelyUnwrapped.setLittle(0, UInt16(extent % ExtentMapPage.extentsPerPage))
                change.perform(mapPage, PageOpcode.vacate, operands)
            }
            mutex.withLock { space.giveBackExtent(extent, at: log.insertLSN) }
            Fiber.yieldIfDue()
        }
    }

    /// A record that changes nothing but the map pages of `page`. Errors: XX001 if it `mustBeInUse` and the map has it free.
    func change(
        _ page: PageID, mustBeInUse: Bool = true,
        _ body: (inout LogRecordBuilder, inout StructureChange, MapTokens) -> Void
    ) throws(EngineError) {
        while true {
            try log.ensureRoom(256, for: .system)
            let tokens = try readMapPages(of: page)
            var change = StructureChange(pool: pool, log: log)
            guard latch(tokens, &change) else {
                change.abandon()
                Fiber.yield()
                continue
            }
            do throws(EngineError) {
                if mustBeInUse { try checkInUse(page, tokens) }
            } catch {
                change.abandon()
                throw error
            }
            var record = log.makeRecord(.system)
            body(&record, &change, tokens)
            change.commit(&record)
            return
        }
    }

    /// Every tree that has pages. After a restart, those that no catalog names are to be freed.
    package var owners: [TreeID] {
        mutex.withLock { space.trees.keys.map { TreeID($0) } }
    }

    /// True if a tree has the page, or was promised it, or it says whose the pages of a shared extent are. What lies in the
    /// pages that a shared extent never hands out is nobody's.
    package func isInUse(_ page: PageID) -> Bool {
        guard geometry.contains(page) else { return false }
        let (extent, index) = (geometry.extent(of: page), geometry.index(of: page))
        return mutex.withLock {
            let isUnusable =
                space.owner(extent) == ExtentMapPage.sharedOwner && index > 0 && index < SharedExtentPage.firstIndex
            return !isUnusable && space.isTaken(extent, index)
        }
    }

    /// The suspects are dealt with.
    func clearSuspects() { suspects = [] }

    /// A checkpoint with this redo LSN is durable.
    package func didCheckpoint(redoLSN: LSN) { checkpointRedo.store(redoLSN.rawValue, ordering: .releasing) }

    var redoLSN: LSN { LSN(checkpointRedo.load(ordering: .acquiring)) }

    // MARK: Numbers

    /// Pages that a tree has, promised ones included.
    package func pageCount(of tree: TreeID) -> Int { mutex.withLock { space.trees[tree.rawValue]?.pageCount ?? 0 } }
    package var freeExtentCount: Int { mutex.withLock { space.freeExtentCount } }
    package var freePageCount: Int { mutex.withLock { space.freePageCount } }
}

/// The pages that record whether a page is in use, as they were when read.
struct MapTokens {
    let mapPage: PageID
    let mapToken: UInt64
    /// `none` unless the extent is shared.
    let ownerPage: PageID
    let ownerToken: UInt64
}
