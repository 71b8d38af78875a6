// Regular expressions: the program that a pattern compiles to. After Thompson 1968 and Cox, "Regular Expression Matching:
// the Virtual Machine Approach" (2009): matching takes time proportional to text times program, whatever the pattern.

import Platform

/// A set of code points: ranges, possibly negated.
struct CharacterSet {
    var ranges: [(low: UInt32, high: UInt32)] = []
    var isNegated = false

    mutating func add(_ low: UInt32, _ high: UInt32) { ranges.append((low, high)) }
    mutating func add(_ other: CharacterSet) {
        if !other.isNegated {
            ranges += other.ranges
            return
        }
        // The complement, range by range.
        let sorted = other.ranges.sorted { $0.low < $1.low }
        var next: UInt32 = 0
        for range in sorted {
            if range.low > next { add(next, range.low - 1) }
            next = max(next, range.high + 1)
        }
        add(next, 0x10FFFF)
    }
    func contains(_ scalar: UInt32) -> Bool {
        for range in ranges where scalar >= range.low && scalar <= range.high { return !isNegated }
        return isNegated
    }
    func containsIgnoringCase(_ scalar: UInt32) -> Bool {
        let lower = CaseMapping.lower(scalar)
        let upper = CaseMapping.upper(scalar)
        for range in ranges {
            if scalar >= range.low && scalar <= range.high || lower >= range.low && lower <= range.high
                || upper >= range.low && upper <= range.high
            {
                return !isNegated
            }
        }
        return isNegated
    }

    static func named(_ name: UnsafeRawBufferPointer) -> CharacterSet? {
        var set = CharacterSet()
        let letters: [(UInt32, UInt32)] = [
            (0x41, 0x5A), (0x61, 0x7A), (0xAA, 0xAA), (0xB5, 0xB5), (0xBA, 0xBA), (0xC0, 0xD6), (0xD8, 0xF6),
            (0xF8, 0x2FF),
            (0x370, 0x1FFF), (0x2C00, 0xD7FF), (0xF900, 0x10FFFF),
        ]
        if name.equals("alpha") || name.equals("alnum") || name.equals("word") {
            for (low, high) in letters { set.add(low, high) }
            if !name.equals("alpha") { set.add(0x30, 0x39) }
            if name.equals("word") { set.add(0x5F, 0x5F) }
        } else if name.equals("digit") {
            set.add(0x30, 0x39)
        } else if name.equals("xdigit") {
            set.add(0x30, 0x39)
            set.add(0x41, 0x46)
            set.add(0x61, 0x66)
        } else if name.equals("space") {
            set.add(0x09, 0x0D)
            set.add(0x20, 0x20)
        } else if name.equals("blank") {
            set.add(0x20, 0x20)
            set.add(0x09, 0x09)
        } else if name.equals("upper") {
            set.add(0x41, 0x5A)
            set.add(0xC0, 0xD6)
            set.add(0xD8, 0xDE)
            set.add(0x391, 0x3AB)
            set.add(0x400, 0x42F)
        } else if name.equals("lower") {
            set.add(0x61, 0x7A)
            set.add(0xDF, 0xF6)
            set.add(0xF8, 0xFF)
            set.add(0x3AC, 0x3CE)
            set.add(0x430, 0x45F)
        } else if name.equals("punct") {
            for (low, high) in [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)] as [(UInt32, UInt32)] {
                set.add(low, high)
            }
        } else if name.equals("cntrl") {
            set.add(0, 0x1F)
            set.add(0x7F, 0x9F)
        } else if name.equals("print") {
            set.add(0x20, 0x7E)
            set.add(0xA0, 0x10FFFF)
        } else if name.equals("graph") {
            set.add(0x21, 0x7E)
            set.add(0xA1, 0x10FFFF)
        } else {
            return nil
        }
        return set
    }
}

/// One instruction. Targets are instruction numbers.
enum RegexInstruction {
    case scalar(UInt32)
    case any
    case anyButNewline
    case set(Int)
    case split(first: Int, second: Int)
    case jump(Int)
    case save(Int)
    case assert(RegexAssertion)
    case match
}

enum RegexAssertion: UInt8 {
    case textStart, textEnd, lineStart, lineEnd, wordStart, wordEnd, wordBoundary, notWordBoundary
}

/// How a pattern is to be read (the flags argument of the regexp functions).
struct RegexOptions {
    var ignoresCase = false
    /// `^` and `$` at line ends, `.` and negated sets stop at newlines (flags n, m).
    var isNewlineSensitive = false
    /// Only anchors are newline-sensitive (flag w), or only `.` (flag p).
    var anchorsOnly = false
    var dotOnly = false
    /// White space and comments are ignored (flag x).
    var isExpanded = false
    /// The pattern is plain text (flag q).
    var isLiteral = false
    var isGlobal = false

    /// Throws 22023 for an unknown letter.
    init(flags: UnsafeRawBufferPointer) throws(EngineError) {
        for byte in flags {
            switch byte {
            case UInt8(ascii: "i"): ignoresCase = true
            case UInt8(ascii: "c"): ignoresCase = false
            case UInt8(ascii: "n"), UInt8(ascii: "m"): isNewlineSensitive = true
            case UInt8(ascii: "s"): (isNewlineSensitive, anchorsOnly, dotOnly) = (false, false, false)
            case UInt8(ascii: "p"): (isNewlineSensitive, dotOnly) = (true, true)
            case UInt8(ascii: "w"): (isNewlineSensitive, anchorsOnly) = (true, true)
            case UInt8(ascii: "x"): isExpanded = true
            case UInt8(ascii: "t"), UInt8(ascii: "e"), UInt8(ascii: "b"): break
            case UInt8(ascii: "q"): isLiteral = true
            case UInt8(ascii: "g"): isGlobal = true
            default:
                throw EngineError(
                    .invalidParameterValue, "invalid regular expression option: \"\(quoted([byte]))\"")
            }
        }
    }
    init(ignoresCase: Bool = false) { self.ignoresCase = ignoresCase }
}

/// A compiled pattern; immutable.
final class RegexProgram: Sendable {
    let instructions: [RegexInstruction]
    let sets: [CharacterSet]
    /// Parenthesised groups, the whole match not counted.
    let groupCount: Int
    let ignoresCase: Bool
    /// The whole prefers its longest match (else its shortest), by the first quantifier.
    let isGreedy: Bool
    let pattern: [UInt8]
    let flags: [UInt8]

    init(
        instructions: [RegexInstruction], sets: [CharacterSet], groupCount: Int, ignoresCase: Bool, isGreedy: Bool,
        pattern: [UInt8], flags: [UInt8]
    ) {
        self.instructions = instructions
        self.sets = sets
        self.groupCount = groupCount
        self.ignoresCase = ignoresCase
        self.isGreedy = isGreedy
        self.pattern = pattern
        self.flags = flags
    }
}
