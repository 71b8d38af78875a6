// INSERT, UPDATE, DELETE, MERGE and COPY.

package final class Insert: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package enum Overriding: UInt8, Sendable { case none, user, system }
    package enum Source: Sendable {
        case defaultValues
        /// VALUES or SELECT.
        case query(Query)
    }
    package var with: WithClause?
    package var table: QualifiedName
    package var alias: Name?
    /// Empty when no list was written.
    package var columns: [AssignmentTarget] = []
    package var overriding: Overriding = .none
    package var source: Source = .defaultValues
    package var onConflict: OnConflict?
    package var returning: [Target] = []
    package var position: Int32
    package init(table: QualifiedName, position: Int32) {
        self.table = table
        self.position = position
    }
}

/// A column that is written to, perhaps only a field or an element of it.
package struct AssignmentTarget: Sendable {
    package var column: Name
    package var indirection: [Indirection]
    package var position: Int32
}

package struct OnConflict: Sendable {
    package enum Arbiter: Sendable {
        case none
        /// ON CONFLICT (columns or expressions) [WHERE …].
        case index([IndexElement], filter: Expression?)
        /// ON CONFLICT ON CONSTRAINT name.
        case constraint(Name)
    }
    package enum Action: Sendable {
        case nothing
        case update([Assignment], filter: Expression?)
    }
    package var arbiter: Arbiter
    package var action: Action
    package var position: Int32
}

/// One item of SET.
package enum Assignment: Sendable {
    case single(AssignmentTarget, Expression)
    /// (a, b) = source, where the source is a row or a subquery.
    case multiple([AssignmentTarget], Expression)
}

package final class Update: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var with: WithClause?
    package var table: TableReference
    package var assignments: [Assignment] = []
    package var from: [FromItem] = []
    package var filter: Expression?
    package var returning: [Target] = []
    package var position: Int32
    package init(table: TableReference, position: Int32) {
        self.table = table
        self.position = position
    }
}

package final class Delete: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var with: WithClause?
    package var table: TableReference
    package var using: [FromItem] = []
    package var filter: Expression?
    package var returning: [Target] = []
    package var position: Int32
    package init(table: TableReference, position: Int32) {
        self.table = table
        self.position = position
    }
}

package final class Merge: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package enum Action: Sendable {
        case nothing
        case delete
        case update([Assignment])
        /// nil values: DEFAULT VALUES.
        case insert(columns: [AssignmentTarget], overriding: Insert.Overriding, values: [Expression]?)
    }
    package struct When: Sendable {
        package var matched: Bool
        package var condition: Expression?
        package var action: Action
    }
    package var with: WithClause?
    package var table: TableReference
    package var source: FromItem
    package var condition: Expression
    package var whens: [When] = []
    package var position: Int32
    package init(table: TableReference, source: FromItem, condition: Expression, position: Int32) {
        self.table = table
        self.source = source
        self.condition = condition
        self.position = position
    }
}

package final class Copy: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package enum Subject: Sendable {
        case table(QualifiedName, columns: [Name])
        /// COPY (query) TO; also INSERT, UPDATE, DELETE with RETURNING.
        case query(Statement)
    }
    package enum Endpoint: Sendable {
        /// STDIN or STDOUT.
        case client
        case file([UInt8])
        case program([UInt8])
    }
    package var subject: Subject
    package var isFrom: Bool
    package var endpoint: Endpoint
    /// Under their present names (`format`, `delimiter`, `null`, `header`, …) also when written in the old syntax.
    package var options: [Option] = []
    package var filter: Expression?
    package var position: Int32
    package init(subject: Subject, isFrom: Bool, endpoint: Endpoint, position: Int32) {
        self.subject = subject
        self.isFrom = isFrom
        self.endpoint = endpoint
        self.position = position
    }
}

/// `name [value]` in the option lists of COPY, EXPLAIN, VACUUM, storage parameters, sequences' kin, …
package struct Option: Sendable {
    package enum Value: Sendable {
        /// Only the name was written.
        case none
        case boolean(Bool)
        case integer(Int64)
        /// Its text, as written, sign included.
        case numeric([UInt8])
        /// A quoted string.
        case string([UInt8])
        /// A bare word, folded.
        case word(Name)
        /// A parenthesised list, and FORCE_QUOTE's.
        case list([Name])
        /// `*`.
        case star
        /// Anything that reads as a type: `def_arg` of CREATE TYPE, AGGREGATE and OPERATOR.
        case type(TypeName)
    }
    /// `namespace.name`, as in `toast.autovacuum_enabled`.
    package var namespace: Name?
    package var name: Name
    package var value: Value
    package var position: Int32
}
