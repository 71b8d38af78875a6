// Definitions of tables, indexes, sequences and views as SQL.

extension Deparser {
    mutating func createTable(_ table: CreateTable) {
        put("CREATE ")
        persistence(table.persistence)
        put("TABLE ")
        if table.ifNotExists { put("IF NOT EXISTS ") }
        name(table.name)
        if let parent = table.partitionOf {
            put(" PARTITION OF ")
            name(parent)
        } else if let type = table.ofType {
            put(" OF ")
            name(type)
        }
        if !table.elements.isEmpty || table.partitionOf == nil && table.ofType == nil {
            put(" (")
            for (index, element) in table.elements.enumerated() {
                separate(index)
                self.element(element)
            }
            put(")")
        }
        if let bound = table.partitionBound {
            put(" ")
            partitionBound(bound)
        }
        if !table.inherits.isEmpty {
            put(" INHERITS (")
            names(table.inherits)
            put(")")
        }
        if let partition = table.partitionBy {
            put(" PARTITION BY ")
            name(partition.strategy)
            put(" (")
            indexElements(partition.elements)
            put(")")
        }
        tableProperties(table.accessMethod, table.options, table.onCommit, table.tablespace)
    }

    private mutating func tableProperties(
        _ method: Name?, _ options: [Option], _ onCommit: OnCommit, _ tablespace: Name?
    ) {
        if let method {
            put(" USING ")
            name(method)
        }
        withOptions(options)
        switch onCommit {
        case .unspecified: break
        case .preserveRows: put(" ON COMMIT PRESERVE ROWS")
        case .deleteRows: put(" ON COMMIT DELETE ROWS")
        case .drop: put(" ON COMMIT DROP")
        }
        self.tablespace(tablespace)
    }

    private mutating func tablespace(_ tablespace: Name?) {
        guard let tablespace else { return }
        put(" TABLESPACE ")
        name(tablespace)
    }

    mutating func createTableAs(_ table: CreateTableAs) {
        put("CREATE ")
        persistence(table.persistence)
        put(table.isMaterializedView ? "MATERIALIZED VIEW " : "TABLE ")
        if table.ifNotExists { put("IF NOT EXISTS ") }
        name(table.name)
        optionalNames(table.columns)
        tableProperties(table.accessMethod, table.options, table.onCommit, table.tablespace)
        put(" AS ")
        statement(table.source)
        if !table.withData { put(" WITH NO DATA") }
    }

    private mutating func element(_ element: TableElement) {
        switch element {
        case .column(let column): self.column(column)
        case .constraint(let constraint): tableConstraint(constraint)
        case .like(let table, let options):
            put("LIKE ")
            name(table)
            likeOptions(options)
        }
    }

    private mutating func likeOptions(_ options: LikeOptions) {
        if options == .all {
            put(" INCLUDING ALL")
            return
        }
        if options.contains(.comments) { put(" INCLUDING COMMENTS") }
        if options.contains(.compression) { put(" INCLUDING COMPRESSION") }
        if options.contains(.constraints) { put(" INCLUDING CONSTRAINTS") }
        if options.contains(.defaults) { put(" INCLUDING DEFAULTS") }
        if options.contains(.generated) { put(" INCLUDING GENERATED") }
        if options.contains(.identity) { put(" INCLUDING IDENTITY") }
        if options.contains(.indexes) { put(" INCLUDING INDEXES") }
        if options.contains(.statistics) { put(" INCLUDING STATISTICS") }
        if options.contains(.storage) { put(" INCLUDING STORAGE") }
    }

    mutating func column(_ column: ColumnDefinition) {
        name(column.name)
        if let type = column.type {
            put(" ")
            self.type(type)
        } else {
            put(" WITH OPTIONS")
        }
        if let compression = column.compression {
            put(" COMPRESSION ")
            if compression.matches("default") { put("DEFAULT") } else { name(compression) }
        }
        collation(column.collation)
        for constraint in column.constraints { columnConstraint(constraint) }
    }

    mutating func collation(_ collation: QualifiedName?) {
        guard let collation else { return }
        put(" COLLATE ")
        name(collation)
    }

    // MARK: Indexes

    mutating func createIndex(_ index: CreateIndex) {
        put(index.unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ")
        if index.concurrently { put("CONCURRENTLY ") }
        if index.ifNotExists { put("IF NOT EXISTS ") }
        if let label = index.name {
            name(label)
            put(" ")
        }
        put(index.only ? "ON ONLY " : "ON ")
        name(index.table)
        if let method = index.method {
            put(" USING ")
            name(method)
        }
        put(" (")
        indexElements(index.elements)
        put(")")
        if !index.include.isEmpty {
            put(" INCLUDE (")
            indexElements(index.include)
            put(")")
        }
        if index.nullsNotDistinct { put(" NULLS NOT DISTINCT") }
        withOptions(index.options)
        tablespace(index.tablespace)
        filter(index.filter)
    }

    mutating func indexElements(_ elements: [IndexElement]) {
        for (index, element) in elements.enumerated() {
            separate(index)
            indexElement(element)
        }
    }

    mutating func indexElement(_ element: IndexElement) {
        var isBare = false
        switch element.expression.kind {
        case .column(let parts): isBare = parts.count == 1
        case .function(let call): isBare = call.syntax == .call
        case .coalesce, .greatest, .least, .nullIf: isBare = true
        default: break
        }
        if !isBare { put("(") }
        expression(element.expression)
        if !isBare { put(")") }
        collation(element.collation)
        if let operatorClass = element.operatorClass {
            put(" ")
            name(operatorClass)
            if !element.operatorClassOptions.isEmpty {
                put(" ")
                storageOptions(element.operatorClassOptions)
            }
        }
        direction(element.direction)
        nulls(element.nulls)
    }

    // MARK: Sequences and views

    mutating func createSequence(_ sequence: CreateSequence) {
        put("CREATE ")
        persistence(sequence.persistence)
        put("SEQUENCE ")
        if sequence.ifNotExists { put("IF NOT EXISTS ") }
        name(sequence.name)
        for option in sequence.options {
            put(" ")
            sequenceOption(option)
        }
    }

    mutating func alterSequence(_ sequence: AlterSequence) {
        put("ALTER SEQUENCE ")
        if sequence.ifExists { put("IF EXISTS ") }
        name(sequence.name)
        for option in sequence.options {
            put(" ")
            sequenceOption(option)
        }
    }

    mutating func sequenceOption(_ option: SequenceOption) {
        switch option {
        case .type(let type):
            put("AS ")
            self.type(type)
        case .start(let value): number("START WITH ", value)
        case .increment(let value): number("INCREMENT BY ", value)
        case .minimum(let value?): number("MINVALUE ", value)
        case .minimum(nil): put("NO MINVALUE")
        case .maximum(let value?): number("MAXVALUE ", value)
        case .maximum(nil): put("NO MAXVALUE")
        case .cache(let value): number("CACHE ", value)
        case .cycle(let cycles): put(cycles ? "CYCLE" : "NO CYCLE")
        case .ownedBy(let owner?):
            put("OWNED BY ")
            name(owner)
        case .ownedBy(nil): put("OWNED BY NONE")
        case .restart(let value?): number("RESTART WITH ", value)
        case .restart(nil): put("RESTART")
        case .sequenceName(let sequence):
            put("SEQUENCE NAME ")
            name(sequence)
        }
    }

    private mutating func number(_ words: StaticString, _ value: Int64) {
        put(words)
        put(value)
    }

    mutating func createView(_ view: CreateView) {
        put(view.orReplace ? "CREATE OR REPLACE " : "CREATE ")
        persistence(view.persistence)
        put(view.recursive ? "RECURSIVE VIEW " : "VIEW ")
        name(view.name)
        optionalNames(view.columns)
        withOptions(view.options)
        put(" AS ")
        query(view.query)
        switch view.checkOption {
        case .none: break
        case .local: put(" WITH LOCAL CHECK OPTION")
        case .cascaded: put(" WITH CASCADED CHECK OPTION")
        }
    }

    mutating func truncate(_ truncate: Truncate) {
        put("TRUNCATE ")
        for (index, table) in truncate.tables.enumerated() {
            separate(index)
            relation(table)
        }
        if truncate.restartIdentity { put(" RESTART IDENTITY") }
        if truncate.cascade { put(" CASCADE") }
    }
}
