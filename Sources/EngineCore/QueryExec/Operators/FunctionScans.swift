// Set-returning functions in FROM and in select lists, and the computed relations of pg_catalog.

import Platform
import SQL
import SQLTypes

/// One function of ROWS FROM: its arguments, and the iterator while a call is running.
final class SetSource {
    private let call: BoundCall
    private let arguments: [Evaluator]
    private let scalar: CallEvaluator?
    private var iterator: SetIterator?
    let columns: [Vector]
    /// Rows `position..<count` of `columns` are still to be taken.
    private(set) var count = 0
    var position = 0
    private var isScalarDone = true
    private let instance: Instance

    init(_ call: BoundCall, _ columnTypes: [SQLType], _ compiler: Compiler) throws(EngineError) {
        self.call = call
        instance = compiler.instance
        arguments = try compiler.compile(call.arguments)
        scalar = call.function.returnsSet ? nil : compiler.makeCall(call, arguments)
        columns = columnTypes.map { Vector($0) }
    }

    /// Starts the call with the arguments' values at a row of the chunk.
    func start(_ chunk: Chunk, _ row: Int) throws(EngineError) {
        count = 0
        position = 0
        guard case .rows(let make) = call.function.body else {
            isScalarDone = false
            scalarChunk = chunk
            scalarRow = row
            return
        }
        var values: [Datum] = []
        var hasNull = false
        for argument in arguments {
            let vector = try argument.evaluate(chunk, chunk.selection)
            let value = vector.datum(vector.position(row))
            hasNull = hasNull || value.isNull
            values.append(value)
        }
        // A strict set-returning function of a NULL yields no rows.
        iterator =
            hasNull && call.function.isStrict
            ? nil
            : try make(SetCall(arguments: values, types: arguments.map { $0.type }, context: instance.evaluation))
    }

    private var scalarChunk: Chunk?
    private var scalarRow = 0

    /// Makes rows available; false at the end.
    func refill() throws(EngineError) -> Bool {
        if position < count { return true }
        position = 0
        count = 0
        for vector in columns { vector.reset() }
        if let scalar {
            guard !isScalarDone, let chunk = scalarChunk else { return false }
            let value = try scalar.evaluate(chunk, chunk.selection)
            try columns[0].copyRow(0, from: value, value.position(scalarRow))
            isScalarDone = true
            count = 1
            return true
        }
        guard let iterator else { return false }
        count = try iterator.next(into: columns, limit: vectorCapacity)
        if count == 0 { self.iterator = nil }
        return count > 0
    }

    func end() {
        iterator = nil
        count = 0
        position = 0
        isScalarDone = true
        scalarChunk = nil
    }
}

/// Functions side by side, shorter ones padded with NULL, numbered if asked for.
final class FunctionScanOperator: Operator {
    private let sources: [SetSource]
    private let hasOrdinality: Bool
    private let filter: Evaluator?
    private let input = Chunk(selection: Selection(count: 1))
    private let output: Chunk
    private var kept = SelectionBuffer()
    private var ordinal: Int64 = 0

    init(_ node: FunctionScan, filter: Evaluator?, _ compiler: Compiler) throws(EngineError) {
        var sources: [SetSource] = []
        var column = 0
        for item in node.functions {
            let types = node.output[column..<column + item.columnCount].map { $0.type }
            sources.append(try SetSource(item.call, types, compiler))
            column += item.columnCount
        }
        self.sources = sources
        hasOrdinality = node.hasOrdinality
        self.filter = filter
        output = Chunk(columns: node.output.map { Vector($0.type) })
        super.init(compiler.instance)
    }

    override func open() throws(EngineError) {
        ordinal = 0
        for source in sources { try source.start(input, 0) }
    }

    override func next() throws(EngineError) -> Chunk? {
        while true {
            let count = try fill()
            if count == 0 { return nil }
            try instance.context.checkpoint()
            output.selection = Selection(count: count)
            guard let filter else { return output }
            try select(filter, output, output.selection, into: &kept)
            if kept.count == 0 { continue }
            output.selection = kept.selection
            return output
        }
    }

    private func fill() throws(EngineError) -> Int {
        for vector in output.columns { vector.reset() }
        var count = 0
        while count < vectorCapacity {
            var isAny = false
            for source in sources where try source.refill() { isAny = true }
            if !isAny { break }
            var column = 0
            for source in sources {
                let hasRow = source.position < source.count
                for vector in source.columns {
                    if hasRow {
                        try output.columns[column].copyRow(count, from: vector, vector.position(source.position))
                    } else {
                        output.columns[column].setNull(count)
                    }
                    column += 1
                }
                if hasRow { source.position += 1 }
            }
            ordinal += 1
            if hasOrdinality { output.columns[column].setCell(count, Cell(ordinal)) }
            count += 1
        }
        return count
    }

    override func close() { for source in sources { source.end() } }
}

/// Set-returning functions in a select list.
final class ProjectSetOperator: Operator {
    private let child: Operator
    private let expressions: [Evaluator?]
    private let sources: [SetSource?]
    private let output: Chunk
    private var chunk: Chunk?
    private var index = 0
    private var isRowOpen = false
    private var scalars: [Vector?] = []

    init(_ node: ProjectSetNode, _ child: Operator, _ compiler: Compiler) throws(EngineError) {
        self.child = child
        var expressions: [Evaluator?] = []
        var sources: [SetSource?] = []
        for (index, expression) in node.expressions.enumerated() {
            if node.isSet[index], case .call(let call) = expression {
                sources.append(try SetSource(call, [node.output[index].type], compiler))
                expressions.append(nil)
            } else {
                sources.append(nil)
                expressions.append(try compiler.compile(expression))
            }
        }
        self.expressions = expressions
        self.sources = sources
        output = Chunk(columns: node.output.map { Vector($0.type) })
        super.init(compiler.instance)
    }

    override func open() throws(EngineError) {
        chunk = nil
        isRowOpen = false
        try child.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        for vector in output.columns { vector.reset() }
        var count = 0
        while count < vectorCapacity {
            if !isRowOpen {
                guard try nextRow() else { break }
            }
            if try emit(at: count) { count += 1 } else { isRowOpen = false }
        }
        try instance.context.checkpoint()
        if count == 0 { return nil }
        output.selection = Selection(count: count)
        return output
    }

    private func nextRow() throws(EngineError) -> Bool {
        if let current = chunk, index + 1 < current.count {
            index += 1
        } else {
            chunk = try child.pull()
            index = 0
            guard let fresh = chunk else { return false }
            scalars.removeAll(keepingCapacity: true)
            for expression in expressions {
                scalars.append(try expression?.evaluate(fresh, fresh.selection))
            }
        }
        guard let current = chunk else { return false }
        for source in sources { try source?.start(current, current.selection[index]) }
        isRowOpen = true
        return true
    }

    /// One row of the current child row's sets; false when all are through.
    private func emit(at place: Int) throws(EngineError) -> Bool {
        var isAny = false
        for source in sources { if let source, try source.refill() { isAny = true } }
        guard isAny, let chunk else { return false }
        for (column, vector) in output.columns.enumerated() {
            if let source = sources[column] {
                if source.position < source.count {
                    let values = source.columns[0]
                    try vector.copyRow(place, from: values, values.position(source.position))
                    source.position += 1
                } else {
                    vector.setNull(place)
                }
            } else if let values = scalars[column] {
                try vector.copyRow(place, from: values, values.position(chunk.selection[index]))
            }
        }
        return true
    }

    override func close() {
        child.close()
        for source in sources { source?.end() }
        chunk = nil
    }
}

/// A relation of pg_catalog or information_schema: its rows are produced when the scan is opened.
final class SystemScanOperator: Operator, SystemRowSink {
    private let node: SystemScan
    private let filter: Evaluator?
    private let key: Evaluator?
    private let input = Chunk(selection: Selection(count: 1))
    private let store: RowStore
    private let staging: Chunk
    private var stagedCount = 0
    private let output = Chunk()
    private var kept = SelectionBuffer()
    private var batch = 0

    init(_ node: SystemScan, filter: Evaluator?, key: Evaluator?, _ instance: Instance) {
        self.node = node
        self.filter = filter
        self.key = key
        let types = node.output.map { $0.type }
        store = RowStore(types)
        staging = Chunk(columns: types.map { Vector($0) })
        super.init(instance)
    }

    override func open() throws(EngineError) {
        store.begin(instance.context.budget)
        batch = 0
        stagedCount = 0
        for vector in staging.columns { vector.reset() }
        var keyValue: Datum?
        if let key {
            let value = try key.value(input)
            if value.isNull { return }
            keyValue = value
        }
        try node.relation.produce(instance.context.catalog, keyValue, self)
        try flush()
    }

    func add(_ row: [Datum]) throws(EngineError) {
        for (index, column) in node.columns.enumerated() {
            try staging.columns[index].setDatum(stagedCount, row[column])
        }
        stagedCount += 1
        if stagedCount == vectorCapacity { try flush() }
    }

    private func flush() throws(EngineError) {
        if stagedCount == 0 { return }
        staging.selection = Selection(count: stagedCount)
        try store.append(staging)
        for vector in staging.columns { vector.reset() }
        stagedCount = 0
    }

    override func next() throws(EngineError) -> Chunk? {
        while batch < store.batchCount {
            output.columns = store.vectors(ofBatch: batch)
            output.selection = Selection(count: store.rows(inBatch: batch))
            batch += 1
            guard let filter else { return output }
            try select(filter, output, output.selection, into: &kept)
            if kept.count == 0 { continue }
            output.selection = kept.selection
            return output
        }
        return nil
    }

    override func close() { store.clear() }
}
