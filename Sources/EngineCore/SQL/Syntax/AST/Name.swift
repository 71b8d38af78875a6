// Names as SQL has them: byte strings, folded to lower case unless quoted, cut to 63 bytes (PostgreSQL's NAMEDATALEN - 1).
// Equality is by bytes, never by Unicode equivalence.

import Platform

/// An identifier after folding and truncation.
package struct Name: Hashable, Sendable, ExpressibleByStringLiteral {
    package let bytes: [UInt8]

    /// Takes the bytes as they are.
    @inlinable package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(stringLiteral value: StaticString) {
        bytes = [UInt8](UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    /// Longest identifier, in bytes.
    package static let maximumByteCount = 63

    package var isEmpty: Bool { bytes.isEmpty }

    /// For messages.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Comparison with a literal that allocates nothing.
    package func matches(_ literal: StaticString) -> Bool { bytesMatch(bytes, literal) }

    package static func == (a: Name, b: Name) -> Bool {
        let count = a.bytes.count
        if count != b.bytes.count { return false }
        for index in 0..<count where a.bytes[index] != b.bytes[index] { return false }
        return true
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(bytes.count)
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// Order by bytes (collation "C").
    package static func < (a: Name, b: Name) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

/// Whether `bytes` are exactly the literal's.
package func bytesMatch(_ bytes: [UInt8], _ literal: StaticString) -> Bool {
    let count = literal.utf8CodeUnitCount
    if bytes.count != count { return false }
    for index in 0..<count where bytes[index] != literal.utf8Start[index] { return false }
    return true
}

/// `[[catalog.]schema.]name`. More than three parts parse, and are the binder's to refuse.
package struct QualifiedName: Hashable, Sendable {
    /// From the outermost qualifier to the name itself; never empty.
    package var parts: [Name]
    /// Byte offset of the first part in the query text, -1 if it was not written.
    package var position: Int32

    package init(_ parts: [Name], position: Int32 = -1) {
        self.parts = parts
        self.position = position
    }

    package init(_ name: Name, position: Int32 = -1) { self.init([name], position: position) }

    package init(schema: Name, _ name: Name, position: Int32 = -1) { self.init([schema, name], position: position) }

    package var name: Name { parts[parts.count - 1] }
    package var schema: Name? { parts.count >= 2 ? parts[parts.count - 2] : nil }
    package var catalog: Name? { parts.count >= 3 ? parts[parts.count - 3] : nil }

    /// Dotted, unquoted: for messages.
    package var text: String {
        var text = parts[0].text
        for index in 1..<max(parts.count, 1) { text += "." + parts[index].text }
        return text
    }

    package static func == (a: QualifiedName, b: QualifiedName) -> Bool { a.parts == b.parts }
    package func hash(into hasher: inout Hasher) { hasher.combine(parts) }
}

/// The symbol of an operator. Those of up to eight characters, all that are common, take no heap.
package struct OperatorName: Hashable, Sendable, ExpressibleByStringLiteral {
    /// The first eight characters, the first in the lowest byte, zero padded.
    package let packed: UInt64
    /// The whole symbol if it is longer than eight characters, else empty.
    let long: [UInt8]

    package init(_ bytes: UnsafeBufferPointer<UInt8>) {
        var packed: UInt64 = 0
        for index in 0..<min(8, bytes.count) { packed |= UInt64(bytes[index]) << UInt64(8 * index) }
        self.packed = packed
        long = bytes.count > 8 ? [UInt8](bytes) : []
    }

    package init(stringLiteral value: StaticString) {
        self.init(UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    package var bytes: [UInt8] {
        if !long.isEmpty { return long }
        var bytes: [UInt8] = []
        var rest = packed
        while rest != 0 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
        return bytes
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package static func == (a: OperatorName, b: OperatorName) -> Bool {
        a.packed == b.packed && (a.long.isEmpty && b.long.isEmpty || a.long == b.long)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(packed) }
}

/// An operator as written: `+`, `OPERATOR(pg_catalog.~)`. LIKE and its kin are nodes of their own; LIKE ANY is `~~`.
package struct OperatorReference: Hashable, Sendable {
    package var name: OperatorName
    /// Empty unless written as OPERATOR(schema.symbol).
    package var schema: [Name]
    package var position: Int32

    package init(_ name: OperatorName, schema: [Name] = [], position: Int32 = -1) {
        self.name = name
        self.schema = schema
        self.position = position
    }
    package static func == (a: OperatorReference, b: OperatorReference) -> Bool {
        a.name == b.name && a.schema == b.schema
    }
    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
