// Type names. What SQL spells with keywords becomes PostgreSQL's own name for it here.

import Platform

extension Parser {
    /// A type with array bounds, perhaps SETOF.
    mutating func typeName() throws(SyntaxFailure) -> TypeName {
        let isSetOf = try accept(.setof)
        var type = try simpleTypeName()
        type.isSetOf = isSetOf
        if try accept(.array) {
            if try accept(.leftBracket) {
                type.arrayBounds = [try smallInteger()]
                try expect(.rightBracket)
            } else {
                type.arrayBounds = [nil]
            }
            return type
        }
        while token.kind == .leftBracket {
            try advance()
            type.arrayBounds.append(token.kind == .rightBracket ? nil : try smallInteger())
            try expect(.rightBracket)
        }
        return type
    }

    mutating func simpleTypeName() throws(SyntaxFailure) -> TypeName {
        switch token.keyword {
        case .int, .integer, .smallint, .bigint, .real, .float, .decimal, .dec, .numeric, .boolean, .bit, .character,
            .char, .varchar, .national, .nchar, .timestamp, .time, .interval:
            return try keywordType(isLiteral: false)
        case .double:
            if try peek().keyword == .precision { return try keywordType(isLiteral: false) }
        default: break
        }
        let position = token.start
        let first = try typeOrFunctionName()
        var type = TypeName(try qualifiedName(after: first, position), position: position)
        type.modifiers = try typeModifiers()
        return type
    }

    private mutating func typeModifiers() throws(SyntaxFailure) -> [Expression] {
        if try !accept(.leftParenthesis) { return [] }
        let modifiers = try expressions()
        try expect(.rightParenthesis)
        return modifiers
    }

    /// At a keyword that begins a type. `isLiteral`: before a string, where CHAR and BIT without length are unbounded and
    /// INTERVAL's fields come after the string.
    mutating func keywordType(isLiteral: Bool) throws(SyntaxFailure) -> TypeName {
        let position = token.start
        let keyword = token.keyword
        try advance()
        func builtin(_ name: Name) -> TypeName { TypeName(builtin: name, position: position) }
        switch keyword {
        case .int, .integer: return builtin("int4")
        case .smallint: return builtin("int2")
        case .bigint: return builtin("int8")
        case .real: return builtin("float4")
        case .boolean: return builtin("bool")
        case .double:
            try expect(.precision)
            return builtin("float8")
        case .float: return try floatType(position)
        case .decimal, .dec, .numeric:
            var type = builtin("numeric")
            type.modifiers = try typeModifiers()
            return type
        case .bit: return try bitType(position, isLiteral: isLiteral)
        case .timestamp: return try timeType(position, plain: "timestamp", zoned: "timestamptz")
        case .time: return try timeType(position, plain: "time", zoned: "timetz")
        case .interval:
            var type = builtin("interval")
            if at(.leftParenthesis) {
                type.modifiers = [try lengthModifier()]
            } else if !isLiteral {
                try intervalFields(&type)
            }
            return type
        default: return try characterType(keyword, position, isLiteral: isLiteral)
        }
    }

    /// `(n)`.
    private mutating func lengthModifier() throws(SyntaxFailure) -> Expression {
        try expect(.leftParenthesis)
        let position = token.start
        let length = try smallInteger()
        try expect(.rightParenthesis)
        return Expression(.literal(.integer(Int64(length))), at: position)
    }

    private mutating func floatType(_ position: Int32) throws(SyntaxFailure) -> TypeName {
        var isDouble = true
        if try accept(.leftParenthesis) {
            let precisionPosition = token.start
            let precision = try smallInteger()
            if precision < 1 {
                try fail(
                    "precision for type float must be at least 1 bit", at: precisionPosition,
                    state: .invalidParameterValue)
            }
            if precision > 53 {
                try fail(
                    "precision for type float must be less than 54 bits", at: precisionPosition,
                    state: .invalidParameterValue)
            }
            isDouble = precision > 24
            try expect(.rightParenthesis)
        }
        return TypeName(builtin: isDouble ? "float8" : "float4", position: position)
    }

    private mutating func bitType(_ position: Int32, isLiteral: Bool) throws(SyntaxFailure) -> TypeName {
        let isVarying = try accept(.varying)
        var type = TypeName(builtin: isVarying ? "varbit" : "bit", position: position)
        if at(.leftParenthesis) {
            type.modifiers = try typeModifiers()
        } else if !isVarying && !isLiteral {
            type.modifiers = [Expression(.literal(.integer(1)))]
        }
        return type
    }

    private mutating func characterType(
        _ keyword: Keyword, _ position: Int32, isLiteral: Bool
    ) throws(SyntaxFailure) -> TypeName {
        if keyword == .national, try !accept(.character) { try expect(.char) }
        let isVarying = keyword == .varchar ? true : try accept(.varying)
        var type = TypeName(builtin: isVarying ? "varchar" : "bpchar", position: position)
        if at(.leftParenthesis) {
            type.modifiers = [try lengthModifier()]
        } else if !isVarying && !isLiteral {
            type.modifiers = [Expression(.literal(.integer(1)))]
        }
        return type
    }

    private mutating func timeType(_ position: Int32, plain: Name, zoned: Name) throws(SyntaxFailure) -> TypeName {
        var modifiers: [Expression] = []
        if at(.leftParenthesis) { modifiers = [try lengthModifier()] }
        var isZoned = false
        if at(.with), try peek().keyword == .time {
            try advance()
            isZoned = true
            try expect(.time)
            try expect(.zone)
        } else if try accept(.without) {
            try expect(.time)
            try expect(.zone)
        }
        return TypeName(builtin: isZoned ? zoned : plain, modifiers: modifiers, position: position)
    }

    /// The fields after INTERVAL or its string, if any.
    mutating func intervalFields(_ type: inout TypeName) throws(SyntaxFailure) {
        switch token.keyword {
        case .year:
            try advance()
            type.intervalFields = .year
            if try accept(.to) {
                try expect(.month)
                type.intervalFields = .yearToMonth
            }
        case .month:
            try advance()
            type.intervalFields = .month
        case .day:
            try advance()
            type.intervalFields =
                try accept(.to) ? try intervalEnd(&type, .dayToHour, .dayToMinute, .dayToSecond) : .day
        case .hour:
            try advance()
            type.intervalFields = try accept(.to) ? try intervalEnd(&type, nil, .hourToMinute, .hourToSecond) : .hour
        case .minute:
            try advance()
            type.intervalFields = try accept(.to) ? try intervalEnd(&type, nil, nil, .minuteToSecond) : .minute
        case .second: type.intervalFields = try intervalEnd(&type, nil, nil, .second)
        default: break
        }
    }

    /// HOUR, MINUTE or SECOND [(precision)], as far as they make sense here.
    private mutating func intervalEnd(
        _ type: inout TypeName, _ hour: IntervalFields?, _ minute: IntervalFields?, _ second: IntervalFields
    ) throws(SyntaxFailure) -> IntervalFields {
        if let hour, try accept(.hour) { return hour }
        if let minute, try accept(.minute) { return minute }
        try expect(.second)
        if at(.leftParenthesis) { type.modifiers = [try lengthModifier()] }
        return second
    }
}
