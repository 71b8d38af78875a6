// Room on the device for what a statement cannot keep in memory: runs of a sort, partitions of a join, rows set aside. Blocks
// of 64 KiB in extents lent by the page allocator, as the log's are (LogExtents.swift): taken in memory, free in the map on
// the device. So nothing is logged, and nothing can leak: after a crash the extents are free, whatever they hold.
//
//      0  checksum   u32   CRC32C of what follows up to the end of the payload, seeded with the device's own seed
//      4  byte count u32   of the payload
//      8  page       u64   where the block belongs
//     16  stamp      u64   of this write, which whoever reads must name: tells a lost write, and blocks of former users
//     24             u64   zero
//     32  payload
//
// Blocks go past the buffer pool, straight from and to their user's buffer, and are never flushed.
//
// **Extents before and after.** The pages of an extent that a tree had may be dirty in the pool: written late, they would
// overwrite a block. And redo may still have to repeat changes of them: after a crash it would find a block where it needs
// the page. So an extent is lent only if a tree gave it back before the redo LSN of a durable checkpoint; then all its pages
// are on the device, recovery does not ask for them, and a copy in the double-write zone is older than recovery looks. If
// that is all that is missing, a checkpoint is made. The next tree that gets the extent writes each page before it reads it,
// beginning with a record that repeats without looking at what the page held. Checks pass over free pages.
//
// Trees and the log come first: the last extents are not lent.

import AsyncIO
import BufferPool
import CPrimitives
import DirectStorage
import Fibers
import IOBatching
import IOScheduler
import Platform
import WALEngine

/// A block, and what was written to it last. Whoever has it gives it back once.
package struct TemporaryBlock: BitwiseCopyable, Sendable {
    let firstPage: UInt64
    /// Zero until something is written.
    var stamp: UInt64 = 0
    /// Bytes of payload.
    package internal(set) var byteCount = 0
    /// Page of the device where it begins.
    package var devicePage: UInt64 { firstPage }
}

package final class TemporarySpace: @unchecked Sendable {
    package static let blockByteCount = 64 << 10
    package static let headerByteCount = 32
    /// Payload of a full block.
    package static let payloadByteCount = blockByteCount - headerByteCount
    static let pagesPerBlock = blockByteCount / pageSize

    private let allocator: PageAllocator
    private let io: BlockIO
    private let seed: UInt32
    private let reserve: Int
    /// Makes a checkpoint whose redo LSN is as new as possible. Set before use if there is one to make it.
    package var advanceRedo: (() throws(EngineError) -> Void)?

    // All below: under the mutex, which is held for a few dozen instructions.
    private let mutex = FiberMutex()
    private var nextStamp: UInt64
    /// Free blocks of each extent, a bit each; zero if it is not ours or full.
    private var free: [UInt64]
    /// Extents with free blocks that are not wholly free, and where each is listed.
    private var open: [Int32] = []
    private var place: [Int32]
    private var extentsInUse = 0
    private var blocksInUse = 0

    /// `reserve` is the number of extents that are not lent; normally a sixteenth of the device and the log's size.
    package init(_ allocator: PageAllocator, reserve: Int? = nil) {
        self.allocator = allocator
        io = allocator.pool.pool.io
        seed = allocator.pool.pool.checksum.seed
        // Distinct from those of former starts.
        nextStamp = UInt64(truncatingIfNeeded: Fiber.scheduler.platform.wallClock()) << 16 | 1
        let count = allocator.geometry.extentCount
        free = [UInt64](repeating: 0, count: count)
        place = [Int32](repeating: -1, count: count)
        let logExtents = Int(allocator.log.capacityByteCount) / (ExtentMapPage.pagesPerExtent * pageSize) + 1
        self.reserve = reserve ?? count / 16 + min(logExtents, count / 4)
    }

    /// Blocks and extents in use.
    package var blockCount: Int { mutex.withLock { blocksInUse } }
    package var extentCount: Int { mutex.withLock { extentsInUse } }

    // MARK: Taking and giving back

    /// A block to write to. 53100 if no more may be used. May make a checkpoint: hold no latch.
    package func take() throws(EngineError) -> TemporaryBlock {
        var attempts = 0
        while true {
            if let block = mutex.withLock({ takeOpen() ?? takeFromNewExtent() }) { return block }
            attempts += 1
            guard attempts < 3, let advanceRedo, allocator.hasTemporaryRoom(reserve) else { throw full }
            try advanceRedo()
        }
    }

    private var full: EngineError {
        EngineError(
            .diskFull, "could not write temporary data: the disk is full",
            detail: "\(blockCount * Self.blockByteCount) bytes are in use by running statements; "
                + "the last \(reserve) extents of the device are kept for tables and the log.",
            hint: "Raise work_mem, drop tables that are not needed, or move the database to a larger device.")
    }

    private func takeOpen() -> TemporaryBlock? {
        guard let extent = open.last.map({ Int($0) }) else { return nil }
        let index = free[extent].trailingZeroBitCount
        free[extent] &= free[extent] - 1
        if free[extent] == 0 { close(extent) }
        blocksInUse += 1
        return TemporaryBlock(
            firstPage: allocator.geometry.page(extent: extent, index: index * Self.pagesPerBlock).rawValue)
    }

    private func takeFromNewExtent() -> TemporaryBlock? {
        guard let extent = allocator.takeTemporaryExtent(keeping: reserve) else { return nil }
        free[extent] = all(extent)
        place[extent] = Int32(open.count)
        open.append(Int32(extent))
        extentsInUse += 1
        return takeOpen()
    }

    /// The blocks of an extent; the last extent may be cut short.
    private func all(_ extent: Int) -> UInt64 {
        let count = allocator.geometry.pageCount(of: extent) / Self.pagesPerBlock
        return count >= 64 ? UInt64.max : (1 << UInt64(count)) - 1
    }

    private func close(_ extent: Int) {
        let at = Int(place[extent])
        let last = open.removeLast()
        if Int(last) != extent {
            open[at] = last
            place[Int(last)] = Int32(at)
        }
        place[extent] = -1
    }

    /// Ends the block's life. No I/O of it is under way.
    package func giveBack(_ block: TemporaryBlock) {
        let page = PageID(block.firstPage)
        let extent = allocator.geometry.extent(of: page)
        let bit = UInt64(1) << UInt64(allocator.geometry.index(of: page) / Self.pagesPerBlock)
        mutex.withLock {
            precondition(free[extent] & bit == 0, "the block is free")
            if free[extent] == 0 {
                place[extent] = Int32(open.count)
                open.append(Int32(extent))
            }
            free[extent] |= bit
            blocksInUse -= 1
            if free[extent] != all(extent) { return }
            close(extent)
            free[extent] = 0
            extentsInUse -= 1
            allocator.giveBackTemporaryExtent(extent)
        }
    }

    // MARK: Transfers

    /// Writes `byteCount` bytes of payload, which begin `headerByteCount` bytes behind `buffer`. The buffer is a whole block
    /// long and aligned to a page; its header is filled in. Parks. 58030 if the device fails.
    package func write(
        _ block: inout TemporaryBlock, from buffer: UnsafeMutableRawPointer, byteCount: Int
    ) throws(EngineError) {
        precondition(byteCount >= 0 && byteCount <= Self.payloadByteCount)
        block.stamp = mutex.withLock {
            nextStamp += 1
            return nextStamp
        }
        block.byteCount = byteCount
        buffer.setLittle(4, UInt32(byteCount))
        buffer.setLittle(8, block.firstPage)
        buffer.setLittle(16, block.stamp)
        buffer.setLittle(24, UInt64(0))
        buffer.setLittle(0, checksum(buffer, byteCount))
        let transferred = block.transferByteCount
        let used = Self.headerByteCount + byteCount
        (buffer + used).initializeMemory(as: UInt8.self, repeating: 0, count: transferred - used)
        try io.write(
            from: buffer, offset: block.firstPage * UInt64(pageSize), byteCount: transferred, class: .writeback)
    }

    /// Reads the block; its payload is then `headerByteCount` bytes behind `buffer`, which is as for `write`. Parks. 58030 if
    /// the device fails, XX001 if this is not what was written.
    package func read(_ block: TemporaryBlock, into buffer: UnsafeMutableRawPointer) throws(EngineError) {
        precondition(block.stamp != 0, "a block is written before it is read")
        try io.read(
            into: buffer, offset: block.firstPage * UInt64(pageSize), byteCount: block.transferByteCount, class: .read)
        try verify(block, buffer)
    }

    /// `read` for several blocks at once, each into a buffer of its own: the device is asked for all before the fiber parks.
    package func read(
        _ blocks: UnsafeBufferPointer<TemporaryBlock>, into buffers: UnsafePointer<UnsafeMutableRawPointer>
    ) throws(EngineError) {
        if blocks.count == 1 || io.geometry.maxTransferByteCount < Self.blockByteCount {
            for (index, block) in blocks.enumerated() { try read(block, into: buffers[index]) }
            return
        }
        let requests = UnsafeMutablePointer<BlockRequest>.allocate(capacity: blocks.count)
        defer { requests.deallocate() }
        for (index, block) in blocks.enumerated() {
            precondition(block.stamp != 0, "a block is written before it is read")
            (requests + index).initialize(
                to: BlockRequest(
                    .read, base: buffers[index], byteCount: block.transferByteCount,
                    offset: block.firstPage * UInt64(pageSize)))
        }
        try io.perform(UnsafeMutableBufferPointer(start: requests, count: blocks.count), class: .read)
        for (index, block) in blocks.enumerated() { try verify(block, buffers[index]) }
    }

    private func checksum(_ buffer: UnsafeRawPointer, _ byteCount: Int) -> UInt32 {
        dbk_crc32c(seed, buffer + 4, Self.headerByteCount - 4 + byteCount)
    }

    private func verify(_ block: TemporaryBlock, _ buffer: UnsafeRawPointer) throws(EngineError) {
        let isSound =
            buffer.little(4, as: UInt32.self) == UInt32(block.byteCount)
            && buffer.little(0, as: UInt32.self) == checksum(buffer, block.byteCount)
            && buffer.little(8, as: UInt64.self) == block.firstPage && buffer.little(16, as: UInt64.self) == block.stamp
        if isSound { return }
        throw EngineError(
            .dataCorrupted, "temporary data at page \(block.firstPage) is corrupted: it is not what was written",
            hint: "Check the device. No table is concerned.")
    }
}

extension TemporaryBlock {
    /// Whole pages.
    fileprivate var transferByteCount: Int { roundUp(TemporarySpace.headerByteCount + byteCount, pageSize) }
}

extension PageAllocator {
    /// An extent for temporary blocks, while more than `reserve` are free; nil if none can be had without a checkpoint.
    func takeTemporaryExtent(keeping reserve: Int) -> Int? {
        mutex.withLock {
            space.freeExtentCount > reserve ? space.takeTemporary(unusedSince: redoLSN) : nil
        }
    }

    /// A checkpoint may make an extent usable.
    func hasTemporaryRoom(_ reserve: Int) -> Bool { freeExtentCount > reserve }

    func giveBackTemporaryExtent(_ extent: Int) {
        mutex.withLock { space.giveBackLent(extent, by: ExtentMapPage.temporaryOwner) }
    }
}
