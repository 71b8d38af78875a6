// Names of types as written. The SQL spellings are already PostgreSQL's names: INTEGER is pg_catalog.int4, CHAR(3) is
// pg_catalog.bpchar with modifier 3.

package struct TypeName: Sendable {
    package var name: QualifiedName
    /// In parentheses, as written: `numeric(10, 2)`, `varchar(80)`; expressions, since PostgreSQL's grammar has them so.
    package var modifiers: [Expression] = []
    /// One per dimension; nil for `[]`.
    package var arrayBounds: [Int32?] = []
    /// INTERVAL's fields; `.all` if not written.
    package var intervalFields: IntervalFields = .all
    package var isSetOf = false
    /// `table.column%TYPE`.
    package var isReferenceToColumn = false
    package var position: Int32 = -1

    package init(_ name: QualifiedName, modifiers: [Expression] = [], position: Int32 = -1) {
        self.name = name
        self.modifiers = modifiers
        self.position = position
    }

    /// A built-in type under its internal name.
    package init(builtin name: Name, modifiers: [Expression] = [], position: Int32 = -1) {
        self.init(QualifiedName(schema: "pg_catalog", name), modifiers: modifiers, position: position)
    }
}

/// The restriction on INTERVAL: which fields are kept.
package enum IntervalFields: UInt8, Sendable {
    case all
    case year, month, day, hour, minute, second
    case yearToMonth, dayToHour, dayToMinute, dayToSecond, hourToMinute, hourToSecond, minuteToSecond
}
