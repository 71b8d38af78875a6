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
