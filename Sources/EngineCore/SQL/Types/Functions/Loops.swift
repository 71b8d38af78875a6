// The inner loops of kernels over fixed-width values. Each instantiation is specialised for its types and operation; the
// three unselected shapes (column and column, column and constant, constant and column) are loops a compiler vectorises.
//
// NULL rows are computed like others, on whatever their bytes hold, and are NULL in the result by the bitmap: a checked
// operation that fails looks again, and throws only if a row that counts has failed.

import Platform

enum Loops {
    /// A result row is NULL where any argument is: for strict kernels. Constant arguments are known not to be NULL.
    static func propagateNulls(_ frame: KernelFrame) {
        let result = frame.result
        for vector in frame.arguments where vector.hasNulls && !vector.isConstant {
            let words = (min(vector.capacity, result.capacity) + 63) / 64
            for word in 0..<words { result.validity[word] &= vector.validity[word] }
            result.hasNulls = true
        }
    }

    @inline(__always) static func unary<A: BitwiseCopyable, R: BitwiseCopyable>(
        _ frame: KernelFrame, _ from: A.Type, _ to: R.Type, _ body: (A) -> R
    ) {
        propagateNulls(frame)
        let a = frame.operands[0].data.assumingMemoryBound(to: A.self)
        let target = frame.result.data.assumingMemoryBound(to: R.self)
        if let rows = frame.selection.rows {
            for index in 0..<frame.selection.count {
                let row = Int(rows[index])
                target[row] = body(a[row])
            }
        } else {
            for row in 0..<frame.selection.count { target[row] = body(a[row]) }
        }
    }

    @inline(__always) static func binary<A: BitwiseCopyable, B: BitwiseCopyable, R: BitwiseCopyable>(
        _ frame: KernelFrame, _ left: A.Type, _ right: B.Type, _ to: R.Type, _ body: (A, B) -> R
    ) {
        propagateNulls(frame)
        let a = frame.operands[0].data.assumingMemoryBound(to: A.self)
        let b = frame.operands[1].data.assumingMemoryBound(to: B.self)
        let target = frame.result.data.assumingMemoryBound(to: R.self)
        let maskA = frame.operands[0].rowMask
        let maskB = frame.operands[1].rowMask
        let count = frame.selection.count
        if let rows = frame.selection.rows {
            for index in 0..<count {
                let row = Int(rows[index])
                target[row] = body(a[row & maskA], b[row & maskB])
            }
        } else if maskB == 0 {
            let constant = b[0]
            for row in 0..<count { target[row] = body(a[row & maskA], constant) }
        } else if maskA == 0 {
            let constant = a[0]
            for row in 0..<count { target[row] = body(constant, b[row]) }
        } else {
            for row in 0..<count { target[row] = body(a[row], b[row]) }
        }
    }

    /// As `binary` for byte strings: NULL rows are skipped, for their views may point nowhere.
    @inline(__always) static func views<R: BitwiseCopyable>(
        _ frame: KernelFrame, _ to: R.Type, _ body: (ByteView, ByteView) -> R
    ) {
        propagateNulls(frame)
        let a = frame.operands[0]
        let b = frame.operands[1]
        let result = frame.result
        let target = result.data.assumingMemoryBound(to: R.self)
        for index in 0..<frame.selection.count {
            let row = frame.selection[index]
            if result.isNull(row) { continue }
            target[row] = body(a.load(row, as: ByteView.self), b.load(row, as: ByteView.self))
        }
    }

    /// As `unary` for an operation that may fail: `body` returns the value and whether it is no value; `failure` makes the
    /// error.
    @inline(__always) static func checkedUnary<A: BitwiseCopyable, R: BitwiseCopyable>(
        _ frame: KernelFrame, _ from: A.Type, _ to: R.Type, _ body: (A) -> (R, Bool), _ failure: (A) -> EngineError
    ) throws(EngineError) {
        var failed = false
        unary(frame, from, to) { (value: A) -> R in
            let (result, bad) = body(value)
            failed = failed || bad
            return result
        }
        guard failed else { return }
        for index in 0..<frame.selection.count {
            let row = frame.selection[index]
            if frame.result.isNull(row) { continue }
            let value = frame.operands[0].load(row, as: A.self)
            if body(value).1 { throw failure(value) }
        }
    }

    @inline(__always) static func checkedBinary<A: BitwiseCopyable, B: BitwiseCopyable, R: BitwiseCopyable>(
        _ frame: KernelFrame, _ left: A.Type, _ right: B.Type, _ to: R.Type, _ body: (A, B) -> (R, Bool),
        _ failure: (A, B) -> EngineError
    ) throws(EngineError) {
        var failed = false
        binary(frame, left, right, to) { (a: A, b: B) -> R in
            let (result, bad) = body(a, b)
            failed = failed || bad
            return result
        }
        guard failed else { return }
        for index in 0..<frame.selection.count {
            let row = frame.selection[index]
            if frame.result.isNull(row) { continue }
            let a = frame.operands[0].load(row, as: A.self)
            let b = frame.operands[1].load(row, as: B.self)
            if body(a, b).1 { throw failure(a, b) }
        }
    }
}

package enum Filter {
    /// The rows of `selection` where the boolean vector is true (not false, not NULL), written ascending to `rows`.
    /// `rows` may be the selection's own memory.
    package static func select(
        _ condition: Vector, _ selection: Selection, into rows: UnsafeMutablePointer<UInt16>
    ) -> Selection {
        let values = condition.data.assumingMemoryBound(to: UInt8.self)
        var count = 0
        if condition.isConstant {
            guard !condition.isNull(0), values[0] != 0 else { return Selection(count: 0) }
            return selection
        }
        if condition.hasNulls {
            for index in 0..<selection.count {
                let row = selection[index]
                rows[count] = UInt16(truncatingIfNeeded: row)
                let valid = condition.validity[row >> 6] >> UInt64(row & 63) & 1
                count += Int(UInt64(values[row]) & valid)
            }
        } else if let source = selection.rows {
            for index in 0..<selection.count {
                let row = source[index]
                rows[count] = row
                count += Int(values[Int(row)])
            }
        } else {
            for row in 0..<selection.count {
                rows[count] = UInt16(truncatingIfNeeded: row)
                count += Int(values[row])
            }
        }
        return Selection(count: count, rows: UnsafePointer(rows))
    }
}
