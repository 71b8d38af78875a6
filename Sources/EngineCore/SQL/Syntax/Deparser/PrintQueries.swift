// Queries and FROM as SQL.

extension Deparser {
    package mutating func query(_ query: Query) {
        if !mayDescend() { return }
        with(query.with)
        body(query.body)
        if !query.orderBy.isEmpty {
            put(" ")
            orderBy(query.orderBy)
        }
        if let offset = query.offset {
            put(" OFFSET ")
            expression(offset)
        }
        if let limit = query.limit {
            if query.withTies {
                put(" FETCH FIRST ")
                print(limit, .typecast)
                put(" ROWS WITH TIES")
            } else {
                put(" LIMIT ")
                expression(limit)
            }
        }
        for clause in query.locking { locking(clause) }
    }

    private mutating func locking(_ clause: LockingClause) {
        switch clause.strength {
        case .keyShare: put(" FOR KEY SHARE")
        case .share: put(" FOR SHARE")
        case .noKeyUpdate: put(" FOR NO KEY UPDATE")
        case .update: put(" FOR UPDATE")
        }
        if !clause.tables.isEmpty {
            put(" OF ")
            names(clause.tables)
        }
        switch clause.wait {
        case .block: break
        case .noWait: put(" NOWAIT")
        case .skipLocked: put(" SKIP LOCKED")
        }
    }

    /// WITH … and a space, or nothing.
    mutating func with(_ clause: WithClause?) {
        guard let clause else { return }
        put(clause.recursive ? "WITH RECURSIVE " : "WITH ")
        for (index, table) in clause.tables.enumerated() {
            separate(index)
            commonTable(table)
        }
        put(" ")
    }

    private mutating func commonTable(_ table: CommonTable) {
        name(table.name)
        optionalNames(table.columns)
        put(" AS ")
        switch table.materialization {
        case .unspecified: break
        case .always: put("MATERIALIZED ")
        case .never: put("NOT MATERIALIZED ")
        }
        put("(")
        statement(table.statement)
        put(")")
        if let search = table.search {
            put(search.order == .depthFirst ? " SEARCH DEPTH FIRST BY " : " SEARCH BREADTH FIRST BY ")
            names(search.columns)
            put(" SET ")
            name(search.sequence)
        }
        guard let cycle = table.cycle else { return }
        put(" CYCLE ")
        names(cycle.columns)
        put(" SET ")
        name(cycle.mark)
        if let value = cycle.value, let otherwise = cycle.otherwise {
            put(" TO ")
            expression(value)
            put(" DEFAULT ")
            expression(otherwise)
        }
        put(" USING ")
        name(cycle.path)
    }

    // MARK: Bodies

    private mutating func body(_ body: QueryBody) {
        if !mayDescend() { return }
        switch body {
        case .select(let core): select(core)
        case .values(let rows):
            put("VALUES ")
            for (index, row) in rows.enumerated() {
                separate(index)
                put("(")
                expressions(row)
                put(")")
            }
        case .nested(let inner):
            put("(")
            query(inner)
            put(")")
        case .setOperation(let first, let links):
            let isIntersection = links[0].operation == .intersect
            operand(first, inside: isIntersection, isFirst: true)
            for link in links {
                switch link.operation {
                case .union: put(" UNION ")
                case .intersect: put(" INTERSECT ")
                case .except: put(" EXCEPT ")
                }
                if link.all { put("ALL ") }
                operand(link.operand, inside: isIntersection, isFirst: false)
            }
        }
    }

    /// Set operations inside others need parentheses unless they bind tighter, or as tight and come first.
    private mutating func operand(_ body: QueryBody, inside isIntersection: Bool, isFirst: Bool) {
        if case .setOperation(_, let links) = body {
            let isInnerIntersection = links[0].operation == .intersect
            if !(isInnerIntersection && !isIntersection || isInnerIntersection == isIntersection && isFirst) {
                put("(")
                self.body(body)
                put(")")
                return
            }
        }
        self.body(body)
    }

    private mutating func select(_ core: SelectCore) {
        put("SELECT")
        switch core.distinct {
        case .all: break
        case .distinct: put(" DISTINCT")
        case .on(let list):
            put(" DISTINCT ON (")
            expressions(list)
            put(")")
        }
        if !core.targets.isEmpty {
            put(" ")
            targets(core.targets)
        }
        if let into = core.into {
            put(" INTO ")
            persistence(into.persistence)
            name(into.name)
        }
        if !core.from.isEmpty {
            put(" FROM ")
            fromItems(core.from)
        }
        filter(core.filter)
        if !core.groupBy.isEmpty {
            put(core.groupByDistinct ? " GROUP BY DISTINCT " : " GROUP BY ")
            grouping(core.groupBy)
        }
        if let having = core.having {
            put(" HAVING ")
            expression(having)
        }
        for (index, window) in core.windows.enumerated() {
            put(index == 0 ? " WINDOW " : ", ")
            if let label = window.name { name(label) }
            put(" AS ")
            self.window(window)
        }
    }

    mutating func filter(_ filter: Expression?) {
        guard let filter else { return }
        put(" WHERE ")
        expression(filter)
    }

    mutating func targets(_ list: [Target]) {
        for (index, target) in list.enumerated() {
            separate(index)
            expression(target.expression)
            if let alias = target.alias {
                put(" AS ")
                name(alias)
            }
        }
    }

    mutating func persistence(_ persistence: Persistence) {
        switch persistence {
        case .permanent: break
        case .temporary: put("TEMPORARY ")
        case .unlogged: put("UNLOGGED ")
        }
    }

    private mutating func grouping(_ elements: [GroupingElement]) {
        for (index, element) in elements.enumerated() {
            separate(index)
            if !mayDescend() { return }
            switch element {
            case .expression(let item): expression(item)
            case .empty: put("()")
            case .rollup(let list):
                put("ROLLUP(")
                expressions(list)
                put(")")
            case .cube(let list):
                put("CUBE(")
                expressions(list)
                put(")")
            case .sets(let list):
                put("GROUPING SETS (")
                grouping(list)
                put(")")
            }
        }
    }

    // MARK: FROM

    mutating func fromItems(_ items: [FromItem]) {
        for (index, item) in items.enumerated() {
            separate(index)
            fromItem(item)
        }
    }

    mutating func fromItem(_ item: FromItem) {
        if !mayDescend() { return }
        switch item {
        case .table(let table):
            relation(table)
            alias(table.alias)
            if let sample = table.sample { self.sample(sample) }
        case .subquery(let subquery):
            if subquery.lateral { put("LATERAL ") }
            put("(")
            query(subquery.query)
            put(")")
            alias(subquery.alias)
        case .function(let function): functionReference(function)
        case .join(let join): self.join(join)
        }
    }

    /// [ONLY] name.
    mutating func relation(_ table: TableReference) {
        if table.only { put("ONLY ") }
        name(table.name)
    }

    mutating func alias(_ alias: Alias?) {
        guard let alias else { return }
        put(" AS ")
        name(alias.name)
        optionalNames(alias.columns)
    }

    private mutating func sample(_ sample: TableSample) {
        put(" TABLESAMPLE ")
        name(sample.method)
        put("(")
        expressions(sample.arguments)
        put(")")
        guard let seed = sample.seed else { return }
        put(" REPEATABLE (")
        expression(seed)
        put(")")
    }

    private mutating func functionReference(_ reference: FunctionReference) {
        if reference.lateral { put("LATERAL ") }
        if reference.isRowsFrom { put("ROWS FROM (") }
        for (index, item) in reference.items.enumerated() {
            separate(index)
            tableFunction(item.call)
            if !item.columns.isEmpty {
                put(" AS ")
                columns(item.columns)
            }
        }
        if reference.isRowsFrom { put(")") }
        if reference.withOrdinality { put(" WITH ORDINALITY") }
        if reference.columns.isEmpty {
            alias(reference.alias)
            return
        }
        put(" AS ")
        if let alias = reference.alias {
            name(alias.name)
            put(" ")
        }
        columns(reference.columns)
    }

    /// A cast must be spelled as a call here.
    private mutating func tableFunction(_ call: Expression) {
        guard case .cast(let value, let type) = call.kind else {
            expression(call)
            return
        }
        put("CAST(")
        expression(value)
        put(" AS ")
        self.type(type)
        put(")")
    }

    /// `(name type, …)`.
    mutating func columns(_ columns: [ColumnDefinitionItem]) {
        put("(")
        for (index, column) in columns.enumerated() {
            separate(index)
            name(column.name)
            put(" ")
            type(column.type)
            if let collation = column.collation {
                put(" COLLATE ")
                name(collation)
            }
        }
        put(")")
    }

    private mutating func join(_ join: Join) {
        if join.alias != nil { put("(") }
        fromItem(join.left)
        if case .natural = join.condition { put(" NATURAL") }
        switch join.kind {
        case .cross: put(" CROSS JOIN ")
        case .inner: put(" JOIN ")
        case .left: put(" LEFT JOIN ")
        case .right: put(" RIGHT JOIN ")
        case .full: put(" FULL JOIN ")
        }
        joinOperand(join.right)
        switch join.condition {
        case .none, .natural: break
        case .on(let condition):
            put(" ON ")
            expression(condition)
        case .using(let columns, let alias):
            put(" USING (")
            names(columns)
            put(")")
            if let alias {
                put(" AS ")
                name(alias)
            }
        }
        if join.alias != nil { put(")") }
        alias(join.alias)
    }

    /// A join on the right side needs parentheses, unless it brings them with its alias.
    private mutating func joinOperand(_ item: FromItem) {
        if case .join(let inner) = item, inner.alias == nil {
            put("(")
            join(inner)
            put(")")
        } else {
            fromItem(item)
        }
    }
}
