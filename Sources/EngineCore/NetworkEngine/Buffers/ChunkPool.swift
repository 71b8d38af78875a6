// The memory of all connections' buffers: chunks of one size. An idle connection holds none.
//
// Invariant: free chunks >= promises. Each direction of an established connection that holds no chunk has a promise of one,
// so every connection can always move on, however much the others hold; beyond its first, a chunk is given only out of what
// nobody was promised.

struct ChunkPool {
    static let chunkByteCount = 8 << 10
    static let none = UInt32.max

    private let base: UnsafeMutableRawPointer
    private let freeList: UnsafeMutablePointer<UInt32>
    private(set) var freeCount: Int
    private(set) var promised = 0
    let count: Int

    init(_ carver: inout MemoryCarver, count: Int, isCounting: Bool) {
        self.count = count
        base = carver.takeBytes(count * Self.chunkByteCount, alignment: 4096)
        freeList = carver.take(UInt32.self, count)
        freeCount = count
        if !isCounting {
            for index in 0..<count { freeList[index] = UInt32(count - 1 - index) }
        }
    }

    @inline(__always) func address(_ chunk: UInt32) -> UnsafeMutableRawPointer {
        base + Int(chunk) * Self.chunkByteCount
    }

    /// Promises `count` chunks; false, having done nothing, if there are not as many.
    mutating func promise(_ count: Int) -> Bool {
        if freeCount < promised + count { return false }
        promised += count
        return true
    }

    mutating func takeBack(_ count: Int) {
        promised -= count
        assert(promised >= 0)
    }

    /// Redeems a promise.
    mutating func allocatePromised() -> UInt32 {
        precondition(promised > 0 && freeCount > 0, "a chunk was promised and is not there")
        promised -= 1
        freeCount -= 1
        return freeList[freeCount]
    }

    /// Nil if all that is free was promised, or may yet be to connections that come: an eighth is kept for them.
    mutating func allocate() -> UInt32? {
        if freeCount <= promised + count / 8 { return nil }
        freeCount -= 1
        return freeList[freeCount]
    }

    mutating func free(_ chunk: UInt32) {
        freeList[freeCount] = chunk
        freeCount += 1
        assert(freeCount <= count)
    }

    /// Chunks that anyone may take.
    @inline(__always) var spareCount: Int { max(freeCount - promised - count / 8, 0) }
}
