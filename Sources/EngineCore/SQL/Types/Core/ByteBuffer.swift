// A growable run of bytes that text and binary output, keys and messages are appended to.

import Platform

/// Move-only, so that its memory has one owner; passed `inout`.
@usableFromInline
package struct ByteBuffer: ~Copyable {
    package private(set) var base: UnsafeMutableRawPointer
    package private(set) var count = 0
    package private(set) var capacity: Int

    package init(capacity: Int = 256) {
        self.capacity = max(capacity, 16)
        base = UnsafeMutableRawPointer.allocate(byteCount: self.capacity, alignment: 16)
    }
    // Embedded Swift wants to see the deinit of a move-only type wherever one ends.
    @inlinable deinit { release() }
    @usableFromInline func release() { base.deallocate() }

    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
    package var array: [UInt8] { [UInt8](bytes) }

    @inline(__always) package mutating func removeAll() { count = 0 }
    /// Cuts back to `count` bytes.
    @inline(__always) package mutating func truncate(to count: Int) {
        assert(count <= self.count)
        self.count = count
    }
    @inline(__always) package mutating func reserve(_ more: Int) {
        if count + more > capacity { grow(more) }
    }
    @inline(never) private mutating func grow(_ more: Int) {
        let size = max(capacity * 2, count + more)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        larger.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = larger
        capacity = size
    }
    @inline(__always) package mutating func append(_ byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }
    @inline(__always) package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }
    package mutating func append(_ bytes: [UInt8]) {
        reserve(bytes.count)
        for byte in bytes {
            base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
            count += 1
        }
    }
    package mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
    /// Appends in network byte order.
    @inline(__always) package mutating func appendBig<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        reserve(MemoryLayout<T>.size)
        base.setBig(count, value)
        count += MemoryLayout<T>.size
    }
    /// Overwrites bytes at `offset`, in network byte order.
    @inline(__always) package mutating func setBig<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ value: T) {
        assert(offset + MemoryLayout<T>.size <= count)
        base.setBig(offset, value)
    }
    @inline(__always) package mutating func appendLittle<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        reserve(MemoryLayout<T>.size)
        base.setLittle(count, value)
        count += MemoryLayout<T>.size
    }
    /// Appends decimal digits, with a sign if negative.
    package mutating func append(decimal value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(decimal: value.magnitude, width: 1)
    }
    /// Appends at least `width` decimal digits, zero-padded. Precondition: width ≤ 20.
    package mutating func append(decimal value: UInt64, width: Int) {
        reserve(20)
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, value >= bound {
            digits += 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        digits = max(digits, width)
        var rest = value
        var position = count + digits
        while position > count {
            position -= 1
            base.storeBytes(of: UInt8(0x30 + rest % 10), toByteOffset: position, as: UInt8.self)
            rest /= 10
        }
        count += digits
    }
}
