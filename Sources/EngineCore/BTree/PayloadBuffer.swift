// Where payloads are copied to. It grows to the longest one it has held and is reused, so reading rows allocates nothing
// once it has grown.

import Platform

@usableFromInline
package struct PayloadBuffer: ~Copyable {
    package private(set) var base: UnsafeMutableRawPointer
    package private(set) var count = 0
    private var capacity: Int

    /// Holds any payload that is not spilled without growing.
    package init(capacity: Int = 1024) {
        self.capacity = max(capacity, pageSize)
        base = .allocate(byteCount: self.capacity, alignment: 16)
    }

    // Embedded Swift wants to see the deinit of a move-only type wherever one ends.
    @inlinable deinit { release() }
    @usableFromInline func release() { base.deallocate() }

    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// The contents become a copy of `source`.
    @inline(__always) package mutating func assign(_ source: UnsafeRawBufferPointer) {
        resize(source.count)
        if let from = source.baseAddress { base.copyMemory(from: from, byteCount: source.count) }
    }

    /// Changes the length; bytes up to the smaller of both lengths stay.
    @inline(__always) package mutating func resize(_ newCount: Int) {
        if newCount > capacity { grow(newCount) }
        count = newCount
    }

    @inline(never) private mutating func grow(_ needed: Int) {
        let capacity = max(needed, self.capacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        larger.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = larger
        self.capacity = capacity
    }
}
