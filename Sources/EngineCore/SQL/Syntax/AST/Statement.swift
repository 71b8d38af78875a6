// One case per kind of statement that SQL text can hold. What the engine does not execute yet is still told apart here,
// so that it can be refused by name (0A000) and not as a syntax error.

/// A statement with its place in the query text.
package struct ParsedStatement: Sendable {
    package var statement: Statement
    /// Byte offset of the first token.
    package var start: Int
    /// Byte offset after the last token, before the semicolon.
    package var end: Int
    /// Largest `$n` in the statement, 0 if none.
    package var parameterCount: Int

    package init(statement: Statement, start: Int, end: Int, parameterCount: Int) {
        self.statement = statement
        self.start = start
        self.end = end
        self.parameterCount = parameterCount
    }
}

package indirect enum Statement: Sendable {
    case query(Query)
    case insert(Insert)
    case update(Update)
    case delete(Delete)
    case merge(Merge)
    case copy(Copy)

    // Definitions
    case createTable(CreateTable)
    case createTableAs(CreateTableAs)
    case alterTable(AlterTable)
    case createIndex(CreateIndex)
    case createSequence(CreateSequence)
    case alterSequence(AlterSequence)
    case createView(CreateView)
    case refreshMaterializedView(RefreshMaterializedView)
    case createSchema(CreateSchema)
    case createDatabase(CreateDatabase)
    case alterDatabase(AlterDatabase)
    case createType(CreateType)
    case alterType(AlterType)
    case createDomain(CreateDomain)
    case createExtension(CreateExtension)
    case createFunction(CreateFunction)
    case drop(Drop)
    case dropDatabase(DropDatabase)
    case rename(Rename)
    case setSchema(SetSchema)
    case setOwner(SetOwner)
    case truncate(Truncate)
    case comment(Comment)

    // Roles
    case createRole(CreateRole)
    case alterRole(AlterRole)
    case alterRoleSetting(AlterRoleSetting)
    case dropRole(DropRole)
    case grant(Grant)
    case grantRole(GrantRole)
    case reassignOwned(ReassignOwned)

    // Transactions
    case transaction(TransactionCommand)
    case lockTable(LockTable)
    case setConstraints(SetConstraints)

    // Sessions
    case set(SetVariable)
    case show(ShowVariable)
    case discard(DiscardTarget)
    case prepare(Prepare)
    case execute(Execute)
    /// nil: ALL.
    case deallocate(Name?)
    case declareCursor(DeclareCursor)
    case fetch(Fetch)
    /// nil: ALL.
    case closeCursor(Name?)
    case listen(Name)
    /// nil: `*`.
    case unlisten(Name?)
    case notify(Name, payload: [UInt8]?)
    case load([UInt8])

    // Tools
    case explain(Explain)
    case vacuum(Vacuum)
    case reindex(Reindex)
    case cluster(Cluster)
    case checkpoint
    case doBlock(DoBlock)
    case call(FunctionCall)
    case alterSystem(SetVariable)

    /// Recognised by its opening words alone; the rest was read over up to the semicolon. To be refused by this name.
    case unsupported(StaticString)
}
