// INSERT, UPDATE, DELETE and MERGE. Each may follow a WITH clause, which the caller has read.

import Platform

extension Parser {
    // MARK: INSERT

    mutating func insert() throws(SyntaxFailure) -> Insert {
        let position = token.start
        try expect(.insert)
        try expect(.into)
        let statement = Insert(table: try qualifiedName(), position: position)
        if try accept(.as) { statement.alias = try columnName() }
        try insertColumns(statement)
        statement.overriding = try overriding()
        if try statement.columns.isEmpty && statement.overriding == .none ? accept(.default, .values) : false {
            statement.source = .defaultValues
        } else {
            statement.source = .query(try query())
        }
        if at(.on) { statement.onConflict = try onConflict() }
        statement.returning = try returning()
        return statement
    }

    /// `(a, b.field, c[1], …)`, unless the parenthesis opens a query.
    private mutating func insertColumns(_ statement: Insert) throws(SyntaxFailure) {
        if token.kind != .leftParenthesis { return }
        let place = mark()
        try advance()
        let isList = try token.kind == .leftParenthesis ? false : !atQuery()
        rewind(place)
        if isList { statement.columns = try assignmentTargets() }
    }

    private mutating func overriding() throws(SyntaxFailure) -> Insert.Overriding {
        if try !accept(.overriding) { return .none }
        let overriding: Insert.Overriding = at(.user) ? .user : .system
        if try !accept(.user) { try expect(.system) }
        try expect(.value)
        return overriding
    }

    private mutating func assignmentTargets() throws(SyntaxFailure) -> [AssignmentTarget] {
        try expect(.leftParenthesis)
        var targets = [try assignmentTarget()]
        while try accept(.comma) { targets.append(try assignmentTarget()) }
        try expect(.rightParenthesis)
        return targets
    }

    private mutating func assignmentTarget() throws(SyntaxFailure) -> AssignmentTarget {
        let position = token.start
        let column = try columnName()
        return AssignmentTarget(column: column, indirection: try indirectionSteps(), position: position)
    }

    private mutating func onConflict() throws(SyntaxFailure) -> OnConflict {
        let position = token.start
        try expect(.on)
        try expect(.conflict)
        var conflict = OnConflict(arbiter: .none, action: .nothing, position: position)
        if token.kind == .leftParenthesis {
            try advance()
            let elements = try indexElements()
            try expect(.rightParenthesis)
            conflict.arbiter = .index(elements, filter: try whereClause())
        } else if try accept(.on) {
            try expect(.constraint)
            conflict.arbiter = .constraint(try columnName())
        }
        try expect(.do)
        if try accept(.nothing) { return conflict }
        try expect(.update)
        try expect(.set)
        let assignments = try assignments()
        conflict.action = .update(assignments, filter: try whereClause())
        return conflict
    }

    mutating func whereClause() throws(SyntaxFailure) -> Expression? {
        try accept(.where) ? try expression() : nil
    }

    // MARK: UPDATE, DELETE

    mutating func update() throws(SyntaxFailure) -> Update {
        let position = token.start
        try expect(.update)
        let statement = Update(table: try modifiedTable(), position: position)
        try expect(.set)
        statement.assignments = try assignments()
        if try accept(.from) { statement.from = try fromItems() }
        statement.filter = try modificationFilter()
        statement.returning = try returning()
        return statement
    }

    mutating func delete() throws(SyntaxFailure) -> Delete {
        let position = token.start
        try expect(.delete)
        try expect(.from)
        let statement = Delete(table: try modifiedTable(), position: position)
        if try accept(.using) { statement.using = try fromItems() }
        statement.filter = try modificationFilter()
        statement.returning = try returning()
        return statement
    }

    /// The table of UPDATE, DELETE and MERGE. SET is no alias without AS.
    private mutating func modifiedTable() throws(SyntaxFailure) -> TableReference {
        var table = try relation()
        if try accept(.as) {
            table.alias = Alias(name: try columnName())
        } else if atColumnName && !at(.set) {
            table.alias = Alias(name: try takeName())
        }
        return table
    }

    /// WHERE condition, or WHERE CURRENT OF cursor.
    private mutating func modificationFilter() throws(SyntaxFailure) -> Expression? {
        if try !accept(.where) { return nil }
        let position = token.start
        if try accept(.current, .of) { return Expression(.currentOf(try columnName()), at: position) }
        return try expression()
    }

    mutating func assignments() throws(SyntaxFailure) -> [Assignment] {
        var list = [try assignment()]
        while try accept(.comma) { list.append(try assignment()) }
        return list
    }

    private mutating func assignment() throws(SyntaxFailure) -> Assignment {
        if token.kind == .leftParenthesis {
            let targets = try assignmentTargets()
            try expect(.equals)
            return .multiple(targets, try expression())
        }
        let target = try assignmentTarget()
        try expect(.equals)
        return .single(target, try expression())
    }

    // MARK: MERGE

    mutating func merge() throws(SyntaxFailure) -> Merge {
        let position = token.start
        try expect(.merge)
        try expect(.into)
        let table = try modifiedTable()
        try expect(.using)
        let source = try fromItem()
        try expect(.on)
        let statement = Merge(table: table, source: source, condition: try expression(), position: position)
        repeat { statement.whens.append(try mergeWhen()) } while at(.when)
        return statement
    }

    private mutating func mergeWhen() throws(SyntaxFailure) -> Merge.When {
        try expect(.when)
        let matched = try !accept(.not)
        try expect(.matched)
        let condition = try accept(.and) ? try expression() : nil
        try expect(.then)
        var when = Merge.When(matched: matched, condition: condition, action: .nothing)
        if try accept(.do) {
            try expect(.nothing)
        } else if matched {
            if try accept(.delete) {
                when.action = .delete
            } else {
                try expect(.update)
                try expect(.set)
                when.action = .update(try assignments())
            }
        } else {
            when.action = try mergeInsert()
        }
        return when
    }

    private mutating func mergeInsert() throws(SyntaxFailure) -> Merge.Action {
        try expect(.insert)
        if try accept(.default, .values) { return .insert(columns: [], overriding: .none, values: nil) }
        let columns = token.kind == .leftParenthesis ? try assignmentTargets() : []
        let overriding = try overriding()
        try expect(.values)
        try expect(.leftParenthesis)
        let values = try expressions()
        try expect(.rightParenthesis)
        return .insert(columns: columns, overriding: overriding, values: values)
    }
}
