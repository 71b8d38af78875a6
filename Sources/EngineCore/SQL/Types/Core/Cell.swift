// One value as 16 bytes, as it lies in a vector: fixed-width values in their low bytes, everything else as a ByteView.
// Long strings are prefixed and pointed to, short ones lie inside (Neumann and Freitag, CIDR 2020, "Umbra": strings).

/// A byte string of up to 2³¹ − 1 bytes: length, then 12 bytes inline, or 4 bytes of prefix and a pointer. Unused inline
/// bytes are zero, so two short strings are equal iff their words are.
package struct ByteView: BitwiseCopyable {
    /// Length in the low half; first four bytes of the string in the high half, first byte lowest.
    package var head: UInt64
    /// Bytes 4..<12 of a short string, or the address of a long one.
    package var tail: UInt64

    package static var inlineCapacity: Int { 12 }

    @inline(__always) package init(head: UInt64, tail: UInt64) {
        self.head = head
        self.tail = tail
    }
    @inline(__always) package static var empty: ByteView { ByteView(head: 0, tail: 0) }
    @inline(__always) package var count: Int { Int(head & 0xFFFF_FFFF) }
    @inline(__always) package var isInline: Bool { head & 0xFFFF_FFFF <= 12 }
    /// Precondition: not inline.
    @inline(__always) package var pointer: UnsafeRawPointer {
        UnsafeRawPointer(bitPattern: UInt(tail)).unsafelyUnwrapped
    }

    /// A view of bytes that stay where they are as long as the view is used.
    @inlinable package init(referencing bytes: UnsafeRawBufferPointer) {
        let count = bytes.count
        if count <= 12 {
            var head = UInt64(count)
            var tail: UInt64 = 0
            for index in 0..<count {
                let byte = UInt64(bytes[index])
                if index < 4 { head |= byte << UInt64(32 + 8 * index) } else { tail |= byte << UInt64(8 * (index - 4)) }
            }
            self.init(head: head, tail: tail)
        } else {
            let base = bytes.baseAddress.unsafelyUnwrapped
            let prefix = UInt64(UInt32(littleEndian: base.loadUnaligned(as: UInt32.self)))
            self.init(head: UInt64(count) | prefix << 32, tail: UInt64(UInt(bitPattern: base)))
        }
    }

    /// The bytes, valid during `body`.
    @inlinable package func withBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        if isInline {
            var copy = (head, tail)
            return try withUnsafeMutablePointer(to: &copy) { (pointer) throws(E) -> R in
                try body(
                    UnsafeRawBufferPointer(
                        start: UnsafeRawPointer(pointer) + 4, count: Int(pointer.pointee.0 & 0xFFFF_FFFF)))
            }
        }
        return try body(UnsafeRawBufferPointer(start: pointer, count: count))
    }

    package var array: [UInt8] { withBytes { bytes in [UInt8](bytes) } }
}

/// One non-null value without its type. Who holds a cell keeps alive what it points to.
package struct Cell: BitwiseCopyable {
    package var low: UInt64
    package var high: UInt64

    @inline(__always) package init(low: UInt64, high: UInt64 = 0) {
        self.low = low
        self.high = high
    }
    @inline(__always) package init(_ value: Bool) { self.init(low: value ? 1 : 0) }
    @inline(__always) package init(_ value: Int8) { self.init(low: UInt64(UInt8(bitPattern: value))) }
    @inline(__always) package init(_ value: Int16) { self.init(low: UInt64(UInt16(bitPattern: value))) }
    @inline(__always) package init(_ value: Int32) { self.init(low: UInt64(UInt32(bitPattern: value))) }
    @inline(__always) package init(_ value: UInt32) { self.init(low: UInt64(value)) }
    @inline(__always) package init(_ value: Int64) { self.init(low: UInt64(bitPattern: value)) }
    @inline(__always) package init(_ value: Float) { self.init(low: UInt64(value.bitPattern)) }
    @inline(__always) package init(_ value: Double) { self.init(low: value.bitPattern) }
    @inline(__always) package init(_ view: ByteView) { self.init(low: view.head, high: view.tail) }

    @inline(__always) package var bool: Bool { low & 1 != 0 }
    @inline(__always) package var int8: Int8 { Int8(truncatingIfNeeded: low) }
    @inline(__always) package var int16: Int16 { Int16(truncatingIfNeeded: low) }
    @inline(__always) package var int32: Int32 { Int32(truncatingIfNeeded: low) }
    @inline(__always) package var uint32: UInt32 { UInt32(truncatingIfNeeded: low) }
    @inline(__always) package var int64: Int64 { Int64(bitPattern: low) }
    @inline(__always) package var float32: Float { Float(bitPattern: uint32) }
    @inline(__always) package var float64: Double { Double(bitPattern: low) }
    @inline(__always) package var bytes: ByteView { ByteView(head: low, tail: high) }

    /// Reads the value of `physical` form at `pointer`, at any alignment.
    @inlinable package init(loading pointer: UnsafeRawPointer, _ physical: Physical) {
        switch physical {
        case .bool, .int8: self.init(low: UInt64(pointer.load(as: UInt8.self)))
        case .int16: self.init(low: UInt64(pointer.loadUnaligned(as: UInt16.self)))
        case .int32, .float32: self.init(low: UInt64(pointer.loadUnaligned(as: UInt32.self)))
        case .int64, .float64: self.init(low: pointer.loadUnaligned(as: UInt64.self))
        case .uuid, .interval, .bytes:
            self.init(low: pointer.loadUnaligned(as: UInt64.self), high: (pointer + 8).loadUnaligned(as: UInt64.self))
        }
    }

    /// Writes the value in `physical` form to `pointer`, at any alignment.
    @inlinable package func store(to pointer: UnsafeMutableRawPointer, _ physical: Physical) {
        switch physical {
        case .bool, .int8: pointer.storeBytes(of: UInt8(truncatingIfNeeded: low), as: UInt8.self)
        case .int16: pointer.storeBytes(of: UInt16(truncatingIfNeeded: low), as: UInt16.self)
        case .int32, .float32: pointer.storeBytes(of: UInt32(truncatingIfNeeded: low), as: UInt32.self)
        case .int64, .float64: pointer.storeBytes(of: low, as: UInt64.self)
        case .uuid, .interval, .bytes:
            pointer.storeBytes(of: low, as: UInt64.self)
            pointer.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
        }
    }
}

/// An interval's three independent fields.
package struct IntervalValue: BitwiseCopyable, Sendable {
    package var microseconds: Int64
    package var days: Int32
    package var months: Int32
    @inline(__always) package init(months: Int32 = 0, days: Int32 = 0, microseconds: Int64 = 0) {
        self.microseconds = microseconds
        self.days = days
        self.months = months
    }
}

extension Cell {
    @inline(__always) package init(_ value: IntervalValue) {
        self.init(
            low: UInt64(bitPattern: value.microseconds),
            high: UInt64(UInt32(bitPattern: value.days)) | UInt64(UInt32(bitPattern: value.months)) << 32)
    }
    @inline(__always) package var interval: IntervalValue {
        IntervalValue(
            months: Int32(truncatingIfNeeded: high >> 32), days: Int32(truncatingIfNeeded: high),
            microseconds: Int64(bitPattern: low))
    }
}
