// The parser: recursive descent over statements and clauses, precedence climbing over expressions
// (V. Pratt, Top Down Operator Precedence, 1973). The dialect is PostgreSQL 15's: SQL commands and chapter 4 of its manual.
//
// Invariant: `token` is the first token not yet consumed. A function that parses something is called with its first token
// current and leaves the first token after it current. An error is reported at the first token that cannot go on.

import Platform

/// Reads the SQL text given to it once, from front to end. The text must stay alive and unchanged while the parser does;
/// the trees it returns hold no reference to it. It must be valid UTF-8 (see `UTF8Validation`).
package struct Parser: ~Copyable {
    var lexer: Lexer
    var token = Token(.endOfText, 0, 0)
    /// The token after `token`, when `hasAhead`.
    var ahead = Token(.endOfText, 0, 0)
    var hasAhead = false
    /// End of the last consumed token.
    var consumedEnd = 0
    /// Largest parameter number so far.
    var parameterCount = 0
    var nesting: Nesting

    /// `stackByteCount`: how much stack the parser may use. Parse on the fiber that makes the parser.
    package init(utf8 source: UnsafeRawBufferPointer, stackByteCount: Int = StackBudget.standard) {
        lexer = Lexer(source)
        nesting = Nesting(stack: StackBudget(byteCount: stackByteCount))
    }

    /// Every statement of the text, empty ones left out.
    /// Errors: 42601 with position, 54001 for nesting beyond the bound, 22021, 22025 for malformed literals.
    package mutating func statements() throws(EngineError) -> [ParsedStatement] {
        do throws(SyntaxFailure) {
            var statements: [ParsedStatement] = []
            try begin()
            while true {
                while token.kind == .semicolon { try advance() }
                if token.kind == .endOfText { return statements }
                parameterCount = 0
                let start = Int(token.start)
                let statement = try statement()
                statements.append(
                    ParsedStatement(
                        statement: statement, start: start, end: consumedEnd, parameterCount: parameterCount))
                if token.kind != .semicolon && token.kind != .endOfText { try failSyntax() }
            }
        } catch {
            throw takeFailure()
        }
    }

    /// The whole text as one scalar expression: stored column defaults and check constraints.
    package mutating func wholeExpression() throws(EngineError) -> Expression {
        do throws(SyntaxFailure) {
            try begin()
            let expression = try expression()
            if token.kind != .endOfText { try failSyntax() }
            return expression
        } catch {
            throw takeFailure()
        }
    }

    /// The whole text as one type name: `regtype` input and its kin.
    package mutating func wholeTypeName() throws(EngineError) -> TypeName {
        do throws(SyntaxFailure) {
            try begin()
            let type = try typeName()
            if token.kind != .endOfText { try failSyntax() }
            return type
        } catch {
            throw takeFailure()
        }
    }

    private mutating func begin() throws(SyntaxFailure) {
        if lexer.count > Int(Int32.max) {
            try lexer.failPlainly("the query text is longer than 2 GiB", -1, state: .programLimitExceeded)
        }
        lexer.offset = 0
        hasAhead = false
        token = try lexer.next()
    }

    private mutating func takeFailure() -> EngineError {
        guard let failure = lexer.failure else { preconditionFailure("a failure leaves its error") }
        lexer.failure = nil
        return failure
    }
}

// MARK: - Tokens

extension Parser {
    mutating func advance() throws(SyntaxFailure) {
        consumedEnd = Int(token.end)
        if hasAhead {
            token = ahead
            hasAhead = false
        } else {
            token = try lexer.next()
        }
    }

    /// The token after the current one.
    mutating func peek() throws(SyntaxFailure) -> Token {
        if !hasAhead {
            ahead = try lexer.next()
            hasAhead = true
        }
        return ahead
    }

    /// A place to come back to.
    struct Mark {
        let token: Token
        let offset: Int
        let consumedEnd: Int
    }

    /// For the few spots where one token ahead does not decide.
    func mark() -> Mark { Mark(token: token, offset: Int(token.end), consumedEnd: consumedEnd) }

    mutating func rewind(_ mark: Mark) {
        token = mark.token
        lexer.offset = mark.offset
        consumedEnd = mark.consumedEnd
        hasAhead = false
    }

    @inline(__always) func at(_ keyword: Keyword) -> Bool { token.keyword == keyword }
    @inline(__always) func at(_ kind: TokenKind) -> Bool { token.kind == kind }

    mutating func accept(_ keyword: Keyword) throws(SyntaxFailure) -> Bool {
        if token.keyword != keyword { return false }
        try advance()
        return true
    }

    mutating func accept(_ kind: TokenKind) throws(SyntaxFailure) -> Bool {
        if token.kind != kind { return false }
        try advance()
        return true
    }

    /// Both keywords, or none.
    mutating func accept(_ first: Keyword, _ second: Keyword) throws(SyntaxFailure) -> Bool {
        if token.keyword != first { return false }
        if try peek().keyword != second { return false }
        try advance()
        try advance()
        return true
    }

    mutating func expect(_ keyword: Keyword) throws(SyntaxFailure) {
        if token.keyword != keyword { try failSyntax() }
        try advance()
    }

    mutating func expect(_ kind: TokenKind) throws(SyntaxFailure) {
        if token.kind != kind { try failSyntax() }
        try advance()
    }

    /// IF EXISTS.
    mutating func acceptIfExists() throws(SyntaxFailure) -> Bool {
        if try !accept(.if) { return false }
        try expect(.exists)
        return true
    }

    /// IF NOT EXISTS.
    mutating func acceptIfNotExists() throws(SyntaxFailure) -> Bool {
        if try !accept(.if) { return false }
        try expect(.not)
        try expect(.exists)
        return true
    }

    /// RESTRICT, CASCADE or nothing: whether it was CASCADE.
    mutating func acceptCascade() throws(SyntaxFailure) -> Bool {
        if try accept(.cascade) { return true }
        _ = try accept(.restrict)
        return false
    }

    // MARK: Errors

    /// "syntax error at or near …" the current token.
    @inline(never)
    mutating func failSyntax() throws(SyntaxFailure) -> Never {
        try lexer.fail("syntax error", Int(token.start), Int(token.end))
    }

    /// A syntax error of its own wording, at the current token or `position`.
    @inline(never)
    mutating func fail(
        _ message: String, at position: Int32? = nil, state: SQLState = .syntaxError, detail: String? = nil,
        hint: String? = nil
    ) throws(SyntaxFailure) -> Never {
        try lexer.failPlainly(message, Int(position ?? token.start), state: state, detail: detail, hint: hint)
    }

    @inline(never)
    mutating func failUnsupported(_ what: String, at position: Int32? = nil) throws(SyntaxFailure) -> Never {
        try lexer.failPlainly(what + " is not supported", Int(position ?? token.start), state: .featureNotSupported)
    }
}

// MARK: - Names and plain values

extension Parser {
    @inline(__always) var atString: Bool {
        switch token.kind {
        case .string, .escapeString, .unicodeString, .dollarString: true
        default: false
        }
    }

    @inline(__always) var atQuotedName: Bool { token.kind == .quotedName || token.kind == .unicodeName }

    /// At the name of a column, table or other object (ColId).
    @inline(__always) var atColumnName: Bool { token.kind == .word ? token.keyword.isColumnName : atQuotedName }

    /// Takes the current token, of whatever class, as a name.
    mutating func takeName() throws(SyntaxFailure) -> Name {
        let name = try lexer.name(token)
        try advance()
        return name
    }

    /// ColId.
    mutating func columnName() throws(SyntaxFailure) -> Name {
        if !atColumnName { try failSyntax() }
        return try takeName()
    }

    /// type_function_name.
    mutating func typeOrFunctionName() throws(SyntaxFailure) -> Name {
        let isAllowed = token.kind == .word ? token.keyword.isTypeOrFunctionName : atQuotedName
        if !isAllowed { try failSyntax() }
        return try takeName()
    }

    /// ColLabel: any word at all.
    mutating func label() throws(SyntaxFailure) -> Name {
        if token.kind != .word && !atQuotedName { try failSyntax() }
        return try takeName()
    }

    /// NonReservedWord.
    mutating func nonReservedWord() throws(SyntaxFailure) -> Name {
        if token.kind == .word ? token.keyword.isReserved : !atQuotedName { try failSyntax() }
        return try takeName()
    }

    /// `name` or `qualifier.name`, of any number of parts.
    mutating func qualifiedName() throws(SyntaxFailure) -> QualifiedName {
        let position = token.start
        let first = try columnName()
        return try qualifiedName(after: first, position)
    }

    mutating func qualifiedName(after first: Name, _ position: Int32) throws(SyntaxFailure) -> QualifiedName {
        var parts = [first]
        while token.kind == .dot {
            try advance()
            parts.append(try label())
        }
        return QualifiedName(parts, position: position)
    }

    mutating func qualifiedNames() throws(SyntaxFailure) -> [QualifiedName] {
        var names = [try qualifiedName()]
        while try accept(.comma) { names.append(try qualifiedName()) }
        return names
    }

    /// ColIds separated by commas.
    mutating func columnNames() throws(SyntaxFailure) -> [Name] {
        var names = [try columnName()]
        while try accept(.comma) { names.append(try columnName()) }
        return names
    }

    /// `(a, b, …)`.
    mutating func parenthesisedColumnNames() throws(SyntaxFailure) -> [Name] {
        try expect(.leftParenthesis)
        let names = try columnNames()
        try expect(.rightParenthesis)
        return names
    }

    /// `[(a, b, …)]`: empty if there is none.
    mutating func optionalColumnNames() throws(SyntaxFailure) -> [Name] {
        at(.leftParenthesis) ? try parenthesisedColumnNames() : []
    }

    mutating func stringValue() throws(SyntaxFailure) -> [UInt8] {
        if !atString { try failSyntax() }
        let value = try lexer.string(token)
        try advance()
        return value
    }

    /// An unsigned integer that fits int8.
    mutating func unsignedInteger() throws(SyntaxFailure) -> Int64 {
        guard token.kind == .integer, let value = lexer.integer(token) else { try failSyntax() }
        try advance()
        return value
    }

    /// An unsigned integer that fits int4, as the grammar's Iconst.
    mutating func smallInteger() throws(SyntaxFailure) -> Int32 {
        guard token.kind == .integer, let value = lexer.integer(token), value <= Int64(Int32.max) else {
            try failSyntax()
        }
        try advance()
        return Int32(value)
    }

    /// An integer with an optional sign that fits int8.
    mutating func signedInteger() throws(SyntaxFailure) -> Int64 {
        let isNegative = token.kind == .minus
        if isNegative || token.kind == .plus { try advance() }
        if isNegative && token.kind == .integer && lexer.integer(token) == nil && isSmallestMagnitude(token) {
            try advance()
            return Int64.min
        }
        let value = try unsignedInteger()
        return isNegative ? -value : value
    }

    /// Whether the token reads 9223372036854775808.
    func isSmallestMagnitude(_ token: Token) -> Bool { bytesMatch(lexer.text(token), "9223372036854775808") }
}

// MARK: - Nesting

/// Bounds how deep expressions, queries and joins nest, so that neither the parser nor what walks its trees overflows a
/// fiber's stack. The parser's own recursion is bounded by bytes of stack; the trees by levels, counted on the way down
/// (`depth`), and on the way up as the height of what was built (`height`), since postfix operators add height without
/// recursion.
struct Nesting {
    /// Levels allowed.
    static let limit = 200
    /// Levels that a subquery counts for: whoever walks it has that much larger frames.
    static let queryWeight = 4
    let stack: StackBudget
    var depth = 0
    /// Upper bound of the heights of all trees finished within the innermost open level.
    var height = 0
}

extension Parser {
    /// Opens a level; the height of its surroundings is kept by the caller and handed back to `leave`.
    @inline(__always) mutating func enter(_ weight: Int = 1) throws(SyntaxFailure) -> Int {
        nesting.depth += weight
        if nesting.depth > Nesting.limit || nesting.stack.isExhausted { try failNesting() }
        let height = nesting.height
        nesting.height = 0
        return height
    }

    @inline(__always) mutating func leave(_ surrounding: Int, _ weight: Int = 1) {
        nesting.depth -= weight
        nesting.height = max(surrounding, nesting.height + weight)
    }

    /// Something was built on top of what the innermost level has.
    @inline(__always) mutating func grow() throws(SyntaxFailure) {
        nesting.height += 1
        if nesting.height > Nesting.limit { try failNesting() }
    }

    @inline(never)
    mutating func failNesting() throws(SyntaxFailure) -> Never {
        lexer.failure = StackBudget.exhausted()
        throw SyntaxFailure()
    }
}
