// json: text that is checked for syntax on input (RFC 8259) and otherwise kept as it came.

import Platform

enum JSONText {
    /// Throws 22P02 for anything that is not one JSON value.
    static func validate(_ text: UnsafeRawBufferPointer) throws(EngineError) {
        var checker = Checker(text: text)
        try checker.skipSpace()
        try checker.value(depth: 0)
        try checker.skipSpace()
        if checker.position != text.count { throw checker.invalid() }
    }

    private struct Checker {
        let text: UnsafeRawBufferPointer
        var position = 0

        func invalid() -> EngineError {
            var detail = "The input string ended unexpectedly."
            if position < text.count {
                var end = position + 1
                while end < text.count, text[end].isLetter || text[end].isDigit || text[end] & 0x80 != 0 { end += 1 }
                detail = "Token \"\(quoted(text.slice(position, end)))\" is invalid."
            }
            return EngineError(.invalidTextRepresentation, "invalid input syntax for type json", detail: detail)
        }
        mutating func skipSpace() throws(EngineError) {
            while position < text.count, text[position] == 0x20 || (text[position] >= 0x09 && text[position] <= 0x0D) {
                position += 1
            }
        }
        mutating func value(depth: Int) throws(EngineError) {
            if depth > 1000 { throw EngineError(.statementTooComplex, "stack depth limit exceeded") }
            guard position < text.count else { throw invalid() }
            switch text[position] {
            case UInt8(ascii: "{"): try members(UInt8(ascii: "}"), named: true, depth)
            case UInt8(ascii: "["): try members(UInt8(ascii: "]"), named: false, depth)
            case UInt8(ascii: "\""): try string()
            case UInt8(ascii: "t"): try word("true")
            case UInt8(ascii: "f"): try word("false")
            case UInt8(ascii: "n"): try word("null")
            default: try number()
            }
        }
        private mutating func members(_ close: UInt8, named: Bool, _ depth: Int) throws(EngineError) {
            position += 1
            try skipSpace()
            if position < text.count, text[position] == close {
                position += 1
                return
            }
            while true {
                try skipSpace()
                if named {
                    guard position < text.count, text[position] == UInt8(ascii: "\"") else { throw invalid() }
                    try string()
                    try skipSpace()
                    guard position < text.count, text[position] == UInt8(ascii: ":") else { throw invalid() }
                    position += 1
                    try skipSpace()
                }
                try value(depth: depth + 1)
                try skipSpace()
                guard position < text.count else { throw invalid() }
                if text[position] == close {
                    position += 1
                    return
                }
                guard text[position] == UInt8(ascii: ",") else { throw invalid() }
                position += 1
            }
        }
        private mutating func string() throws(EngineError) {
            position += 1
            while position < text.count {
                let byte = text[position]
                if byte == UInt8(ascii: "\"") {
                    position += 1
                    return
                }
                if byte < 0x20 { throw invalid() }
                if byte == UInt8(ascii: "\\") {
                    position += 1
                    guard position < text.count else { throw invalid() }
                    switch text[position] {
                    case UInt8(ascii: "u"):
                        for offset in 1...4 {
                            guard position + offset < text.count, text[position + offset].hexValue != nil else {
                                throw invalid()
                            }
                        }
                        position += 4
                    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
                        UInt8(ascii: "f"),
                        UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                        break
                    default: throw invalid()
                    }
                }
                position += 1
            }
            throw invalid()
        }
        private mutating func word(_ word: StaticString) throws(EngineError) {
            let end = position + word.utf8CodeUnitCount
            guard end <= text.count, text.slice(position, end).equals(word) else { throw invalid() }
            position = end
        }
        private mutating func number() throws(EngineError) {
            let start = position
            if text[position] == UInt8(ascii: "-") { position += 1 }
            if position < text.count, text[position] == 0x30 { position += 1 } else { try digits(start) }
            if position < text.count, text[position] == UInt8(ascii: ".") {
                position += 1
                try digits(start)
            }
            if position < text.count, text[position] | 0x20 == UInt8(ascii: "e") {
                position += 1
                if position < text.count, text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-") {
                    position += 1
                }
                try digits(start)
            }
        }
        private mutating func digits(_ start: Int) throws(EngineError) {
            let first = position
            while position < text.count, text[position].isDigit { position += 1 }
            if position == first {
                position = start
                throw invalid()
            }
        }
    }
}
