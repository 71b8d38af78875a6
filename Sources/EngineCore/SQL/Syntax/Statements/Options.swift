// Lists of options: `(name [value], …)` of EXPLAIN, VACUUM and COPY, and `WITH (name [= value], …)` of tables and indexes.

import Platform

extension Parser {
    /// `(name [value], …)`: EXPLAIN, VACUUM, ANALYZE, REINDEX, CLUSTER; COPY, whose options may also be lists and bear any
    /// word as their name.
    mutating func utilityOptions(ofCopy: Bool = false) throws(SyntaxFailure) -> [Option] {
        try expect(.leftParenthesis)
        var options: [Option] = []
        repeat {
            let position = token.start
            // ANALYZE and ANALYSE are reserved; FORMAT, COSTS, … are plain words.
            let name: Name
            if at(.analyze) || at(.analyse) {
                try advance()
                name = "analyze"
            } else {
                name = ofCopy ? try label() : try nonReservedWord()
            }
            options.append(
                Option(namespace: nil, name: name, value: try utilityValue(ofCopy: ofCopy), position: position))
        } while try accept(.comma)
        try expect(.rightParenthesis)
        return options
    }

    private mutating func utilityValue(ofCopy: Bool) throws(SyntaxFailure) -> Option.Value {
        switch token.kind {
        case .comma, .rightParenthesis: return .none
        case .star where ofCopy:
            try advance()
            return .star
        case .leftParenthesis where ofCopy:
            try advance()
            var names: [Name] = []
            repeat { names.append(atString ? Name(try stringValue()) : try label()) } while try accept(.comma)
            try expect(.rightParenthesis)
            return .list(names)
        default: return try plainValue()
        }
    }

    /// A string, a number, or a word.
    mutating func plainValue() throws(SyntaxFailure) -> Option.Value {
        if atString { return .string(try stringValue()) }
        switch token.kind {
        case .integer, .numeric, .minus, .plus: return try numericValue()
        case .word:
            switch token.keyword {
            case .true, .on:
                try advance()
                return .boolean(true)
            case .false:
                try advance()
                return .boolean(false)
            default: return .word(try nonReservedWord())
            }
        case .quotedName, .unicodeName: return .string(try takeName().bytes)
        default: try failSyntax()
        }
    }

    private mutating func numericValue() throws(SyntaxFailure) -> Option.Value {
        let isNegative = token.kind == .minus
        if isNegative || token.kind == .plus { try advance() }
        if token.kind != .integer && token.kind != .numeric { try failSyntax() }
        let text = lexer.text(token)
        let integer = token.kind == .integer ? lexer.integer(token) : nil
        try advance()
        if let integer { return .integer(isNegative ? -integer : integer) }
        return .numeric(isNegative ? [UInt8(ascii: "-")] + text : text)
    }

    /// `([namespace.]name [= value], …)`: storage parameters.
    mutating func storageOptions() throws(SyntaxFailure) -> [Option] {
        try expect(.leftParenthesis)
        var options: [Option] = []
        repeat {
            let position = token.start
            var name = try label()
            var namespace: Name?
            if try accept(.dot) {
                namespace = name
                name = try label()
            }
            let value = try accept(.equals) ? try definitionValue() : .none
            options.append(Option(namespace: namespace, name: name, value: value, position: position))
        } while try accept(.comma)
        try expect(.rightParenthesis)
        return options
    }

    /// What may follow `=` in a definition: a plain value, or anything that reads as a type.
    mutating func definitionValue() throws(SyntaxFailure) -> Option.Value {
        switch token.keyword {
        case .identifier, .true, .false, .on, .none: return try plainOrType()
        case .setof: return .type(try typeName())
        default:
            if token.keyword.isReserved { return .word(try takeName()) }
            return try plainOrType()
        }
    }

    private mutating func plainOrType() throws(SyntaxFailure) -> Option.Value {
        if token.kind != .word && !atQuotedName { return try plainValue() }
        if !at(.none) && token.keyword.isColumnName && !token.keyword.isTypeOrFunctionName {
            return .type(try typeName())
        }
        switch try peek().kind {
        case .dot, .leftParenthesis, .leftBracket: return .type(try typeName())
        default: break
        }
        switch token.keyword {
        case .double: if try peek().keyword != .precision { return try plainValue() }
        case .timestamp, .time, .character, .bit: break
        default: return try plainValue()
        }
        return .type(try typeName())
    }

    /// WITH (…), or nothing.
    mutating func withOptions() throws(SyntaxFailure) -> [Option] {
        if !at(.with) { return [] }
        if try peek().kind != .leftParenthesis { return [] }
        try advance()
        return try storageOptions()
    }
}
