// Relations of pg_catalog and information_schema: a schema in a code table, and a function that yields the rows from
// descriptors and static tables. The executor scans them like any table function; filters and joins run above.

import Platform
import SQLTypes

package struct SystemColumn: Sendable {
    package let name: StaticSlice
    package let type: TypeOID
    package let isNotNull: Bool
    package init(_ name: StaticSlice, _ type: TypeOID, notNull: Bool = true) {
        self.name = name
        self.type = type
        isNotNull = notNull
    }
}

/// Takes the rows of a system relation, one Datum per column.
package protocol SystemRowSink: AnyObject {
    func add(_ row: [Datum]) throws(EngineError)
}

/// A computed relation. `produce` sees the catalog as of the running statement; `key`, if given, allows it to yield only
/// rows whose first key column equals it (it may yield more: the scan filters).
package final class SystemRelation: @unchecked Sendable {
    package let oid: ObjectID
    package let schema: ObjectID
    package let name: StaticSlice
    package let columns: [SystemColumn]
    /// pg_class.relkind: `r` for catalogs, `v` for views over them.
    package let kind: RelationKind
    /// Index of the column that `objectKey` hints at; -1: none.
    package let keyColumn: Int
    package let produce: @Sendable (CatalogSession, Datum?, any SystemRowSink) throws(EngineError) -> Void

    package init(
        oid: ObjectID, schema: ObjectID = WellKnownOID.pgCatalogSchema, _ name: StaticSlice,
        kind: RelationKind = .table, columns: [SystemColumn], keyColumn: Int = -1,
        produce: @escaping @Sendable (CatalogSession, Datum?, any SystemRowSink) throws(EngineError) -> Void
    ) {
        self.oid = oid
        self.schema = schema
        self.name = name
        self.kind = kind
        self.columns = columns
        self.keyColumn = keyColumn
        self.produce = produce
    }
}
