// Statements about transactions, settings, cursors and upkeep as SQL.

extension Deparser {
    mutating func transaction(_ command: TransactionCommand) {
        switch command {
        case .begin(let modes, let isStart):
            put(isStart ? "START TRANSACTION" : "BEGIN")
            self.modes(modes)
        case .commit(let chain): put(chain ? "COMMIT AND CHAIN" : "COMMIT")
        case .rollback(let chain): put(chain ? "ROLLBACK AND CHAIN" : "ROLLBACK")
        case .savepoint(let savepoint):
            put("SAVEPOINT ")
            name(savepoint)
        case .release(let savepoint):
            put("RELEASE SAVEPOINT ")
            name(savepoint)
        case .rollbackTo(let savepoint):
            put("ROLLBACK TO SAVEPOINT ")
            name(savepoint)
        case .prepare(let identifier):
            put("PREPARE TRANSACTION ")
            string(identifier)
        case .commitPrepared(let identifier):
            put("COMMIT PREPARED ")
            string(identifier)
        case .rollbackPrepared(let identifier):
            put("ROLLBACK PREPARED ")
            string(identifier)
        }
    }

    private mutating func modes(_ modes: TransactionModes) {
        var isFirst = true
        func comma(_ deparser: inout Deparser) {
            deparser.put(isFirst ? " " : ", ")
            isFirst = false
        }
        if let isolation = modes.isolation {
            comma(&self)
            put("ISOLATION LEVEL ")
            switch isolation {
            case .readUncommitted: put("READ UNCOMMITTED")
            case .readCommitted: put("READ COMMITTED")
            case .repeatableRead: put("REPEATABLE READ")
            case .serializable: put("SERIALIZABLE")
            }
        }
        if let readOnly = modes.readOnly {
            comma(&self)
            put(readOnly ? "READ ONLY" : "READ WRITE")
        }
        if let deferrable = modes.deferrable {
            comma(&self)
            put(deferrable ? "DEFERRABLE" : "NOT DEFERRABLE")
        }
    }

    // MARK: Settings

    mutating func set(_ setting: SetVariable) {
        switch setting.action {
        case .resetAll: put("RESET ALL")
        case .reset(isReset: true):
            put("RESET ")
            settingName(setting.name)
        case .transaction(let modes, session: true):
            put("SET SESSION CHARACTERISTICS AS TRANSACTION")
            self.modes(modes)
        default:
            put("SET ")
            if setting.scope == .local { put("LOCAL ") }
            assignment(setting)
        }
    }

    private mutating func assignment(_ setting: SetVariable) {
        switch setting.action {
        case .values(let values):
            if case .interval(let interval)? = values.first {
                put("TIME ZONE ")
                typedInterval(interval)
                return
            }
            settingName(setting.name)
            put(" TO ")
            for (index, value) in values.enumerated() {
                separate(index)
                settingValue(value)
            }
        case .fromCurrent:
            settingName(setting.name)
            put(" FROM CURRENT")
        case .transaction(let modes, _):
            put("TRANSACTION")
            self.modes(modes)
        case .snapshot(let identifier):
            put("TRANSACTION SNAPSHOT ")
            string(identifier)
        case .reset, .resetAll:
            settingName(setting.name)
            put(" TO DEFAULT")
        }
    }

    /// INTERVAL 'value' fields: SET TIME ZONE takes no cast.
    private mutating func typedInterval(_ interval: Expression) {
        guard case .cast(let value, var type) = interval.kind else { return }
        put("INTERVAL")
        let hasFields = type.intervalFields != .all
        if !hasFields && !type.modifiers.isEmpty {
            put("(")
            expressions(type.modifiers)
            put(")")
        }
        put(" ")
        expression(value)
        if !hasFields { return }
        type.arrayBounds = []
        intervalFields(type)
    }

    /// The parts between the dots.
    private mutating func settingName(_ name: Name) {
        var part: [UInt8] = []
        for byte in name.bytes {
            if byte == UInt8(ascii: ".") {
                self.name(Name(part))
                put(".")
                part = []
            } else {
                part.append(byte)
            }
        }
        self.name(Name(part))
    }

    private mutating func settingValue(_ value: SettingValue) {
        switch value {
        case .string(let bytes): string(bytes)
        // Words come back as strings: the same value, and no word needs quoting as a name.
        case .word(let word): string(word.bytes)
        case .integer(let number): put(number)
        case .numeric(let text): put(text)
        case .interval(let expression): typedInterval(expression)
        }
    }

    mutating func show(_ show: ShowVariable) {
        put("SHOW ")
        switch show {
        case .all: put("ALL")
        case .named(let name): settingName(name)
        }
    }

    mutating func discard(_ target: DiscardTarget) {
        switch target {
        case .all: put("DISCARD ALL")
        case .plans: put("DISCARD PLANS")
        case .sequences: put("DISCARD SEQUENCES")
        case .temporary: put("DISCARD TEMPORARY")
        }
    }

    // MARK: Prepared statements and cursors

    mutating func prepare(_ prepare: Prepare) {
        put("PREPARE ")
        name(prepare.name)
        if !prepare.types.isEmpty {
            put(" (")
            for (index, type) in prepare.types.enumerated() {
                separate(index)
                self.type(type)
            }
            put(")")
        }
        put(" AS ")
        statement(prepare.statement)
    }

    mutating func execute(_ execute: Execute) {
        put("EXECUTE ")
        name(execute.name)
        if execute.arguments.isEmpty { return }
        put(" (")
        expressions(execute.arguments)
        put(")")
    }

    mutating func declareCursor(_ cursor: DeclareCursor) {
        put("DECLARE ")
        name(cursor.name)
        if cursor.binary { put(" BINARY") }
        switch cursor.sensitivity {
        case .unspecified: break
        case .asensitive: put(" ASENSITIVE")
        case .insensitive: put(" INSENSITIVE")
        }
        switch cursor.scroll {
        case .unspecified: break
        case .scroll: put(" SCROLL")
        case .noScroll: put(" NO SCROLL")
        }
        put(cursor.hold ? " CURSOR WITH HOLD FOR " : " CURSOR FOR ")
        query(cursor.query)
    }

    mutating func fetch(_ fetch: Fetch) {
        put(fetch.isMove ? "MOVE " : "FETCH ")
        switch fetch.direction {
        case .forward(let count):
            put("FORWARD ")
            self.count(count)
        case .backward(let count):
            put("BACKWARD ")
            self.count(count)
        case .absolute(let count):
            put("ABSOLUTE ")
            put(count)
        case .relative(let count):
            put("RELATIVE ")
            put(count)
        }
        put(" FROM ")
        name(fetch.cursor)
    }

    private mutating func count(_ count: Int64) {
        if count == Int64.max { put("ALL") } else { put(count) }
    }

    // MARK: Upkeep

    mutating func lockTable(_ lock: LockTable) {
        put("LOCK TABLE ")
        for (index, table) in lock.tables.enumerated() {
            separate(index)
            relation(table)
        }
        switch lock.mode {
        case .accessShare: put(" IN ACCESS SHARE MODE")
        case .rowShare: put(" IN ROW SHARE MODE")
        case .rowExclusive: put(" IN ROW EXCLUSIVE MODE")
        case .shareUpdateExclusive: put(" IN SHARE UPDATE EXCLUSIVE MODE")
        case .share: put(" IN SHARE MODE")
        case .shareRowExclusive: put(" IN SHARE ROW EXCLUSIVE MODE")
        case .exclusive: put(" IN EXCLUSIVE MODE")
        case .accessExclusive: put(" IN ACCESS EXCLUSIVE MODE")
        }
        if lock.noWait { put(" NOWAIT") }
    }

    mutating func explain(_ explain: Explain) {
        put("EXPLAIN ")
        if !explain.options.isEmpty {
            utilityOptions(explain.options)
            put(" ")
        }
        statement(explain.statement)
    }

    mutating func vacuum(_ vacuum: Vacuum) {
        put(vacuum.isAnalyzeOnly ? "ANALYZE" : "VACUUM")
        if !vacuum.options.isEmpty {
            put(" ")
            utilityOptions(vacuum.options)
        }
        for (index, relation) in vacuum.relations.enumerated() {
            put(index == 0 ? " " : ", ")
            name(relation.name)
            optionalNames(relation.columns)
        }
    }

    mutating func reindex(_ reindex: Reindex) {
        put("REINDEX ")
        if !reindex.options.isEmpty {
            utilityOptions(reindex.options)
            put(" ")
        }
        let how: StaticString = reindex.concurrently ? " CONCURRENTLY" : ""
        func target(_ word: StaticString, _ name: QualifiedName, _ deparser: inout Deparser) {
            deparser.put(word)
            deparser.put(how)
            deparser.put(" ")
            deparser.name(name)
        }
        switch reindex.target {
        case .index(let name): target("INDEX", name, &self)
        case .table(let name): target("TABLE", name, &self)
        case .schema(let name): target("SCHEMA", QualifiedName(name), &self)
        case .database(let name): target("DATABASE", QualifiedName(name), &self)
        case .system(let name): target("SYSTEM", QualifiedName(name), &self)
        }
    }

    mutating func cluster(_ cluster: Cluster) {
        put("CLUSTER")
        if !cluster.options.isEmpty {
            put(" ")
            utilityOptions(cluster.options)
        }
        if let table = cluster.table {
            put(" ")
            name(table)
        }
        if let index = cluster.index {
            put(" USING ")
            name(index)
        }
    }
}
