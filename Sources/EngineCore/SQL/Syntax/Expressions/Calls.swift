// Function calls with all that may follow the name: DISTINCT, named arguments, VARIADIC, ORDER BY, WITHIN GROUP, FILTER, OVER.

import Platform

extension Parser {
    /// At the `(` after a function's name. A string after the call makes it a literal: `numeric(5, 2) '1.25'`.
    mutating func functionCall(_ name: QualifiedName) throws(SyntaxFailure) -> Expression {
        try functionCall(after: try application(name))
    }

    /// What may follow the parentheses; apart from them, so that nested calls cost little stack.
    private mutating func functionCall(after call: FunctionCall) throws(SyntaxFailure) -> Expression {
        if atString, call.isPlain { return try literal(typed: call) }
        if at(.within) || at(.filter) || at(.over) { try decorate(call) }
        return Expression(.function(call), at: call.name.position)
    }

    private mutating func literal(typed call: FunctionCall) throws(SyntaxFailure) -> Expression {
        var type = TypeName(call.name, position: call.name.position)
        type.modifiers = call.arguments.map { $0.value }
        return Expression(.cast(try stringLiteral(), type), at: type.position)
    }

    /// `(arguments)`.
    mutating func application(_ name: QualifiedName) throws(SyntaxFailure) -> FunctionCall {
        let call = FunctionCall(name, [])
        try expect(.leftParenthesis)
        if try accept(.rightParenthesis) { return call }
        if try accept(.star) {
            call.isStar = true
            try expect(.rightParenthesis)
            return call
        }
        if try accept(.distinct) {
            call.distinct = true
        } else {
            _ = try accept(.all)
        }
        repeat {
            if try accept(.variadic) {
                call.variadic = true
                call.arguments.append(try callArgument())
                break
            }
            call.arguments.append(try callArgument())
        } while try accept(.comma)
        if at(.order) { call.orderBy = try orderBy() }
        try expect(.rightParenthesis)
        return call
    }

    /// `value`, `name => value` or `name := value`.
    mutating func callArgument() throws(SyntaxFailure) -> FunctionArgument {
        if token.kind == .word ? token.keyword.isTypeOrFunctionName : atQuotedName {
            let next = try peek().kind
            if next == .colonEquals || next == .equalsGreater { return try namedArgument() }
        }
        return FunctionArgument(name: nil, value: try expression())
    }

    private mutating func namedArgument() throws(SyntaxFailure) -> FunctionArgument {
        let name = try takeName()
        try advance()
        return FunctionArgument(name: name, value: try expression())
    }

    /// WITHIN GROUP, FILTER and OVER.
    private mutating func decorate(_ call: FunctionCall) throws(SyntaxFailure) {
        if at(.within) {
            if !call.orderBy.isEmpty { try fail("cannot use multiple ORDER BY clauses with WITHIN GROUP") }
            if call.distinct { try fail("cannot use DISTINCT with WITHIN GROUP") }
            if call.variadic { try fail("cannot use VARIADIC with WITHIN GROUP") }
            try advance()
            try expect(.group)
            try expect(.leftParenthesis)
            call.orderBy = try orderBy()
            call.withinGroup = true
            try expect(.rightParenthesis)
        }
        if try accept(.filter) {
            try expect(.leftParenthesis)
            try expect(.where)
            call.filter = try expression()
            try expect(.rightParenthesis)
        }
        if try accept(.over) {
            if token.kind == .leftParenthesis {
                call.over = .definition(try windowSpecification())
            } else {
                call.over = .named(try columnName())
            }
        }
    }

    // MARK: Windows

    /// `(base PARTITION BY … ORDER BY … frame)`.
    mutating func windowSpecification() throws(SyntaxFailure) -> WindowDefinition {
        let window = WindowDefinition()
        window.position = token.start
        try expect(.leftParenthesis)
        let height = try enter()
        switch token.keyword {
        case .partition, .range, .rows, .groups: break
        default: if atColumnName { window.base = try takeName() }
        }
        if try accept(.partition) {
            try expect(.by)
            window.partitionBy = try expressions()
        }
        if at(.order) { window.orderBy = try orderBy() }
        switch token.keyword {
        case .range: window.frame = try windowFrame(.range)
        case .rows: window.frame = try windowFrame(.rows)
        case .groups: window.frame = try windowFrame(.groups)
        default: break
        }
        try expect(.rightParenthesis)
        leave(height)
        return window
    }

    private mutating func windowFrame(_ mode: WindowFrame.Mode) throws(SyntaxFailure) -> WindowFrame {
        try advance()
        var frame = WindowFrame(mode: mode, start: .currentRow, end: nil, exclusion: .noOthers)
        let isPair = try accept(.between)
        let position = token.start
        frame.start = try frameBound()
        if case .unboundedFollowing = frame.start {
            try fail("frame start cannot be UNBOUNDED FOLLOWING", at: position, state: "42P20")
        }
        if isPair {
            try expect(.and)
            let endPosition = token.start
            let end = try frameBound()
            try check(frame.start, end, endPosition)
            frame.end = end
        } else if case .following = frame.start {
            try fail("frame starting from following row cannot end with current row", at: position, state: "42P20")
        }
        if try accept(.exclude) {
            if try accept(.current) {
                try expect(.row)
                frame.exclusion = .currentRow
            } else if try accept(.group) {
                frame.exclusion = .group
            } else if try accept(.ties) {
                frame.exclusion = .ties
            } else {
                try expect(.no)
                try expect(.others)
            }
        }
        return frame
    }

    /// Refuses frames that end before they start.
    private mutating func check(
        _ start: WindowFrame.Bound, _ end: WindowFrame.Bound, _ position: Int32
    ) throws(SyntaxFailure) {
        switch (start, end) {
        case (_, .unboundedPreceding):
            try fail("frame end cannot be UNBOUNDED PRECEDING", at: position, state: "42P20")
        case (.currentRow, .preceding):
            try fail("frame starting from current row cannot have preceding rows", at: position, state: "42P20")
        case (.following, .preceding), (.following, .currentRow):
            try fail("frame starting from following row cannot have preceding rows", at: position, state: "42P20")
        default: break
        }
    }

    private mutating func frameBound() throws(SyntaxFailure) -> WindowFrame.Bound {
        if at(.unbounded) {
            let next = try peek().keyword
            if next == .preceding || next == .following {
                try advance()
                try advance()
                return next == .preceding ? .unboundedPreceding : .unboundedFollowing
            }
        }
        if try accept(.current, .row) { return .currentRow }
        let distance = try expression()
        if try accept(.preceding) { return .preceding(distance) }
        try expect(.following)
        return .following(distance)
    }
}

extension FunctionCall {
    /// Nothing but values between the parentheses.
    fileprivate var isPlain: Bool {
        !isStar && !distinct && !variadic && orderBy.isEmpty && !arguments.isEmpty
            && arguments.allSatisfy { $0.name == nil }
    }
}
