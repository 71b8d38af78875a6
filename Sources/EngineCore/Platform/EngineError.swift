// The one error type of the engine: a SQLSTATE and a sentence that says what to do.
// Bad input (SQL, packets, disk bytes) always ends here; traps are for broken invariants.

/// A five-character SQLSTATE (ISO/IEC 9075-2 clause 24; PostgreSQL 15 appendix A), kept as its ASCII bytes.
package struct SQLState: Hashable, Sendable, ExpressibleByStringLiteral {
    /// First character in the most significant byte of the low 40 bits.
    package let packed: UInt64

    package init(stringLiteral value: StaticString) {
        precondition(value.utf8CodeUnitCount == 5, "a SQLSTATE has five characters")
        var packed: UInt64 = 0
        for index in 0..<5 { packed = packed << 8 | UInt64(value.utf8Start[index]) }
        self.packed = packed
    }

    /// `packed` as above, of a state that came over a wire.
    package init(packed: UInt64) { self.packed = packed }

    /// The five ASCII bytes, in order.
    package var bytes: [UInt8] { (0..<5).map { UInt8(truncatingIfNeeded: packed >> UInt64(8 * (4 - $0))) } }

    @inline(__always) package static func == (a: SQLState, b: SQLState) -> Bool { a.packed == b.packed }
}

/// What every throwing function of the engine throws.
package struct EngineError: Error, Sendable {
    package enum Severity: UInt8, Sendable {
        /// The statement fails; the session goes on.
        case error
        /// The session ends.
        case fatal
        /// The engine stops; recovery does the rest.
        case panic
    }

    package var state: SQLState
    package var message: String
    package var severity: Severity
    package var detail: String?
    package var hint: String?
    /// 1-based character position in the query text; 0 if there is none.
    package var position: Int
    package var schemaName: String?
    package var tableName: String?
    package var columnName: String?
    package var constraintName: String?
    /// Where in the input it happened, beyond the query text (a line of COPY data).
    package var context: String?

    package init(
        _ state: SQLState, _ message: String, severity: Severity = .error, detail: String? = nil, hint: String? = nil,
        position: Int = 0, schema: String? = nil, table: String? = nil, column: String? = nil,
        constraint: String? = nil
    ) {
        self.state = state
        self.message = message
        self.severity = severity
        self.detail = detail
        self.hint = hint
        self.position = position
        schemaName = schema
        tableName = table
        columnName = column
        constraintName = constraint
    }

    /// 0A000: what PostgreSQL has and this engine does not have yet; `what` names it.
    package static func notSupported(_ what: String, position: Int = 0) -> EngineError {
        EngineError("0A000", "\(what) is not supported", position: position)
    }
}

extension EngineError: CustomStringConvertible {
    /// For consoles: message, SQLSTATE, detail and hint on one line.
    package var description: String {
        var text = "\(message) (\(String(decoding: state.bytes, as: UTF8.self)))"
        if let detail { text += ". \(detail)" }
        if let hint { text += ". \(hint)" }
        return text
    }
}

extension SQLState {
    package static let featureNotSupported: SQLState = "0A000"
    package static let protocolViolation: SQLState = "08P01"
    package static let dataException: SQLState = "22000"
    package static let stringDataRightTruncation: SQLState = "22001"
    package static let numericValueOutOfRange: SQLState = "22003"
    package static let invalidDatetimeFormat: SQLState = "22007"
    package static let datetimeFieldOverflow: SQLState = "22008"
    package static let divisionByZero: SQLState = "22012"
    package static let invalidParameterValue: SQLState = "22023"
    package static let characterNotInRepertoire: SQLState = "22021"
    package static let invalidTextRepresentation: SQLState = "22P02"
    package static let invalidBinaryRepresentation: SQLState = "22P03"
    package static let badCopyFileFormat: SQLState = "22P04"
    package static let notNullViolation: SQLState = "23502"
    package static let uniqueViolation: SQLState = "23505"
    package static let checkViolation: SQLState = "23514"
    package static let activeSQLTransaction: SQLState = "25001"
    package static let noActiveSQLTransaction: SQLState = "25P01"
    package static let inFailedSQLTransaction: SQLState = "25P02"
    package static let readOnlySQLTransaction: SQLState = "25006"
    package static let invalidSQLStatementName: SQLState = "26000"
    package static let invalidCatalogName: SQLState = "3D000"
    package static let invalidCursorName: SQLState = "34000"
    package static let invalidSavepoint: SQLState = "3B001"
    package static let invalidSchemaName: SQLState = "3F000"
    package static let serializationFailure: SQLState = "40001"
    package static let deadlockDetected: SQLState = "40P01"
    package static let syntaxError: SQLState = "42601"
    package static let insufficientPrivilege: SQLState = "42501"
    package static let groupingError: SQLState = "42803"
    package static let datatypeMismatch: SQLState = "42804"
    package static let wrongObjectType: SQLState = "42809"
    package static let undefinedColumn: SQLState = "42703"
    package static let undefinedFunction: SQLState = "42883"
    package static let undefinedTable: SQLState = "42P01"
    package static let undefinedParameter: SQLState = "42P02"
    package static let duplicateDatabase: SQLState = "42P04"
    package static let duplicateTable: SQLState = "42P07"
    package static let duplicateColumn: SQLState = "42701"
    package static let duplicateObject: SQLState = "42710"
    package static let undefinedObject: SQLState = "42704"
    package static let ambiguousColumn: SQLState = "42702"
    package static let ambiguousFunction: SQLState = "42725"
    package static let indeterminateDatatype: SQLState = "42P18"
    package static let diskFull: SQLState = "53100"
    package static let outOfMemory: SQLState = "53200"
    package static let tooManyConnections: SQLState = "53300"
    package static let programLimitExceeded: SQLState = "54000"
    package static let statementTooComplex: SQLState = "54001"
    package static let objectInUse: SQLState = "55006"
    package static let lockNotAvailable: SQLState = "55P03"
    package static let queryCanceled: SQLState = "57014"
    package static let adminShutdown: SQLState = "57P01"
    package static let cannotConnectNow: SQLState = "57P03"
    package static let ioError: SQLState = "58030"
    package static let internalError: SQLState = "XX000"
    package static let dataCorrupted: SQLState = "XX001"
    package static let indexCorrupted: SQLState = "XX002"
}
