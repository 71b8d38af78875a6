// Physical memory: a buddy allocator over all RAM (Knowlton 1965), the bottom of everything else.
//
// All RAM is mapped at its own address, so a free block holds its own list links. A word per 4 KiB frame says what a block is
// whose first frame it is: free with its order, or what the heap has made of it. Blocks are naturally aligned; a run of any
// number of frames is cut from a block and its rest given back at once.
//
// Each NUMA node has lists of its own, and no block lies in two nodes. Who asks for memory of a node gets that of the nearest one
// that has a block, however large it is.

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

/// RAM of one NUMA node.
struct NodeMemory: BitwiseCopyable {
    var base: PhysicalAddress
    var end: PhysicalAddress
    var node: Int
}

struct Frames: ~Copyable {
    static let maxOrder = 18
    private static let orderCount = 19
    static let maxNodes = 8
    static let byteCount: UInt = 4096

    private let guardLock = SpinLock()
    /// Heads of the free lists by node and order; 0 is none. A link is {next, previous} at the start of the block.
    private var heads = InlineArray<152, UInt>(repeating: 0)
    private(set) var nodeCount = 1
    /// What does not lie in one of these is node 0's.
    private var nodes = InlineArray<32, NodeMemory>(repeating: NodeMemory(base: 0, end: 0, node: 0))
    private var nodeMemoryCount = 0
    /// Of each node, all of them, the nearest first.
    private var nearest = InlineArray<64, UInt8>(repeating: 0)
    private var freeOfNode = InlineArray<8, Int>(repeating: 0)
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

    /// Physical address of 2^`order` frames, not zeroed, from `node` or as near as there are some; nil if there is none.
    mutating func allocate(order: Int, node: Int = 0) -> PhysicalAddress? {
        guardLock.lock()
        defer { guardLock.unlock() }
        return take(order, node)
    }

    /// `count` frames in one piece, aligned to the power of two from `count` up, not zeroed, from `node` or as near as there are some.
    mutating func allocateRun(_ count: Int, node: Int = 0) -> PhysicalAddress? {
        let order = Self.order(covering: count)
        if order > Self.maxOrder { return nil }
        guardLock.lock()
        defer { guardLock.unlock() }
        guard let base = take(order, node) else { return nil }
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

    /// Frames of a node that are free.
    func freeFrameCount(of node: Int) -> Int { freeOfNode[node] }

    /// From now on memory is told apart by node. What is in use stays so; `distance` has a row for each of `count` nodes.
    mutating func divide(_ memory: [NodeMemory], count: Int, distance: [[Int]]) {
        guardLock.lock()
        defer { guardLock.unlock() }
        // Every block leaves its list before one is given back: they would be joined across the nodes' borders.
        var first: UInt = 0
        for order in 0...Self.maxOrder {
            while heads[order] != 0 {
                let base = heads[order]
                unlink(base, order)
                let block = UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
                block[0] = first
                block[1] = UInt(order)
                first = base
            }
        }
        freeFrameCount = 0
        freeOfNode[0] = 0
        for region in memory.prefix(nodes.count) {
            nodes[nodeMemoryCount] = region
            nodeMemoryCount += 1
        }
        nodeCount = min(count, Self.maxNodes)
        for node in 0..<nodeCount {
            let order = (0..<nodeCount).sorted { (distance[node][$0], $0) < (distance[node][$1], $1) }
            for (rank, other) in order.enumerated() { nearest[node * Self.maxNodes + rank] = UInt8(other) }
        }
        while let block = UnsafeMutablePointer<UInt>(bitPattern: first) {
            let base = first
            let end = base + Self.byteCount << block[1]
            first = block[0]
            give(from: base, to: end)
        }
    }

    static func order(covering count: Int) -> Int {
        count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
    }

    // MARK: Under the lock

    /// The node of an address, and where that ends for those behind it.
    @inline(__always) private func place(_ address: PhysicalAddress) -> (node: Int, end: PhysicalAddress) {
        if nodeCount == 1 { return (0, .max) }
        var end = PhysicalAddress.max
        for index in 0..<nodeMemoryCount {
            if address >= nodes[index].base && address < nodes[index].end {
                return (min(nodes[index].node, nodeCount - 1), nodes[index].end)
            }
            if nodes[index].base > address { end = min(end, nodes[index].base) }
        }
        return (0, end)
    }

    private mutating func take(_ order: Int, _ node: Int) -> PhysicalAddress? {
        for rank in 0..<nodeCount {
            let near = nodeCount == 1 ? 0 : Int(nearest[min(node, nodeCount - 1) * Self.maxNodes + rank])
            let lists = near * Self.orderCount
            var found = order
            while found <= Self.maxOrder && heads[lists + found] == 0 { found += 1 }
            if found > Self.maxOrder { continue }
            let base = heads[lists + found]
            unlink(base, lists + found)
            while found > order {
                found -= 1
                link(base + Self.byteCount << UInt(found), found, near)
            }
            freeFrameCount -= 1 << order
            freeOfNode[near] -= 1 << order
            setWord(base, FrameKind.used)
            return base
        }
        return nil
    }

    private mutating func put(_ base: PhysicalAddress, _ order: Int) {
        precondition(word(base) & 0xff != FrameKind.free, "a frame is freed twice")
        let (node, end) = place(base)
        freeFrameCount += 1 << order
        freeOfNode[node] += 1 << order
        var base = base
        var order = order
        while order < Self.maxOrder {
            let buddy = base ^ (Self.byteCount << UInt(order))
            guard covers(buddy), word(buddy) == FrameKind.free | UInt64(order) << 8 else { break }
            if buddy >= end || nodeCount > 1 && place(buddy).node != node { break }
            unlink(buddy, node * Self.orderCount + order)
            setWord(base, FrameKind.used)
            base = min(base, buddy)
            order += 1
        }
        link(base, order, node)
    }

    /// Frees a run in the largest aligned blocks it is made of.
    private mutating func give(from: PhysicalAddress, to: PhysicalAddress) {
        var at = from
        while at < to {
            var order = min((at / Self.byteCount).trailingZeroBitCount, Self.maxOrder)
            let end = min(to, place(at).end)
            while at + Self.byteCount << UInt(order) > end { order -= 1 }
            setWord(at, FrameKind.used)
            put(at, order)
            at += Self.byteCount << UInt(order)
        }
    }

    private mutating func link(_ base: PhysicalAddress, _ order: Int, _ node: Int) {
        let list = node * Self.orderCount + order
        let block = UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
        block[0] = heads[list]
        block[1] = 0
        if let next = UnsafeMutablePointer<UInt>(bitPattern: heads[list]) { next[1] = base }
        heads[list] = base
        setWord(base, FrameKind.free | UInt64(order) << 8)
    }

    private mutating func unlink(_ base: PhysicalAddress, _ list: Int) {
        let block = UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
        let next = block[0]
        let previous = block[1]
        if let next = UnsafeMutablePointer<UInt>(bitPattern: next) { next[1] = previous }
        if let previous = UnsafeMutablePointer<UInt>(bitPattern: previous) {
            previous[0] = next
        } else {
            heads[list] = next
        }
        setWord(base, FrameKind.used)
    }
}
