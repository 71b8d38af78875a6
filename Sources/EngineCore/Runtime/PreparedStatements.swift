// Prepared statements and portals: what the extended protocol, SQL's PREPARE and cursors share.

import MVCC
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes

/// A parsed statement with its plan. Plans are made when first needed and remade when the catalog has changed.
package final class PreparedStatement {
    package let name: [UInt8]
    let text: [UInt8]
    /// Nil for an empty query.
    let parsed: ParsedStatement?
    /// As declared by the client; `.none` where it left the type open. Nil for a statement that takes no parameters.
    let declaredTypes: [TypeOID]?
    package internal(set) var parameterTypes: [SQLType] = []
    var planned: PlannedStatement?
    /// An operator tree for the plan that no portal uses now.
    var idleExecution: Execution?
    /// Prepared by SQL's PREPARE (shown in pg_prepared_statements).
    let isFromSQL: Bool

    init(
        name: [UInt8], text: [UInt8], parsed: ParsedStatement?, declaredTypes: [TypeOID]?, isFromSQL: Bool
    ) {
        self.name = name
        self.text = text
        self.parsed = parsed
        self.declaredTypes = declaredTypes
        self.isFromSQL = isFromSQL
    }
}

/// What Describe says of a statement.
package struct StatementDescription {
    package let parameterTypes: [SQLType]
    package let columns: [OutputColumn]
    package let returnsRows: Bool
}

/// A statement bound to parameter values, and how far its rows have been fetched.
package final class Portal {
    package internal(set) var name: [UInt8] = []
    var statement: PreparedStatement?
    var parameters: [Datum] = []
    package internal(set) var columns: [OutputColumn] = []
    package internal(set) var formats: [Bool] = []
    package internal(set) var returnsRows = false

    enum State: UInt8 { case bound, running, done }
    var state = State.bound
    var execution: Execution?
    /// The rows of `chunk` from here on have not been sent.
    var chunk: Chunk?
    var chunkPosition = 0
    /// Rows sent so far.
    var rowCount: Int64 = 0
    /// Made by DECLARE: lives until CLOSE or the end of the transaction.
    var isCursor = false
    /// Rows that are already text (EXPLAIN, SHOW), and how many of them have been sent.
    var textRows: [[[UInt8]?]] = []
    /// What to say when all rows of `textRows` have been sent.
    var textTag = CommandTag("")
    var queryKind: PlannedQuery.Kind?
    /// Made when first needed, kept for reuse.
    private var ownContext: ExecutionContext?
    /// Keeps what a suspended portal sees.
    var hold: SnapshotHold?

    package var parameterCount: Int { statement?.parameterTypes.count ?? 0 }
    package var columnCount: Int { columns.count }
    package func setFormat(_ index: Int, isBinary: Bool) { formats[index] = isBinary }

    func reset(name: [UInt8], statement: PreparedStatement) {
        self.name = name
        self.statement = statement
        parameters.removeAll(keepingCapacity: true)
        state = .bound
        chunk = nil
        chunkPosition = 0
        rowCount = 0
        isCursor = false
        textRows.removeAll()
        queryKind = nil
    }

    /// The context that this portal's executions run in.
    func context(_ session: Session) -> ExecutionContext {
        if let ownContext { return ownContext }
        let context = session.makeExecutionContext()
        ownContext = context
        return context
    }
}
