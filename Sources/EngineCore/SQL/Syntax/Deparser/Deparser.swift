// Prints trees back as SQL: one line, canonical spelling, parentheses only where precedence asks for them. What is printed
// parses to a tree that prints the same; the shared suite holds every statement it knows to that.
//
// The recursion is bounded by the stack it takes (see StackBudget): beyond that nothing more is printed, and `result` throws.

import Platform

/// Where printed SQL gathers.
package struct Deparser {
    var output: [UInt8] = []
    let stack: StackBudget
    var isOverflowing = false

    /// `stackByteCount`: how much stack printing may use. Print on the fiber that makes the deparser.
    package init(stackByteCount: Int = StackBudget.standard) { stack = StackBudget(byteCount: stackByteCount) }

    /// What was printed. Errors: 54001 if the tree was too high for the stack.
    package var result: [UInt8] {
        get throws(EngineError) {
            if isOverflowing { throw StackBudget.exhausted() }
            return output
        }
    }

    /// Whether there is stack left to descend; called where the recursion passes.
    mutating func mayDescend() -> Bool {
        if stack.isExhausted { isOverflowing = true }
        return !isOverflowing
    }

    /// Appends a literal.
    @inline(never)
    mutating func put(_ text: StaticString) {
        output.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a literal with a space before it.
    mutating func word(_ text: StaticString) {
        output.append(UInt8(ascii: " "))
        put(text)
    }

    mutating func put(_ bytes: [UInt8]) { output += bytes }

    mutating func put(_ value: Int64) {
        if value < 0 { output.append(UInt8(ascii: "-")) }
        var digits: [UInt8] = []
        var rest = value.magnitude
        repeat {
            digits.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest != 0
        output += digits.reversed()
    }

    mutating func separate(_ index: Int) {
        if index > 0 { put(", ") }
    }

    // MARK: Names

    /// A name, quoted if it would not read back as itself.
    package mutating func name(_ name: Name) {
        if Deparser.isPlain(name) { put(name.bytes) } else { quoted(name.bytes, UInt8(ascii: "\"")) }
    }

    /// As `quote_ident` decides: lower case, and no keyword but an unreserved one.
    package static func isPlain(_ name: Name) -> Bool {
        let bytes = name.bytes
        guard let first = bytes.first, isLetter(first), first < 0x80 else { return false }
        for byte in bytes {
            if byte >= 0x80 || byte == UInt8(ascii: "$") || !isLetterOrDigit(byte) || lowercased(byte) != byte {
                return false
            }
        }
        let keyword = Keyword.of(name)
        switch keyword {
        case .identifier: return true
        case .operator, .cube, .rollup, .partition, .range, .rows, .groups, .double, .set: return false
        default: return keyword.isUnreserved
        }
    }

    mutating func names(_ names: [Name]) {
        for (index, item) in names.enumerated() {
            separate(index)
            name(item)
        }
    }

    /// `(a, b)` with a space before it, or nothing.
    mutating func optionalNames(_ list: [Name]) {
        if list.isEmpty { return }
        put(" (")
        names(list)
        put(")")
    }

    mutating func dotted(_ parts: [Name]) {
        for (index, part) in parts.enumerated() {
            if index > 0 { put(".") }
            name(part)
        }
    }

    package mutating func name(_ qualified: QualifiedName) { dotted(qualified.parts) }

    mutating func names(_ list: [QualifiedName]) {
        for (index, item) in list.enumerated() {
            separate(index)
            name(item)
        }
    }

    /// Between quotes, with quotes inside doubled.
    mutating func quoted(_ bytes: [UInt8], _ quote: UInt8) {
        output.append(quote)
        for byte in bytes {
            if byte == quote { output.append(quote) }
            output.append(byte)
        }
        output.append(quote)
    }

    /// A string constant.
    package mutating func string(_ bytes: [UInt8]) { quoted(bytes, UInt8(ascii: "'")) }

    mutating func op(_ reference: OperatorReference) {
        if reference.schema.isEmpty {
            put(reference.name.bytes)
            return
        }
        put("OPERATOR(")
        dotted(reference.schema)
        put(".")
        put(reference.name.bytes)
        put(")")
    }

    // MARK: Types

    package mutating func type(_ type: TypeName) {
        if type.isSetOf { put("SETOF ") }
        baseType(type)
        if type.isReferenceToColumn { put("%TYPE") }
        for bound in type.arrayBounds {
            put("[")
            if let bound { put(Int64(bound)) }
            put("]")
        }
    }

    private mutating func baseType(_ type: TypeName) {
        let parts = type.name.parts
        if parts.count == 2 && parts[0].matches("pg_catalog"), let spelling = Deparser.spelling(parts[1]) {
            put(spelling.before)
            if !type.modifiers.isEmpty && type.intervalFields == .all { modifiers(type) }
            put(spelling.after)
            intervalFields(type)
            return
        }
        name(type.name)
        modifiers(type)
    }

    private mutating func modifiers(_ type: TypeName) {
        if type.modifiers.isEmpty { return }
        put("(")
        expressions(type.modifiers)
        put(")")
    }

    mutating func intervalFields(_ type: TypeName) {
        switch type.intervalFields {
        case .all: return
        case .year: put(" year")
        case .month: put(" month")
        case .day: put(" day")
        case .hour: put(" hour")
        case .minute: put(" minute")
        case .second: put(" second")
        case .yearToMonth: put(" year to month")
        case .dayToHour: put(" day to hour")
        case .dayToMinute: put(" day to minute")
        case .dayToSecond: put(" day to second")
        case .hourToMinute: put(" hour to minute")
        case .hourToSecond: put(" hour to second")
        case .minuteToSecond: put(" minute to second")
        }
        modifiers(type)
    }

    /// How SQL spells a built-in type: the words before and after its modifiers.
    private static func spelling(_ name: Name) -> (before: StaticString, after: StaticString)? {
        if name.matches("int4") { return ("integer", "") }
        if name.matches("int8") { return ("bigint", "") }
        if name.matches("int2") { return ("smallint", "") }
        if name.matches("bool") { return ("boolean", "") }
        if name.matches("float4") { return ("real", "") }
        if name.matches("float8") { return ("double precision", "") }
        if name.matches("numeric") { return ("numeric", "") }
        if name.matches("varchar") { return ("character varying", "") }
        if name.matches("bpchar") { return ("bpchar", "") }
        if name.matches("bit") { return ("bit", "") }
        if name.matches("varbit") { return ("bit varying", "") }
        if name.matches("time") { return ("time", " without time zone") }
        if name.matches("timetz") { return ("time", " with time zone") }
        if name.matches("timestamp") { return ("timestamp", " without time zone") }
        if name.matches("timestamptz") { return ("timestamp", " with time zone") }
        if name.matches("interval") { return ("interval", "") }
        return nil
    }
}

extension Keyword {
    /// The keyword that a folded name reads as.
    package static func of(_ name: Name) -> Keyword {
        let bytes = name.bytes
        var head: UInt64 = 0
        var tail: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            if index < 8 { head |= UInt64(byte) << UInt64(index * 8) }
            tail = tail >> 8 | UInt64(byte) << 56
        }
        return lookup(count: bytes.count, head: head, tail: tail, middle: bytes.count == 17 ? bytes[8] : 0)
    }
}

// MARK: - Entry points

extension Expression {
    /// As SQL text. Errors: 54001.
    package func sql() throws(EngineError) -> [UInt8] {
        var deparser = Deparser()
        deparser.expression(self)
        return try deparser.result
    }
}

extension TypeName {
    /// As SQL text. Errors: 54001.
    package func sql() throws(EngineError) -> [UInt8] {
        var deparser = Deparser()
        deparser.type(self)
        return try deparser.result
    }
}

extension Query {
    /// As SQL text. Errors: 54001.
    package func sql() throws(EngineError) -> [UInt8] {
        var deparser = Deparser()
        deparser.query(self)
        return try deparser.result
    }
}

extension Statement {
    /// As SQL text. Of an `.unsupported` statement only its name remains. Errors: 54001.
    package func sql() throws(EngineError) -> [UInt8] {
        var deparser = Deparser()
        deparser.statement(self)
        return try deparser.result
    }
}
