// The B-tree with many fibers on every core at once, and what its log, its map and its check are worth.

import BTree
import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

func btreeStormCases() -> [SuiteCase] {
    [
        SuiteCase("btree: writers on every core each see their own keys as they left them", writersSeeTheirOwn),
        SuiteCase(
            "btree: cursors miss no key that stays and see none twice while pages split and merge", cursorsAreStable),
        SuiteCase("btree: the log's operations applied to an empty map give the same pages", redoGivesTheSamePages),
        SuiteCase("btree: dropped and emptied trees leave every page free", nothingLeaks),
        SuiteCase("btree: a full disk refuses cleanly, and what is freed can be used again", fullDiskRefuses),
        SuiteCase(
            "btree: overflow chains that a crash left over are freed, and used ones are kept", suspectsAreResolved),
        SuiteCase("btree: the check finds each kind of damage", checkFindsDamage),
        SuiteCase("btree: a scan ends at a leaf that has not the fences its parent says", scanMeetsWrongFence),
        SuiteCase("btree: trees larger than the pool work from the device", outgrowsThePool),
    ]
}

/// Puts, takes and gets of keys that only this fiber writes, against a model; leaves what it left in `model`.
private func storm(
    _ context: SuiteContext, _ tree: BTree, owner: Int, owners: Int, steps: Int, keySpace: Int,
    random: inout SuiteRandom
) throws(EngineError) -> [Int: [UInt8]] {
    var model: [Int: [UInt8]] = [:]
    var buffer = PayloadBuffer()
    for step in 0..<steps {
        let number = random.next(below: keySpace) * owners + owner
        let key = bigEndian(UInt64(number))
        // Waves of growth and decay, so that the same pages split and merge.
        let isGrowing = step / 400 % 2 == 0
        if random.next(below: 10) < (isGrowing ? 2 : 8) {
            let was = try tree.take(key)
            context.expect(was == (model[number] != nil), "take of \(number) says \(was)")
            model[number] = nil
        } else {
            let payload = randomPayload(&random, longest: random.next(below: 50) == 0 ? 5_000 : 200)
            let isNew = try tree.put(key, payload)
            context.expect(isNew == (model[number] == nil), "put of \(number) says \(isNew)")
            model[number] = payload
        }
        let probe = random.next(below: keySpace) * owners + owner
        let found = try tree.get(bigEndian(UInt64(probe)), &buffer)
        if let payload = model[probe] {
            context.expect(found && equalBytes(Array(buffer.bytes), payload), "get of \(probe) differs")
        } else {
            context.expect(!found, "get of \(probe) finds what was taken")
        }
        if step % 64 == 0 { Fiber.yield() }
    }
    return model
}

private func writersSeeTheirOwn(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 4_096)
    let tree = try rig.makeTree()
    let counted = SharedWord<Int>(0)
    let owners = context.coreCount * 4
    try context.onEveryCore(4) { (core, index) throws(EngineError) in
        var random = SuiteRandom(seed: UInt64(core * 100 + index))
        let model = try storm(
            context, tree, owner: core * 4 + index, owners: owners, steps: 2_500, keySpace: 600, random: &random)
        counted.word.add(model.count, ordering: .relaxed)
    }
    let report = try rig.expectSound([tree])
    context.expectEqual(report.entryCount, counted.word.load(ordering: .relaxed), "entries in the tree")
    context.expectEqual(rig.allocator.suspects.count, 0, "suspects")
    try rig.close()
}

private func cursorsAreStable(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 4_096)
    let tree = try rig.makeTree()
    // Every tenth key stays; the others come and go.
    let count = 3_000
    for number in stride(from: 0, to: count, by: 10) {
        _ = try tree.put(bigEndian(UInt64(number)), bigEndian(UInt64(number)))
    }
    let writersLeft = SharedWord<Int>(context.coreCount * 2)
    try context.onEveryCore(4) { (core, index) throws(EngineError) in
        var random = SuiteRandom(seed: UInt64(core * 100 + index))
        if index < 2 {
            for step in 0..<4_000 {
                let number = random.next(below: count)
                if number % 10 == 0 { continue }
                if step / 500 % 2 == 0 {
                    _ = try tree.put(bigEndian(UInt64(number)), [UInt8](repeating: 7, count: random.next(below: 300)))
                } else {
                    _ = try tree.take(bigEndian(UInt64(number)))
                }
                if step % 32 == 0 { Fiber.yield() }
            }
            writersLeft.word.subtract(1, ordering: .relaxed)
            return
        }
        var cursor = Cursor(tree)
        while writersLeft.word.load(ordering: .relaxed) > 0 {
            if index == 2 { try cursor.seekFirst() } else { try cursor.seekLast() }
            var staying = 0
            var last = index == 2 ? -1 : Int.max
            while index == 2 ? try cursor.next() : try cursor.previous() {
                let number = Int(UnsafeRawPointer(cursor.key.baseAddress!).big(0, as: UInt64.self))
                context.expect(index == 2 ? number > last : number < last, "\(number) comes after \(last)")
                last = number
                if number % 10 == 0 { staying += 1 }
                if random.next(below: 200) == 0 { Fiber.yield() }
            }
            context.expectEqual(staying, count / 10, "keys that stay, seen by a cursor")
        }
    }
    try rig.expectSound([tree])
    try rig.close()
}

private func redoGivesTheSamePages(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 4_096)
    let tree = try rig.makeTree()
    let other = try rig.makeTree(2, layout: .plain)
    try context.onEveryCore(2) { (core, index) throws(EngineError) in
        var random = SuiteRandom(seed: UInt64(core * 100 + index))
        _ = try storm(
            context, index == 0 ? tree : other, owner: core, owners: context.coreCount, steps: 1_500, keySpace: 500,
            random: &random)
    }
    try rig.allocator.freeTree(other.treeID)
    try rig.log.waitDurable(rig.log.insertLSN)
    var pages: [UInt64: UnsafeMutableRawPointer] = [:]
    func page(_ id: PageID) -> UnsafeMutableRawPointer {
        if let page = pages[id.rawValue] { return page }
        let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        page.initializeMemory(as: UInt8.self, repeating: 0xee, count: pageSize)
        let map = Int(id.rawValue) - Int(rig.geometry.firstMapPage.rawValue)
        if map < rig.geometry.mapPageCount { PageAllocator.formatMapPage(map, rig.geometry, into: page) }
        pages[id.rawValue] = page
        return page
    }
    let reader = try LogReader(io: rig.io, zone: rig.zone, from: LogZone.firstLSN, mustReach: .zero)
    var operations = 0
    while let record = try reader.next() {
        for operation in record.pageOperations {
            try BTreeRedo.apply(page(operation.page), operation.page, opcode: operation.opcode, operation.bytes)
            PageHeader.setPageLSN(page(operation.page), record.endLSN)
            operations += 1
        }
    }
    context.expect(operations > 2_000, "only \(operations) operations")
    for (id, redone) in pages {
        defer { redone.deallocate() }
        if PageHeader.type(redone) == .free
            || !rig.allocator.isInUse(PageID(id)) && id >= rig.geometry.firstExtentPage.rawValue
        {
            continue
        }
        try rig.pool.latchShared(PageID(id))
        let live = rig.pool.pointer(PageID(id))
        // The checksum is only set in what goes to the device.
        for offset in 4..<pageSize
        where live.load(fromByteOffset: offset, as: UInt8.self) != redone.load(fromByteOffset: offset, as: UInt8.self) {
            context.fail("page \(id) differs at byte \(offset)")
            break
        }
        rig.pool.unlatchShared(PageID(id))
    }
    try rig.close()
}

private func nothingLeaks(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 8_192)
    let first = try rig.makeTree(1)
    try rig.allocator.freeTree(first.treeID)
    // The first shared extent stays shared; it is there now.
    let free = rig.allocator.freePageCount
    var trees: [BTree] = []
    for id in 10..<40 { trees.append(try rig.makeTree(UInt32(id))) }
    var random = SuiteRandom(seed: 3)
    for step in 0..<20_000 {
        // Two trees outgrow the shared extent.
        let tree = trees[step % 3 == 0 ? random.next(below: 30) : step % 2]
        _ = try tree.put(
            randomKey(&random, longest: 60), randomPayload(&random, longest: step % 100 == 0 ? 20_000 : 150))
    }
    context.expect(rig.allocator.pageCount(of: trees[0].treeID) > 64, "no tree has an extent of its own")
    try rig.expectSound(trees)
    context.expectEqual(rig.allocator.owners.count, 30, "owners")
    // What a restart would read.
    let again = try PageAllocator(pool: rig.pool, log: rig.log, geometry: rig.geometry)
    context.expectEqual(again.freePageCount, rig.allocator.freePageCount, "free pages after reopening")
    context.expectEqual(again.freeExtentCount, rig.allocator.freeExtentCount, "free extents after reopening")
    for tree in trees {
        context.expectEqual(
            again.pageCount(of: tree.treeID), rig.allocator.pageCount(of: tree.treeID), "pages after reopening")
    }
    for tree in trees { try rig.allocator.freeTree(tree.treeID) }
    context.expectEqual(rig.allocator.freePageCount, free, "free pages at the end")
    context.expectEqual(rig.allocator.owners.count, 0, "owners at the end")
    try rig.expectSound([])
    try rig.close()
}

private func fullDiskRefuses(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 16_384, deviceByteCount: 48 << 20, walByteCount: 16 << 20)
    let tree = try rig.makeTree()
    let payload = [UInt8](repeating: 1, count: 900)
    var count: UInt64 = 0
    var failure: EngineError?
    while failure == nil {
        do throws(EngineError) {
            _ = try tree.put(bigEndian(count), payload)
            count += 1
        } catch {
            failure = error
        }
        // The zone is small: everything is always on the device.
        if count % 2_048 == 0 { try rig.checkpoint() }
    }
    context.expect(failure?.state == .diskFull, "it fails with \(failure?.message ?? "")")
    context.expect(rig.allocator.freePageCount < 16, "\(rig.allocator.freePageCount) pages are free")
    context.expectEqual(try rig.expectSound([tree]).entryCount, Int(count), "entries")
    context.expectError(.diskFull) { () throws(EngineError) in
        _ = try tree.put(bigEndian(count), [UInt8](repeating: 1, count: 100_000))
    }
    try rig.expectSound([tree])
    for key in 0..<count {
        if key % 5 != 0 { _ = try tree.take(bigEndian(key)) }
        if key % 2_048 == 0 { try rig.checkpoint() }
    }
    for key in 0..<count / 4 {
        _ = try tree.put(bigEndian(count + key), payload)
        if key % 2_048 == 0 { try rig.checkpoint() }
    }
    try rig.expectSound([tree])
    try rig.close()
}

private func suspectsAreResolved(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 4_096)
    let tree = try rig.makeTree()
    let long = [UInt8](repeating: 9, count: 60_000)
    _ = try tree.put([1], long)
    _ = try tree.put([2], long)
    let free = rig.allocator.freePageCount
    // As if the crash came after a chain was written and before its entry was; and after an update was announced.
    try [UInt8]([3]).withKey { (key) throws(EngineError) in
        _ = try long.withKey { (bytes) throws(EngineError) in try tree.spill(key, bytes.bytes) }
    }
    var buffer = PayloadBuffer()
    try [UInt8]([1]).withKey { (key) throws(EngineError) in
        _ = try tree.lookup(key) { bytes, _ in buffer.assign(bytes) }
    }
    try tree.settle(SpilledPayload(buffer.bytes)!, attached: false)
    try rig.expectSound([tree])
    let after = try PageAllocator(pool: rig.pool, log: rig.log, geometry: rig.geometry)
    context.expectEqual(after.suspects.count, 2, "suspects")
    let reopened = BTree(pool: rig.pool, log: rig.log, allocator: after, treeID: tree.treeID, root: tree.root)
    for page in after.suspects { try BTree.resolve(suspect: page, pool: rig.pool, log: rig.log, allocator: after) }
    context.expectEqual(after.freePageCount, free, "free pages after the suspects are resolved")
    context.expect(try reopened.get([1], &buffer) && equalBytes(Array(buffer.bytes), long), "a used chain was freed")
    let last = try PageAllocator(pool: rig.pool, log: rig.log, geometry: rig.geometry)
    context.expectEqual(last.suspects.count, 0, "suspects at the end")
    try rig.expectSound([reopened])
    try rig.close()
}

private func checkFindsDamage(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 4_096)
    let tree = try rig.makeTree()
    for number in 0..<5_000 { _ = try tree.put(bigEndian(UInt64(number * 7)), bigEndian(UInt64(number))) }
    _ = try tree.put(bigEndian(3), [UInt8](repeating: 5, count: 20_000))
    try rig.expectSound([tree])
    let root = TreePage(rig.pool.pointer(tree.root))
    let leaf = root.child(3)
    let head = SpilledPayload(UnsafeRawBufferPointer(TreePage(rig.pool.pointer(root.child(-1))).payload(1)))!.firstPage
    func damage(_ letter: StaticString, _ page: PageID, _ what: String, _ change: (UnsafeMutableRawPointer) -> Void)
        throws(EngineError)
    {
        let base = rig.pool.pointer(page)
        let copy = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: 8)
        defer { copy.deallocate() }
        try rig.pool.latchExclusive(page)
        copy.copyMemory(from: base, byteCount: pageSize)
        change(base)
        rig.pool.unlatchExclusive(page)
        let report = try rig.check([tree])
        let found = report.problems.contains { $0.utf8.first == letter.utf8Start[0] }
        context.expect(found, "\(what) was not found as \(String(decoding: [letter.utf8Start[0]], as: UTF8.self))")
        try rig.pool.latchExclusive(page)
        base.copyMemory(from: copy, byteCount: pageSize)
        rig.pool.unlatchExclusive(page)
    }
    func flip(_ offset: Int) -> (UnsafeMutableRawPointer) -> Void {
        {
            $0.storeBytes(
                of: $0.load(fromByteOffset: offset, as: UInt8.self) ^ 0x41, toByteOffset: offset, as: UInt8.self)
        }
    }
    try damage("A", leaf, "a wrong page number", flip(8))
    try damage("A", leaf, "a wrong tree", flip(24))
    try damage("A", leaf, "a wrong level", flip(48))
    try damage("A", leaf, "a wrong type", flip(4))
    try damage("A", leaf, "a wrong heap count", flip(36))
    try damage("A", leaf, "a slot outside the heap", flip(129))
    try damage("B", leaf, "a wrong head", flip(128 + 6))
    try damage("B", leaf, "a wrong hint", flip(70))
    try damage("B", leaf, "a wrong prefix", flip(38))
    try damage("B", leaf, "swapped slots") { base in
        for offset in 0..<10 {
            let byte = base.load(fromByteOffset: 128 + offset, as: UInt8.self)
            base.storeBytes(
                of: base.load(fromByteOffset: 138 + offset, as: UInt8.self), toByteOffset: 128 + offset, as: UInt8.self)
            base.storeBytes(of: byte, toByteOffset: 138 + offset, as: UInt8.self)
        }
    }
    try damage("C", leaf, "a wrong fence") { base in
        let fence = TreePage(base).lowerFence
        let last = UnsafeMutableRawPointer(mutating: fence.base) + fence.count - 1
        last.storeBytes(of: last.load(as: UInt8.self) &- 1, as: UInt8.self)
    }
    try damage("D", tree.root, "a child referred to twice") { base in
        let slot = TreePage(base).payload(0)
        slot.copyBytes(from: UnsafeRawBufferPointer(TreePage(base).payload(1)))
    }
    try damage("E", tree.root, "a child that nobody refers to") { base in
        let slot = TreePage(base).payload(0)
        slot.copyBytes(from: UnsafeRawBufferPointer(TreePage(base).payload(1)))
    }
    try damage("F", head, "a changed overflow byte", flip(500))
    try damage("F", head, "a wrong place in the chain", flip(48))
    try rig.expectSound([tree])
    try rig.close()
}

/// It goes on with the leaf's fence, and would go round in circles.
private func scanMeetsWrongFence(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 4_096)
    let tree = try rig.makeTree()
    let count = 5_000
    for number in 0..<count { _ = try tree.put(bigEndian(UInt64(number * 7)), bigEndian(UInt64(number))) }
    let leaf = TreePage(rig.pool.pointer(tree.root)).child(3)
    /// Changes the last byte of a fence.
    func move(_ fence: (TreePage) -> TreeKey, by delta: Int) throws(EngineError) {
        try rig.pool.latchExclusive(leaf)
        let key = fence(TreePage(rig.pool.pointer(leaf)))
        let last = UnsafeMutableRawPointer(mutating: key.base) + key.count - 1
        last.storeBytes(of: UInt8(truncatingIfNeeded: Int(last.load(as: UInt8.self)) + delta), as: UInt8.self)
        rig.pool.unlatchExclusive(leaf)
    }
    /// Walks the tree; a few entries more are no circle.
    func scan(_ step: (inout Cursor) throws(EngineError) -> Bool, _ cursor: inout Cursor) throws(EngineError) -> Int {
        var found = 0
        while found < 2 * count, try step(&cursor) { found += 1 }
        return found
    }
    func forward() throws(EngineError) -> Int {
        var cursor = Cursor(tree)
        try cursor.seekFirst()
        return try scan({ (cursor) throws(EngineError) in try cursor.next() }, &cursor)
    }
    func backward() throws(EngineError) -> Int {
        var cursor = Cursor(tree)
        try cursor.seekLast()
        return try scan({ (cursor) throws(EngineError) in try cursor.previous() }, &cursor)
    }
    try move({ $0.upperFence }, by: -1)
    context.expectError(.indexCorrupted) { () throws(EngineError) in _ = try forward() }
    try move({ $0.upperFence }, by: 1)
    try move({ $0.lowerFence }, by: 1)
    context.expectError(.indexCorrupted) { () throws(EngineError) in _ = try backward() }
    try move({ $0.lowerFence }, by: -1)
    context.expectEqual(try forward(), count, "forward")
    context.expectEqual(try backward(), count, "backward")
    try rig.close()
}

private func outgrowsThePool(_ context: SuiteContext) throws(EngineError) {
    let frameCount = BufferPool.minimumFrameCount(workerCount: context.coreCount)
    let rig = try TreeRig(context, frameCount: frameCount)
    let tree = try rig.makeTree()
    let counted = SharedWord<Int>(0)
    try context.onEveryCore(2) { (core, index) throws(EngineError) in
        var random = SuiteRandom(seed: UInt64(core * 100 + index))
        let model = try storm(
            context, tree, owner: core * 2 + index, owners: context.coreCount * 2, steps: 2_500, keySpace: 3_000,
            random: &random)
        counted.word.add(model.count, ordering: .relaxed)
    }
    let report = try rig.expectSound([tree])
    context.expectEqual(report.entryCount, counted.word.load(ordering: .relaxed), "entries in the tree")
    context.expect(report.pageCount > frameCount * 2 / 3, "only \(report.pageCount) pages for \(frameCount) frames")
    try rig.close()
}
