// Memory that is freed whole: a bump pointer through chunks. For one query, one message, one plan; used by one fiber at a
// time. Nothing in it is deinitialised, so it holds plain bytes only.

import Platform

package final class Arena {
    private let budget: MemoryBudget
    private let chunkByteCount: Int
    @usableFromInline var next: UnsafeMutableRawPointer
    @usableFromInline var end: UnsafeMutableRawPointer
    /// Newest chunk; each begins with a ChunkHeader. The oldest of normal size survives `reset`.
    private var chunks: UnsafeMutableRawPointer?
    /// Bytes charged to the budget.
    package private(set) var byteCount = 0

    private struct ChunkHeader {
        var previous: UnsafeMutableRawPointer?
        var byteCount: Int
    }
    private static let headerByteCount = 16

    /// Takes nothing until the first allocation. `chunkByteCount` is what it takes from the budget at a time.
    package init(budget: MemoryBudget, chunkByteCount: Int = 32 << 10) {
        precondition(MemoryLayout<ChunkHeader>.size <= Self.headerByteCount && chunkByteCount >= 1024)
        self.budget = budget
        self.chunkByteCount = chunkByteCount
        next = UnsafeMutableRawPointer(bitPattern: 16).unsafelyUnwrapped
        end = next
    }

    deinit { freeChunks(keepingFirst: false) }

    /// Uninitialised bytes, valid until `reset` or the arena's end. `alignment` is a power of two up to 4096. 53200 when the
    /// budget is used up. A few nanoseconds when the chunk has room.
    @inlinable @inline(__always)
    package func allocate(byteCount: Int, alignment: Int = 16) throws(EngineError) -> UnsafeMutableRawPointer {
        let low = UInt(bitPattern: alignment &- 1)
        let start = (UInt(bitPattern: next) &+ low) & ~low
        // Compared as a distance: byteCount may be absurd.
        let room = Int(bitPattern: UInt(bitPattern: end) &- start)
        if byteCount <= room && byteCount >= 0 {
            let base = UnsafeMutableRawPointer(bitPattern: start).unsafelyUnwrapped
            next = base + byteCount
            return base
        }
        return try allocateSlowly(byteCount, alignment)
    }

    /// Room for `count` values, uninitialised.
    @inlinable @inline(__always)
    package func allocate<T: BitwiseCopyable>(_ type: T.Type, count: Int) throws(EngineError) -> UnsafeMutablePointer<T>
    {
        let (size, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
        if overflow { throw Self.tooLarge(.max) }
        return try allocate(byteCount: size, alignment: MemoryLayout<T>.alignment).bindMemory(to: type, capacity: count)
    }

    /// A copy of `bytes`.
    package func copy(_ bytes: UnsafeRawBufferPointer) throws(EngineError) -> UnsafeMutableRawBufferPointer {
        let base = try allocate(byteCount: bytes.count, alignment: 8)
        if let source = bytes.baseAddress { base.copyMemory(from: source, byteCount: bytes.count) }
        return UnsafeMutableRawBufferPointer(start: base, count: bytes.count)
    }

    /// Frees everything allocated so far. Keeps one chunk, so that an arena in steady use takes nothing from anyone.
    package func reset() { freeChunks(keepingFirst: true) }

    /// Frees everything, the kept chunk too.
    package func resetAndTrim() { freeChunks(keepingFirst: false) }

    @usableFromInline static func tooLarge(_ byteCount: Int) -> EngineError {
        EngineError(.outOfMemory, "out of memory", detail: "Failed on request of size \(byteCount).")
    }

    @usableFromInline @inline(never)
    func allocateSlowly(_ wanted: Int, _ alignment: Int) throws(EngineError) -> UnsafeMutableRawPointer {
        precondition(alignment > 0 && alignment <= 4096 && alignment & (alignment - 1) == 0, "alignment")
        if wanted < 0 || wanted > 1 << 46 { throw Self.tooLarge(wanted) }
        let needed = wanted + Self.headerByteCount + alignment
        // A large block gets a chunk of its own behind the current one, which goes on being filled.
        let isLarge = needed > chunkByteCount / 2
        let size = isLarge ? needed : chunkByteCount
        try budget.charge(size)
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        byteCount += size
        if isLarge, let newest = chunks {
            let header = newest.assumingMemoryBound(to: ChunkHeader.self)
            chunk.initializeMemory(
                as: ChunkHeader.self, to: ChunkHeader(previous: header.pointee.previous, byteCount: size))
            header.pointee.previous = chunk
        } else {
            chunk.initializeMemory(as: ChunkHeader.self, to: ChunkHeader(previous: chunks, byteCount: size))
            chunks = chunk
        }
        let base = (chunk + Self.headerByteCount).alignedUp(toMultipleOf: alignment)
        if !isLarge {
            next = base + wanted
            end = chunk + size
        }
        return base
    }

    private func freeChunks(keepingFirst: Bool) {
        var chunk = chunks
        chunks = nil
        next = UnsafeMutableRawPointer(bitPattern: 16).unsafelyUnwrapped
        end = next
        while let current = chunk {
            let header = current.assumingMemoryBound(to: ChunkHeader.self).pointee
            chunk = header.previous
            if keepingFirst && chunks == nil && header.byteCount == chunkByteCount {
                chunks = current
                current.assumingMemoryBound(to: ChunkHeader.self).pointee.previous = nil
                next = current + Self.headerByteCount
                end = current + chunkByteCount
            } else {
                byteCount -= header.byteCount
                budget.release(header.byteCount)
                current.deallocate()
            }
        }
    }
}
