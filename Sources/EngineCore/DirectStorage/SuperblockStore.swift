// Reading, mending and updating the superblock on the device.

import AsyncIO
import Fibers
import IOScheduler
import Platform

package final class SuperblockStore: @unchecked Sendable {
    private let io: BlockIO
    private let platform: any Platform
    private let mutex = FiberMutex()
    private var stored: Superblock
    private var checksum: UInt32

    private init(io: BlockIO, platform: any Platform, stored: Superblock, checksum: UInt32) {
        self.io = io
        self.platform = platform
        self.stored = stored
        self.checksum = checksum
    }

    /// The newest durable superblock. Parks while an update is under way.
    package var current: Superblock {
        mutex.lock()
        defer { mutex.unlock() }
        return stored
    }

    /// Reads the four copies, decides by quorum, and mends copies that differ. Formats nothing: a device that is empty,
    /// foreign, truncated, of an unknown version or damaged is a distinct error, and is left as it is.
    package static func open(io: BlockIO, platform: any Platform) throws(EngineError) -> SuperblockStore {
        let copies = try readCopies(io: io, platform: platform)
        let byteCount = io.geometry.byteCount
        let decision = SuperblockQuorum.decide(copies, deviceByteCount: byteCount)
        guard let superblock = decision.superblock else {
            throw SuperblockQuorum.error(decision.verdict, copies, deviceByteCount: byteCount)
        }
        let store = SuperblockStore(io: io, platform: platform, stored: superblock, checksum: decision.checksum)
        // What was read may be in the device's cache alone, if only the process that wrote it has ended: the power would take
        // it, and leave the copies mended so far.
        if !decision.staleCopies.isEmpty { try io.flush() }
        // One at a time, so that a crash meanwhile spoils no copy but one that was of no use.
        for copy in decision.staleCopies { try store.write(superblock, copies: copy...copy) }
        return store
    }

    /// What each of the four blocks is. 58030 only if the device is too small to hold them.
    package static func readCopies(io: BlockIO, platform: any Platform) throws(EngineError) -> [SuperblockCopy] {
        let byteCount = Superblock.copyCount * pageSize
        if io.geometry.byteCount < UInt64(byteCount) {
            throw EngineError(
                .cannotConnectNow, "the device is too small to hold a database: it has \(io.geometry.byteCount) bytes",
                severity: .fatal)
        }
        guard let blocks = platform.allocate(byteCount: byteCount, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "there is no memory to read the superblock")
        }
        defer { platform.deallocate(blocks, byteCount: byteCount) }
        var copies: [SuperblockCopy] = []
        for index in 0..<Superblock.copyCount {
            let block = blocks + index * pageSize
            do throws(EngineError) {
                try io.read(into: block, offset: UInt64(index * pageSize), byteCount: pageSize, class: .read)
                copies.append(SuperblockCopy(block: block, index: index))
            } catch {
                copies.append(.unreadable)
            }
        }
        return copies
    }

    /// Changes the superblock durably: `change` edits a copy of the newest, and when the call returns at least three of the
    /// four blocks hold the result. 58030 (severity panic) if fewer could be written: the state on the device is unknown.
    package func update(_ change: (inout Superblock) -> Void) throws(EngineError) {
        mutex.lock()
        defer { mutex.unlock() }
        var next = stored
        change(&next)
        precondition(next.layout == stored.layout, "the layout is fixed when the device is formatted")
        precondition(next.checkpoint.redoLSN >= stored.checkpoint.redoLSN, "the redo LSN never goes back")
        precondition(next.checkpoint.isConsistent, "a checkpoint speaks of what is durable")
        next.sequence = stored.sequence + 1
        next.parentChecksum = checksum
        checksum = try writeAll(next)
        stored = next
    }

    /// Two copies, then the other two: a crash leaves either the first or the last two whole.
    private func writeAll(_ superblock: Superblock) throws(EngineError) -> UInt32 {
        var written = 0
        var lastError: EngineError?
        var newChecksum: UInt32 = 0
        for half in 0..<2 {
            do throws(EngineError) {
                newChecksum = try write(superblock, copies: half * 2...half * 2 + 1)
                written += 2
            } catch {
                lastError = error
                // Perhaps one of the two can be written.
                for copy in half * 2...half * 2 + 1 {
                    do throws(EngineError) {
                        newChecksum = try write(superblock, copies: copy...copy)
                        written += 1
                    } catch {
                        lastError = error
                    }
                }
            }
        }
        if written >= 3 { return newChecksum }
        var error = lastError ?? EngineError(.ioError, "could not write the superblock")
        error.severity = .panic
        throw error
    }

    @discardableResult
    private func write(_ superblock: Superblock, copies: ClosedRange<Int>) throws(EngineError) -> UInt32 {
        let byteCount = copies.count * pageSize
        guard let blocks = platform.allocate(byteCount: byteCount, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "there is no memory to write the superblock")
        }
        defer { platform.deallocate(blocks, byteCount: byteCount) }
        var checksum: UInt32 = 0
        for copy in copies {
            checksum = superblock.encode(into: blocks + (copy - copies.lowerBound) * pageSize, copy: copy)
        }
        try io.write(
            from: blocks, offset: UInt64(copies.lowerBound * pageSize), byteCount: byteCount, class: .log,
            durable: !Mutation.isActive(.superblockNotDurable))
        return checksum
    }

    // MARK: Formatting

    /// Writes the first superblock of a device whose zones are prepared (see `Formatter`): first two copies, then two.
    package static func create(
        io: BlockIO, platform: any Platform, superblock: Superblock
    ) throws(EngineError) -> SuperblockStore {
        precondition(superblock.layout.isConsistent)
        let store = SuperblockStore(io: io, platform: platform, stored: superblock, checksum: 0)
        store.checksum = try store.writeAll(superblock)
        return store
    }
}
