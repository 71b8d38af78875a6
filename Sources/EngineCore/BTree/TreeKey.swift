// Keys as the tree sees them: byte strings that compare byte by byte, a shorter one before its extensions.
//
// A node keeps the first four bytes of each key, after the node's common prefix, as a big-endian integer, the head, so
// that most comparisons are of integers that lie beside each other and touch no key
// (Graefe and Larson, "B-tree indexes and CPU caches", ICDE 2001: "poor man's normalised keys").

import Platform

/// Bytes of a key that someone else owns. Trivial, so it costs nothing to pass.
package struct TreeKey: BitwiseCopyable {
    package let base: UnsafeRawPointer
    package let count: Int

    @inlinable @inline(__always) package init(base: UnsafeRawPointer, count: Int) {
        self.base = base
        self.count = count
    }

    @inlinable @inline(__always) package init(_ bytes: UnsafeRawBufferPointer) {
        // An empty key needs some address; it is never read.
        base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8).unsafelyUnwrapped
        count = bytes.count
    }

    /// Before all others.
    @inlinable package static var empty: TreeKey { TreeKey(UnsafeRawBufferPointer(start: nil, count: 0)) }

    @inlinable package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// What is left after the first `length` bytes; empty if the key is not longer.
    @inlinable @inline(__always) package func dropFirst(_ length: Int) -> TreeKey {
        let dropped = length < count ? length : count
        return TreeKey(base: base + dropped, count: count &- dropped)
    }

    /// The first four bytes as an integer that orders as they do, padded with zeros.
    @inlinable @inline(__always) package var head: UInt32 {
        if count >= 4 { return base.big(0, as: UInt32.self) }
        var head: UInt32 = 0
        var shift: UInt32 = 24
        var index = 0
        while index < count {
            head |= UInt32(base.load(fromByteOffset: index, as: UInt8.self)) &<< shift
            shift &-= 8
            index &+= 1
        }
        return head
    }

    /// Negative, zero or positive as the key is before, equal to or after `other`.
    @inlinable @inline(__always) package func compare(_ other: TreeKey) -> Int {
        let common = count < other.count ? count : other.count
        var index = 0
        while index &+ 8 <= common {
            let a = base.big(index, as: UInt64.self)
            let b = other.base.big(index, as: UInt64.self)
            if a != b { return a < b ? -1 : 1 }
            index &+= 8
        }
        while index < common {
            let a = base.load(fromByteOffset: index, as: UInt8.self)
            let b = other.base.load(fromByteOffset: index, as: UInt8.self)
            if a != b { return a < b ? -1 : 1 }
            index &+= 1
        }
        return count &- other.count
    }

    /// How many leading bytes the two keys share.
    package func commonPrefixLength(_ other: TreeKey) -> Int {
        let common = min(count, other.count)
        var index = 0
        while index + 8 <= common {
            let difference = base.big(index, as: UInt64.self) ^ other.base.big(index, as: UInt64.self)
            if difference != 0 { return index + difference.leadingZeroBitCount / 8 }
            index += 8
        }
        while index < common {
            if base.load(fromByteOffset: index, as: UInt8.self)
                != other.base.load(fromByteOffset: index, as: UInt8.self)
            {
                return index
            }
            index += 1
        }
        return common
    }
}

/// Numbers one tree; written in the header of each of its pages. 0 is no tree.
package struct TreeID: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt32
    @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable package init(_ value: UInt32) { rawValue = value }
    @inlinable package static func == (a: TreeID, b: TreeID) -> Bool { a.rawValue == b.rawValue }
    package static let none = TreeID(0)
}
