// What a kernel sees of one evaluation: argument vectors, the result vector, the rows to compute, the context.
//
// A frame is made once per call site when a plan is built and reused for every batch; it allocates nothing afterwards.
// Result rows stand at the same positions as argument rows; rows outside the selection are left unspecified.

import Platform

/// Where a vector's values are, taken apart for tight loops.
package struct Operand: BitwiseCopyable {
    package var data: UnsafeMutableRawPointer
    package var validity: UnsafeMutablePointer<UInt64>
    /// And-ed to a row number: 0 for a constant, all ones for a flat vector.
    package var rowMask: Int
    package var hasNulls: Bool

    @inline(__always) package init(_ vector: Vector) {
        data = vector.data
        validity = vector.validity
        rowMask = vector.isConstant ? 0 : -1
        hasNulls = vector.hasNulls
    }
    @inline(__always) package func isNull(_ row: Int) -> Bool {
        let row = row & rowMask
        return hasNulls && validity[row >> 6] & (1 << UInt64(row & 63)) == 0
    }
    @inline(__always) package func load<T: BitwiseCopyable>(_ row: Int, as type: T.Type) -> T {
        data.assumingMemoryBound(to: type)[row & rowMask]
    }
    @inline(__always) package func bytes(_ row: Int) -> UnsafeRawBufferPointer {
        let slot = data + (row & rowMask) * 16
        let count = Int(slot.load(as: UInt32.self))
        if count <= 12 { return UnsafeRawBufferPointer(start: slot + 4, count: count) }
        return UnsafeRawBufferPointer(start: slot.load(fromByteOffset: 8, as: UnsafeRawPointer.self), count: count)
    }
}

package final class KernelFrame {
    package let arguments: [Vector]
    package let result: Vector
    package let context: EvaluationContext
    /// Rows to compute; set before each evaluation.
    package var selection = Selection(count: 0)
    /// One per argument, refreshed by `FunctionEntry.evaluate`.
    package let operands: UnsafeMutablePointer<Operand>
    /// Where a row's result is composed before it is stored.
    var scratch = ByteBuffer(limit: ValueMemory.longestValue)
    /// What a function derived from an argument and may use again for the next row: a compiled pattern.
    var cache: AnyObject?

    /// The vectors' types are the actual ones (polymorphic arguments resolved).
    package init(arguments: [Vector], result: Vector, context: EvaluationContext) {
        self.arguments = arguments
        self.result = result
        self.context = context
        operands = UnsafeMutablePointer<Operand>.allocate(capacity: max(arguments.count, 1))
    }
    deinit { operands.deallocate() }

    /// Scratch space up to this size is kept.
    static let usualScratch = 64 << 10

    /// After an evaluation that composed something long: gives the memory back. Errors: 54000 or 53200 if it was too long.
    func finishLargeScratch() throws(EngineError) {
        defer { scratch.shrink(to: Self.usualScratch) }
        try scratch.check()
    }

    func loadOperands() {
        for index in 0..<arguments.count { (operands + index).initialize(to: Operand(arguments[index])) }
    }
}

/// Computes `frame.result` for `frame.selection`.
package typealias Kernel = @Sendable (KernelFrame) throws(EngineError) -> Void

/// One row of an evaluation, for functions that are written value by value.
package struct ScalarCall {
    package unowned(unsafe) let frame: KernelFrame
    @usableFromInline let operands: UnsafeMutablePointer<Operand>
    package internal(set) var row = 0

    init(_ frame: KernelFrame) {
        self.frame = frame
        operands = frame.operands
    }

    package var context: EvaluationContext { frame.context }
    package var argumentCount: Int { frame.arguments.count }
    package func type(_ argument: Int) -> SQLType { frame.arguments[argument].type }
    package var resultType: SQLType { frame.result.type }

    @inline(__always) package func isNull(_ argument: Int) -> Bool { operands[argument].isNull(row) }
    @inline(__always) package func bool(_ argument: Int) -> Bool { operands[argument].load(row, as: UInt8.self) != 0 }
    @inline(__always) package func int8(_ argument: Int) -> Int8 { operands[argument].load(row, as: Int8.self) }
    @inline(__always) package func int16(_ argument: Int) -> Int16 { operands[argument].load(row, as: Int16.self) }
    @inline(__always) package func int32(_ argument: Int) -> Int32 { operands[argument].load(row, as: Int32.self) }
    @inline(__always) package func uint32(_ argument: Int) -> UInt32 { operands[argument].load(row, as: UInt32.self) }
    @inline(__always) package func int64(_ argument: Int) -> Int64 { operands[argument].load(row, as: Int64.self) }
    @inline(__always) package func float32(_ argument: Int) -> Float { operands[argument].load(row, as: Float.self) }
    @inline(__always) package func float64(_ argument: Int) -> Double { operands[argument].load(row, as: Double.self) }
    @inline(__always) package func interval(_ argument: Int) -> IntervalValue { cell(argument).interval }
    @inline(__always) package func bytes(_ argument: Int) -> UnsafeRawBufferPointer { operands[argument].bytes(row) }
    package func cell(_ argument: Int) -> Cell {
        let physical = frame.arguments[argument].physical
        return Cell(loading: operands[argument].data + (row & operands[argument].rowMask) * physical.width, physical)
    }

    @inline(__always) package func setNull() { frame.result.setNull(row) }
    @inline(__always) package func set(_ cell: Cell) { frame.result.setCell(row, cell) }
    @inline(__always) package func set(_ value: Bool) { set(Cell(value)) }
    @inline(__always) package func set(_ value: Int16) { set(Cell(value)) }
    @inline(__always) package func set(_ value: Int32) { set(Cell(value)) }
    @inline(__always) package func set(_ value: UInt32) { set(Cell(value)) }
    @inline(__always) package func set(_ value: Int64) { set(Cell(value)) }
    @inline(__always) package func set(_ value: Float) { set(Cell(value)) }
    @inline(__always) package func set(_ value: Double) { set(Cell(value)) }
    @inline(__always) package func set(_ value: IntervalValue) { set(Cell(value)) }
    /// Copies the bytes into the result.
    package func set(_ bytes: [UInt8]) throws(EngineError) { try frame.result.setBytes(row, bytes) }
    package func set(_ bytes: UnsafeRawBufferPointer) throws(EngineError) { try frame.result.setBytes(row, bytes) }
    package func set(_ buffer: borrowing ByteBuffer) throws(EngineError) {
        try frame.result.setBytes(row, buffer.bytes)
    }
    /// Refers to the bytes where they are: in an argument or in static memory.
    package func setReference(_ bytes: UnsafeRawBufferPointer) { set(Cell(ByteView(referencing: bytes))) }
}

/// A function of one row.
package typealias ScalarBody = @Sendable (inout ScalarCall) throws(EngineError) -> Void

/// Calls `body` for each selected row. Strict: rows with a NULL argument become NULL without a call.
func scalarKernel(strict: Bool, _ body: @escaping ScalarBody) -> Kernel {
    return { (frame: KernelFrame) throws(EngineError) in
        var call = ScalarCall(frame)
        let count = frame.selection.count
        let argumentCount = frame.arguments.count
        for index in 0..<count {
            call.row = frame.selection[index]
            if strict {
                var null = false
                for argument in 0..<argumentCount where frame.operands[argument].isNull(call.row) { null = true }
                if null {
                    frame.result.setNull(call.row)
                    continue
                }
            }
            try body(&call)
        }
    }
}
