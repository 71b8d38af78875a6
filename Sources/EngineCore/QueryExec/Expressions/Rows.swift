// Row values and slices of arrays: ROW(…), fields of a row, array[low:high].

import Platform
import SQL
import SQLTypes

/// ROW(…), and a relation's name as a value.
final class RowEvaluator: Evaluator {
    private let fields: [Evaluator]
    private let types: [TypeOID]
    private let result: Vector

    init(_ fields: [Evaluator], capacity: Int) {
        self.fields = fields
        // A literal without a type is text.
        types = fields.map { $0.type.oid == .unknown ? .text : $0.type.oid }
        result = Vector(SQLType(.record), capacity: capacity)
        super.init(SQLType(.record))
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        var vectors: [Vector] = []
        for field in fields { vectors.append(try field.evaluate(chunk, selection)) }
        for index in 0..<selection.count {
            let row = selection[index]
            let cells: [Cell?] = vectors.map { $0.isNull(row) ? nil : $0.cell(row) }
            try result.setBytes(row, RecordValue.make(types, cells))
        }
        return result
    }
}

/// `(row).field`.
final class FieldEvaluator: Evaluator {
    private let row: Evaluator
    private let index: Int
    private let result: Vector

    init(_ row: Evaluator, _ index: Int, type: SQLType, capacity: Int) {
        self.row = row
        self.index = index
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        let rows = try row.evaluate(chunk, selection)
        for number in 0..<selection.count {
            let place = selection[number]
            if rows.isNull(place) {
                result.setNull(place)
                continue
            }
            let record = RecordValue(rows.bytes(place))
            guard index < record.count, Physical.of(record.type(index)) == type.physical else {
                throw EngineError(.datatypeMismatch, "a row has another field than was expected")
            }
            if record.isNull(index) {
                result.setNull(place)
            } else {
                try result.setCopy(place, record.cell(index))
            }
        }
        return result
    }
}

/// `array[low:high]…`: the elements within all bounds, numbered from 1 again. A plain subscript among slices means
/// 1:subscript, a missing bound the array's own. Outside the array there is nothing: an empty array.
final class SliceEvaluator: Evaluator {
    private let base: Evaluator
    /// Per dimension; nil where the array's own bound counts.
    private let bounds: [(lower: Evaluator?, upper: Evaluator?, isSlice: Bool)]
    private let element: TypeOID
    private let result: Vector

    init(
        _ base: Evaluator, _ bounds: [(lower: Evaluator?, upper: Evaluator?, isSlice: Bool)], type: SQLType,
        capacity: Int
    ) {
        self.base = base
        self.bounds = bounds
        element = type.oid.element
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        let arrays = try base.evaluate(chunk, selection)
        var lowers: [Vector?] = []
        var uppers: [Vector?] = []
        for bound in bounds {
            lowers.append(try bound.lower?.evaluate(chunk, selection))
            uppers.append(try bound.upper?.evaluate(chunk, selection))
        }
        for index in 0..<selection.count {
            let row = selection[index]
            let hasNull = (lowers + uppers).contains { $0?.isNull(row) ?? false }
            if hasNull || arrays.isNull(row) {
                result.setNull(row)
                continue
            }
            let array = ArrayValue(arrays.bytes(row))
            var ranges: [Range<Int>] = []
            for dimension in 0..<array.dimensionCount {
                let shape = array.dimension(dimension)
                var low = shape.lower
                var high = shape.lower + shape.length - 1
                if dimension < bounds.count {
                    let wantedLow = bounds[dimension].isSlice ? lowers[dimension].map { Int($0.cell(row).int32) } : 1
                    if let wantedLow { low = max(low, wantedLow) }
                    if let wantedHigh = uppers[dimension] { high = min(high, Int(wantedHigh.cell(row).int32)) }
                }
                let start = low - shape.lower
                ranges.append(start..<max(high - shape.lower + 1, start))
            }
            try result.setBytes(row, slice(array, ranges))
        }
        return result
    }

    private func slice(_ array: ArrayValue, _ ranges: [Range<Int>]) throws(EngineError) -> [UInt8] {
        var builder = ArrayBuilder(element: element)
        let isEmpty = ranges.isEmpty || ranges.count < bounds.count || ranges.contains { $0.isEmpty }
        if isEmpty { return builder.finish() }
        var place = ranges.map { $0.lowerBound }
        while true {
            var number = 0
            for (dimension, index) in place.enumerated() { number = number * array.dimension(dimension).length + index }
            builder.append(array.isNull(number) ? nil : array.cell(number))
            var dimension = place.count - 1
            while dimension >= 0 {
                place[dimension] += 1
                if place[dimension] < ranges[dimension].upperBound { break }
                place[dimension] = ranges[dimension].lowerBound
                dimension -= 1
            }
            if dimension < 0 { return try builder.finish(dimensions: ranges.map { ArrayDimension(length: $0.count) }) }
        }
    }
}
