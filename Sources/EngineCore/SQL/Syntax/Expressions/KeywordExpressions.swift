// Operands that begin with a keyword: NULL, CASE, CAST, EXTRACT(… FROM …) and the other calls with a syntax of their own.

import Platform

extension Parser {
    /// At a word that is a keyword.
    mutating func keywordExpression() throws(SyntaxFailure) -> Expression {
        switch token.keyword {
        case .null: return try constant(.null)
        case .true: return try constant(.boolean(true))
        case .false: return try constant(.boolean(false))
        case .case: return try caseExpression()
        case .cast: return try cast()
        case .array: return try arrayConstructor()
        case .default:
            let position = token.start
            try advance()
            return Expression(.defaultValue, at: position)
        case .unique: try failUnsupported("UNIQUE predicate")
        case .int, .integer, .smallint, .bigint, .real, .float, .decimal, .dec, .numeric, .boolean, .bit, .character,
            .char, .varchar, .national, .nchar, .timestamp, .time, .interval, .double:
            return try typedLiteralOrName()
        case .currentDate, .currentTime, .currentTimestamp, .localtime, .localtimestamp, .currentRole, .currentUser,
            .user, .sessionUser, .currentCatalog, .currentSchema:
            return try sqlValue()
        case .collation:
            if try peek().keyword == .for { return try collationFor() }
            return try nameExpression()
        default:
            if token.keyword.isSpecialCall, try peek().kind == .leftParenthesis { return try specialCall() }
            return try nameExpression()
        }
    }

    private mutating func constant(_ literal: Literal) throws(SyntaxFailure) -> Expression {
        let position = token.start
        try advance()
        return Expression(.literal(literal), at: position)
    }

    private mutating func cast() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.cast)
        try expect(.leftParenthesis)
        let value = try expression()
        try expect(.as)
        let type = try typeName()
        try expect(.rightParenthesis)
        return Expression(.cast(value, type), at: position)
    }

    /// At a keyword that names a type: `interval '1' day`, `char(3) 'abc'`; else a column of that name.
    private mutating func typedLiteralOrName() throws(SyntaxFailure) -> Expression {
        let next = try peek()
        // DOUBLE alone is no keyword of its own.
        if token.keyword == .double && next.keyword != .precision { return try nameExpression() }
        switch next.kind {
        case .string, .escapeString, .unicodeString, .dollarString, .leftParenthesis: break
        default:
            switch next.keyword {
            case .precision, .varying, .character, .char, .with, .without: break
            default: return try nameExpression()
            }
        }
        let position = token.start
        let isInterval = token.keyword == .interval
        var type = try keywordType(isLiteral: true)
        let value = try stringLiteral()
        if isInterval && type.modifiers.isEmpty { try intervalFields(&type) }
        return Expression(.cast(value, type), at: position)
    }

    private mutating func sqlValue() throws(SyntaxFailure) -> Expression {
        let position = token.start
        if token.keyword == .currentSchema, try peek().kind == .leftParenthesis { return try nameExpression() }
        let function: SQLValueFunction
        switch token.keyword {
        case .currentDate: function = .currentDate
        case .currentTime: function = .currentTime
        case .currentTimestamp: function = .currentTimestamp
        case .localtime: function = .localTime
        case .localtimestamp: function = .localTimestamp
        case .currentRole: function = .currentRole
        case .currentUser: function = .currentUser
        case .user: function = .user
        case .sessionUser: function = .sessionUser
        case .currentCatalog: function = .currentCatalog
        default: function = .currentSchema
        }
        try advance()
        var precision: Int32 = -1
        switch function {
        case .currentTime, .currentTimestamp, .localTime, .localTimestamp:
            if try accept(.leftParenthesis) {
                precision = try smallInteger()
                try expect(.rightParenthesis)
            }
        default: break
        }
        return Expression(.sqlValue(function, precision: precision), at: position)
    }

    private mutating func collationFor() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try expect(.collation)
        try expect(.for)
        try expect(.leftParenthesis)
        let value = try expression()
        try expect(.rightParenthesis)
        return systemCall("pg_collation_for", [value], .collationFor, position)
    }

    // MARK: Calls with a syntax of their own

    /// At one of the keywords of `isSpecialCall`, before `(`.
    private mutating func specialCall() throws(SyntaxFailure) -> Expression {
        let position = token.start
        switch token.keyword {
        case .exists:
            try advance()
            return Expression(.exists(try parenthesisedQuery()), at: position)
        case .row: return try rowConstructor()
        case .coalesce: return Expression(.coalesce(try argumentList()), at: position)
        case .greatest: return Expression(.greatest(try argumentList()), at: position)
        case .least: return Expression(.least(try argumentList()), at: position)
        case .grouping: return Expression(.grouping(try argumentList()), at: position)
        case .nullif: return try nullIf()
        case .extract: return try extract()
        case .overlay: return try overlay()
        case .position: return try positionCall()
        case .substring: return try substring()
        case .trim: return try trim()
        case .normalize: return try normalize()
        default: try failUnsupported(String(decoding: lexer.text(token), as: UTF8.self))
        }
    }

    /// The keyword, then `(a, …)`.
    private mutating func argumentList() throws(SyntaxFailure) -> [Expression] {
        try advance()
        try expect(.leftParenthesis)
        let list = try expressions()
        try expect(.rightParenthesis)
        return list
    }

    private mutating func nullIf() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try advance()
        try expect(.leftParenthesis)
        let first = try expression()
        try expect(.comma)
        let second = try expression()
        try expect(.rightParenthesis)
        return Expression(.nullIf(first, second), at: position)
    }

    private mutating func extract() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try advance()
        try expect(.leftParenthesis)
        let fieldPosition = token.start
        var field: [UInt8]
        if atString {
            field = try stringValue()
        } else {
            switch token.keyword {
            case .identifier, .year, .month, .day, .hour, .minute, .second: break
            default: try failSyntax()
            }
            if token.kind != .word && !atQuotedName { try failSyntax() }
            field = try takeName().bytes
        }
        try expect(.from)
        let source = try expression()
        try expect(.rightParenthesis)
        let name = Expression(.literal(.string(field)), at: fieldPosition)
        return systemCall("extract", [name, source], .extract, position)
    }

    private mutating func overlay() throws(SyntaxFailure) -> Expression {
        let position = token.start
        let place = mark()
        try advance()
        try expect(.leftParenthesis)
        if token.kind == .rightParenthesis { return try ordinaryCall(place) }
        let target = try callArgument()
        guard target.name == nil, try accept(.placing) else { return try ordinaryCall(place) }
        var arguments = [target.value, try expression()]
        try expect(.from)
        arguments.append(try expression())
        if try accept(.for) { arguments.append(try expression()) }
        try expect(.rightParenthesis)
        return systemCall("overlay", arguments, .overlay, position)
    }

    private mutating func positionCall() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try advance()
        try expect(.leftParenthesis)
        let part = try restrictedExpression()
        try expect(.in)
        let whole = try restrictedExpression()
        try expect(.rightParenthesis)
        return systemCall("position", [whole, part], .position, position)
    }

    private mutating func substring() throws(SyntaxFailure) -> Expression {
        let position = token.start
        let place = mark()
        try advance()
        try expect(.leftParenthesis)
        if token.kind == .rightParenthesis { return try ordinaryCall(place) }
        let target = try callArgument()
        if target.name != nil || token.kind == .comma || token.kind == .rightParenthesis {
            return try ordinaryCall(place)
        }
        if try accept(.similar) {
            let pattern = try expression()
            try expect(.escape)
            let escape = try expression()
            try expect(.rightParenthesis)
            return systemCall("substring", [target.value, pattern, escape], .substringSimilar, position)
        }
        var from: Expression?
        var length: Expression?
        if try accept(.from) {
            from = try expression()
            if try accept(.for) { length = try expression() }
        } else {
            try expect(.for)
            length = try expression()
            if try accept(.from) { from = try expression() }
        }
        try expect(.rightParenthesis)
        var arguments = [target.value, from ?? Expression(.literal(.integer(1)))]
        if let length { arguments.append(length) }
        return systemCall("substring", arguments, .substring, position)
    }

    /// Reads again, as a plain call, what turned out to be one.
    private mutating func ordinaryCall(_ place: Mark) throws(SyntaxFailure) -> Expression {
        rewind(place)
        let position = token.start
        return try functionCall(QualifiedName(try takeName(), position: position))
    }

    private mutating func trim() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try advance()
        try expect(.leftParenthesis)
        var name: Name = "btrim"
        var syntax = FunctionSyntax.trimBoth
        if try accept(.leading) {
            name = "ltrim"
            syntax = .trimLeading
        } else if try accept(.trailing) {
            name = "rtrim"
            syntax = .trimTrailing
        } else {
            _ = try accept(.both)
        }
        var arguments: [Expression]
        if try accept(.from) {
            arguments = try expressions()
        } else {
            let first = try expression()
            if try accept(.from) {
                arguments = try expressions()
                arguments.append(first)
            } else {
                arguments = [first]
                while try accept(.comma) { arguments.append(try expression()) }
            }
        }
        try expect(.rightParenthesis)
        return systemCall(name, arguments, syntax, position)
    }

    private mutating func normalize() throws(SyntaxFailure) -> Expression {
        let position = token.start
        try advance()
        try expect(.leftParenthesis)
        var arguments = [try expression()]
        if try accept(.comma) {
            switch token.keyword {
            case .nfc, .nfd, .nfkc, .nfkd: break
            default: try failSyntax()
            }
            let formPosition = token.start
            arguments.append(Expression(.literal(.string(try takeName().bytes)), at: formPosition))
        }
        try expect(.rightParenthesis)
        return systemCall("normalize", arguments, .normalize, position)
    }
}

extension Keyword {
    /// Calls with a grammar of their own when `(` follows, columns otherwise.
    fileprivate var isSpecialCall: Bool {
        switch self {
        case .exists, .row, .coalesce, .greatest, .least, .grouping, .nullif, .extract, .overlay, .position, .substring,
            .trim, .normalize, .treat, .xmlconcat, .xmlelement, .xmlexists, .xmlforest, .xmlparse, .xmlpi, .xmlroot,
            .xmlserialize:
            true
        default: false
        }
    }
}
