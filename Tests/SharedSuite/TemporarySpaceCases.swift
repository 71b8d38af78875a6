// Temporary space: what is written is read back or refused, nothing of an extent's other lives comes between, nothing leaks.

import AsyncIO
import BTree
import BufferPool
import Fibers
import IOScheduler
import MVCC
import Platform
import WALEngine

func temporarySpaceCases() -> [SuiteCase] {
    [
        SuiteCase("temporary space: blocks read back as they were written, from several fibers", blocksReadBack),
        SuiteCase("temporary space: a flipped bit, a lost and a misdirected write are found", damageIsFound),
        SuiteCase("temporary space: ends with 53100 before tables lose their last room, and all comes back", fullSpace),
        SuiteCase("temporary space: what a dropped tree left in the cache does not overwrite a block", staleDirtyPages),
        SuiteCase(
            "temporary space: a crash finds no block where redo wants a page, and leaks nothing", crashWithBlocks),
        SuiteCase(bare: "temporary space: a failing device is an error of who writes or reads", deviceFails),
    ]
}

/// A buffer of one block, its payload filled from a seed.
private final class Block {
    let base = UnsafeMutableRawPointer.allocate(byteCount: TemporarySpace.blockByteCount, alignment: pageSize)
    deinit { base.deallocate() }

    func fill(_ seed: UInt64, _ byteCount: Int) {
        var random = SuiteRandom(seed: seed)
        for index in 0..<byteCount {
            base.storeBytes(
                of: UInt8(random.next(below: 256)), toByteOffset: TemporarySpace.headerByteCount + index, as: UInt8.self
            )
        }
    }

    func holds(_ seed: UInt64, _ byteCount: Int) -> Bool {
        var random = SuiteRandom(seed: seed)
        for index in 0..<byteCount {
            let byte = base.load(fromByteOffset: TemporarySpace.headerByteCount + index, as: UInt8.self)
            if byte != UInt8(random.next(below: 256)) { return false }
        }
        return true
    }
}

private func blocksReadBack(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, walByteCount: 4 << 20)
    rig.allocator.didCheckpoint(redoLSN: rig.log.insertLSN)
    let space = TemporarySpace(rig.allocator)
    let owner = Fiber.current
    var running = 4
    for number in 0..<4 {
        try context.scheduler.spawn(on: 0, .interactive, "temporary") {
            do throws(EngineError) {
                try useSpace(context, space, UInt64(number))
            } catch {
                context.fail("threw: \(error.message)")
            }
            running -= 1
            context.scheduler.wake(owner)
        }
    }
    while running > 0 { Fiber.park() }
    context.expectEqual(space.blockCount, 0, "blocks in use")
    context.expectEqual(space.extentCount, 0, "extents in use")
    try rig.close()
}

/// Takes, writes, reads and gives back at random; every block must hold what was written to it last.
private func useSpace(_ context: SuiteContext, _ space: TemporarySpace, _ number: UInt64) throws(EngineError) {
    var random = SuiteRandom(seed: 100 + number)
    let buffer = Block()
    var blocks: [(block: TemporaryBlock, seed: UInt64)] = []
    for turn in 0..<200 as Range<UInt64> {
        let seed = number << 32 | turn
        if blocks.count < 2 || (blocks.count < 40 && random.next(below: 5) < 3) {
            var block = try space.take()
            let byteCount = random.next(below: 4) == 0 ? TemporarySpace.payloadByteCount : random.next(below: 9000)
            buffer.fill(seed, byteCount)
            try space.write(&block, from: buffer.base, byteCount: byteCount)
            blocks.append((block, seed))
        } else {
            let at = random.next(below: blocks.count)
            try space.read(blocks[at].block, into: buffer.base)
            context.expect(buffer.holds(blocks[at].seed, blocks[at].block.byteCount), "a block holds what was written")
            if random.next(below: 2) == 0 { space.giveBack(blocks.remove(at: at).block) }
        }
    }
    let many = blocks.prefix(6).map { $0.block }
    let buffers = many.map { _ in Block() }
    let bases = buffers.map { $0.base }
    try read(space, many, bases)
    for (index, block) in many.enumerated() {
        context.expect(buffers[index].holds(blocks[index].seed, block.byteCount), "blocks read together")
    }
    for (block, _) in blocks { space.giveBack(block) }
}

private func read(
    _ space: TemporarySpace, _ blocks: [TemporaryBlock], _ bases: [UnsafeMutableRawPointer]
) throws(EngineError) {
    let list = UnsafeMutableBufferPointer<TemporaryBlock>.allocate(capacity: blocks.count)
    defer { list.deallocate() }
    _ = list.initialize(from: blocks)
    let targets = UnsafeMutableBufferPointer<UnsafeMutableRawPointer>.allocate(capacity: blocks.count)
    defer { targets.deallocate() }
    _ = targets.initialize(from: bases)
    if blocks.isEmpty { return }
    try space.read(UnsafeBufferPointer(list), into: UnsafePointer(targets.baseAddress.unsafelyUnwrapped))
}

private func damageIsFound(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, walByteCount: 4 << 20)
    rig.allocator.didCheckpoint(redoLSN: rig.log.insertLSN)
    let space = TemporarySpace(rig.allocator)
    let buffer = Block()
    let raw = Block()
    var first = try space.take()
    buffer.fill(1, 20_000)
    try space.write(&first, from: buffer.base, byteCount: 20_000)
    let offset = first.devicePage * UInt64(pageSize)
    try rig.io.read(into: raw.base, offset: offset, byteCount: 64 << 10, class: .read)
    // A bit of the header, of the payload's beginning, middle and end.
    for bit in [1, 40, 70, 130, 32 * 8 + 3, 10_000 * 8, (32 + 20_000) * 8 - 1] {
        flip(raw.base, bit)
        try rig.io.write(from: UnsafeRawPointer(raw.base), offset: offset, byteCount: 64 << 10, class: .read)
        context.expectError(.dataCorrupted) { () throws(EngineError) in try space.read(first, into: buffer.base) }
        flip(raw.base, bit)
    }
    // What lies behind the payload is nobody's.
    flip(raw.base, (32 + 20_000) * 8)
    try rig.io.write(from: UnsafeRawPointer(raw.base), offset: offset, byteCount: 64 << 10, class: .read)
    try space.read(first, into: buffer.base)
    context.expect(buffer.holds(1, 20_000), "the payload is sound")
    // The block is written again, and the device forgets that.
    var second = first
    buffer.fill(2, 20_000)
    try space.write(&second, from: buffer.base, byteCount: 20_000)
    try rig.io.write(from: UnsafeRawPointer(raw.base), offset: offset, byteCount: 64 << 10, class: .read)
    context.expectError(.dataCorrupted) { () throws(EngineError) in try space.read(second, into: buffer.base) }
    // Another block's content.
    var other = try space.take()
    buffer.fill(3, 100)
    try space.write(&other, from: buffer.base, byteCount: 100)
    try rig.io.write(
        from: UnsafeRawPointer(raw.base), offset: other.devicePage * UInt64(pageSize), byteCount: 64 << 10, class: .read
    )
    context.expectError(.dataCorrupted) { () throws(EngineError) in try space.read(other, into: buffer.base) }
    space.giveBack(second)
    space.giveBack(other)
    try rig.close()
}

private func flip(_ base: UnsafeMutableRawPointer, _ bit: Int) {
    let old = base.load(fromByteOffset: bit / 8, as: UInt8.self)
    base.storeBytes(of: old ^ 1 << UInt8(bit % 8), toByteOffset: bit / 8, as: UInt8.self)
}

private func fullSpace(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, walByteCount: 4 << 20)
    rig.allocator.didCheckpoint(redoLSN: rig.log.insertLSN)
    let tree = try rig.makeTree()
    let before = rig.allocator.freeExtentCount
    let space = TemporarySpace(rig.allocator)
    var blocks: [TemporaryBlock] = []
    var state = SQLState("00000")
    while blocks.count < 1 << 20 {
        do throws(EngineError) {
            blocks.append(try space.take())
        } catch {
            state = error.state
            break
        }
    }
    context.expect(state == .diskFull, "the end is 53100")
    context.expect(space.extentCount > before / 2, "most of the free space can be used")
    var left = rig.allocator.freeExtentCount
    context.expect(left > 0 && left < before, "some extents are left for trees: \(left) of \(before)")
    // Trees go on growing into what is left.
    for key in 0..<UInt64(500) { _ = try tree.put(bigEndian(key), [UInt8](repeating: 7, count: 1000)) }
    let used = space.extentCount
    left = rig.allocator.freeExtentCount
    var random = SuiteRandom(seed: 5)
    while !blocks.isEmpty { space.giveBack(blocks.remove(at: random.next(below: blocks.count))) }
    context.expectEqual(space.extentCount, 0, "extents in use")
    context.expectEqual(rig.allocator.freeExtentCount, left + used, "free extents")
    try rig.expectSound([tree])
    try rig.close()
}

/// A tree with extents of its own is filled and dropped; its pages are dirty in the pool.
private func growAndDrop(_ rig: TreeRig, _ id: UInt32) throws(EngineError) {
    let tree = try rig.makeTree(id)
    for key in 0..<UInt64(3000) { _ = try tree.put(bigEndian(key), [UInt8](repeating: UInt8(key & 255), count: 900)) }
    try rig.allocator.freeTree(TreeID(id))
}

private func staleDirtyPages(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, walByteCount: 16 << 20)
    let space = TemporarySpace(rig.allocator, reserve: 0)
    // No checkpoint yet: nothing may be lent.
    context.expectError(.diskFull) { () throws(EngineError) in _ = try space.take() }
    try rig.checkpoint()
    rig.allocator.didCheckpoint(redoLSN: rig.log.insertLSN)
    try growAndDrop(rig, 7)
    context.expect(rig.pool.dirtyPageCount > 500, "pages of the tree are dirty")
    let buffer = Block()
    var blocks: [TemporaryBlock] = []
    // Everything that was not the tree's, then what needs a checkpoint.
    var checkpoints = 0
    space.advanceRedo = { () throws(EngineError) in
        checkpoints += 1
        let bound = rig.log.insertLSN
        try rig.checkpoint()
        rig.allocator.didCheckpoint(redoLSN: bound)
    }
    while true {
        do throws(EngineError) {
            var block = try space.take()
            if blocks.count % 16 == 0 {
                buffer.fill(UInt64(blocks.count), 200)
                try space.write(&block, from: buffer.base, byteCount: 200)
            }
            blocks.append(block)
        } catch {
            break
        }
    }
    context.expect(checkpoints > 0, "a checkpoint made room")
    try rig.pool.flushAll()
    for index in stride(from: 0, to: blocks.count, by: 16) {
        try space.read(blocks[index], into: buffer.base)
        context.expect(buffer.holds(UInt64(index), 200), "block \(index) is what was written")
    }
    for block in blocks { space.giveBack(block) }
    // The next tree there is sound.
    let next = try rig.makeTree(8)
    for key in 0..<UInt64(3000) { _ = try next.put(bigEndian(key), [UInt8](repeating: 1, count: 900)) }
    try rig.expectSound([next])
    try rig.close()
}

private func crashWithBlocks(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 8 << 20)
    let session = try rig.session()
    for round in 0..<3 as Range<UInt64> {
        session.begin()
        for key in 0..<UInt64(4000) { _ = try session.insert(rig.table, round * 10_000 + key, key + 1, length: 400) }
        try session.commit()
    }
    session.close()
    // A tree that is freed with its records still to be repeated.
    let id = TreeID(9)
    let root = try BTree.create(pool: rig.pool, log: rig.log, allocator: rig.allocator, treeID: id)
    let tree = BTree(pool: rig.pool, log: rig.log, allocator: rig.allocator, treeID: id, root: root)
    for key in 0..<UInt64(2000) { _ = try tree.put(bigEndian(key), [UInt8](repeating: 3, count: 900)) }
    // Redo begins behind the pages' first records, so it needs what the device holds of them.
    try rig.checkpointer.checkpoint(keeping: 0)
    for key in 0..<UInt64(2000) where key % 3 == 0 {
        _ = try tree.put(bigEndian(key), [UInt8](repeating: 4, count: 900))
    }
    try rig.allocator.freeTree(id)
    let space = TemporarySpace(rig.allocator, reserve: 0)
    let buffer = Block()
    buffer.fill(1, TemporarySpace.payloadByteCount)
    let free = rig.allocator.freeExtentCount
    while true {
        do throws(EngineError) {
            var block = try space.take()
            try space.write(&block, from: buffer.base, byteCount: TemporarySpace.payloadByteCount)
        } catch {
            break
        }
    }
    context.expect(space.extentCount > 0, "blocks were written")
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    try rig.open()
    context.expectEqual(rig.allocator.freeExtentCount, free, "extents free after the crash")
    let again = try rig.session()
    again.begin()
    let found = try again.sum(rig.table)
    context.expectEqual(found.count, 12_000, "rows")
    try again.commit()
    again.close()
    try rig.shutDown()
}

private func deviceFails(_ context: SuiteContext) throws(EngineError) {
    let disk = FaultyDisk(over: context.platform, FaultOptions())
    try context.run(on: disk) { scheduler throws(EngineError) in
        let inner = SuiteContext(platform: disk)
        inner.currentScheduler = scheduler
        let rig = try TreeRig(inner, walByteCount: 4 << 20)
        rig.allocator.didCheckpoint(redoLSN: rig.log.insertLSN)
        let space = TemporarySpace(rig.allocator)
        let buffer = Block()
        var block = try space.take()
        buffer.fill(1, 1000)
        try space.write(&block, from: buffer.base, byteCount: 1000)
        disk.options.readErrorPermille = 1000
        context.expectError(.ioError) { () throws(EngineError) in try space.read(block, into: buffer.base) }
        disk.options.readErrorPermille = 0
        disk.options.writeErrorPermille = 1000
        context.expectError(.ioError) { () throws(EngineError) in
            try space.write(&block, from: buffer.base, byteCount: 1000)
        }
        disk.options.writeErrorPermille = 0
        space.giveBack(block)
        context.expectEqual(space.extentCount, 0, "extents in use")
        try rig.close()
    }
}
