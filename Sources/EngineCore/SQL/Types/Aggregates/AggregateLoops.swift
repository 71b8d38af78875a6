// Folding a batch into states: the loops that aggregates share.

import Platform

extension AggregateInput {
    /// Calls `body` with the state and value of each selected row whose first argument is not NULL.
    @inline(__always) func each<T: BitwiseCopyable>(
        _ type: T.Type, _ body: (UnsafeMutableRawPointer, T) throws(EngineError) -> Void
    ) throws(EngineError) {
        let operand = Operand(arguments[0])
        if let single, !operand.hasNulls, operand.rowMask != 0, selection.rows == nil {
            let values = operand.data.assumingMemoryBound(to: T.self)
            for row in 0..<selection.count { try body(single, values[row]) }
            return
        }
        for index in 0..<selection.count {
            let row = selection[index]
            if operand.isNull(row) { continue }
            try body(state(row), operand.load(row, as: T.self))
        }
    }
    /// As `each`, for values of any form.
    @inline(__always) func eachCell(
        _ body: (UnsafeMutableRawPointer, Cell) throws(EngineError) -> Void
    ) throws(EngineError) {
        let vector = arguments[0]
        for index in 0..<selection.count {
            let row = selection[index]
            if vector.isNull(row) { continue }
            try body(state(row), vector.cell(row))
        }
    }
}

extension UnsafeMutableRawPointer {
    /// A field of a state.
    @inline(__always) func field<T: BitwiseCopyable>(_ offset: Int, _ type: T.Type) -> UnsafeMutablePointer<T> {
        (self + offset).assumingMemoryBound(to: type)
    }
}
