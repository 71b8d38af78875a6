// Byte forms of the smaller descriptors: see DescriptorCodec.swift.

import Platform
import SQLTypes

extension ViewDescriptor {
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(oid)
        out.put(schema)
        out.put(name)
        out.put(owner)
        out.putList(columns) { out, column in column.encode(&out) }
        out.put(queryText)
        out.putList(searchPath) { out, oid in out.put(oid) }
        out.putList(dependencies) { out, oid in out.put(oid) }
        out.put(comment)
        return out.bytes
    }
    static func decode(_ bytes: [UInt8]) throws(EngineError) -> ViewDescriptor {
        var from = try DescriptorReader(bytes)
        let oid = try from.get(UInt32.self)
        let schema = try from.get(UInt32.self)
        let name = try from.string()
        let owner = try from.get(UInt32.self)
        let columns = try from.list { (from: inout DescriptorReader) throws(EngineError) in
            try ColumnDescriptor(&from)
        }
        let text = try from.string()
        let path = try from.list { (from: inout DescriptorReader) throws(EngineError) in try from.get(UInt32.self) }
        let dependencies = try from.list { (from: inout DescriptorReader) throws(EngineError) in
            try from.get(UInt32.self)
        }
        return ViewDescriptor(
            oid: oid, schema: schema, name: name, owner: owner, columns: columns, queryText: text, searchPath: path,
            dependencies: dependencies, comment: try from.optionalString())
    }
}

extension SequenceDescriptor {
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(oid)
        out.put(schema)
        out.put(name)
        out.put(owner)
        out.put(type.rawValue)
        for value in [start, increment, minimum, maximum, cache] { out.put(value) }
        out.put(isCycling)
        out.put(ownerTable)
        out.put(ownerColumn)
        out.put(isIdentity)
        out.put(comment)
        return out.bytes
    }
    static func decode(_ bytes: [UInt8]) throws(EngineError) -> SequenceDescriptor {
        var from = try DescriptorReader(bytes)
        return SequenceDescriptor(
            oid: try from.get(UInt32.self), schema: try from.get(UInt32.self), name: try from.string(),
            owner: try from.get(UInt32.self), type: TypeOID(try from.get(UInt32.self)),
            start: try from.get(Int64.self), increment: try from.get(Int64.self), minimum: try from.get(Int64.self),
            maximum: try from.get(Int64.self), cache: try from.get(Int64.self), isCycling: try from.bool(),
            ownerTable: try from.get(UInt32.self), ownerColumn: try from.get(Int16.self),
            isIdentity: try from.bool(), comment: try from.optionalString())
    }
}

extension SchemaDescriptor {
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(oid)
        out.put(name)
        out.put(owner)
        out.put(comment)
        return out.bytes
    }
    init(decoding bytes: [UInt8]) throws(EngineError) {
        var from = try DescriptorReader(bytes)
        oid = try from.get(UInt32.self)
        name = try from.string()
        owner = try from.get(UInt32.self)
        comment = try from.optionalString()
    }
}

extension DatabaseDescriptor {
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(oid)
        out.put(name)
        out.put(owner)
        out.put(allowsConnections)
        out.put(isTemplate)
        out.put(connectionLimit)
        out.put(comment)
        return out.bytes
    }
    init(decoding bytes: [UInt8]) throws(EngineError) {
        var from = try DescriptorReader(bytes)
        oid = try from.get(UInt32.self)
        name = try from.string()
        owner = try from.get(UInt32.self)
        allowsConnections = try from.bool()
        isTemplate = try from.bool()
        connectionLimit = try from.get(Int32.self)
        comment = try from.optionalString()
    }
}

extension RoleDescriptor {
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(oid)
        out.put(name)
        for flag in [
            isSuperuser, canLogin, canCreateRole, canCreateDatabase, inherits, canReplicate, bypassesRowSecurity,
        ] { out.put(flag) }
        out.put(connectionLimit)
        out.put(password)
        out.put(validUntil != nil)
        out.put(validUntil ?? 0)
        out.putList(memberOf) { out, oid in out.put(oid) }
        return out.bytes
    }
    init(decoding bytes: [UInt8]) throws(EngineError) {
        var from = try DescriptorReader(bytes)
        oid = try from.get(UInt32.self)
        name = try from.string()
        isSuperuser = try from.bool()
        canLogin = try from.bool()
        canCreateRole = try from.bool()
        canCreateDatabase = try from.bool()
        inherits = try from.bool()
        canReplicate = try from.bool()
        bypassesRowSecurity = try from.bool()
        connectionLimit = try from.get(Int32.self)
        password = try from.optionalString()
        let hasEnd = try from.bool()
        let end = try from.get(Int64.self)
        validUntil = hasEnd ? end : nil
        memberOf = try from.list { (from: inout DescriptorReader) throws(EngineError) in try from.get(UInt32.self) }
    }
}

extension TableStatistics {
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(rowCount)
        out.put(pageCount)
        out.putList(columns) { out, column in
            out.put(column.number)
            out.put(column.nullFraction)
            out.put(Int64(column.averageWidth))
            out.put(column.distinctCount)
            out.putList(column.mostCommonValues) { out, value in out.put(value) }
            out.putList(column.mostCommonFrequencies) { out, value in out.put(value) }
            out.putList(column.histogram) { out, value in out.put(value) }
            out.put(column.correlation)
        }
        return out.bytes
    }
    static func decode(_ bytes: [UInt8]) throws(EngineError) -> TableStatistics {
        var from = try DescriptorReader(bytes)
        let rows = try from.double()
        let pages = try from.double()
        let columns = try from.list { (from: inout DescriptorReader) throws(EngineError) -> ColumnStatistics in
            ColumnStatistics(
                number: try from.get(Int16.self), nullFraction: try from.double(),
                averageWidth: Int(try from.get(Int64.self)), distinctCount: try from.double(),
                mostCommonValues: try from.list { (from: inout DescriptorReader) throws(EngineError) in
                    try from.string()
                },
                mostCommonFrequencies: try from.list { (from: inout DescriptorReader) throws(EngineError) in
                    try from.double()
                },
                histogram: try from.list { (from: inout DescriptorReader) throws(EngineError) in try from.string() },
                correlation: try from.double())
        }
        return TableStatistics(rowCount: rows, pageCount: pages, columns: columns)
    }
}
