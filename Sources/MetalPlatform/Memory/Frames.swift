// Physical memory: a buddy allocator over all RAM (Knowlton 1965), the bottom of everything else.
//
// All RAM is mapped at its own address, so a free block holds its own list links. A word per 4 KiB frame says what a block is
// whose first frame it is: free with its order, or what the heap has made of it. Blocks are naturally aligned; a run of any
// number of frames is cut from a block and its rest given back at once.

import CMetal
import Platform

typealias PhysicalAddress = UInt

/// What the word of a frame says. The low byte is the kind.
enum FrameKind {
    static let reserved: UInt64 = 0
    /// First frame of a free block; order in the second byte.
    static let free: UInt64 = 1
    /// In use by whoever took it.
    static let used: UInt64 = 2
    /// Part of a heap chunk; size class in the second byte.
    static let slab: UInt64 = 3
    /// First frame of a large heap object; frame count above the second byte.
    static let large: UInt64 = 4
}

struct Frames: ~Copyable {
    static let maxOrder = 18
    static let byteCount: UInt = 4096

    private let guardLock = SpinLock()
    /// Heads of the free lists by order; 0 is none. A link is {next, previous} at the start of the block.
    private var heads = InlineArray<19, UInt>(repeating: 0)
    /// One word per frame.
    private let words: UnsafeMutablePointer<UInt64>
    private let frameCount: UInt
    private(set) var freeFrameCount = 0
    private(set) var totalFrameCount = 0

    /// `words` holds a zero for each frame below `limit`.
    init(words: UnsafeMutablePointer<UInt64>, limit: PhysicalAddress) {
        self.words = words
        frameCount = limit / Self.byteCount
    }

    @inline(__always) func word(_ address: UInt) -> UInt64 { words[Int(address / Self.byteCount)] }
    @inline(__always) func setWord(_ address: UInt, _ value: UInt64) { words[Int(address / Self.byteCount)] = value }
    @inline(__always) func covers(_ address: UInt) -> Bool { address / Self.byteCount < frameCount }

    // MARK: Blocks

    /// Physical address of 2^`order` frames, not zeroed; nil if there is none.
    mutating func allocate(order: Int) -> PhysicalAddress? {
        guardLock.lock()
        defer { guardLock.unlock() }
        return take(order)
    }

    /// `count` frames in one piece, aligned to the power of two from `count` up, not zeroed.
    mutating func allocateRun(_ count: Int) -> PhysicalAddress? {
        let order = Self.order(covering: count)
        if order > Self.maxOrder { return nil }
        guardLock.lock()
        defer { guardLock.unlock() }
        guard let base = take(order) else { return nil }
        give(from: base + UInt(count) * Self.byteCount, to: base + Self.byteCount << UInt(order))
        return base
    }

    mutating func freeRun(_ base: PhysicalAddress, _ count: Int) {
        guardLock.lock()
        give(from: base, to: base + UInt(count) * Self.byteCount)
        guardLock.unlock()
    }

    mutating func free(_ base: PhysicalAddress, order: Int) {
        guardLock.lock()
        put(base, order)
        guardLock.unlock()
    }

    /// Adds RAM that nobody uses.
    mutating func add(from: PhysicalAddress, to: PhysicalAddress) {
        let from = roundUp(from, Self.byteCount)
        let to = to & ~(Self.byteCount - 1)
        if from >= to { return }
        totalFrameCount += Int((to - from) / Self.byteCount)
        guardLock.lock()
        give(from: from, to: to)
        guardLock.unlock()
    }

    static func order(covering count: Int) -> Int {
        count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
    }

    // MARK: Under the lock

    private mutating func take(_ order: Int) -> PhysicalAddress? {
        var found = order
        while found <= Self.maxOrder && heads[found] == 0 { found += 1 }
        if found > Self.maxOrder { return nil }
        let base = heads[found]
        unlink(base, found)
        while found > order {
            found -= 1
            link(base + Self.byteCount << UInt(found), found)
        }
        freeFrameCount -= 1 << order
        setWord(base, FrameKind.used)
        return base
    }

    private mutating func put(_ base: PhysicalAddress, _ order: Int) {
        precondition(word(base) & 0xff != FrameKind.free, "a frame is freed twice")
        freeFrameCount += 1 << order
        var base = base
        var order = order
        while order < Self.maxOrder {
            let buddy = base ^ (Self.byteCount << UInt(order))
            guard covers(buddy), word(buddy) == FrameKind.free | UInt64(order) << 8 else { break }
            unlink(buddy, order)
            setWord(base, FrameKind.used)
            base = min(base, buddy)
            order += 1
        }
        link(base, order)
    }

    /// Frees a run in the largest aligned blocks it is made of.
    private mutating func give(from: PhysicalAddress, to: PhysicalAddress) {
        var at = from
        while at < to {
            var order = min((at / Self.byteCount).trailingZeroBitCount, Self.maxOrder)
            while at + Self.byteCount << UInt(order) > to { order -= 1 }
            setWord(at, FrameKind.used)
            put(at, order)
            at += Self.byteCount << UInt(order)
        }
    }

    private mutating func link(_ base: PhysicalAddress, _ order: Int) {
        let block = UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
        block[0] = heads[order]
        block[1] = 0
        if let next = UnsafeMutablePointer<UInt>(bitPattern: heads[order]) { next[1] = base }
        heads[order] = base
        setWord(base, FrameKind.free | UInt64(order) << 8)
    }

    private mutating func unlink(_ base: PhysicalAddress, _ order: Int) {
        let block = UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
        let next = block[0]
        let previous = block[1]
        if let next = UnsafeMutablePointer<UInt>(bitPattern: next) { next[1] = previous }
        if let previous = UnsafeMutablePointer<UInt>(bitPattern: previous) {
            previous[0] = next
        } else {
            heads[order] = next
        }
        setWord(base, FrameKind.used)
    }
}
