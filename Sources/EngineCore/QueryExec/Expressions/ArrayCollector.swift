// Collects values into an array value.

import Platform
import SQLTypes

final class ArrayCollector {
    private let element: SQLType
    private var values: [Datum] = []

    init(_ element: SQLType) { self.element = element }

    func removeAll() { values.removeAll(keepingCapacity: true) }
    func append(_ vector: Vector, _ row: Int) { values.append(vector.datum(row)) }

    func store(into result: Vector, _ place: Int) throws(EngineError) {
        var builder = ArrayBuilder(element: element.oid)
        for value in values { builder.append(value) }
        try result.setBytes(place, builder.finish())
    }
}
