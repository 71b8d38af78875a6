// Reads PostgreSQL's advanced regular expressions (manual, 9.7.3) into a program. Back references and look-around are
// refused (0A000): the matcher keeps no history.

import Platform

struct RegexParser {
    private indirect enum Node {
        case empty
        case scalar(UInt32)
        case any
        case set(Int)
        case assert(RegexAssertion)
        case sequence([Node])
        case alternatives([Node])
        case group(Int, Node)
        case repetition(Node, least: Int, most: Int?, greedy: Bool)
    }

    private let text: UnsafeRawBufferPointer
    private var options: RegexOptions
    private var position = 0
    private var groups = 0
    private var sets: [CharacterSet] = []
    private var depth = 0
    private var code: [RegexInstruction] = []
    /// Greediness of the first quantifier met, which decides the whole's.
    private var preference: Bool?

    static func compile(
        _ pattern: UnsafeRawBufferPointer, _ options: RegexOptions, flags: [UInt8]
    ) throws(EngineError) -> RegexProgram {
        var parser = RegexParser(text: pattern, options: options)
        try parser.directors()
        let tree = try parser.alternatives()
        if parser.position < pattern.count { throw parser.invalid("parentheses () not balanced") }
        parser.code.append(.save(0))
        try parser.emit(tree)
        parser.code.append(.save(1))
        parser.code.append(.match)
        return RegexProgram(
            instructions: parser.code, sets: parser.sets, groupCount: parser.groups,
            ignoresCase: parser.options.ignoresCase, isGreedy: parser.preference ?? true, pattern: [UInt8](pattern),
            flags: flags)
    }
    private init(text: UnsafeRawBufferPointer, options: RegexOptions) {
        self.text = text
        self.options = options
    }

    private func invalid(_ why: StaticString) -> EngineError {
        EngineError("2201B", "invalid regular expression: \(StaticBytes(stringLiteral: why).string)")
    }
    private var isAtEnd: Bool { position >= text.count }
    private func peek(_ offset: Int = 0) -> UInt8 { position + offset < text.count ? text[position + offset] : 0 }
    private mutating func take(_ byte: UInt8) -> Bool {
        guard !isAtEnd, text[position] == byte else { return false }
        position += 1
        return true
    }
    private mutating func nextScalar() -> UInt32 {
        let (scalar, size) = UTF8Text.decode(text, position)
        position += size
        return scalar
    }

    /// `***=` (literal), `***:`, and embedded options `(?i)` at the start.
    private mutating func directors() throws(EngineError) {
        if text.count >= 4, text.slice(0, 3).equals("***") {
            if text[3] == UInt8(ascii: "=") {
                options.isLiteral = true
            } else if text[3] != UInt8(ascii: ":") {
                throw invalid("quantifier operand invalid")
            }
            position = 4
        }
        if options.isLiteral { return }
        if peek() == UInt8(ascii: "("), peek(1) == UInt8(ascii: "?"), peek(2).isLetter {
            var end = position + 2
            while end < text.count, text[end].isLetter { end += 1 }
            guard end < text.count, text[end] == UInt8(ascii: ")") else { throw invalid("invalid embedded option") }
            for byte in text.slice(position + 2, end) {
                switch byte {
                case UInt8(ascii: "i"): options.ignoresCase = true
                case UInt8(ascii: "c"): options.ignoresCase = false
                case UInt8(ascii: "n"), UInt8(ascii: "m"): options.isNewlineSensitive = true
                case UInt8(ascii: "s"): options.isNewlineSensitive = false
                case UInt8(ascii: "x"): options.isExpanded = true
                case UInt8(ascii: "t"), UInt8(ascii: "e"): break
                case UInt8(ascii: "q"): options.isLiteral = true
                default: throw invalid("invalid embedded option")
                }
            }
            position = end + 1
        }
    }

    private mutating func skipIgnored() {
        guard options.isExpanded else { return }
        while !isAtEnd {
            if peek().isSpace {
                position += 1
            } else if peek() == UInt8(ascii: "#") {
                while !isAtEnd, peek() != 0x0A { position += 1 }
            } else {
                return
            }
        }
    }

    private mutating func alternatives() throws(EngineError) -> Node {
        depth += 1
        defer { depth -= 1 }
        if depth > 200 { throw invalid("regular expression is too complex") }
        var branches = [try branch()]
        while take(UInt8(ascii: "|")) { branches.append(try branch()) }
        return branches.count == 1 ? branches[0] : .alternatives(branches)
    }

    private mutating func branch() throws(EngineError) -> Node {
        var items: [Node] = []
        while true {
            skipIgnored()
            if isAtEnd
                || (!options.isLiteral && (peek() == UInt8(ascii: "|") || (peek() == UInt8(ascii: ")") && depth > 1)))
            {
                break
            }
            if options.isLiteral {
                items.append(.scalar(nextScalar()))
            } else {
                items.append(try quantified(try atom()))
            }
        }
        return items.isEmpty ? .empty : (items.count == 1 ? items[0] : .sequence(items))
    }

    private mutating func quantified(_ node: Node) throws(EngineError) -> Node {
        skipIgnored()
        var least = 1
        var most: Int? = 1
        switch isAtEnd ? 0 : peek() {
        case UInt8(ascii: "*"): (least, most) = (0, nil)
        case UInt8(ascii: "+"): (least, most) = (1, nil)
        case UInt8(ascii: "?"): (least, most) = (0, 1)
        case UInt8(ascii: "{") where peek(1).isDigit: return try bounded(node)
        default: return node
        }
        position += 1
        return try finish(node, least, most)
    }
    private mutating func bounded(_ node: Node) throws(EngineError) -> Node {
        position += 1
        let least = number()
        var most: Int? = least
        if take(UInt8(ascii: ",")) { most = peek().isDigit ? number() : nil }
        guard take(UInt8(ascii: "}")) else { throw invalid("invalid repetition count(s)") }
        guard least <= 255, most.map({ $0 <= 255 && $0 >= least }) ?? true else {
            throw invalid("invalid repetition count(s)")
        }
        return try finish(node, least, most)
    }
    private mutating func number() -> Int {
        var value = 0
        while !isAtEnd, peek().isDigit {
            value = min(value * 10 + Int(peek() - 0x30), 10_000)
            position += 1
        }
        return value
    }
    private mutating func finish(_ node: Node, _ least: Int, _ most: Int?) throws(EngineError) -> Node {
        let greedy = !take(UInt8(ascii: "?"))
        if case .assert = node { throw invalid("quantifier operand invalid") }
        if !isAtEnd, peek() == UInt8(ascii: "*") || peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "?") {
            throw invalid("quantifier operand invalid")
        }
        // A bound of exactly one number has no preference of its own.
        if preference == nil, least != (most ?? -1) { preference = greedy }
        return .repetition(node, least: least, most: most, greedy: greedy)
    }

    private mutating func atom() throws(EngineError) -> Node {
        let sensitive = options.isNewlineSensitive
        switch peek() {
        case UInt8(ascii: "("): return try group()
        case UInt8(ascii: "["): return .set(try bracket())
        case UInt8(ascii: "."):
            position += 1
            if sensitive, !options.anchorsOnly {
                sets.append(CharacterSet(ranges: [(0x0A, 0x0A)], isNegated: true))
                return .set(sets.count - 1)
            }
            return .any
        case UInt8(ascii: "^"):
            position += 1
            return .assert(sensitive && !options.dotOnly ? .lineStart : .textStart)
        case UInt8(ascii: "$"):
            position += 1
            return .assert(sensitive && !options.dotOnly ? .lineEnd : .textEnd)
        case UInt8(ascii: "\\"):
            position += 1
            return try escape()
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"): throw invalid("quantifier operand invalid")
        default: return .scalar(nextScalar())
        }
    }

    private mutating func group() throws(EngineError) -> Node {
        position += 1
        var number: Int?
        if peek() == UInt8(ascii: "?") {
            guard peek(1) == UInt8(ascii: ":") else {
                throw EngineError.notSupported("look-around in regular expressions")
            }
            position += 2
        } else {
            groups += 1
            number = groups
        }
        let body = try alternatives()
        guard take(UInt8(ascii: ")")) else { throw invalid("parentheses () not balanced") }
        return number.map { .group($0, body) } ?? body
    }

    private mutating func escape() throws(EngineError) -> Node {
        guard !isAtEnd else { throw invalid("invalid escape \\ sequence") }
        let byte = peek()
        if let set = try classEscape(byte) {
            position += 1
            sets.append(set)
            return .set(sets.count - 1)
        }
        switch byte {
        case UInt8(ascii: "A"): return assertion(.textStart)
        case UInt8(ascii: "Z"): return assertion(.textEnd)
        case UInt8(ascii: "m"), UInt8(ascii: "<"): return assertion(.wordStart)
        case UInt8(ascii: "M"), UInt8(ascii: ">"): return assertion(.wordEnd)
        case UInt8(ascii: "y"): return assertion(.wordBoundary)
        case UInt8(ascii: "Y"): return assertion(.notWordBoundary)
        case 0x31...0x39: throw EngineError.notSupported("a back reference in regular expressions")
        default: return .scalar(try characterEscape())
        }
    }
    private mutating func assertion(_ assertion: RegexAssertion) -> Node {
        position += 1
        return .assert(assertion)
    }
    private func classEscape(_ byte: UInt8) throws(EngineError) -> CharacterSet? {
        let name: StaticBytes
        switch byte {
        case UInt8(ascii: "d"), UInt8(ascii: "D"): name = "digit"
        case UInt8(ascii: "s"), UInt8(ascii: "S"): name = "space"
        case UInt8(ascii: "w"), UInt8(ascii: "W"): name = "word"
        default: return nil
        }
        var set = CharacterSet.named(name.bytes) ?? CharacterSet()
        set.isNegated = byte < UInt8(ascii: "a")
        return set
    }
    /// The character after a backslash, which has been read.
    private mutating func characterEscape() throws(EngineError) -> UInt32 {
        let byte = peek()
        guard byte.isLetter || byte.isDigit else { return nextScalar() }
        position += 1
        switch byte {
        case UInt8(ascii: "a"): return 7
        case UInt8(ascii: "b"): return 8
        case UInt8(ascii: "B"): return 0x5C
        case UInt8(ascii: "e"): return 27
        case UInt8(ascii: "f"): return 12
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "v"): return 11
        case UInt8(ascii: "0"): return 0
        case UInt8(ascii: "u"): return try hexadecimal(4)
        case UInt8(ascii: "U"): return try hexadecimal(8)
        case UInt8(ascii: "x"): return try hexadecimal(nil)
        default: throw invalid("invalid escape \\ sequence")
        }
    }
    private mutating func hexadecimal(_ count: Int?) throws(EngineError) -> UInt32 {
        var value: UInt32 = 0
        var digits = 0
        while let digit = peek().hexValue, !isAtEnd, digits < count ?? 255 {
            value = value << 4 | UInt32(digit)
            position += 1
            digits += 1
        }
        guard digits > 0, digits == count ?? digits, value <= 0x10FFFF else {
            throw invalid("invalid escape \\ sequence")
        }
        return value
    }

    /// `[…]`: ranges, classes `[:alpha:]`, collating elements `[.x.]`, equivalence `[=x=]`.
    private mutating func bracket() throws(EngineError) -> Int {
        position += 1
        var set = CharacterSet()
        set.isNegated = take(UInt8(ascii: "^"))
        var isFirst = true
        while true {
            guard !isAtEnd else { throw invalid("brackets [] not balanced") }
            if peek() == UInt8(ascii: "]"), !isFirst {
                position += 1
                break
            }
            isFirst = false
            if peek() == UInt8(ascii: "["), peek(1) == UInt8(ascii: ":") {
                set.add(try namedClass())
                continue
            }
            if peek() == UInt8(ascii: "\\"), let inner = try classEscape(peek(1)) {
                position += 2
                set.add(inner)
                continue
            }
            let low = try bracketCharacter()
            var high = low
            if peek() == UInt8(ascii: "-"), peek(1) != UInt8(ascii: "]"), position + 1 < text.count {
                position += 1
                high = try bracketCharacter()
                guard high >= low else { throw invalid("invalid character range") }
            }
            set.add(low, high)
        }
        if set.isNegated, options.isNewlineSensitive, !options.anchorsOnly { set.add(0x0A, 0x0A) }
        sets.append(set)
        return sets.count - 1
    }
    private mutating func bracketCharacter() throws(EngineError) -> UInt32 {
        if peek() == UInt8(ascii: "["), peek(1) == UInt8(ascii: ".") || peek(1) == UInt8(ascii: "=") {
            let mark = peek(1)
            position += 2
            let scalar = nextScalar()
            guard take(mark), take(UInt8(ascii: "]")) else { throw invalid("invalid collating element") }
            return scalar
        }
        if take(UInt8(ascii: "\\")) {
            guard !isAtEnd else { throw invalid("invalid escape \\ sequence") }
            return try characterEscape()
        }
        return nextScalar()
    }
    private mutating func namedClass() throws(EngineError) -> CharacterSet {
        let start = position + 2
        var end = start
        while end < text.count, text[end].isLetter { end += 1 }
        guard end + 1 < text.count, text[end] == UInt8(ascii: ":"), text[end + 1] == UInt8(ascii: "]"),
            let set = CharacterSet.named(text.slice(start, end))
        else { throw invalid("invalid character class") }
        position = end + 2
        return set
    }

    // MARK: Code

    private mutating func emit(_ node: Node) throws(EngineError) {
        if code.count > 50_000 { throw invalid("regular expression is too complex") }
        switch node {
        case .empty: break
        case .scalar(let scalar): code.append(.scalar(options.ignoresCase ? CaseMapping.lower(scalar) : scalar))
        case .any: code.append(.any)
        case .set(let index): code.append(.set(index))
        case .assert(let assertion): code.append(.assert(assertion))
        case .sequence(let items): for item in items { try emit(item) }
        case .group(let number, let body):
            code.append(.save(2 * number))
            try emit(body)
            code.append(.save(2 * number + 1))
        case .alternatives(let branches):
            var exits: [Int] = []
            for (index, branch) in branches.enumerated() {
                guard index + 1 < branches.count else {
                    try emit(branch)
                    break
                }
                let split = code.count
                code.append(.match)
                try emit(branch)
                exits.append(code.count)
                code.append(.match)
                code[split] = .split(first: split + 1, second: code.count)
            }
            for exit in exits { code[exit] = .jump(code.count) }
        case .repetition(let body, let least, let most, let greedy): try emit(body, least, most, greedy)
        }
    }
    private mutating func emit(_ body: Node, _ least: Int, _ most: Int?, _ greedy: Bool) throws(EngineError) {
        for _ in 0..<least { try emit(body) }
        func split(_ inside: Int, _ outside: Int) -> RegexInstruction {
            greedy ? .split(first: inside, second: outside) : .split(first: outside, second: inside)
        }
        guard let most else {
            let start = code.count
            code.append(.match)
            try emit(body)
            code.append(.jump(start))
            code[start] = split(start + 1, code.count)
            return
        }
        var splits: [Int] = []
        for _ in least..<max(most, least) {
            splits.append(code.count)
            code.append(.match)
            try emit(body)
        }
        for place in splits { code[place] = split(place + 1, code.count) }
    }
}
