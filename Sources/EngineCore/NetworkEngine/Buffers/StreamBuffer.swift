// A window of a byte stream, kept in chunks that come and go with what it holds. Positions are the stream's own (StreamPosition):
// a byte's place follows from its position alone, so data that arrives out of order is put where it belongs.
//
// Invariant: the window spans less than the table covers, so no two of its positions share a place; `heldCount` is the number
// of table entries that are a chunk, and while it is 0 the pool owes this buffer a chunk.

/// Counts a stream's sequence numbers without wrapping: the low 32 bits are the sequence number on the wire.
typealias StreamPosition = UInt64

/// The position nearest to `reference` whose low bits are `sequence`.
@inline(__always) func position(_ sequence: UInt32, near reference: StreamPosition) -> StreamPosition {
    let distance = Int32(bitPattern: sequence &- UInt32(truncatingIfNeeded: reference))
    return reference &+ UInt64(bitPattern: Int64(distance))
}

struct StreamBuffer {
    private let table: UnsafeMutablePointer<UInt32>
    private let mask: Int
    private(set) var heldCount = 0

    private static let chunk = ChunkPool.chunkByteCount

    /// `table` has `capacity` entries, a power of two, all `ChunkPool.none`.
    init(table: UnsafeMutablePointer<UInt32>, capacity: Int) {
        self.table = table
        mask = capacity - 1
    }

    /// Bytes that a window may span.
    var maxSpan: Int { mask * Self.chunk }

    @inline(__always) private func index(_ position: StreamPosition) -> Int {
        Int(truncatingIfNeeded: position >> 13) & mask
    }
    @inline(__always) private func offset(_ position: StreamPosition) -> Int {
        Int(truncatingIfNeeded: position) & (Self.chunk - 1)
    }

    /// Stores bytes at `position`; returns how many, less than asked if the pool has no more chunks.
    mutating func write(
        _ source: UnsafeRawPointer, _ byteCount: Int, at position: StreamPosition, _ pool: inout ChunkPool
    ) -> Int {
        var done = 0
        while done < byteCount {
            let at = position &+ UInt64(done)
            let place = index(at)
            if table[place] == ChunkPool.none {
                if heldCount == 0 {
                    table[place] = pool.allocatePromised()
                } else {
                    guard let chunk = pool.allocate() else { return done }
                    table[place] = chunk
                }
                heldCount += 1
            }
            let start = offset(at)
            let count = min(byteCount - done, Self.chunk - start)
            (pool.address(table[place]) + start).copyMemory(from: source + done, byteCount: count)
            done += count
        }
        return done
    }

    /// Copies bytes that are there.
    @inline(__always) func read(
        _ destination: UnsafeMutableRawPointer, _ byteCount: Int, at position: StreamPosition,
        _ pool: borrowing ChunkPool
    ) {
        var done = 0
        while done < byteCount {
            let at = position &+ UInt64(done)
            let start = offset(at)
            let count = min(byteCount - done, Self.chunk - start)
            let chunk = table[index(at)]
            assert(chunk != ChunkPool.none, "bytes were read that are not there")
            (destination + done).copyMemory(from: pool.address(chunk) + start, byteCount: count)
            done += count
        }
    }

    /// Frees the chunks that lie wholly within `lower..<upper`.
    mutating func release(_ lower: StreamPosition, _ upper: StreamPosition, _ pool: inout ChunkPool) {
        if heldCount == 0 { return }
        var at = lower & ~UInt64(Self.chunk - 1)
        let end = upper & ~UInt64(Self.chunk - 1)
        while at < end {
            free(index(at), &pool)
            at &+= UInt64(Self.chunk)
        }
    }

    /// Frees every chunk that holds a position of `lower..<upper`.
    mutating func releaseAll(_ lower: StreamPosition, _ upper: StreamPosition, _ pool: inout ChunkPool) {
        release(lower, upper &+ UInt64(Self.chunk - 1), &pool)
    }

    private mutating func free(_ place: Int, _ pool: inout ChunkPool) {
        if table[place] == ChunkPool.none { return }
        pool.free(table[place])
        table[place] = ChunkPool.none
        heldCount -= 1
        // Given by the chunk just freed.
        if heldCount == 0 { precondition(pool.promise(1)) }
    }
}
