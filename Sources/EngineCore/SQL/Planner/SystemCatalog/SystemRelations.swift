// The registry of all system relations. Columns come from static text; rows from the producer of the relation's name,
// or there are none: kinds of objects that this engine does not have are empty relations.

import Platform
import SQLTypes

package final class SystemRelations: Sendable {
    package let all: [SystemRelation]

    init() {
        var all: [SystemRelation] = []
        for text in [systemRelationColumnsA, systemRelationColumnsB, informationSchemaColumns] {
            SystemRelations.parse(text, into: &all)
        }
        self.all = all
    }
    package func relation(_ oid: ObjectID) -> SystemRelation? {
        for relation in all where relation.oid == oid { return relation }
        return nil
    }
    package func relation(in schema: ObjectID, named name: [UInt8]) -> SystemRelation? {
        for relation in all where relation.schema == schema && relation.name.array == name { return relation }
        return nil
    }

    /// One line per relation; a line that begins with two blanks more continues it.
    private static func parse(_ text: StaticString, into all: inout [SystemRelation]) {
        let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        var fields: [StaticSlice] = []
        var position = 0
        func flush() {
            if fields.count >= 5 { all.append(make(fields)) }
            fields = []
        }
        while position < bytes.count {
            if bytes[position] != 0x20 { flush() }
            while position < bytes.count, bytes[position] != 0x0A {
                let start = position
                while position < bytes.count, bytes[position] != 0x20, bytes[position] != 0x0A { position += 1 }
                if position > start {
                    fields.append(StaticSlice(base: text.utf8Start + start, count: position - start))
                }
                while position < bytes.count, bytes[position] == 0x20 { position += 1 }
            }
            position += 1
        }
        flush()
    }

    private static func make(_ fields: [StaticSlice]) -> SystemRelation {
        let isCatalog = fields[1].array == staticBytes("c")
        var columns: [SystemColumn] = []
        for field in fields.dropFirst(4) {
            guard let colon = field.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let isNullable = field.last == UInt8(ascii: "?")
            let type = field.number(from: colon + 1, to: field.count - (isNullable ? 1 : 0))
            columns.append(
                SystemColumn(
                    StaticSlice(base: field.base, count: colon), TypeOID(type), notNull: !isNullable))
        }
        let name = fields[3]
        let producer = SystemProducer.named(name.array, isCatalog: isCatalog)
        return SystemRelation(
            oid: fields[0].number(from: 0, to: fields[0].count),
            schema: isCatalog ? WellKnownOID.pgCatalogSchema : WellKnownOID.informationSchema, name,
            kind: fields[2].array == staticBytes("r") ? .table : .view, columns: columns, keyColumn: producer.keyColumn,
            produce: producer.rows)
    }
}

/// Part of a static text.
package struct StaticSlice: @unchecked Sendable {
    let base: UnsafePointer<UInt8>
    let count: Int
    package var array: [UInt8] { [UInt8](UnsafeBufferPointer(start: base, count: count)) }
    var last: UInt8 { base[count - 1] }
    func firstIndex(of byte: UInt8) -> Int? {
        for index in 0..<count where base[index] == byte { return index }
        return nil
    }
    /// The decimal digits in a range.
    func number(from start: Int, to end: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in start..<end { value = value * 10 + UInt32(base[index] - 0x30) }
        return value
    }
}

func bytesEqual(_ bytes: [UInt8], _ literal: StaticString) -> Bool {
    let count = literal.utf8CodeUnitCount
    if bytes.count != count { return false }
    for index in 0..<count where bytes[index] != literal.utf8Start[index] { return false }
    return true
}

typealias SystemRows = @Sendable (CatalogSession, Datum?, any SystemRowSink) throws(EngineError) -> Void

/// Who makes a relation's rows, and by which column it can look up.
struct SystemProducer {
    var rows: SystemRows
    var keyColumn = -1

    static func named(_ name: [UInt8], isCatalog: Bool) -> SystemProducer {
        for entry in isCatalog ? catalogProducers : informationProducers where bytesEqual(name, entry.name) {
            return SystemProducer(rows: entry.rows, keyColumn: entry.key)
        }
        return SystemProducer(rows: { (_, _, _) throws(EngineError) in })
    }

    struct Entry {
        var name: StaticString
        var key = -1
        var rows: SystemRows
    }
    private static var catalogProducers: [Entry] {
        classProducers + typeProducers + clusterProducers + viewProducers
    }
    private static var informationProducers: [Entry] { informationSchemaProducers }
}

extension Datum {
    /// "char" values.
    init(char: UInt8) { self.init(fixed: Cell(Int8(bitPattern: char))) }
    init(text bytes: [UInt8]) { self.init(bytes: bytes) }
    static var zeroOID: Datum { Datum(UInt32(0)) }
    static var no: Datum { Datum(false) }
    static var yes: Datum { Datum(true) }
}
func char(_ letter: Unicode.Scalar) -> Datum { Datum(char: UInt8(truncatingIfNeeded: letter.value)) }
