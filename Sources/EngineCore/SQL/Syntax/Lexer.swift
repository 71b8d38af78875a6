// Cuts SQL text into tokens, by the rules of PostgreSQL's documentation, chapter 4.1 (Lexical Structure), with
// standard_conforming_strings on. Works on raw bytes: anything from 0x80 up is a letter.
//
// Holds no state but its position, so that a caller may go back by setting `offset`. Failures are left in `failure`.

import Platform

/// What the lexer's and parser's functions throw: nothing but the fact. The error itself waits in `Lexer.failure`, so that
/// the frames of the recursive functions stay small.
struct SyntaxFailure: Error {}

struct Lexer: ~Copyable {
    let base: UnsafePointer<UInt8>
    let count: Int
    /// Where the next token, or the space before it, begins.
    var offset = 0
    var failure: EngineError?

    init(_ source: UnsafeRawBufferPointer) {
        count = source.count
        if let address = source.baseAddress {
            base = address.assumingMemoryBound(to: UInt8.self)
        } else {
            base = UnsafePointer(bitPattern: 1)!
        }
    }

    /// The byte at `index`, 0 beyond the end.
    @inline(__always) func byte(_ index: Int) -> UInt8 { index < count ? base[index] : 0 }

    func slice(_ start: Int, _ end: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: base + start, count: end - start)
    }

    // MARK: Errors

    /// Ends with an error that quotes the text from `start` to `end`, as PostgreSQL does.
    @inline(never)
    mutating func fail(
        _ message: String, _ start: Int, _ end: Int, state: SQLState = .syntaxError, hint: String? = nil
    ) throws(SyntaxFailure) -> Never {
        let near =
            start >= count
            ? " at end of input" : " at or near \"" + String(decoding: slice(start, end), as: UTF8.self) + "\""
        try failPlainly(message + near, start, state: state, hint: hint)
    }

    @inline(never)
    mutating func failPlainly(
        _ message: String, _ start: Int, state: SQLState = .syntaxError, detail: String? = nil, hint: String? = nil
    ) throws(SyntaxFailure) -> Never {
        let source = UnsafeRawBufferPointer(start: base, count: count)
        failure = EngineError(
            state, message, detail: detail, hint: hint,
            position: start < 0 ? 0 : characterPosition(ofByte: start, in: source))
        throw SyntaxFailure()
    }

    // MARK: Tokens

    mutating func next() throws(SyntaxFailure) -> Token {
        try skipSpace()
        let start = offset
        if start >= count { return Token(.endOfText, count, count) }
        let first = base[start]
        if isLetter(first) { return try word(start) }
        if isDigit(first) { return try number(start) }
        switch first {
        case UInt8(ascii: ","): return single(.comma)
        case UInt8(ascii: "("): return single(.leftParenthesis)
        case UInt8(ascii: ")"): return single(.rightParenthesis)
        case UInt8(ascii: "["): return single(.leftBracket)
        case UInt8(ascii: "]"): return single(.rightBracket)
        case UInt8(ascii: ";"): return single(.semicolon)
        case UInt8(ascii: "."):
            if isDigit(byte(start + 1)) { return try number(start) }
            return byte(start + 1) == first ? double(.dotDot) : single(.dot)
        case UInt8(ascii: ":"):
            if byte(start + 1) == first { return double(.typecast) }
            return byte(start + 1) == UInt8(ascii: "=") ? double(.colonEquals) : single(.colon)
        case UInt8(ascii: "'"): return try quoted(.string, start, quoteAt: start)
        case UInt8(ascii: "\""): return try quotedName(.quotedName, start, quoteAt: start)
        case UInt8(ascii: "$"): return try dollar(start)
        default: return isOperator(first) ? try symbol(start) : single(.stray)
        }
    }

    @inline(__always) private mutating func single(_ kind: TokenKind) -> Token {
        offset += 1
        return Token(kind, offset - 1, offset)
    }

    @inline(__always) private mutating func double(_ kind: TokenKind) -> Token {
        offset += 2
        return Token(kind, offset - 2, offset)
    }

    // MARK: Space and comments

    @inline(__always) private mutating func skipSpace() throws(SyntaxFailure) {
        while offset < count {
            let byte = base[offset]
            if isSpace(byte) {
                offset += 1
            } else if byte == UInt8(ascii: "-") && self.byte(offset + 1) == byte {
                skipLine()
            } else if byte == UInt8(ascii: "/") && self.byte(offset + 1) == UInt8(ascii: "*") {
                try skipComment()
            } else {
                return
            }
        }
    }

    private mutating func skipLine() {
        while offset < count && base[offset] != 10 && base[offset] != 13 { offset += 1 }
    }

    /// Comments nest.
    private mutating func skipComment() throws(SyntaxFailure) {
        let start = offset
        var depth = 1
        offset += 2
        while depth > 0 {
            if offset >= count { try fail("unterminated /* comment", start, count) }
            if base[offset] == UInt8(ascii: "/") && byte(offset + 1) == UInt8(ascii: "*") {
                depth += 1
                offset += 2
            } else if base[offset] == UInt8(ascii: "*") && byte(offset + 1) == UInt8(ascii: "/") {
                depth -= 1
                offset += 2
            } else {
                offset += 1
            }
        }
    }

    // MARK: Words

    private mutating func word(_ start: Int) throws(SyntaxFailure) -> Token {
        if byte(start + 1) == UInt8(ascii: "'") {
            switch base[start] | 0x20 {
            case UInt8(ascii: "e"): return try escapeString(start)
            case UInt8(ascii: "b"): return try quoted(.bitString, start, quoteAt: start + 1)
            case UInt8(ascii: "x"): return try quoted(.hexString, start, quoteAt: start + 1)
            case UInt8(ascii: "n"): return try quoted(.nationalString, start, quoteAt: start + 1)
            default: break
            }
        }
        if byte(start + 1) == UInt8(ascii: "&") && base[start] | 0x20 == UInt8(ascii: "u") {
            if byte(start + 2) == UInt8(ascii: "'") || byte(start + 2) == UInt8(ascii: "\"") {
                // A UESCAPE clause is part of the token.
                var token = try unicode(start)
                _ = try escapeCharacter()
                token.end = Int32(truncatingIfNeeded: offset)
                return token
            }
        }
        var head: UInt64 = 0
        var tail: UInt64 = 0
        var index = start
        while index < count && isLetterOrDigit(base[index]) {
            let folded = UInt64(lowercased(base[index]))
            let place = index - start
            if place < 8 { head |= folded << UInt64(place * 8) }
            tail = tail >> 8 | folded << 56
            index += 1
        }
        offset = index
        let length = index - start
        let middle = length == 17 ? lowercased(base[start + 8]) : 0
        return Token(
            .word, start, index, keyword: Keyword.lookup(count: length, head: head, tail: tail, middle: middle))
    }

    // MARK: Strings and quoted names

    /// A string whose only special sequence is the doubled quote.
    private mutating func quoted(_ kind: TokenKind, _ start: Int, quoteAt quote: Int) throws(SyntaxFailure) -> Token {
        var index = quote + 1
        var isSpliced = false
        while true {
            if index >= count {
                switch kind {
                case .bitString: try fail("unterminated bit string literal", start, count)
                case .hexString: try fail("unterminated hexadecimal string literal", start, count)
                default: try fail("unterminated quoted string", start, count)
                }
            }
            if base[index] == UInt8(ascii: "'") {
                if byte(index + 1) == UInt8(ascii: "'") {
                    isSpliced = true
                    index += 2
                    continue
                }
                let resumed = continuation(after: index + 1)
                if resumed < 0 { break }
                isSpliced = true
                index = resumed
            } else {
                index += 1
            }
        }
        offset = index + 1
        return Token(kind, start, offset, isSpliced: isSpliced)
    }

    /// U&'…' or U&"…", without its UESCAPE.
    mutating func unicode(_ start: Int) throws(SyntaxFailure) -> Token {
        byte(start + 2) == UInt8(ascii: "'")
            ? try quoted(.unicodeString, start, quoteAt: start + 2)
            : try quotedName(.unicodeName, start, quoteAt: start + 2)
    }

    private mutating func escapeString(_ start: Int) throws(SyntaxFailure) -> Token {
        var index = start + 2
        while true {
            if index >= count { try fail("unterminated quoted string", start, count) }
            if base[index] == UInt8(ascii: "\\") {
                index += 2
            } else if base[index] == UInt8(ascii: "'") {
                if byte(index + 1) == UInt8(ascii: "'") {
                    index += 2
                    continue
                }
                let resumed = continuation(after: index + 1)
                if resumed < 0 { break }
                index = resumed
            } else {
                index += 1
            }
        }
        offset = index + 1
        return Token(.escapeString, start, offset, isSpliced: true)
    }

    /// Strings apart by space that holds a line break are one. Returns the first byte inside the next part, or -1.
    func continuation(after end: Int) -> Int {
        var index = end
        var hasLineBreak = false
        while index < count {
            let byte = base[index]
            if byte == 10 || byte == 13 {
                hasLineBreak = true
                index += 1
            } else if isSpace(byte) {
                index += 1
            } else if byte == UInt8(ascii: "-") && self.byte(index + 1) == byte {
                while index < count && base[index] != 10 && base[index] != 13 { index += 1 }
            } else {
                return byte == UInt8(ascii: "'") && hasLineBreak ? index + 1 : -1
            }
        }
        return -1
    }

    private mutating func quotedName(_ kind: TokenKind, _ start: Int, quoteAt quote: Int) throws(SyntaxFailure) -> Token
    {
        var index = quote + 1
        var isSpliced = false
        while true {
            if index >= count { try fail("unterminated quoted identifier", start, count) }
            if base[index] == UInt8(ascii: "\"") {
                if byte(index + 1) != UInt8(ascii: "\"") { break }
                isSpliced = true
                index += 1
            }
            index += 1
        }
        offset = index + 1
        if index == quote + 1 { try fail("zero-length delimited identifier", start, offset) }
        return Token(kind, start, offset, isSpliced: isSpliced)
    }

    /// `$1`, `$$…$$`, `$tag$…$tag$`.
    private mutating func dollar(_ start: Int) throws(SyntaxFailure) -> Token {
        var index = start + 1
        if isDigit(byte(index)) {
            while isDigit(byte(index)) { index += 1 }
            offset = index
            if isLetter(byte(index)) { try failJunk("trailing junk after parameter", start, index) }
            return Token(.parameter, start, index)
        }
        if isLetter(byte(index)) {
            while index < count && isLetterOrDigit(base[index]) && base[index] != UInt8(ascii: "$") { index += 1 }
        }
        if byte(index) != UInt8(ascii: "$") { return single(.stray) }
        let tagCount = index + 1 - start
        index += 1
        while true {
            if index + tagCount > count { try fail("unterminated dollar-quoted string", start, count) }
            if base[index] == UInt8(ascii: "$") && matches(start, index, tagCount) {
                offset = index + tagCount
                return Token(.dollarString, start, offset)
            }
            index += 1
        }
    }

    private func matches(_ a: Int, _ b: Int, _ length: Int) -> Bool {
        for index in 0..<length where base[a + index] != base[b + index] { return false }
        return true
    }

    // MARK: Numbers

    private mutating func number(_ start: Int) throws(SyntaxFailure) -> Token {
        var index = start
        var kind = TokenKind.integer
        while isDigit(byte(index)) { index += 1 }
        // `1..10` is an integer and two dots.
        if byte(index) == UInt8(ascii: ".") && byte(index + 1) != UInt8(ascii: ".") {
            kind = .numeric
            index += 1
            while isDigit(byte(index)) { index += 1 }
        }
        if byte(index) | 0x20 == UInt8(ascii: "e") {
            var exponent = index + 1
            if byte(exponent) == UInt8(ascii: "+") || byte(exponent) == UInt8(ascii: "-") { exponent += 1 }
            if isDigit(byte(exponent)) {
                kind = .numeric
                index = exponent
                while isDigit(byte(index)) { index += 1 }
            } else if exponent > index + 1 {
                try fail("trailing junk after numeric literal", start, exponent)
            }
        }
        if isLetter(byte(index)) { try failJunk("trailing junk after numeric literal", start, index) }
        offset = index
        return Token(kind, start, index)
    }

    /// Letters where a number should have ended: quotes all of them.
    private mutating func failJunk(_ message: String, _ start: Int, _ junk: Int) throws(SyntaxFailure) -> Never {
        var end = junk
        while end < count && isLetterOrDigit(base[end]) { end += 1 }
        try fail(message, start, end)
    }

    // MARK: Operators

    private mutating func symbol(_ start: Int) throws(SyntaxFailure) -> Token {
        var end = start
        while end < count && isOperator(base[end]) {
            // A comment may begin inside.
            if base[end] == UInt8(ascii: "-") && byte(end + 1) == UInt8(ascii: "-") && end > start { break }
            if base[end] == UInt8(ascii: "/") && byte(end + 1) == UInt8(ascii: "*") && end > start { break }
            end += 1
        }
        // `a<-1` is a comparison: trailing signs belong to the operator only if it has some character no SQL operator has.
        if end - start > 1 && isSign(base[end - 1]) && !hasNonstandardCharacter(start, end - 1) {
            while end - start > 1 && isSign(base[end - 1]) { end -= 1 }
        }
        offset = end
        return Token(symbolKind(start, end), start, end)
    }

    private func hasNonstandardCharacter(_ start: Int, _ end: Int) -> Bool {
        for index in start..<end {
            switch base[index] {
            case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"),
                UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "%"):
                return true
            default: break
            }
        }
        return false
    }

    private func symbolKind(_ start: Int, _ end: Int) -> TokenKind {
        let first = base[start]
        if end - start == 1 {
            switch first {
            case UInt8(ascii: "+"): return .plus
            case UInt8(ascii: "-"): return .minus
            case UInt8(ascii: "*"): return .star
            case UInt8(ascii: "/"): return .slash
            case UInt8(ascii: "%"): return .percent
            case UInt8(ascii: "^"): return .caret
            case UInt8(ascii: "<"): return .less
            case UInt8(ascii: ">"): return .greater
            case UInt8(ascii: "="): return .equals
            default: return .symbol
            }
        }
        if end - start == 2 {
            let second = base[start + 1]
            switch (first, second) {
            case (UInt8(ascii: "="), UInt8(ascii: ">")): return .equalsGreater
            case (UInt8(ascii: "<"), UInt8(ascii: "=")): return .lessEquals
            case (UInt8(ascii: ">"), UInt8(ascii: "=")): return .greaterEquals
            case (UInt8(ascii: "<"), UInt8(ascii: ">")), (UInt8(ascii: "!"), UInt8(ascii: "=")): return .notEquals
            default: break
            }
        }
        return .symbol
    }
}

// MARK: - Classes of bytes

@inline(__always) func isSpace(_ byte: UInt8) -> Bool {
    byte == 32 || byte == 9 || byte == 10 || byte == 12 || byte == 13
}

@inline(__always) func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

/// May begin an unquoted name.
@inline(__always) func isLetter(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte >= 0x80 || byte == UInt8(ascii: "_")
}

/// May go on in an unquoted name.
@inline(__always) func isLetterOrDigit(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
}

@inline(__always) func lowercased(_ byte: UInt8) -> UInt8 { byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte }

@inline(__always) private func isSign(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") }

private func isOperator(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"),
        UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "+"),
        UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "%"), UInt8(ascii: "<"),
        UInt8(ascii: ">"), UInt8(ascii: "="):
        return true
    default: return false
    }
}
