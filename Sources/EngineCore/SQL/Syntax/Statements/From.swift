// FROM: tables, subqueries, functions and joins.

import Platform

extension Parser {
    mutating func fromItems() throws(SyntaxFailure) -> [FromItem] {
        var items = [try fromItem()]
        while try accept(.comma) { items.append(try fromItem()) }
        return items
    }

    mutating func fromItem() throws(SyntaxFailure) -> FromItem {
        let height = try enter()
        let item = try joins(after: try fromOperand())
        leave(height)
        return item
    }

    /// The joins that follow `first`, left-associative.
    private mutating func joins(after first: FromItem) throws(SyntaxFailure) -> FromItem {
        var left = first
        while true {
            let position = token.start
            switch token.keyword {
            case .cross:
                try advance()
                try expect(.join)
                let join = Join(
                    kind: .cross, left: left, right: try fromOperand(), condition: .none, alias: nil, position: position
                )
                left = .join(join)
            case .natural:
                try advance()
                let kind = try joinKind()
                let join = Join(
                    kind: kind, left: left, right: try fromOperand(), condition: .natural, alias: nil,
                    position: position)
                left = .join(join)
            case .join, .inner, .left, .right, .full: left = try qualifiedJoin(left, position)
            default: return left
            }
            try grow()
        }
    }

    /// [INNER | LEFT | RIGHT | FULL [OUTER]] JOIN.
    private mutating func joinKind() throws(SyntaxFailure) -> Join.Kind {
        let kind: Join.Kind
        switch token.keyword {
        case .join:
            try advance()
            return .inner
        case .inner:
            try advance()
            try expect(.join)
            return .inner
        case .left: kind = .left
        case .right: kind = .right
        case .full: kind = .full
        default: try failSyntax()
        }
        try advance()
        _ = try accept(.outer)
        try expect(.join)
        return kind
    }

    /// The right operand may itself be joined before its condition comes: `a JOIN b JOIN c ON … ON …`.
    private mutating func qualifiedJoin(_ left: FromItem, _ position: Int32) throws(SyntaxFailure) -> FromItem {
        let kind = try joinKind()
        var right = try fromOperand()
        while !at(.on) && !at(.using) {
            let height = try enter()
            let innerPosition = token.start
            switch token.keyword {
            case .join, .inner, .left, .right, .full: right = try qualifiedJoin(right, innerPosition)
            case .cross:
                try advance()
                try expect(.join)
                let join = Join(
                    kind: .cross, left: right, right: try fromOperand(), condition: .none, alias: nil,
                    position: innerPosition)
                right = .join(join)
            case .natural:
                try advance()
                let innerKind = try joinKind()
                let join = Join(
                    kind: innerKind, left: right, right: try fromOperand(), condition: .natural, alias: nil,
                    position: innerPosition)
                right = .join(join)
            default: try failSyntax()
            }
            leave(height)
            try grow()
        }
        let condition = try joinCondition()
        return .join(
            Join(kind: kind, left: left, right: right, condition: condition, alias: nil, position: position))
    }

    private mutating func joinCondition() throws(SyntaxFailure) -> Join.Condition {
        if try accept(.on) { return .on(try expression()) }
        try expect(.using)
        let columns = try parenthesisedColumnNames()
        return .using(columns, alias: try accept(.as) ? try columnName() : nil)
    }

    // MARK: Operands

    private mutating func fromOperand() throws(SyntaxFailure) -> FromItem {
        let position = token.start
        if token.kind == .leftParenthesis {
            switch try parenthesisedFrom() {
            case .query(let query): return try subquery(query, lateral: false, position)
            case .item(let item): return try aliased(item)
            }
        }
        if try accept(.lateral) {
            if token.kind == .leftParenthesis {
                let start = token.start
                return try subquery(try parenthesisedQuery(), lateral: true, start)
            }
            return .function(try functionReference(lateral: true, position))
        }
        if at(.rows), try peek().keyword == .from {
            return .function(try functionReference(lateral: false, position))
        }
        return try tableOrFunction(position)
    }

    private enum ParenthesisedFrom {
        case query(Query)
        case item(FromItem)
    }

    /// At `(` in FROM: a query, with as many parentheses as you like, or a join. As in `parenthesised`, only what follows
    /// the innermost parenthesis tells.
    private mutating func parenthesisedFrom() throws(SyntaxFailure) -> ParenthesisedFrom {
        let height = try enter()
        try expect(.leftParenthesis)
        if try atQuery() {
            let query = try query()
            try expect(.rightParenthesis)
            leave(height)
            return .query(query)
        }
        let position = token.start
        var first: FromItem
        if token.kind == .leftParenthesis {
            switch try parenthesisedFrom() {
            case .query(let inner):
                if at(.rightParenthesis) || atQueryContinuation {
                    let query = at(.rightParenthesis) ? inner : try continuedQuery(inner)
                    try expect(.rightParenthesis)
                    leave(height)
                    return .query(query)
                }
                first = try subquery(inner, lateral: false, position)
            case .item(let item): first = try aliased(item)
            }
        } else {
            first = try fromOperand()
        }
        first = try joins(after: first)
        // Only a join may stand in parentheses.
        guard case .join = first else { try failSyntax() }
        try expect(.rightParenthesis)
        leave(height)
        return .item(first)
    }

    /// The alias of a parenthesised join.
    private mutating func aliased(_ item: FromItem) throws(SyntaxFailure) -> FromItem {
        guard case .join(var join) = item, let alias = try optionalAlias() else { return item }
        join.alias = alias
        return .join(join)
    }

    private mutating func subquery(
        _ query: Query, lateral: Bool, _ position: Int32
    ) throws(SyntaxFailure) -> FromItem {
        let alias = try optionalAlias()
        if alias == nil {
            var isValues = false
            if case .values = query.body { isValues = true }
            try fail(
                isValues ? "VALUES in FROM must have an alias" : "subquery in FROM must have an alias", at: position,
                hint: isValues
                    ? "For example, FROM (VALUES ...) [AS] foo." : "For example, FROM (SELECT ...) [AS] foo.")
        }
        return .subquery(SubqueryReference(query: query, lateral: lateral, alias: alias, position: position))
    }

    /// [AS] name [(columns)], or nil.
    mutating func optionalAlias() throws(SyntaxFailure) -> Alias? {
        if try accept(.as) {
            let name = try columnName()
            return Alias(name: name, columns: try optionalColumnNames())
        }
        if !atColumnName { return nil }
        let name = try takeName()
        return Alias(name: name, columns: try optionalColumnNames())
    }

    private mutating func tableOrFunction(_ position: Int32) throws(SyntaxFailure) -> FromItem {
        let place = mark()
        if !at(.only) {
            switch token.keyword {
            case .currentDate, .currentTime, .currentTimestamp, .localtime, .localtimestamp, .currentRole, .currentUser,
                .user, .sessionUser, .currentCatalog, .currentSchema, .coalesce, .cast, .collation, .greatest, .least,
                .nullif, .extract, .overlay, .position, .substring, .trim, .normalize, .treat:
                return .function(try functionReference(lateral: false, position))
            default: break
            }
            // A name is a function's if `(` follows all of its parts.
            if token.kind == .word ? !token.keyword.isReserved : atQuotedName {
                try advance()
                while token.kind == .dot {
                    try advance()
                    if token.kind != .word && !atQuotedName { try failSyntax() }
                    try advance()
                }
                // So it is if it can be nothing else.
                let isFunction = token.kind == .leftParenthesis || !place.token.keyword.isColumnName
                rewind(place)
                if isFunction { return .function(try functionReference(lateral: false, position)) }
            }
        }
        var table = try relation()
        table.alias = try optionalAlias()
        if try accept(.tablesample) { table.sample = try tableSample() }
        return .table(table)
    }

    /// [ONLY] name [*], or ONLY (name).
    mutating func relation() throws(SyntaxFailure) -> TableReference {
        if try accept(.only) {
            if try accept(.leftParenthesis) {
                let name = try qualifiedName()
                try expect(.rightParenthesis)
                return TableReference(name: name, only: true)
            }
            return TableReference(name: try qualifiedName(), only: true)
        }
        let name = try qualifiedName()
        _ = try accept(.star)
        return TableReference(name: name)
    }

    private mutating func tableSample() throws(SyntaxFailure) -> TableSample {
        let position = token.start
        let method = try typeOrFunctionName()
        let name = try qualifiedName(after: method, position)
        try expect(.leftParenthesis)
        var sample = TableSample(method: name, arguments: try expressions(), seed: nil)
        try expect(.rightParenthesis)
        if try accept(.repeatable) {
            try expect(.leftParenthesis)
            sample.seed = try expression()
            try expect(.rightParenthesis)
        }
        return sample
    }

    // MARK: Functions

    private mutating func functionReference(
        lateral: Bool, _ position: Int32
    ) throws(SyntaxFailure) -> FunctionReference {
        var reference = FunctionReference(items: [], lateral: lateral, position: position)
        if try at(.rows) ? peek().keyword == .from : false {
            try advance()
            try advance()
            reference.isRowsFrom = true
            try expect(.leftParenthesis)
            repeat {
                var item = FunctionReference.Item(call: try tableFunction())
                if try accept(.as) { item.columns = try columnDefinitionList() }
                reference.items.append(item)
            } while try accept(.comma)
            try expect(.rightParenthesis)
        } else {
            reference.items = [FunctionReference.Item(call: try tableFunction())]
        }
        reference.withOrdinality = try accept(.with, .ordinality)
        try functionAlias(&reference)
        return reference
    }

    /// A call without OVER and the like, or one of the expressions that PostgreSQL treats as calls.
    private mutating func tableFunction() throws(SyntaxFailure) -> Expression {
        let start = token
        if at(.xmltable) { try failUnsupported("XMLTABLE") }
        if token.kind == .word ? token.keyword == .identifier || token.keyword.isUnreserved : atQuotedName {
            let name = try qualifiedFunctionName()
            return Expression(.function(try application(name)), at: start.start)
        }
        let expression = try primary()
        switch expression.kind {
        case .function: return expression
        case .sqlValue, .coalesce, .nullIf, .greatest, .least, .cast: return expression
        default: break
        }
        try lexer.fail("syntax error", Int(start.start), Int(start.end))
    }

    private mutating func qualifiedFunctionName() throws(SyntaxFailure) -> QualifiedName {
        let position = token.start
        let first = try takeName()
        return try qualifiedName(after: first, position)
    }

    /// [AS] alias [(names)], [AS] alias (name type, …), or AS (name type, …).
    private mutating func functionAlias(_ reference: inout FunctionReference) throws(SyntaxFailure) {
        let hasAs = try accept(.as)
        if hasAs && token.kind == .leftParenthesis {
            reference.columns = try columnDefinitionList()
            return
        }
        if !hasAs && !atColumnName { return }
        let name = try columnName()
        reference.alias = Alias(name: name)
        if token.kind != .leftParenthesis { return }
        let place = mark()
        try advance()
        _ = try columnName()
        let isNames = token.kind == .comma || token.kind == .rightParenthesis
        rewind(place)
        if isNames {
            reference.alias?.columns = try parenthesisedColumnNames()
        } else {
            reference.columns = try columnDefinitionList()
        }
    }

    /// `(name type [COLLATE c], …)`.
    mutating func columnDefinitionList() throws(SyntaxFailure) -> [ColumnDefinitionItem] {
        try expect(.leftParenthesis)
        var list: [ColumnDefinitionItem] = []
        repeat {
            let name = try columnName()
            let type = try typeName()
            let collation = try accept(.collate) ? try qualifiedName() : nil
            list.append(ColumnDefinitionItem(name: name, type: type, collation: collation))
        } while try accept(.comma)
        try expect(.rightParenthesis)
        return list
    }
}
