// Expressions by precedence climbing. The table below is PostgreSQL's (manual, 4.1.6), and so are its oddities: prefix minus
// binds tighter than `^`, NOT looser than IS, and comparisons do not associate.
//
// `restricted` marks what PostgreSQL calls b_expr: no AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL, COLLATE or AT TIME ZONE outside
// parentheses, so that a column's DEFAULT or BETWEEN's lower bound knows where it ends.

import Platform

/// How tight an operator binds, loosest first.
enum Precedence: UInt8 {
    case none, or, and, not, `is`, comparison, membership, escape, symbol, additive, multiplicative, power, at, collate
    case sign, typecast

    /// One tighter: what the right operand of a left-associative operator must have.
    @inline(__always) var next: Precedence { Precedence(rawValue: rawValue + 1) ?? .typecast }
}

extension Parser {
    mutating func expression() throws(SyntaxFailure) -> Expression {
        try expression(.or, restricted: false)
    }

    mutating func restrictedExpression() throws(SyntaxFailure) -> Expression {
        try expression(.or, restricted: true)
    }

    /// An expression whose outermost operators bind at least as tight as `minimum`.
    mutating func expression(_ minimum: Precedence, restricted: Bool) throws(SyntaxFailure) -> Expression {
        let height = try enter()
        let first = try operand(restricted: restricted)
        let expression = try operators(after: first, minimum, restricted: restricted)
        leave(height)
        return expression
    }

    mutating func expressions() throws(SyntaxFailure) -> [Expression] {
        var list = [try expression()]
        while try accept(.comma) { list.append(try expression()) }
        return list
    }

    // MARK: Prefix operators

    private mutating func operand(restricted: Bool) throws(SyntaxFailure) -> Expression {
        switch token.kind {
        case .minus: return try negation(restricted: restricted)
        case .plus: return try prefix(.sign, restricted: restricted)
        case .symbol: return try prefix(.additive, restricted: restricted)
        case .word:
            if token.keyword == .not && !restricted { return try not() }
            if token.keyword == .operator, try peek().kind == .leftParenthesis {
                return try prefix(.additive, restricted: restricted)
            }
            return try primary()
        default: return try primary()
        }
    }

    private mutating func not() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try advance()
        return Expression(.not(try expression(.not, restricted: false)), at: position)
    }

    private mutating func prefix(_ minimum: Precedence, restricted: Bool) throws(SyntaxFailure) -> Expression {
        let op = try operatorReference()
        return Expression(.prefix(op, try expression(minimum, restricted: restricted)), at: op.position)
    }

    /// A sign before a number is part of the number: only so can the smallest integer be written.
    private mutating func negation(restricted: Bool) throws(SyntaxFailure) -> Expression {
        let op = try operatorReference()
        let operand = try expression(.sign, restricted: restricted)
        if case .literal(let literal) = operand.kind, let negated = negated(literal) {
            return Expression(.literal(negated), at: op.position)
        }
        return Expression(.prefix(op, operand), at: op.position)
    }

    private func negated(_ literal: Literal) -> Literal? {
        switch literal {
        case .integer(let value):
            return value == Int64.min ? .numeric(Array("9223372036854775808".utf8)) : .integer(-value)
        case .numeric(let text):
            if text[0] == UInt8(ascii: "-") { return .numeric([UInt8](text[1...])) }
            if bytesMatch(text, "9223372036854775808") { return .integer(Int64.min) }
            return .numeric([UInt8(ascii: "-")] + text)
        default: return nil
        }
    }

    // MARK: Infix and postfix operators

    /// How tight the current token binds as an infix or postfix operator; `.none` if it is no such thing here.
    private mutating func infixLevel(restricted: Bool) throws(SyntaxFailure) -> Precedence {
        switch token.kind {
        case .word: return token.keyword == .identifier ? .none : try infixWordLevel(restricted: restricted)
        case .plus, .minus: return .additive
        case .star, .slash, .percent: return .multiplicative
        case .less, .greater, .equals, .lessEquals, .greaterEquals, .notEquals: return .comparison
        case .symbol: return .symbol
        case .caret: return .power
        case .typecast: return .typecast
        default: return .none
        }
    }

    private mutating func infixWordLevel(restricted: Bool) throws(SyntaxFailure) -> Precedence {
        switch token.keyword {
        case .operator: return try peek().kind == .leftParenthesis ? .symbol : .none
        case .is:
            if !restricted { return .is }
            return try isDistinctAhead() ? .is : .none
        case .or: return restricted ? .none : .or
        case .and: return restricted ? .none : .and
        case .isnull, .notnull: return restricted ? .none : .is
        case .between, .in, .like, .ilike: return restricted ? .none : .membership
        case .similar:
            if restricted { return .none }
            return try peek().keyword == .to ? .membership : .none
        case .not:
            if restricted { return .none }
            switch try peek().keyword {
            case .between, .in, .like, .ilike, .similar: return .membership
            default: return .none
            }
        case .at:
            if restricted { return .none }
            return try peek().keyword == .time ? .at : .none
        case .collate: return restricted ? .none : .collate
        default: return .none
        }
    }

    /// At IS: whether [NOT] DISTINCT or DOCUMENT follows, the only tests a restricted expression may have.
    private mutating func isDistinctAhead() throws(SyntaxFailure) -> Bool {
        let next = try peek().keyword
        if next == .distinct || next == .document { return true }
        if next != .not { return false }
        let place = mark()
        try advance()
        let afterNot = try peek().keyword
        rewind(place)
        return afterNot == .distinct || afterNot == .document
    }

    /// Applies the operators that follow `first` as long as they bind at least as tight as `minimum`.
    mutating func operators(
        after first: Expression, _ minimum: Precedence, restricted: Bool
    ) throws(SyntaxFailure) -> Expression {
        var left = first
        // The level that may not follow directly: `a < b < c` and the like are errors.
        var barred = Precedence.none
        var isWrapped = false
        while true {
            let level = try infixLevel(restricted: restricted)
            if level == .none || level.rawValue < minimum.rawValue { return left }
            if level == barred { try failSyntax() }
            barred = .none
            if isWrapped { try grow() }
            isWrapped = true
            switch level {
            case .symbol, .additive, .multiplicative, .power:
                left = try chain(left, level, restricted: restricted)
            case .comparison: left = try comparison(left, restricted: restricted, &barred)
            case .and: left = try conjunction(left)
            case .or: left = try disjunction(left)
            case .is: left = try isTest(left, restricted: restricted, &barred)
            case .membership: left = try membership(left, &barred)
            case .typecast: left = try typecast(left)
            case .collate: left = try collate(left)
            default: left = try atTimeZone(left)
            }
        }
    }

    private mutating func conjunction(_ first: Expression) throws(SyntaxFailure) -> Expression {
        let position = token.start
        var list = [first]
        if case .and(let operands) = first.kind { list = operands }
        while try accept(.and) { list.append(try expression(.not, restricted: false)) }
        return Expression(.and(list), at: position)
    }

    private mutating func disjunction(_ first: Expression) throws(SyntaxFailure) -> Expression {
        let position = token.start
        var list = [first]
        if case .or(let operands) = first.kind { list = operands }
        while try accept(.or) { list.append(try expression(.and, restricted: false)) }
        return Expression(.or(list), at: position)
    }

    /// Left-associative operators of one level, however many.
    private mutating func chain(
        _ first: Expression, _ level: Precedence, restricted: Bool
    ) throws(SyntaxFailure) -> Expression {
        let op = try operatorReference()
        if atQuantifier { return try quantified(first, op) }
        let second = try expression(level.next, restricted: restricted)
        if try infixLevel(restricted: restricted) != level {
            return Expression(.infix(op, first, second), at: op.position)
        }
        return try longChain(first, op, second, level, restricted: restricted)
    }

    private mutating func longChain(
        _ first: Expression, _ op: OperatorReference, _ second: Expression, _ level: Precedence, restricted: Bool
    ) throws(SyntaxFailure) -> Expression {
        var links = [ChainLink(op: op, operand: second)]
        repeat {
            let op = try operatorReference()
            if atQuantifier {
                let left =
                    links.count == 1
                    ? Expression(.infix(links[0].op, first, second), at: links[0].op.position)
                    : Expression(.chain(first, links), at: links[0].op.position)
                return try quantified(left, op)
            }
            links.append(ChainLink(op: op, operand: try expression(level.next, restricted: restricted)))
        } while try infixLevel(restricted: restricted) == level
        return Expression(.chain(first, links), at: op.position)
    }

    private mutating func comparison(
        _ left: Expression, restricted: Bool, _ barred: inout Precedence
    ) throws(SyntaxFailure) -> Expression {
        let op = try operatorReference()
        if atQuantifier { return try quantified(left, op) }
        let right = try expression(.membership, restricted: restricted)
        barred = .comparison
        return Expression(.infix(op, left, right), at: op.position)
    }

    // MARK: Operator names

    /// An operator at the current token: a symbol, or OPERATOR(schema.symbol).
    mutating func operatorReference() throws(SyntaxFailure) -> OperatorReference {
        let position = token.start
        if token.keyword != .operator { return OperatorReference(try operatorName(), position: position) }
        try advance()
        try expect(.leftParenthesis)
        var schema: [Name] = []
        while atColumnName {
            schema.append(try takeName())
            try expect(.dot)
        }
        let name = try operatorName()
        try expect(.rightParenthesis)
        return OperatorReference(name, schema: schema, position: position)
    }

    /// The symbol alone.
    mutating func operatorName() throws(SyntaxFailure) -> OperatorName {
        switch token.kind {
        case .notEquals:
            try advance()
            return "<>"
        case .plus, .minus, .star, .slash, .percent, .caret, .less, .greater, .equals, .lessEquals, .greaterEquals,
            .symbol:
            if Int(token.end - token.start) > Name.maximumByteCount { try fail("operator too long") }
            let name = OperatorName(lexer.slice(Int(token.start), Int(token.end)))
            try advance()
            return name
        default: try failSyntax()
        }
    }

    // MARK: ANY and ALL

    private var atQuantifier: Bool { at(.any) || at(.all) || at(.some) }

    /// At ANY, SOME or ALL after an operator.
    private mutating func quantified(_ left: Expression, _ op: OperatorReference) throws(SyntaxFailure) -> Expression {
        let quantifier: Quantifier = at(.all) ? .all : .any
        try advance()
        if token.kind != .leftParenthesis { try failSyntax() }
        switch try parenthesised(allowsList: false) {
        case .query(let query): return Expression(.quantifiedSubquery(op, left, quantifier, query), at: op.position)
        case .expressions(let list): return Expression(.quantifiedArray(op, left, quantifier, list[0]), at: op.position)
        }
    }
}

// MARK: - Operators spelled as words

extension Parser {
    /// IS, ISNULL, NOTNULL.
    private mutating func isTest(
        _ value: Expression, restricted: Bool, _ barred: inout Precedence
    ) throws(SyntaxFailure) -> Expression {
        let position = token.start
        if try accept(.isnull) { return Expression(.isTest(value, .null, negated: false), at: position) }
        if try accept(.notnull) { return Expression(.isTest(value, .null, negated: true), at: position) }
        try expect(.is)
        let negated = try accept(.not)
        if try accept(.distinct) {
            try expect(.from)
            let right = try expression(.comparison, restricted: restricted)
            barred = .is
            return Expression(.isDistinct(value, right, negated: negated), at: position)
        }
        let test: IsTest
        switch token.keyword {
        case .null: test = .null
        case .true: test = .true
        case .false: test = .false
        case .unknown: test = .unknown
        case .document: test = .document
        case .normalized: test = .normalized
        case .nfc: test = .nfc
        case .nfd: test = .nfd
        case .nfkc: test = .nfkc
        case .nfkd: test = .nfkd
        default: try failSyntax()
        }
        try advance()
        switch test {
        case .nfc, .nfd, .nfkc, .nfkd: try expect(.normalized)
        default: break
        }
        return Expression(.isTest(value, test, negated: negated), at: position)
    }

    /// [NOT] BETWEEN, IN, LIKE, ILIKE, SIMILAR TO.
    private mutating func membership(
        _ value: Expression, _ barred: inout Precedence
    ) throws(SyntaxFailure) -> Expression {
        let position = token.start
        let negated = try accept(.not)
        let keyword = token.keyword
        try advance()
        switch keyword {
        case .between:
            barred = .membership
            return try between(value, negated: negated, position)
        case .in: return try membershipInList(value, negated: negated, position)
        default: return try like(value, keyword, negated: negated, position, &barred)
        }
    }

    private mutating func between(
        _ value: Expression, negated: Bool, _ position: Int32
    ) throws(SyntaxFailure) -> Expression {
        let symmetric = try accept(.symmetric)
        if !symmetric { _ = try accept(.asymmetric) }
        let low = try restrictedExpression()
        try expect(.and)
        let high = try expression(.escape, restricted: false)
        return Expression(
            .between(Between(value: value, low: low, high: high, symmetric: symmetric, negated: negated)), at: position)
    }

    private mutating func membershipInList(
        _ value: Expression, negated: Bool, _ position: Int32
    ) throws(SyntaxFailure) -> Expression {
        if token.kind != .leftParenthesis { try failSyntax() }
        switch try parenthesised(allowsList: true) {
        case .query(let query): return Expression(.inSubquery(value, query, negated: negated), at: position)
        case .expressions(let list): return Expression(.inList(value, list, negated: negated), at: position)
        }
    }

    private mutating func like(
        _ value: Expression, _ keyword: Keyword, negated: Bool, _ position: Int32, _ barred: inout Precedence
    ) throws(SyntaxFailure) -> Expression {
        let kind: Like.Kind = keyword == .like ? .like : keyword == .ilike ? .ilike : .similar
        if kind == .similar {
            try expect(.to)
        } else if atQuantifier {
            let name: OperatorName = kind == .like ? (negated ? "!~~" : "~~") : (negated ? "!~~*" : "~~*")
            return try quantified(value, OperatorReference(name, position: position))
        }
        let pattern = try expression(.escape, restricted: false)
        let escape = try accept(.escape) ? try expression(.escape, restricted: false) : nil
        barred = .membership
        return Expression(
            .like(Like(kind: kind, value: value, pattern: pattern, escape: escape, negated: negated)), at: position)
    }

    private mutating func typecast(_ value: Expression) throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.typecast)
        return Expression(.cast(value, try typeName()), at: position)
    }

    private mutating func collate(_ value: Expression) throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.collate)
        return Expression(.collate(value, try qualifiedName()), at: position)
    }

    private mutating func atTimeZone(_ value: Expression) throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.at)
        try expect(.time)
        try expect(.zone)
        let zone = try expression(.collate, restricted: false)
        return systemCall("timezone", [zone, value], .atTimeZone, position)
    }

    /// A call in pg_catalog that SQL spells in its own way.
    func systemCall(
        _ name: Name, _ arguments: [Expression], _ syntax: FunctionSyntax, _ position: Int32
    ) -> Expression {
        let call = FunctionCall(
            QualifiedName(schema: "pg_catalog", name, position: position),
            arguments.map { FunctionArgument(name: nil, value: $0) })
        call.syntax = syntax
        return Expression(.function(call), at: position)
    }
}
