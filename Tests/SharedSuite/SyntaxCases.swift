// The parser and the deparser: what must be accepted, what must be refused and where, how operators bind, and that recursion
// has bounds. Expected spellings and errors are PostgreSQL 15's.

import Platform
import SQLSyntax

func syntaxCases() -> [SuiteCase] {
    [
        SuiteCase("syntax: operators bind as in PostgreSQL") { context throws(EngineError) in
            for (source, grouped, otherwise) in precedenceSamples { context.expectGrouped(source, grouped, otherwise) }
        },
        SuiteCase("syntax: every statement prints to text that parses to the same print") {
            context throws(EngineError) in
            for source in acceptedSamples { context.expectRoundTrip(source) }
        },
        SuiteCase("syntax: what the client programs send is accepted") { context throws(EngineError) in
            for source in clientSamples { context.expectRoundTrip(source) }
        },
        SuiteCase("syntax: errors have PostgreSQL's state, wording and position") { context throws(EngineError) in
            for sample in refusedSamples { context.expectRefused(sample) }
        },
        SuiteCase("syntax: literals of all forms have their values") { context throws(EngineError) in
            for (source, expected) in literalSamples { context.expectPrinted("SELECT \(source)", "SELECT \(expected)") }
        },
        SuiteCase("syntax: statements know their place in the text and their parameters") {
            context throws(EngineError) in
            let statements = try parsed(" ; SELECT $2 ;; -- none\n BEGIN;")
            context.expectEqual(statements.count, 2, "statements")
            context.expectEqual(statements[0].start, 3, "start")
            context.expectEqual(statements[0].end, 12, "end")
            context.expectEqual(statements[0].parameterCount, 2, "parameters")
            context.expectEqual(statements[1].parameterCount, 0, "parameters of the next")
            context.expectEqual(try parsed("").count, 0, "statements in nothing")
        },
        SuiteCase("syntax: a hundred thousand levels of anything end in 54001") { context throws(EngineError) in
            for shape in nestingShapes { context.expectBounded(shape, levels: 100_000) }
        },
        SuiteCase("syntax: ten levels of anything are fine") { context throws(EngineError) in
            for shape in nestingShapes { context.expectRoundTrip(shape.text(levels: 10)) }
        },
        SuiteCase("syntax: flat sequences may be long") { context throws(EngineError) in
            for shape in flatShapes { context.expectRoundTrip(shape.text(levels: 10_000)) }
        },
        SuiteCase("syntax: cut anywhere, a statement parses or is refused with a position inside it") {
            context throws(EngineError) in
            context.cutEverywhere()
        },
        SuiteCase("syntax: random bytes never trap") { context throws(EngineError) in
            context.parseRandomBytes()
        },
        SuiteCase(bare: "utf-8: well-formed text passes, everything else is named") { context throws(EngineError) in
            checkValidation(context)
        },
        SuiteCase(bare: "names: folded, cut to 63 bytes between characters, compared by bytes") {
            context throws(EngineError) in
            try checkNames(context)
        },
    ]
}

// MARK: - Checks

private func parsed(_ text: String) throws(EngineError) -> [ParsedStatement] { try parsed(Array(text.utf8)) }

private func parsed(_ bytes: [UInt8]) throws(EngineError) -> [ParsedStatement] {
    var result: [ParsedStatement] = []
    var failure: EngineError?
    bytes.withUnsafeBytes { source in
        do throws(EngineError) {
            var parser = Parser(utf8: source)
            result = try parser.statements()
        } catch {
            failure = error
        }
    }
    if let failure { throw failure }
    return result
}

private func printed(_ bytes: [UInt8]) throws(EngineError) -> [UInt8] {
    var output: [UInt8] = []
    for (index, statement) in try parsed(bytes).enumerated() {
        if index > 0 { output += Array("; ".utf8) }
        output += try statement.statement.sql()
    }
    return output
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(300), as: UTF8.self) }

extension SuiteContext {
    fileprivate func expectPrinted(_ source: String, _ expected: String, line: UInt32 = #line) {
        do throws(EngineError) {
            let output = try printed(Array(source.utf8))
            expect(output == Array(expected.utf8), "\(source) prints as \(text(output))", line: line)
            expectRoundTrip(source, line: line)
        } catch {
            fail("\(source): \(error.message)", line: line)
        }
    }

    /// `source` is the tree of `grouped`, and not that of `otherwise`.
    fileprivate func expectGrouped(_ source: String, _ grouped: String, _ otherwise: String, line: UInt32 = #line) {
        do throws(EngineError) {
            let tree = try printed(Array("SELECT \(source)".utf8))
            expect(tree == (try printed(Array("SELECT \(grouped)".utf8))), "\(source) is not \(grouped)", line: line)
            expect(tree != (try printed(Array("SELECT \(otherwise)".utf8))), "\(source) is \(otherwise)", line: line)
        } catch {
            fail("\(source): \(error.message)", line: line)
        }
    }

    fileprivate func expectRoundTrip(_ source: String, line: UInt32 = #line) {
        let bytes = Array(source.utf8)
        do throws(EngineError) {
            let once = try printed(bytes)
            let twice = try printed(once)
            expect(once == twice, "\(text(once)) prints as \(text(twice))", line: line)
        } catch {
            fail("\(text(bytes)): \(error.message)", line: line)
        }
    }

    fileprivate func expectRefused(_ sample: Refused, line: UInt32 = #line) {
        do throws(EngineError) {
            _ = try parsed(sample.source)
            fail("\(sample.source) was accepted", line: line)
        } catch {
            expect(error.state == sample.state, "\(sample.source): another SQLSTATE", line: line)
            expect(
                Array(error.message.utf8) == Array(sample.message.utf8), "\(sample.source): \(error.message)",
                line: line)
            expect(error.position == sample.position, "\(sample.source): at \(error.position)", line: line)
        }
    }

    fileprivate func expectBounded(_ shape: Shape, levels: Int, line: UInt32 = #line) {
        do throws(EngineError) {
            _ = try parsed(shape.text(levels: levels))
            fail("\(shape.opening): accepted", line: line)
        } catch {
            expect(error.state == .statementTooComplex, "\(shape.opening): \(error.message)", line: line)
        }
    }

    /// Every prefix of every sample.
    fileprivate func cutEverywhere() {
        for sample in acceptedSamples {
            let bytes = Array(sample.utf8)
            for end in 0..<bytes.count {
                do throws(EngineError) {
                    _ = try parsed([UInt8](bytes[..<end]))
                } catch {
                    expect(error.position <= end + 1, "\(text([UInt8](bytes[..<end]))): at \(error.position)")
                }
            }
        }
    }

    /// Bytes drawn from those that mean something to the lexer.
    fileprivate func parseRandomBytes() {
        let alphabet = Array("()[]'\"$;:.,+-*/<>=|&!?@#%^~ \n\\eEuU&xXbBnN0129azAZ_\u{E9}".utf8)
        var random = SuiteRandom(seed: 7)
        for _ in 0..<3_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int(random.next() % 60) { bytes.append(alphabet[Int(random.next() % UInt64(alphabet.count))]) }
            if bytes.withUnsafeBytes({ UTF8Validation.firstInvalid(in: $0) }) != nil { continue }
            do throws(EngineError) {
                _ = try printed(bytes)
            } catch {
                expect(error.position <= bytes.count + 1, "\(text(bytes)): at \(error.position)")
            }
        }
    }
}

private func checkValidation(_ context: SuiteContext) {
    func firstInvalid(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBytes { UTF8Validation.firstInvalid(in: $0) ?? -1 } }
    let good: [[UInt8]] = [
        [], Array("plain ASCII of more than eight bytes".utf8), Array("äöü€𝄞 \u{10FFFF} \u{800} \u{10000}".utf8),
        [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
    ]
    for bytes in good { context.expectEqual(firstInvalid(bytes), -1, "valid") }
    let bad: [[UInt8]] = [
        [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x9F, 0xBF], [0xE2, 0x82], [0xED, 0xA0, 0x80],
        [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0x00],
    ]
    for bytes in bad {
        for padding in [0, 7, 8, 9] {
            let padded = [UInt8](repeating: 0x61, count: padding) + bytes
            context.expectEqual(firstInvalid(padded), padding, "first invalid byte")
        }
    }
    context.expectError(.characterNotInRepertoire) { () throws(EngineError) in
        try [0x61, 0xE4, 0x20, 0x62].withUnsafeBytesThrowing { bytes throws(EngineError) in
            try UTF8Validation.check(bytes)
        }
    }
}

extension Array where Element == UInt8 {
    /// `withUnsafeBytes` with a typed error.
    fileprivate func withUnsafeBytesThrowing(
        _ body: (UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        var failure: EngineError?
        withUnsafeBytes { bytes in
            do throws(EngineError) { try body(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

private func checkNames(_ context: SuiteContext) throws(EngineError) {
    func column(_ source: String) throws(EngineError) -> Name {
        guard case .query(let query) = try parsed("SELECT \(source)")[0].statement,
            case .select(let core) = query.body, case .column(let parts) = core.targets[0].expression.kind
        else { throw EngineError(.internalError, "\(source) is no column") }
        return parts[0]
    }
    context.expect(try column("FooBar") == "foobar", "folded")
    context.expect(try column("\"FooBar\"") == "FooBar", "kept")
    context.expect(try column("\"a\"\"b\"") == "a\"b", "quote undoubled")
    context.expect(try column("U&\"d\\0061t\\+000061\"") == "data", "escapes")
    context.expect(try column("U&\"d!0061ta\" UESCAPE '!'") == "data", "escapes of choice")
    let long = String(repeating: "a", count: 62) + "äb"
    context.expectEqual(try column(long).bytes.count, 62, "bytes of a cut name")
    context.expect(try column("É") != column("é"), "only ASCII is folded")
    let plain: Name = "plain"
    context.expect(Deparser.isPlain(plain) && !Deparser.isPlain("select") && !Deparser.isPlain("Plain"), "plain names")
    let op: OperatorName = "<->"
    context.expect(op.bytes == Array("<->".utf8) && op != "<-", "operators")
}

// MARK: - Nesting

/// SQL made of repeated parts.
struct Shape: Sendable {
    var opening: String
    var repeated: String
    var middle: String
    var closing: String = ""
    var end: String = ""

    func text(levels: Int) -> String {
        var bytes = Array(opening.utf8)
        for _ in 0..<levels { bytes += Array(repeated.utf8) }
        bytes += Array(middle.utf8)
        for _ in 0..<levels { bytes += Array(closing.utf8) }
        bytes += Array(end.utf8)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What builds trees, or recursion, as high as it is long.
private let nestingShapes: [Shape] = [
    Shape(opening: "SELECT ", repeated: "(", middle: "1", closing: ")"),
    Shape(opening: "SELECT ", repeated: "(1 + ", middle: "1", closing: ")"),
    Shape(opening: "SELECT ", repeated: "NOT ", middle: "true"),
    Shape(opening: "SELECT ", repeated: "- ", middle: "x"),
    Shape(opening: "SELECT ", repeated: "@ ", middle: "x"),
    Shape(opening: "SELECT ", repeated: "f(", middle: "1", closing: ")"),
    Shape(opening: "SELECT ", repeated: "CASE WHEN true THEN ", middle: "1", closing: " END"),
    Shape(opening: "SELECT ARRAY", repeated: "[", middle: "1", closing: "]"),
    Shape(opening: "SELECT ", repeated: "a[", middle: "1", closing: "]"),
    Shape(opening: "SELECT ", repeated: "1 IN (", middle: "1", closing: ")"),
    Shape(opening: "SELECT ", repeated: "CAST(", middle: "1", closing: " AS int)"),
    Shape(opening: "SELECT ", repeated: "1::t(", middle: "1", closing: ")"),
    Shape(opening: "SELECT ", repeated: "(SELECT ", middle: "1", closing: ")"),
    Shape(opening: "SELECT ", repeated: "EXISTS (SELECT ", middle: "1", closing: ")"),
    Shape(opening: "SELECT ", repeated: "sum(1) OVER (ORDER BY ", middle: "1", closing: ")"),
    Shape(opening: "", repeated: "SELECT * FROM (", middle: "SELECT 1", closing: ") x"),
    Shape(opening: "SELECT * FROM ", repeated: "(", middle: "a CROSS JOIN b", closing: ") CROSS JOIN c"),
    Shape(opening: "SELECT * FROM ", repeated: "a JOIN ", middle: "b", closing: " ON true"),
    Shape(opening: "SELECT * FROM a", repeated: " CROSS JOIN b", middle: ""),
    Shape(opening: "", repeated: "(", middle: "SELECT 1", closing: ")"),
    Shape(opening: "", repeated: "(SELECT 1 UNION ", middle: "SELECT 1", closing: ")"),
    Shape(opening: "", repeated: "WITH a AS (", middle: "SELECT 1", closing: ") SELECT 1"),
    Shape(opening: "SELECT 1 GROUP BY ", repeated: "GROUPING SETS (", middle: "a", closing: ")"),
    Shape(opening: "SELECT a", repeated: " IS NULL", middle: ""),
    Shape(opening: "SELECT a", repeated: "::int", middle: ""),
    Shape(opening: "SELECT a", repeated: " COLLATE c", middle: ""),
    Shape(opening: "SELECT a", repeated: " AT TIME ZONE 'x'", middle: ""),
    Shape(opening: "SELECT a", repeated: " IS NULL + 1", middle: ""),
    Shape(opening: "", repeated: "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ", middle: "SELECT 1", closing: "; END"),
]

/// What is flat however long it is.
private let flatShapes: [Shape] = [
    Shape(opening: "SELECT 1", repeated: " + 1", middle: ""),
    Shape(opening: "SELECT 1", repeated: " || 'a'", middle: ""),
    Shape(opening: "SELECT a", repeated: " AND a", middle: ""),
    Shape(opening: "SELECT ", repeated: "a AND b OR ", middle: "c"),
    Shape(opening: "SELECT 1 IN (1", repeated: ", 1", middle: ")"),
    Shape(opening: "SELECT 1", repeated: " UNION ALL SELECT 1", middle: ""),
    Shape(opening: "INSERT INTO t VALUES (1)", repeated: ", (1)", middle: ""),
    Shape(opening: "SELECT a", repeated: ", a", middle: ""),
    Shape(opening: "SELECT CASE", repeated: " WHEN a THEN b", middle: " END"),
    Shape(opening: "SELECT 1 FROM a", repeated: ", a", middle: ""),
    Shape(opening: "", repeated: "/* ", middle: "", closing: " */", end: "SELECT 1"),
]
