// Loads and stores of fixed-width integers at any alignment. Disk formats are little-endian, wire formats and
// memory-comparable keys big-endian.

extension UnsafeRawPointer {
    @inline(__always) package func little<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
    @inline(__always) package func big<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        T(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}

extension UnsafeMutableRawPointer {
    @inline(__always) package func little<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
    @inline(__always) package func big<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        T(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
    @inline(__always) package func setLittle<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ value: T) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
    @inline(__always) package func setBig<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ value: T) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
    }
}

/// `value` rounded up to a multiple of `alignment`, a power of two.
@inline(__always) package func roundUp<T: FixedWidthInteger>(_ value: T, _ alignment: T) -> T {
    (value + alignment - 1) & ~(alignment - 1)
}

extension Array where Element == UInt8 {
    /// `withUnsafeBytes` that keeps the type of what `body` throws.
    @inlinable @inline(__always)
    package func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try withUnsafeBufferPointer { (buffer) throws(E) -> R in try body(UnsafeRawBufferPointer(buffer)) }
    }
    @inlinable @inline(__always)
    package mutating func withMutableBytes<R, E: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try withUnsafeMutableBufferPointer { (buffer) throws(E) -> R in try body(UnsafeMutableRawBufferPointer(buffer))
        }
    }
}
