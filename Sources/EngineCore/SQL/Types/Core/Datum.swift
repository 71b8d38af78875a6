// One value on its own: constants, parameters, keys. Copying a fixed-width or short value touches no reference count.

/// Bytes a datum owns because they do not fit inline. Immutable once made.
package final class ByteStorage: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    init(copying bytes: UnsafeRawBufferPointer) {
        base = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 8)
        if let source = bytes.baseAddress { base.copyMemory(from: source, byteCount: bytes.count) }
    }
    deinit { base.deallocate() }
}

/// NULL or one value; the type is known by whoever holds it.
package struct Datum: @unchecked Sendable {
    package let isNull: Bool
    /// Valid as long as this datum (or a copy) lives: use `withCell` where the datum may die first.
    let bits: Cell
    private let owner: ByteStorage?

    @inline(__always) package static var null: Datum { Datum(isNull: true, bits: Cell(low: 0), owner: nil) }

    private init(isNull: Bool, bits: Cell, owner: ByteStorage?) {
        self.isNull = isNull
        self.bits = bits
        self.owner = owner
    }
    /// A fixed-width value.
    @inline(__always) package init(fixed cell: Cell) { self.init(isNull: false, bits: cell, owner: nil) }
    package init(_ value: Bool) { self.init(fixed: Cell(value)) }
    package init(_ value: Int16) { self.init(fixed: Cell(value)) }
    package init(_ value: Int32) { self.init(fixed: Cell(value)) }
    package init(_ value: UInt32) { self.init(fixed: Cell(value)) }
    package init(_ value: Int64) { self.init(fixed: Cell(value)) }
    package init(_ value: Float) { self.init(fixed: Cell(value)) }
    package init(_ value: Double) { self.init(fixed: Cell(value)) }
    package init(_ value: IntervalValue) { self.init(fixed: Cell(value)) }

    /// A value of physical form `bytes`; the bytes are copied.
    package init(bytes: UnsafeRawBufferPointer) {
        if bytes.count <= ByteView.inlineCapacity {
            self.init(isNull: false, bits: Cell(ByteView(referencing: bytes)), owner: nil)
        } else {
            let storage = ByteStorage(copying: bytes)
            let copy = UnsafeRawBufferPointer(start: storage.base, count: bytes.count)
            self.init(isNull: false, bits: Cell(ByteView(referencing: copy)), owner: storage)
        }
    }
    package init(bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { Datum(bytes: $0) }
    }
    /// Text given as a literal in the engine.
    package init(text: StaticString) {
        self.init(bytes: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
    /// A copy of a cell of the given form, owning its bytes.
    package init(copying cell: Cell, _ physical: Physical) {
        if physical == .bytes {
            self = cell.bytes.withBytes { Datum(bytes: $0) }
        } else {
            self.init(fixed: cell)
        }
    }

    /// The value's cell, alive during `body`. Precondition: not null.
    @inlinable package func withCell<R, E: Error>(_ body: (Cell) throws(E) -> R) throws(E) -> R {
        precondition(!isNull, "a NULL has no cell")
        let held = self
        defer { withExtendedLifetime(held) {} }
        return try body(held.unownedCell)
    }
    /// The cell, without keeping the datum alive: the caller holds the datum.
    @inline(__always) package var unownedCell: Cell { bits }

    package var bool: Bool { bits.bool }
    package var int16: Int16 { bits.int16 }
    package var int32: Int32 { bits.int32 }
    package var uint32: UInt32 { bits.uint32 }
    package var int64: Int64 { bits.int64 }
    package var float32: Float { bits.float32 }
    package var float64: Double { bits.float64 }
    package var interval: IntervalValue { bits.interval }
    /// A copy of the bytes of a value of form `bytes`.
    package var byteArray: [UInt8] { withCell { $0.bytes.array } }
    @inlinable package func withBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try withCell { (cell) throws(E) -> R in try cell.bytes.withBytes(body) }
    }
}
