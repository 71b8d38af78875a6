// Entries for syntax that is no function in SQL: ARRAY[…], ROW(…), subscripts and slices, and op ANY / ALL (array). The
// binder makes them; they run as any function does.

import Platform

package enum Constructors {
    /// ARRAY[a, b, …] of `count` arguments of the element type; if the arguments are arrays, one dimension more.
    package static func array(element: TypeOID, count: Int, ofArrays: Bool) -> FunctionEntry {
        let body: ScalarBody = { (c: inout ScalarCall) throws(EngineError) in
            var builder = ArrayBuilder(element: element)
            guard ofArrays else {
                for argument in 0..<count { builder.append(c.isNull(argument) ? nil : c.cell(argument)) }
                try c.set(builder.finish())
                return
            }
            var inner: [ArrayDimension]?
            var arrays = 0
            for argument in 0..<count where !c.isNull(argument) {
                let array = ArrayValue(c.bytes(argument))
                if let inner, inner != array.dimensions {
                    throw EngineError(
                        "2202E", "multidimensional arrays must have array expressions with matching dimensions")
                }
                inner = array.dimensions
                arrays += 1
                for index in 0..<array.count { builder.append(array.isNull(index) ? nil : array.cell(index)) }
            }
            try c.set(builder.finish(dimensions: [ArrayDimension(length: arrays)] + (inner ?? [])))
        }
        let argument = ofArrays ? element.arrayType : element
        return entry("array", [TypeOID](repeating: argument, count: count), element.arrayType, strict: false, body)
    }

    /// ROW(a, b, …).
    package static func row(_ types: [TypeOID]) -> FunctionEntry {
        entry("row", types, .record, strict: false) { (c: inout ScalarCall) throws(EngineError) in
            var cells: [Cell?] = []
            for argument in types.indices { cells.append(c.isNull(argument) ? nil : c.cell(argument)) }
            try c.set(RecordValue.make(types, cells))
        }
    }

    /// Field number `index` (from 0) of a row of known field types.
    package static func field(_ index: Int, _ type: TypeOID) -> FunctionEntry {
        entry("field", [.record], type, strict: true) { (c: inout ScalarCall) throws(EngineError) in
            let row = RecordValue(c.bytes(0))
            if index >= row.count || row.isNull(index) { return c.setNull() }
            try c.frame.result.setCopy(c.row, row.cell(index))
        }
    }

    /// array[i][j]…: int4 subscripts after the array. NULL outside the bounds.
    package static func element(_ array: TypeOID, subscripts: Int) -> FunctionEntry {
        let types = [array] + [TypeOID](repeating: .int4, count: subscripts)
        return entry("subscript", types, array.element, strict: true) { (c: inout ScalarCall) throws(EngineError) in
            let value = ArrayValue(c.bytes(0))
            var indices: [Int] = []
            for argument in 1...subscripts { indices.append(Int(c.int32(argument))) }
            guard let index = value.index(indices), !value.isNull(index) else { return c.setNull() }
            try c.frame.result.setCopy(c.row, value.cell(index))
        }
    }

    /// array[l1:u1][l2:u2]…: int4 bounds after the array, two per dimension, NULL for a bound left out.
    package static func slice(_ array: TypeOID, dimensions: Int) -> FunctionEntry {
        let types = [array] + [TypeOID](repeating: .int4, count: 2 * dimensions)
        return entry("slice", types, array, strict: false) { (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setNull() }
            let value = ArrayValue(c.bytes(0))
            let shape = value.dimensions
            var builder = ArrayBuilder(element: value.element)
            guard dimensions <= shape.count else { return try c.set(builder.finish()) }
            var lows: [Int] = []
            var highs: [Int] = []
            for index in shape.indices {
                let (lower, upper) = (shape[index].lower, shape[index].lower + shape[index].length - 1)
                let isGiven = index < dimensions
                let low = isGiven && !c.isNull(1 + 2 * index) ? max(Int(c.int32(1 + 2 * index)), lower) : lower
                let high = isGiven && !c.isNull(2 + 2 * index) ? min(Int(c.int32(2 + 2 * index)), upper) : upper
                if low > high { return try c.set(builder.finish()) }
                lows.append(low)
                highs.append(high)
            }
            var indices = lows
            walk: while true {
                if let index = value.index(indices) { builder.append(value.isNull(index) ? nil : value.cell(index)) }
                var place = indices.count - 1
                while true {
                    indices[place] += 1
                    if indices[place] <= highs[place] { break }
                    indices[place] = lows[place]
                    place -= 1
                    if place < 0 { break walk }
                }
            }
            var result: [ArrayDimension] = []
            for index in shape.indices { result.append(ArrayDimension(length: highs[index] - lows[index] + 1)) }
            try c.set(builder.finish(dimensions: result))
        }
    }

    /// scalar op ANY (array) or ALL (array): arguments scalar and array. `operation` is the operator's function over the
    /// element type. Three-valued: NULL if undecided and an element or the scalar gave NULL.
    package static func quantified(
        _ operation: FunctionEntry, scalar: TypeOID, element: TypeOID, isAny: Bool
    ) -> FunctionEntry {
        let body: ScalarBody = { (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(1) { return c.setNull() }
            let array = ArrayValue(c.bytes(1))
            if array.count == 0 { return c.set(!isAny) }
            if c.isNull(0), operation.isStrict { return c.setNull() }
            let work = QuantifiedWork.get(c, scalar, element, array.count)
            work.left.reset()
            work.left.isConstant = true
            if c.isNull(0) { work.left.setNull(0) } else { work.left.setCell(0, c.cell(0)) }
            work.right.reset()
            try array.load(into: work.right)
            work.frame.selection = Selection(count: array.count)
            try operation.evaluate(work.frame)
            var sawNull = false
            for row in 0..<array.count {
                if work.result.isNull(row) {
                    sawNull = true
                } else if (work.result.cell(row).low & 1 != 0) == isAny {
                    return c.set(isAny)
                }
            }
            if sawNull { c.setNull() } else { c.set(!isAny) }
        }
        return entry(isAny ? "any" : "all", [scalar, element.arrayType], .bool, strict: false, body)
    }

    private static func entry(
        _ name: StaticBytes, _ arguments: [TypeOID], _ result: TypeOID, strict: Bool, _ body: @escaping ScalarBody
    ) -> FunctionEntry {
        FunctionEntry(
            oid: 0, name: name, arguments: arguments, result: result, isStrict: strict,
            body: .kernel(scalarKernel(strict: strict, body)), documentation: "SQL syntax")
    }
}

/// Vectors that a quantified comparison reuses from row to row.
private final class QuantifiedWork {
    let left: Vector
    let right: Vector
    let result: Vector
    let frame: KernelFrame

    init(_ scalar: TypeOID, _ element: TypeOID, _ capacity: Int, _ context: EvaluationContext) {
        left = Vector(SQLType(scalar), capacity: 1)
        right = Vector(SQLType(element), capacity: capacity)
        result = Vector(SQLType(.bool), capacity: capacity)
        frame = KernelFrame(arguments: [left, right], result: result, context: context)
    }
    static func get(_ c: ScalarCall, _ scalar: TypeOID, _ element: TypeOID, _ count: Int) -> QuantifiedWork {
        if let work = c.frame.cache as? QuantifiedWork, work.right.capacity >= count { return work }
        let work = QuantifiedWork(scalar, element, max(count, 64), c.context)
        c.frame.cache = work
        return work
    }
}
