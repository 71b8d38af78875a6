// Memory of a skip list's node, one allocation:
//   value u64 | keyLength u32 | height u32 | handover u64 | link u64 × height | key bytes
// A link is the address of the next node at that level; its low bit marks the node that holds the link as removed.

import Platform
import Synchronization

struct SkipNode {
    let base: UnsafeMutableRawPointer

    init?(bits: UInt) {
        guard let base = UnsafeMutableRawPointer(bitPattern: bits) else { return nil }
        self.base = base
    }

    init(key: UnsafeRawBufferPointer, value: UInt64, height: Int) {
        base = .allocate(byteCount: 24 + 8 * height + key.count, alignment: 16)
        base.initializeMemory(as: Atomic<UInt64>.self, to: Atomic(value))
        base.storeBytes(of: UInt32(key.count), toByteOffset: 8, as: UInt32.self)
        base.storeBytes(of: UInt32(height), toByteOffset: 12, as: UInt32.self)
        (base + 16).initializeMemory(as: Atomic<UInt64>.self, to: Atomic(0))
        for level in 0..<height { (base + 24 + 8 * level).initializeMemory(as: Atomic<UInt>.self, to: Atomic(0)) }
        if let bytes = key.baseAddress { (base + 24 + 8 * height).copyMemory(from: bytes, byteCount: key.count) }
    }

    @inline(__always) var bits: UInt { UInt(bitPattern: base) }
    @inline(__always) var height: Int { Int(base.load(fromByteOffset: 12, as: UInt32.self)) }
    @inline(__always) var key: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + 24 + 8 * height, count: Int(base.load(fromByteOffset: 8, as: UInt32.self)))
    }

    @inline(__always) var value: UInt64 {
        base.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    }

    @inline(__always) func link(_ level: Int) -> SkipLink {
        SkipLink(word: (base + 24 + 8 * level).assumingMemoryBound(to: Atomic<UInt>.self))
    }

    /// The inserter (1) and the remover (2) each say once that they are done with the node. True for the second of them:
    /// from then on nobody links the node any more.
    func isLast(_ party: UInt64) -> Bool {
        let word = (base + 16).assumingMemoryBound(to: Atomic<UInt64>.self)
        return word.pointee.bitwiseOr(party, ordering: .acquiringAndReleasing).oldValue != 0
    }

    static let inserter: UInt64 = 1
    static let remover: UInt64 = 2

    /// Negative, 0 or positive as the node's key is below, equal to or above `other`.
    @inline(__always) func compare(_ other: UnsafeRawBufferPointer) -> Int {
        let own = key
        let common = min(own.count, other.count)
        var index = 0
        while index < common {
            if own[index] != other[index] { return Int(own[index]) - Int(other[index]) }
            index += 1
        }
        return own.count - other.count
    }
}

/// One link of a node.
struct SkipLink {
    let word: UnsafeMutablePointer<Atomic<UInt>>

    @inline(__always) func load() -> UInt { word.pointee.load(ordering: .acquiring) }
    @inline(__always) func initialize(_ next: UInt) { word.pointee.store(next, ordering: .relaxed) }
    @inline(__always) func swing(from old: UInt, to new: UInt) -> Bool {
        word.pointee.compareExchange(expected: old, desired: new, ordering: .sequentiallyConsistent).exchanged
    }

    /// Sets the removal mark; true if this call did it.
    func mark() -> Bool {
        word.pointee.bitwiseOr(1, ordering: .sequentiallyConsistent).oldValue & 1 == 0
    }
}

/// The neighbours of a key at every level.
struct SkipPath {
    private var previousNodes = InlineArray<16, UInt>(repeating: 0)
    private var nextBits = InlineArray<16, UInt>(repeating: 0)

    mutating func set(_ level: Int, _ previous: SkipNode, _ next: UInt) {
        previousNodes[level] = previous.bits
        nextBits[level] = next
    }
    func previous(_ level: Int) -> SkipLink { SkipNode(bits: previousNodes[level]).unsafelyUnwrapped.link(level) }
    func next(_ level: Int) -> UInt { nextBits[level] }
}
