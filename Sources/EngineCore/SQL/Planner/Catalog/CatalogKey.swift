// Keys of the catalog tree: database, class, then what identifies the object in its class. All integers big-endian, so
// that the tree's order groups them and a prefix scan lists a class.

import Platform

package enum CatalogClass: UInt8, Sendable {
    /// Shared by all databases: kept under database 0.
    case database = 1
    case databaseName = 2
    case role = 3
    case roleName = 4
    // Of one database.
    case schema = 16
    case schemaName = 17
    case table = 18
    case view = 19
    case sequence = 20
    /// Every name in a relation namespace: tables, indexes, views, sequences. Key: schema, name. Value: kind, OID, table.
    case relationName = 21
    /// OID of an index to its table.
    case indexTable = 22
    /// Statistics of a table, apart from its descriptor so that ANALYZE and DDL do not collide.
    case statistics = 23
}

package enum CatalogKey {
    package static func prefix(_ database: ObjectID, _ kind: CatalogClass) -> [UInt8] {
        var key: [UInt8] = []
        append(database, to: &key)
        key.append(kind.rawValue)
        return key
    }
    package static func object(_ database: ObjectID, _ kind: CatalogClass, _ oid: ObjectID) -> [UInt8] {
        var key = prefix(database, kind)
        append(oid, to: &key)
        return key
    }
    package static func name(_ database: ObjectID, _ kind: CatalogClass, _ name: [UInt8]) -> [UInt8] {
        prefix(database, kind) + name
    }
    package static func relationName(_ database: ObjectID, schema: ObjectID, _ name: [UInt8]) -> [UInt8] {
        var key = prefix(database, .relationName)
        append(schema, to: &key)
        return key + name
    }
    static func append(_ value: UInt32, to key: inout [UInt8]) {
        for shift in [24, 16, 8, 0] as [UInt32] { key.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    static func uint32(_ key: [UInt8], at offset: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in offset..<offset + 4 { value = value << 8 | UInt32(key[index]) }
        return value
    }
}
