// What binding and planning one statement share: the columns made so far, parameters, positions, locks.

import Platform
import SQLSyntax
import SQLTypes

final class StatementContext {
    let session: CatalogSession
    let registry: FunctionRegistry
    /// Query text that positions refer to; empty inside views and stored expressions.
    var text: [UInt8] {
        didSet { positionMark = (0, 1) }
    }
    /// A byte offset and its character position: offsets are mostly asked for in ascending order.
    private var positionMark = (offset: 0, position: 1)
    /// By ColumnID.
    var columns: [ColumnInfo] = []
    /// By index; `.none` while unknown.
    var parameterTypes: [TypeOID]
    /// Whether $1… stand for values that come with the execution.
    let takesParameters: Bool
    /// Locks taken for the statement.
    var locks: [RelationLock] = []
    /// Catalog version that all descriptors used so far were read under.
    let catalogVersion: UInt64
    /// Materialised WITH queries and work tables.
    var commonTables: [CommonTablePlan] = []
    /// Where a column was last mentioned, for messages.
    var mentions: [Int: Int32] = [:]
    /// The SELECT whose INTO the statement carries out.
    var selectInto: SelectCore?
    private var depth = 0
    /// Stack that binding and planning may use; the executor needs about as much for what they yield.
    private let stack = StackBudget(byteCount: 448 << 10)

    private var stepCount = 0

    /// Called by everything that recurses over trees: also where a long planning lets others run, and ends when it is
    /// cancelled. Errors: 54001, 57014.
    @inline(__always) func checkStack() throws(EngineError) {
        if stack.isExhausted { throw tooComplex }
        stepCount &+= 1
        if stepCount & 0xFF == 0 { try session.services?.interruptionPoint() }
    }
    /// For rewriting that may simply stop.
    @inline(__always) var isStackExhausted: Bool { stack.isExhausted }
    var tooComplex: EngineError {
        EngineError(
            .statementTooComplex, "stack depth limit exceeded",
            hint: "The statement nests expressions or queries too deeply; write it flatter.")
    }

    /// A WITH query that is kept: bound tree and its columns; nil for a work table.
    struct CommonTablePlan {
        var name: [UInt8]
        var input: Logical?
        var columns: [ColumnID]
        /// AS MATERIALIZED.
        var isForced: Bool
    }

    init(session: CatalogSession, text: [UInt8], parameterTypes: [TypeOID] = [], takesParameters: Bool = false) {
        self.session = session
        self.takesParameters = takesParameters
        self.text = text
        self.parameterTypes = parameterTypes
        registry = session.catalog.functions
        catalogVersion = session.version
    }

    func newColumn(_ info: ColumnInfo) -> ColumnID {
        columns.append(info)
        return ColumnID(columns.count - 1)
    }
    func newColumn(_ name: [UInt8], _ type: SQLType) -> ColumnID { newColumn(ColumnInfo(name: name, type: type)) }
    func info(_ column: ColumnID) -> ColumnInfo { columns[column.rawValue] }
    func variable(_ column: ColumnID) -> BoundExpression { .variable(column, columns[column.rawValue].type) }

    /// 1-based character position of a byte offset; 0 if there is none.
    func position(_ offset: Int32) -> Int {
        if offset < 0 || Int(offset) > text.count || text.isEmpty { return 0 }
        if Int(offset) < positionMark.offset { positionMark = (0, 1) }
        var count = positionMark.position
        for index in positionMark.offset..<Int(offset) where text[index] & 0xC0 != 0x80 { count += 1 }
        positionMark = (Int(offset), count)
        return count
    }

    /// Bounds nesting of subqueries and views. Error 54001.
    func nested<R>(_ body: () throws(EngineError) -> R) throws(EngineError) -> R {
        depth += 1
        defer { depth -= 1 }
        if depth > 64 { throw tooComplex }
        return try body()
    }

    func addLock(_ relation: ObjectID, _ mode: TableLockMode) {
        for index in locks.indices where locks[index].relation == relation {
            if locks[index].mode < mode { locks[index].mode = mode }
            return
        }
        locks.append(RelationLock(relation: relation, mode: mode))
    }

    // MARK: - Parameters

    /// `$number`, from 1. Error 42P02 where nobody gives it a value.
    func parameter(_ number: Int, at position: Int32) throws(EngineError) -> BoundExpression {
        if !takesParameters || number < 1 || number > 65_535 {
            throw EngineError(
                .undefinedParameter, "there is no parameter $\(number)", position: self.position(position))
        }
        while parameterTypes.count < number { parameterTypes.append(.none) }
        let type = parameterTypes[number - 1]
        return .parameter(number - 1, SQLType(type == .none ? .unknown : type))
    }
    func resolveParameter(_ index: Int, to type: TypeOID, at position: Int32) throws(EngineError) -> BoundExpression {
        let known = parameterTypes[index]
        if known == .none || known == .unknown {
            parameterTypes[index] = type
        } else if known != type {
            throw EngineError(
                "42P08", "inconsistent types deduced for parameter $\(index + 1)",
                detail: "\(TypeNames.string(known)) versus \(TypeNames.string(type))", position: self.position(position)
            )
        }
        return .parameter(index, SQLType(type))
    }
    /// Types of all parameters at the end of planning. Error 42P18 for one never given a type.
    func finalParameterTypes() throws(EngineError) -> [SQLType] {
        var types: [SQLType] = []
        for index in parameterTypes.indices {
            let type = parameterTypes[index]
            if type == .none || type == .unknown {
                throw EngineError(
                    .indeterminateDatatype, "could not determine data type of parameter $\(index + 1)")
            }
            types.append(SQLType(type))
        }
        return types
    }
}
