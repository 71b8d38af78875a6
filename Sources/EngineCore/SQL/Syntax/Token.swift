// What the lexer hands to the parser. A token is its place in the text; its value is decoded only when it is wanted.

enum TokenKind: UInt8 {
    case endOfText
    /// An unquoted word, keyword or not.
    case word
    case quotedName
    /// U&"…"
    case unicodeName
    case string
    /// E'…'
    case escapeString
    /// U&'…'
    case unicodeString
    case dollarString
    /// N'…', which is `nchar '…'`.
    case nationalString
    case bitString
    case hexString
    case integer
    case numeric
    case parameter

    case comma, leftParenthesis, rightParenthesis, leftBracket, rightBracket, semicolon, dot, colon
    case typecast, dotDot, colonEquals, equalsGreater
    case plus, minus, star, slash, percent, caret
    case less, greater, equals, lessEquals, greaterEquals, notEquals
    /// Any other operator symbol.
    case symbol
    /// A byte that begins no token.
    case stray
}

struct Token {
    var kind: TokenKind
    /// A string or quoted name that has doubled quotes or continues after a line break, so is not just a slice of the text.
    var isSpliced: Bool
    var keyword: Keyword
    var start: Int32
    var end: Int32

    @inline(__always) init(
        _ kind: TokenKind, _ start: Int, _ end: Int, keyword: Keyword = .identifier, isSpliced: Bool = false
    ) {
        self.kind = kind
        self.keyword = keyword
        self.isSpliced = isSpliced
        self.start = Int32(truncatingIfNeeded: start)
        self.end = Int32(truncatingIfNeeded: end)
    }

    /// Whether this is the keyword, unquoted.
    @inline(__always) func isKeyword(_ keyword: Keyword) -> Bool { self.keyword == keyword }
}
