// Where a statement that is typed line by line ends: at a semicolon outside quotes, comments and parentheses' reach (PostgreSQL 15
// manual, 4.1 "Lexical Structure"), as psql finds it (its 'Usage': a statement is sent at its semicolon).

package struct StatementScanner {
    private enum State {
        case plain
        /// Inside quotes of this kind; `escapes`: a backslash takes the next byte with it.
        case quoted(UInt8, escapes: Bool)
        case dollarQuoted([UInt8])
        case lineComment
        case blockComment(depth: Int)
    }

    package init() {}

    /// True if `text` ends, but for blanks and comments, with a semicolon that ends a statement.
    package static func isComplete(_ text: [UInt8]) -> Bool {
        var state = State.plain
        var isAtEnd = false
        var index = 0
        func byte(_ offset: Int) -> UInt8 { index + offset < text.count ? text[index + offset] : 0 }
        while index < text.count {
            let here = text[index]
            switch state {
            case .plain:
                if here == 0x2d && byte(1) == 0x2d {
                    state = .lineComment
                } else if here == 0x2f && byte(1) == 0x2a {
                    state = .blockComment(depth: 1)
                    index += 1
                } else if here == 0x27 || here == 0x22 {
                    let before = index > 0 ? text[index - 1] | 0x20 : 0
                    state = .quoted(here, escapes: here == 0x27 && before == 0x65 && !isWord(text, index - 2))
                    isAtEnd = false
                } else if here == 0x24, !isWord(text, index - 1), let tag = dollarTag(text, index) {
                    state = .dollarQuoted(tag)
                    index += tag.count - 1
                    isAtEnd = false
                } else if here > 0x20 {
                    isAtEnd = here == 0x3b
                }
            case .quoted(let quote, let escapes):
                if escapes && here == 0x5c {
                    index += 1
                } else if here == quote {
                    // A doubled quote ends this piece and begins the next: the same in the end.
                    state = .plain
                }
            case .dollarQuoted(let tag):
                if here == 0x24 && matches(text, index, tag) {
                    state = .plain
                    index += tag.count - 1
                }
            case .lineComment: if here == 0x0a { state = .plain }
            case .blockComment(let depth):
                if here == 0x2a && byte(1) == 0x2f {
                    state = depth == 1 ? .plain : .blockComment(depth: depth - 1)
                    index += 1
                } else if here == 0x2f && byte(1) == 0x2a {
                    state = .blockComment(depth: depth + 1)
                    index += 1
                }
            }
            index += 1
        }
        if case .plain = state { return isAtEnd }
        if case .lineComment = state { return isAtEnd }
        return false
    }

    private static func isWord(_ text: [UInt8], _ index: Int) -> Bool {
        if index < 0 || index >= text.count { return false }
        let byte = text[index]
        return byte >= 0x80 || byte == 0x5f || byte == 0x24 || (0x30...0x39).contains(byte)
            || (0x61...0x7a).contains(byte | 0x20)
    }

    /// `$$` or `$tag$` at `start`; nil if there is none.
    private static func dollarTag(_ text: [UInt8], _ start: Int) -> [UInt8]? {
        var end = start + 1
        while end < text.count && text[end] != 0x24 && isWord(text, end) { end += 1 }
        if end >= text.count || text[end] != 0x24 { return nil }
        if end > start + 1 && (0x30...0x39).contains(text[start + 1]) { return nil }
        return Array(text[start...end])
    }

    private static func matches(_ text: [UInt8], _ start: Int, _ tag: [UInt8]) -> Bool {
        if start + tag.count > text.count { return false }
        for index in 0..<tag.count where text[start + index] != tag[index] { return false }
        return true
    }
}
