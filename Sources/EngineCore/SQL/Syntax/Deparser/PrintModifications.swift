// INSERT, UPDATE, DELETE, MERGE and COPY as SQL.

extension Deparser {
    mutating func insert(_ insert: Insert) {
        with(insert.with)
        put("INSERT INTO ")
        name(insert.table)
        if let alias = insert.alias {
            put(" AS ")
            name(alias)
        }
        if !insert.columns.isEmpty {
            put(" ")
            assignmentTargets(insert.columns)
        }
        overriding(insert.overriding)
        switch insert.source {
        case .defaultValues: put(" DEFAULT VALUES")
        case .query(let query):
            put(" ")
            self.query(query)
        }
        if let conflict = insert.onConflict { onConflict(conflict) }
        returning(insert.returning)
    }

    private mutating func overriding(_ overriding: Insert.Overriding) {
        switch overriding {
        case .none: break
        case .user: put(" OVERRIDING USER VALUE")
        case .system: put(" OVERRIDING SYSTEM VALUE")
        }
    }

    private mutating func returning(_ list: [Target]) {
        if list.isEmpty { return }
        put(" RETURNING ")
        targets(list)
    }

    private mutating func assignmentTargets(_ list: [AssignmentTarget]) {
        put("(")
        for (index, target) in list.enumerated() {
            separate(index)
            assignmentTarget(target)
        }
        put(")")
    }

    private mutating func assignmentTarget(_ target: AssignmentTarget) {
        name(target.column)
        indirection(target.indirection)
    }

    private mutating func onConflict(_ conflict: OnConflict) {
        put(" ON CONFLICT")
        switch conflict.arbiter {
        case .none: break
        case .index(let elements, let filter):
            put(" (")
            indexElements(elements)
            put(")")
            self.filter(filter)
        case .constraint(let constraint):
            put(" ON CONSTRAINT ")
            name(constraint)
        }
        switch conflict.action {
        case .nothing: put(" DO NOTHING")
        case .update(let assignments, let filter):
            put(" DO UPDATE SET ")
            self.assignments(assignments)
            self.filter(filter)
        }
    }

    mutating func assignments(_ list: [Assignment]) {
        for (index, assignment) in list.enumerated() {
            separate(index)
            switch assignment {
            case .single(let target, let value):
                assignmentTarget(target)
                put(" = ")
                expression(value)
            case .multiple(let targets, let value):
                assignmentTargets(targets)
                put(" = ")
                expression(value)
            }
        }
    }

    private mutating func modifiedTable(_ table: TableReference) {
        relation(table)
        alias(table.alias)
    }

    mutating func update(_ update: Update) {
        with(update.with)
        put("UPDATE ")
        modifiedTable(update.table)
        put(" SET ")
        assignments(update.assignments)
        if !update.from.isEmpty {
            put(" FROM ")
            fromItems(update.from)
        }
        filter(update.filter)
        returning(update.returning)
    }

    mutating func delete(_ delete: Delete) {
        with(delete.with)
        put("DELETE FROM ")
        modifiedTable(delete.table)
        if !delete.using.isEmpty {
            put(" USING ")
            fromItems(delete.using)
        }
        filter(delete.filter)
        returning(delete.returning)
    }

    mutating func merge(_ merge: Merge) {
        with(merge.with)
        put("MERGE INTO ")
        modifiedTable(merge.table)
        put(" USING ")
        fromItem(merge.source)
        put(" ON ")
        expression(merge.condition)
        for when in merge.whens {
            put(when.matched ? " WHEN MATCHED" : " WHEN NOT MATCHED")
            if let condition = when.condition {
                put(" AND ")
                expression(condition)
            }
            put(" THEN ")
            action(when.action)
        }
    }

    private mutating func action(_ action: Merge.Action) {
        switch action {
        case .nothing: put("DO NOTHING")
        case .delete: put("DELETE")
        case .update(let assignments):
            put("UPDATE SET ")
            self.assignments(assignments)
        case .insert(let columns, let overriding, let values):
            put("INSERT")
            guard let values else {
                put(" DEFAULT VALUES")
                return
            }
            if !columns.isEmpty {
                put(" ")
                assignmentTargets(columns)
            }
            self.overriding(overriding)
            put(" VALUES (")
            expressions(values)
            put(")")
        }
    }

    // MARK: COPY

    mutating func copy(_ copy: Copy) {
        put("COPY ")
        switch copy.subject {
        case .table(let table, let columns):
            name(table)
            optionalNames(columns)
        case .query(let statement):
            put("(")
            self.statement(statement)
            put(")")
        }
        put(copy.isFrom ? " FROM " : " TO ")
        switch copy.endpoint {
        case .client: put(copy.isFrom ? "STDIN" : "STDOUT")
        case .file(let path): string(path)
        case .program(let command):
            put("PROGRAM ")
            string(command)
        }
        if !copy.options.isEmpty {
            put(" WITH ")
            utilityOptions(copy.options)
        }
        filter(copy.filter)
    }
}
