// LIKE: % any run of characters, _ any one character, backslash before a character takes it literally.

import Platform

enum LikePattern {
    /// Whether `text` as a whole matches. `isBinary`: `_` is one byte. `ignoringCase`: ILIKE. Throws 22025.
    static func matches(
        _ text: UnsafeRawBufferPointer, _ pattern: UnsafeRawBufferPointer, isBinary: Bool = false,
        ignoringCase: Bool = false
    ) throws(EngineError) -> Bool {
        var t = 0
        var p = 0
        // Where to resume when a mismatch follows a %.
        var resumePattern = -1
        var resumeText = 0
        while t < text.count {
            var matched = false
            if p < pattern.count {
                let byte = pattern[p]
                if byte == UInt8(ascii: "%") {
                    p += 1
                    resumePattern = p
                    resumeText = t
                    continue
                }
                if byte == UInt8(ascii: "_") {
                    t += isBinary ? 1 : min(UTF8Text.length(lead: text[t]), text.count - t)
                    p += 1
                    continue
                }
                if byte == UInt8(ascii: "\\") {
                    guard p + 1 < pattern.count else { throw danglingEscape() }
                    p += 1
                }
                if ignoringCase {
                    let (a, sizeA) = UTF8Text.decode(text, t)
                    let (b, sizeB) = UTF8Text.decode(pattern, p)
                    if CaseMapping.lower(a) == CaseMapping.lower(b) {
                        t += sizeA
                        p += sizeB
                        matched = true
                    }
                } else if pattern[p] == text[t] {
                    t += 1
                    p += 1
                    matched = true
                }
            }
            if matched { continue }
            if resumePattern < 0 {
                // A malformed pattern is an error even where an earlier character already decides.
                return false
            }
            p = resumePattern
            if p == pattern.count { return true }
            resumeText += isBinary ? 1 : min(UTF8Text.length(lead: text[resumeText]), text.count - resumeText)
            t = resumeText
        }
        while p < pattern.count, pattern[p] == UInt8(ascii: "%") { p += 1 }
        // An escape character at the end matters only if there is text for it to match.
        return p == pattern.count
    }

    private static func danglingEscape() -> EngineError {
        EngineError("22025", "LIKE pattern must not end with escape character")
    }

    /// The pattern with `escape` (one character, or none) replaced by backslash. Throws 22025.
    static func escaped(
        _ pattern: UnsafeRawBufferPointer, _ escape: UnsafeRawBufferPointer, into buffer: inout ByteBuffer
    ) throws(EngineError) {
        if escape.count == 0 {
            for byte in pattern {
                if byte == UInt8(ascii: "\\") { buffer.append(byte) }
                buffer.append(byte)
            }
            return
        }
        guard UTF8Text.length(lead: escape[0]) == escape.count else {
            throw EngineError("22025", "invalid escape string", hint: "Escape string must be empty or one character.")
        }
        if escape.equals("\\") {
            buffer.append(pattern)
            return
        }
        var position = 0
        var afterEscape = false
        while position < pattern.count {
            let isEscape =
                position + escape.count <= pattern.count
                && Comparison.bytes(pattern.slice(position, position + escape.count), escape) == 0
            if isEscape, !afterEscape {
                buffer.append(UInt8(ascii: "\\"))
                position += escape.count
                afterEscape = true
                continue
            }
            if pattern[position] == UInt8(ascii: "\\"), !afterEscape { buffer.append(UInt8(ascii: "\\")) }
            let size = min(UTF8Text.length(lead: pattern[position]), pattern.count - position)
            buffer.append(pattern.slice(position, position + size))
            position += size
            afterEscape = false
        }
    }
}
