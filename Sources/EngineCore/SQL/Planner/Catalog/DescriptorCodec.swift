// Descriptors as bytes in the catalog tree: a version byte, then fields in order; integers little-endian, strings and
// lists with a 32-bit count. Decoding believes nothing: every read is bounded, a bad record is XX001.

import Platform
import SQLTypes

struct DescriptorWriter {
    var bytes: [UInt8] = [1]

    mutating func put<T: FixedWidthInteger>(_ value: T) {
        var rest = value
        for _ in 0..<(T.bitWidth / 8) {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest = T.bitWidth > 8 ? rest >> 8 : 0
        }
    }
    mutating func put(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func put(_ value: Double) { put(value.bitPattern) }
    mutating func put(_ value: [UInt8]) {
        put(UInt32(value.count))
        bytes.append(contentsOf: value)
    }
    mutating func put(_ value: [UInt8]?) {
        put(value != nil)
        if let value { put(value) }
    }
    mutating func put(_ value: SQLType) {
        put(value.oid.rawValue)
        put(value.typmod)
    }
    mutating func putList<T>(_ values: [T], _ body: (inout DescriptorWriter, T) -> Void) {
        put(UInt32(values.count))
        for value in values { body(&self, value) }
    }
}

struct DescriptorReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) throws(EngineError) {
        self.bytes = bytes
        guard try get(UInt8.self) == 1 else {
            throw EngineError(.dataCorrupted, "catalog record has an unknown format")
        }
    }
    private func require(_ count: Int) throws(EngineError) {
        guard count >= 0, bytes.count - position >= count else {
            throw EngineError(.dataCorrupted, "catalog record ends too early")
        }
    }
    mutating func get<T: FixedWidthInteger>(_ type: T.Type) throws(EngineError) -> T {
        let count = T.bitWidth / 8
        try require(count)
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += count
        return T(truncatingIfNeeded: value)
    }
    mutating func bool() throws(EngineError) -> Bool { try get(UInt8.self) != 0 }
    mutating func double() throws(EngineError) -> Double { Double(bitPattern: try get(UInt64.self)) }
    mutating func string() throws(EngineError) -> [UInt8] {
        let count = Int(try get(UInt32.self))
        try require(count)
        defer { position += count }
        return Array(bytes[position..<position + count])
    }
    mutating func optionalString() throws(EngineError) -> [UInt8]? { try bool() ? try string() : nil }
    mutating func sqlType() throws(EngineError) -> SQLType {
        let oid = TypeOID(try get(UInt32.self))
        return SQLType(oid, typmod: try get(Int32.self))
    }
    mutating func list<T>(
        _ body: (inout DescriptorReader) throws(EngineError) -> T
    ) throws(EngineError) -> [T] {
        let count = Int(try get(UInt32.self))
        try require(count)
        var values: [T] = []
        for _ in 0..<count { values.append(try body(&self)) }
        return values
    }
}

extension ColumnDescriptor {
    func encode(_ out: inout DescriptorWriter) {
        out.put(name)
        out.put(number)
        out.put(type)
        out.put(isNotNull)
        out.put(isDropped)
        out.put(defaultText)
        out.put(isGenerated)
        out.put(identity.rawValue)
        out.put(ownedSequence)
        out.put(missingValue)
        out.put(collation)
        out.put(comment)
        out.put(dimensions)
    }
    init(_ from: inout DescriptorReader) throws(EngineError) {
        name = try from.string()
        number = try from.get(Int16.self)
        type = try from.sqlType()
        isNotNull = try from.bool()
        isDropped = try from.bool()
        defaultText = try from.optionalString()
        isGenerated = try from.bool()
        identity = Identity(rawValue: try from.get(UInt8.self)) ?? .none
        ownedSequence = try from.get(UInt32.self)
        missingValue = try from.optionalString()
        collation = try from.get(UInt32.self)
        comment = try from.optionalString()
        dimensions = try from.get(Int16.self)
    }
}

extension IndexDescriptor {
    func encode(_ out: inout DescriptorWriter) {
        out.put(oid)
        out.put(table)
        out.put(name)
        out.put(treeID)
        out.put(rootPage)
        out.putList(keyColumns) { out, column in
            out.put(column.number)
            out.put(column.expressionText)
            out.put(column.type)
            out.put(column.isDescending)
            out.put(column.isNullsFirst)
            out.put(column.operatorClass)
        }
        out.putList(includedColumns) { out, number in out.put(number) }
        out.put(isUnique)
        out.put(isPrimary)
        out.put(nullsNotDistinct)
        out.put(predicateText)
        out.put(comment)
        out.putList(options) { out, option in out.put(option) }
    }
    static func decode(_ from: inout DescriptorReader) throws(EngineError) -> IndexDescriptor {
        let oid = try from.get(UInt32.self)
        let table = try from.get(UInt32.self)
        let name = try from.string()
        let treeID = try from.get(UInt32.self)
        let rootPage = try from.get(UInt64.self)
        let keys = try from.list { (from: inout DescriptorReader) throws(EngineError) -> IndexColumn in
            IndexColumn(
                number: try from.get(Int16.self), expressionText: try from.optionalString(), type: try from.sqlType(),
                isDescending: try from.bool(), isNullsFirst: try from.bool(),
                operatorClass: try from.get(UInt32.self))
        }
        let included = try from.list { (from: inout DescriptorReader) throws(EngineError) in try from.get(Int16.self) }
        let isUnique = try from.bool()
        let isPrimary = try from.bool()
        let nullsNotDistinct = try from.bool()
        let predicate = try from.optionalString()
        let comment = try from.optionalString()
        let options = try from.list { (from: inout DescriptorReader) throws(EngineError) in try from.string() }
        return IndexDescriptor(
            oid: oid, table: table, name: name, treeID: treeID, rootPage: rootPage, keyColumns: keys,
            includedColumns: included, isUnique: isUnique, isPrimary: isPrimary, nullsNotDistinct: nullsNotDistinct,
            predicateText: predicate, comment: comment, options: options)
    }
}

extension ConstraintDescriptor {
    func encode(_ out: inout DescriptorWriter) {
        out.put(oid)
        out.put(name)
        out.put(kind.rawValue)
        out.putList(columns) { out, number in out.put(number) }
        out.put(index)
        out.put(expressionText)
        out.put(isDeferrable)
        out.put(isInitiallyDeferred)
        out.put(comment)
    }
    init(_ from: inout DescriptorReader) throws(EngineError) {
        oid = try from.get(UInt32.self)
        name = try from.string()
        guard let kind = Kind(rawValue: try from.get(UInt8.self)) else {
            throw EngineError(.dataCorrupted, "catalog record has an unknown constraint kind")
        }
        self.kind = kind
        columns = try from.list { (from: inout DescriptorReader) throws(EngineError) in try from.get(Int16.self) }
        index = try from.get(UInt32.self)
        expressionText = try from.optionalString()
        isDeferrable = try from.bool()
        isInitiallyDeferred = try from.bool()
        comment = try from.optionalString()
    }
}

extension TableDescriptor {
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(oid)
        out.put(schema)
        out.put(name)
        out.put(owner)
        out.put(persistence.rawValue)
        out.putList(columns) { out, column in column.encode(&out) }
        out.putList(constraints) { out, constraint in constraint.encode(&out) }
        out.putList(indexes) { out, index in index.encode(&out) }
        out.put(treeID)
        out.put(rootPage)
        out.putList(options) { out, option in out.put(option) }
        out.put(comment)
        return out.bytes
    }
    static func decode(_ bytes: [UInt8], statistics: TableStatistics?) throws(EngineError) -> TableDescriptor {
        var from = try DescriptorReader(bytes)
        let oid = try from.get(UInt32.self)
        let schema = try from.get(UInt32.self)
        let name = try from.string()
        let owner = try from.get(UInt32.self)
        let persistence = RelationPersistence(rawValue: try from.get(UInt8.self)) ?? .permanent
        let columns = try from.list { (from: inout DescriptorReader) throws(EngineError) in
            try ColumnDescriptor(&from)
        }
        let constraints = try from.list { (from: inout DescriptorReader) throws(EngineError) in
            try ConstraintDescriptor(&from)
        }
        let indexes = try from.list { (from: inout DescriptorReader) throws(EngineError) in
            try IndexDescriptor.decode(&from)
        }
        let treeID = try from.get(UInt32.self)
        let rootPage = try from.get(UInt64.self)
        let options = try from.list { (from: inout DescriptorReader) throws(EngineError) in try from.string() }
        return TableDescriptor(
            oid: oid, schema: schema, name: name, owner: owner, persistence: persistence, columns: columns,
            constraints: constraints, indexes: indexes, treeID: treeID, rootPage: rootPage, options: options,
            comment: try from.optionalString(), statistics: statistics)
    }
}
