// CREATE FUNCTION and PROCEDURE: signature, properties and body, the body unread unless it is written in SQL.

import Platform

extension Parser {
    mutating func createFunction(_ orReplace: Bool) throws(SyntaxFailure) -> CreateFunction {
        let isProcedure = at(.procedure)
        try advance()
        let position = token.start
        let isName = token.kind == .word ? !token.keyword.isReserved : atQuotedName
        if !isName { try failSyntax() }
        let first = try takeName()
        let function = CreateFunction(name: try qualifiedName(after: first, position))
        function.isProcedure = isProcedure
        function.orReplace = orReplace
        try expect(.leftParenthesis)
        if token.kind != .rightParenthesis {
            repeat { function.parameters.append(try functionParameter(isDefinition: true)) } while try accept(.comma)
        }
        try expect(.rightParenthesis)
        if !isProcedure, try accept(.returns) { try returns(function) }
        while try property(of: function) {}
        return function
    }

    private mutating func returns(_ function: CreateFunction) throws(SyntaxFailure) {
        if try !accept(.table) {
            function.returns = try functionType()
            return
        }
        try expect(.leftParenthesis)
        repeat {
            let name = try typeOrFunctionName()
            function.parameters.append(
                CreateFunction.Parameter(mode: .table, name: name, type: try functionType(), defaultValue: nil))
        } while try accept(.comma)
        try expect(.rightParenthesis)
    }

    /// `[mode] [name] type [DEFAULT value]`, where mode and name may change places.
    mutating func functionParameter(isDefinition: Bool) throws(SyntaxFailure) -> CreateFunction.Parameter {
        var mode = try parameterMode()
        var name: Name?
        if try atParameterName() {
            name = try typeOrFunctionName()
            if mode == nil { mode = try parameterMode() }
        }
        var parameter = CreateFunction.Parameter(
            mode: mode ?? .in, name: name, type: try functionType(), defaultValue: nil)
        if isDefinition {
            if try accept(.default) {
                parameter.defaultValue = try expression()
            } else if try accept(.equals) {
                parameter.defaultValue = try expression()
            }
        }
        return parameter
    }

    private mutating func parameterMode() throws(SyntaxFailure) -> CreateFunction.Mode? {
        switch token.keyword {
        case .in:
            try advance()
            return try accept(.out) ? .inOut : .in
        case .out:
            try advance()
            return .out
        case .inout:
            try advance()
            return .inOut
        case .variadic:
            try advance()
            return .variadic
        default: return nil
        }
    }

    /// Whether the current word names the parameter, rather than begins its type.
    private mutating func atParameterName() throws(SyntaxFailure) -> Bool {
        if token.kind == .word ? !token.keyword.isTypeOrFunctionName : !atQuotedName { return false }
        let next = try peek()
        switch next.kind {
        case .word:
            if at(.double) && next.keyword == .precision { return false }
            switch next.keyword {
            case .default, .array: return false
            case .in, .out, .inout, .variadic, .setof: return true
            default: return !next.keyword.isReserved
            }
        case .quotedName, .unicodeName: return true
        default: return false
        }
    }

    /// A type, or `table.column%TYPE`.
    private mutating func functionType() throws(SyntaxFailure) -> TypeName {
        var type = try typeName()
        if token.kind == .percent, try peek().keyword == .type {
            try advance()
            try advance()
            type.isReferenceToColumn = true
        }
        return type
    }

    // MARK: Properties

    /// One property; false if there is none.
    private mutating func property(of function: CreateFunction) throws(SyntaxFailure) -> Bool {
        let position = token.start
        func add(_ name: Name, _ value: Option.Value) {
            function.options.append(Option(namespace: nil, name: name, value: value, position: position))
        }
        let keyword = token.keyword
        switch keyword {
        case .as:
            try advance()
            var parts = [try stringValue()]
            if try accept(.comma) { parts.append(try stringValue()) }
            function.body = .text(parts)
        case .language:
            try advance()
            function.language = Name(atString ? try stringValue() : try nonReservedWord().bytes)
        case .return:
            try advance()
            function.body = .expression(try expression())
        case .begin:
            try advance()
            try atomicBody(function)
        case .transform: try failUnsupported("TRANSFORM")
        case .window, .immutable, .stable, .volatile, .strict:
            try advance()
            switch keyword {
            case .window: add("window", .boolean(true))
            case .strict: add("strict", .boolean(true))
            case .immutable: add("volatility", .word("immutable"))
            case .stable: add("volatility", .word("stable"))
            default: add("volatility", .word("volatile"))
            }
        case .called, .returns:
            try advance()
            if keyword == .returns { try expect(.null) }
            try expect(.on)
            try expect(.null)
            try expect(.input)
            add("strict", .boolean(keyword == .returns))
        case .external, .security:
            if keyword == .external { try advance() }
            try expect(.security)
            let definer = at(.definer)
            if try !accept(.definer) { try expect(.invoker) }
            add("security", .boolean(definer))
        case .leakproof, .not:
            let leakproof = try !accept(.not)
            try expect(.leakproof)
            add("leakproof", .boolean(leakproof))
        case .cost, .rows:
            try advance()
            add(keyword == .cost ? "cost" : "rows", try plainValue())
        case .support:
            try advance()
            add("support", .word(try qualifiedName().name))
        case .parallel:
            try advance()
            add("parallel", .word(try columnName()))
        case .set:
            try advance()
            function.settings.append(try setVariable(position))
        case .reset:
            try advance()
            function.settings.append(try reset(position))
        default: return false
        }
        return true
    }

    /// ATOMIC statement; … END
    private mutating func atomicBody(_ function: CreateFunction) throws(SyntaxFailure) {
        try expect(.atomic)
        let height = try enter(Nesting.queryWeight)
        var statements: [Statement] = []
        while !at(.end) {
            while try accept(.semicolon) {}
            if at(.end) { break }
            if try accept(.return) {
                let value = try expression()
                let core = SelectCore(position: value.position)
                core.targets = [Target(expression: value, alias: nil)]
                statements.append(.query(Query(.select(core), position: value.position)))
            } else {
                statements.append(try statement())
            }
            try expect(.semicolon)
        }
        try expect(.end)
        leave(height, Nesting.queryWeight)
        function.body = .atomic(statements)
    }
}
