// What operators apply to: literals, parameters, columns, parenthesised things, CASE, arrays and rows.

import Platform

extension Parser {
    /// What a pair of parentheses held.
    enum Parenthesised {
        case query(Query)
        /// One expression, or several separated by commas.
        case expressions([Expression])
    }

    mutating func primary() throws(SyntaxFailure) -> Expression {
        switch token.kind {
        case .word: return token.keyword == .identifier ? try nameExpression() : try keywordExpression()
        case .quotedName, .unicodeName: return try nameExpression()
        case .leftParenthesis: return try parenthesisedExpression()
        case .parameter: return try parameter()
        default: return try literal()
        }
    }

    // MARK: Literals

    private mutating func literal() throws(SyntaxFailure) -> Expression {
        let position = token.start
        let literal: Literal
        switch token.kind {
        case .integer: literal = lexer.integer(token).map { .integer($0) } ?? .numeric(lexer.text(token))
        case .numeric: literal = .numeric(lexer.text(token))
        case .string, .escapeString, .unicodeString, .dollarString: literal = .string(try lexer.string(token))
        case .bitString: literal = .bits(try bits(base: 2))
        case .hexString: literal = .hexBits(try bits(base: 16))
        case .nationalString:
            let value = Expression(.literal(.string(try lexer.string(token))), at: position)
            try advance()
            return Expression(.cast(value, TypeName(builtin: "bpchar", position: position)), at: position)
        default: try failSyntax()
        }
        try advance()
        return Expression(.literal(literal), at: position)
    }

    private mutating func bits(base: UInt8) throws(SyntaxFailure) -> [UInt8] {
        let digits = try lexer.string(token)
        for digit in digits where (hexadecimalValue(digit) ?? 16) >= base {
            let name = String(decoding: [digit], as: UTF8.self)
            try fail(
                "\"" + name + "\" is not a valid " + (base == 2 ? "binary" : "hexadecimal") + " digit",
                state: .invalidTextRepresentation)
        }
        return digits
    }

    /// A string constant, as the operand of a typed literal.
    mutating func stringLiteral() throws(SyntaxFailure) -> Expression {
        let position = token.start
        return Expression(.literal(.string(try stringValue())), at: position)
    }

    private mutating func parameter() throws(SyntaxFailure) -> Expression {
        let position = token.start
        var number = 0
        for index in Int(position) + 1..<Int(token.end) {
            number = number * 10 + Int(lexer.base[index] - UInt8(ascii: "0"))
            if number > 65_535 { break }
        }
        if number == 0 || number > 65_535 {
            try fail(
                "there is no parameter " + String(decoding: lexer.text(token), as: UTF8.self),
                state: .undefinedParameter)
        }
        parameterCount = max(parameterCount, number)
        try advance()
        return try indirection(Expression(.parameter(number), at: position))
    }

    // MARK: Names

    /// A column, a function call, or a literal with its type's name before it. At a quoted name or a word.
    mutating func nameExpression() throws(SyntaxFailure) -> Expression {
        let position = token.start
        let isFunctionName = token.kind != .word || token.keyword.isTypeOrFunctionName
        let next = try peek().kind
        if isFunctionName {
            switch next {
            case .leftParenthesis:
                let name = QualifiedName(try takeName(), position: position)
                return try functionCall(name)
            case .string, .escapeString, .unicodeString, .dollarString:
                let type = TypeName(QualifiedName(try takeName(), position: position), position: position)
                return Expression(.cast(try stringLiteral(), type), at: position)
            default: break
            }
        }
        if token.kind == .word && !token.keyword.isColumnName && isFunctionName {
            // A function's name without its parenthesis: that is what is missing.
            try advance()
            try failSyntax()
        }
        let first = try columnName()
        if token.kind != .dot && token.kind != .leftBracket { return Expression(.column([first]), at: position) }
        return try dottedExpression(first, position)
    }

    /// After the first part of `a.b…` or `a[…]…`.
    private mutating func dottedExpression(_ first: Name, _ position: Int32) throws(SyntaxFailure) -> Expression {
        var parts = [first]
        while token.kind == .dot {
            try advance()
            if try accept(.star) { return Expression(.star(parts), at: position) }
            parts.append(try label())
        }
        switch token.kind {
        case .leftParenthesis: return try functionCall(QualifiedName(parts, position: position))
        case .string, .escapeString, .unicodeString, .dollarString:
            let type = TypeName(QualifiedName(parts, position: position), position: position)
            return Expression(.cast(try stringLiteral(), type), at: position)
        default: return try indirection(Expression(.column(parts), at: position))
        }
    }

    /// Fields and subscripts after `base`, if any.
    mutating func indirection(_ base: Expression) throws(SyntaxFailure) -> Expression {
        if token.kind != .dot && token.kind != .leftBracket { return base }
        let steps = try indirectionSteps()
        try grow()
        return Expression(.indirection(base, steps), at: base.position)
    }

    mutating func indirectionSteps() throws(SyntaxFailure) -> [Indirection] {
        var steps: [Indirection] = []
        while true {
            if try accept(.dot) {
                if try accept(.star) {
                    steps.append(.star)
                    return steps
                }
                steps.append(.field(try label()))
            } else if try accept(.leftBracket) {
                steps.append(try subscripts())
            } else {
                return steps
            }
        }
    }

    /// After `[`.
    private mutating func subscripts() throws(SyntaxFailure) -> Indirection {
        let lower = token.kind == .colon ? nil : try expression()
        if let lower, try accept(.rightBracket) { return .element(lower) }
        try expect(.colon)
        let upper = token.kind == .rightBracket ? nil : try expression()
        try expect(.rightBracket)
        return .slice(lower, upper)
    }

    // MARK: Parentheses

    private mutating func parenthesisedExpression() throws(SyntaxFailure) -> Expression {
        let position = token.start
        let content = try parenthesised(allowsList: true)
        return try expression(of: content, position)
    }

    /// What parentheses with `content` are as an operand.
    private mutating func expression(of content: Parenthesised, _ position: Int32) throws(SyntaxFailure) -> Expression {
        switch content {
        case .query(let query): return try indirection(Expression(.scalarSubquery(query), at: position))
        case .expressions(let list):
            if list.count == 1 { return try indirection(list[0]) }
            let row = Expression(.row(list, explicit: false), at: position)
            return at(.overlaps) ? try overlaps(row) : row
        }
    }

    /// At `(`. What is inside may be a query, in parentheses of its own too, or expressions; which is known only from what
    /// follows the innermost closing parenthesis, so no lookahead decides but this function's result.
    mutating func parenthesised(allowsList: Bool) throws(SyntaxFailure) -> Parenthesised {
        let height = try enter()
        try expect(.leftParenthesis)
        if try atQuery() {
            let query = try query()
            try expect(.rightParenthesis)
            leave(height)
            return .query(query)
        }
        if token.kind != .leftParenthesis {
            let list = try expressionList(first: try expression(), allowsList: allowsList)
            leave(height)
            return .expressions(list)
        }
        let position = token.start
        let content = try parenthesised(allowsList: true)
        if case .query(let inner) = content {
            if let query = try enclosedQuery(inner) {
                leave(height)
                return .query(query)
            }
        }
        let first = try operators(after: try expression(of: content, position), .or, restricted: false)
        let list = try expressionList(first: first, allowsList: allowsList)
        leave(height)
        return .expressions(list)
    }

    /// After a parenthesised query inside parentheses: the query that both pairs hold, or nil if it is an operand.
    private mutating func enclosedQuery(_ inner: Query) throws(SyntaxFailure) -> Query? {
        if token.kind == .rightParenthesis {
            try advance()
            return inner
        }
        if !atQueryContinuation { return nil }
        let query = try continuedQuery(inner)
        try expect(.rightParenthesis)
        return query
    }

    /// The rest of an expression list and its closing parenthesis.
    private mutating func expressionList(first: Expression, allowsList: Bool) throws(SyntaxFailure) -> [Expression] {
        var list = [first]
        if allowsList {
            while try accept(.comma) { list.append(try expression()) }
        }
        try expect(.rightParenthesis)
        return list
    }

    /// `row OVERLAPS row`, at OVERLAPS.
    mutating func overlaps(_ left: Expression) throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.overlaps)
        let start = token
        let right = try primary()
        guard case .row(let starts, _) = left.kind, case .row(let ends, _) = right.kind else {
            try lexer.fail("syntax error", Int(start.start), Int(start.end))
        }
        if starts.count != 2 {
            try fail("wrong number of parameters on left side of OVERLAPS expression", at: left.position)
        }
        if ends.count != 2 {
            try fail("wrong number of parameters on right side of OVERLAPS expression", at: right.position)
        }
        return systemCall("overlaps", starts + ends, .overlaps, position)
    }

    // MARK: Constructors

    /// At ARRAY.
    mutating func arrayConstructor() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.array)
        if token.kind == .leftParenthesis {
            return Expression(.arraySubquery(try parenthesisedQuery()), at: position)
        }
        return try arrayElements(position)
    }

    /// At `[`. Elements are expressions, or all of them bracketed again.
    private mutating func arrayElements(_ position: Int32) throws(SyntaxFailure) -> Expression {
        let height = try enter()
        try expect(.leftBracket)
        var elements: [Expression] = []
        if token.kind != .rightBracket {
            let isNested = token.kind == .leftBracket
            repeat {
                elements.append(isNested ? try arrayElements(token.start) : try expression())
            } while try accept(.comma)
        }
        try expect(.rightBracket)
        leave(height)
        return Expression(.array(elements), at: position)
    }

    /// At CASE.
    mutating func caseExpression() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.case)
        let operand = at(.when) ? nil : try expression()
        var result = CaseExpression(operand: operand, whens: [], otherwise: nil)
        repeat {
            try expect(.when)
            let condition = try expression()
            try expect(.then)
            result.whens.append(CaseExpression.When(condition: condition, result: try expression()))
        } while at(.when)
        if try accept(.else) { result.otherwise = try expression() }
        try expect(.end)
        return Expression(.caseWhen(result), at: position)
    }

    /// At ROW, before `(`.
    mutating func rowConstructor() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.row)
        try expect(.leftParenthesis)
        var list: [Expression] = []
        if token.kind != .rightParenthesis { list = try expressions() }
        try expect(.rightParenthesis)
        let row = Expression(.row(list, explicit: true), at: position)
        return at(.overlaps) ? try overlaps(row) : row
    }
}
