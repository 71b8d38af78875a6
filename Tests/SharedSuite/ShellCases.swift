// The console's shell, as far as it needs no console: the line editor beside a model of text and terminal, where statements
// end, and tables.

import Platform
import Shell

func shellCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "shell: what the terminal shows is what was typed, whatever the keys") {
            context throws(EngineError) in
            for seed in 1...40 { typeAtRandom(context, seed: UInt64(seed)) }
        },
        SuiteCase(bare: "shell: Up and Down walk through the lines before, and back to the one begun") {
            context throws(EngineError) in
            var editor = LineEditor()
            var output: [UInt8] = []
            for line: StaticString in ["one", "two", "two"] { _ = enter(line, &editor, &output) }
            editor.begin([], &output)
            type("thr", &editor, &output)
            type("\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[B\u{1b}[B", &editor, &output)
            context.expect(isLine(editor.feed(0x0d, &output), "thr"), "the line begun is lost")
            editor.begin([], &output)
            type("\u{1b}[A\u{1b}[A", &editor, &output)
            context.expect(isLine(editor.feed(0x0d, &output), "two"), "a line was kept twice, or not in order")
        },
        SuiteCase(bare: "shell: Control-C gives the line up, Control-D ends only an empty one") {
            context throws(EngineError) in
            var editor = LineEditor()
            var output: [UInt8] = []
            editor.begin([], &output)
            type("abc\u{01}", &editor, &output)
            context.expect(editor.feed(0x04, &output) == .none, "a line with text ended")
            context.expect(isLine(editor.feed(0x0d, &output), "bc"), "the byte under the cursor stays")
            editor.begin([], &output)
            context.expect(editor.feed(0x04, &output) == .end, "an empty line does not end")
            editor.begin([], &output)
            type("abc", &editor, &output)
            context.expect(editor.feed(0x03, &output) == .interrupt, "Control-C is not heard")
        },
        SuiteCase(bare: "shell: broken UTF-8 and unknown escapes leave a line that is whole") {
            context throws(EngineError) in
            var random = SuiteRandom(seed: 7)
            for _ in 0..<200 {
                var editor = LineEditor(width: 20 + random.next(below: 60))
                var output: [UInt8] = []
                editor.begin(Array("> ".utf8), &output)
                for _ in 0..<random.next(below: 400) {
                    var byte = UInt8(random.next(below: 256))
                    if byte == 0x0d || byte == 0x0a || byte == 0x03 || byte == 0x04 { byte = 0x1b }
                    _ = editor.feed(byte, &output)
                }
                guard case .line(let line) = editor.feed(0x0d, &output) else {
                    context.fail("Enter does not end the line")
                    continue
                }
                context.expect(line.count <= LineEditor.lineLimit, "a line of \(line.count) bytes")
            }
        },
        SuiteCase(bare: "shell: a statement ends at a semicolon outside quotes and comments") {
            context throws(EngineError) in
            let whole: [StaticString] = [
                "SELECT 1;", "SELECT 1; ", "SELECT ';';", "SELECT 'it''s';", "SELECT E'\\';';", "SELECT \";\";",
                "SELECT $$;$$;", "SELECT $a$ $b$ ; $a$;", "SELECT 1; -- ;", "/* ; /* ; */ ; */ SELECT 1;",
                "SELECT 1; /* */", "SELECT a$b;", "SELECT $1;", "SELECT 'a\\';",
            ]
            let part: [StaticString] = [
                "", "SELECT 1", "SELECT ';", "SELECT ';'", "SELECT E'\\';", "SELECT \";", "SELECT $$;",
                "SELECT $a$;$b$;",
                "SELECT 1 -- ;", "/* ; */", "SELECT 1; /* ", "SELECT 1; SELECT 2", "/* /* */ ;",
            ]
            for text in whole { context.expect(StatementScanner.isComplete(bytes(text)), "not an end: \(text)") }
            for text in part { context.expect(!StatementScanner.isComplete(bytes(text)), "an end: \(text)") }
        },
        SuiteCase(bare: "shell: a table aligns its columns and counts its rows") { context throws(EngineError) in
            var output: [UInt8] = []
            var table = ResultTable([
                ResultTable.Column(Array("id".utf8), isRight: true), ResultTable.Column(Array("word".utf8)),
            ])
            table.add([Array("7".utf8), Array("ä".utf8)], &output)
            table.add([Array("1000".utf8), []], &output)
            table.end(&output)
            let expected: StaticString =
                "  id  | word \n------+------\n    7 | ä\n 1000 | \n(2 rows)\n"
            context.expect(isSame(output, bytes(expected)), String(decoding: output, as: UTF8.self))
        },
    ]
}

private func bytes(_ text: StaticString) -> [UInt8] {
    Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}

private func isSame(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    if a.count != b.count { return false }
    for index in 0..<a.count where a[index] != b[index] { return false }
    return true
}

private func isLine(_ event: LineEditor.Event, _ text: StaticString) -> Bool {
    guard case .line(let line) = event else { return false }
    return isSame(line, bytes(text))
}

private func type(_ text: StaticString, _ editor: inout LineEditor, _ output: inout [UInt8]) {
    for byte in bytes(text) { _ = editor.feed(byte, &output) }
}

private func enter(_ text: StaticString, _ editor: inout LineEditor, _ output: inout [UInt8]) -> LineEditor.Event {
    editor.begin([], &output)
    type(text, &editor, &output)
    return editor.feed(0x0d, &output)
}

/// One row of a terminal: what a carriage return, `ESC [ K` and `ESC [ n C` do to it.
private struct TerminalRow {
    var cells: [[UInt8]] = []
    var column = 0
    var isWrapped = false
    let width: Int

    mutating func show(_ output: [UInt8]) {
        var index = 0
        while index < output.count {
            let byte = output[index]
            if byte == 0x0d {
                column = 0
            } else if byte == 0x1b {
                var number = 0
                index += 2
                while (0x30...0x39).contains(output[index]) {
                    number = number * 10 + Int(output[index] - 0x30)
                    index += 1
                }
                if output[index] == 0x4b { cells.removeSubrange(min(column, cells.count)...) }
                if output[index] == 0x43 { column += number }
            } else if byte & 0xc0 == 0x80 {
                cells[column - 1].append(byte)
            } else {
                if column < cells.count { cells[column] = [byte] } else { cells.append([byte]) }
                column += 1
                if column > width { isWrapped = true }
            }
            index += 1
        }
    }
}

/// Random keys beside a model: characters and a cursor.
private func typeAtRandom(_ context: SuiteContext, seed: UInt64) {
    var random = SuiteRandom(seed: seed)
    let width = 24 + random.next(below: 40)
    let prompt = bytes("sql> ")
    let letters: [[UInt8]] = [[0x61], [0x62], [0x20], [0xc3, 0xa4], [0xe2, 0x82, 0xac], [0xf0, 0x9f, 0x90, 0x98]]
    var editor = LineEditor(width: width)
    var row = TerminalRow(width: width)
    var output: [UInt8] = []
    var model: [[UInt8]] = []
    var cursor = 0
    func press(_ keys: [UInt8]) { for key in keys { _ = editor.feed(key, &output) } }
    editor.begin(prompt, &output)
    for _ in 0..<150 {
        switch random.next(below: 12) {
        case 0:
            press([0x1b, 0x5b, 0x44])
            cursor = max(0, cursor - 1)
        case 1:
            press([0x06])
            cursor = min(model.count, cursor + 1)
        case 2:
            press([0x7f])
            if cursor > 0 {
                cursor -= 1
                model.remove(at: cursor)
            }
        case 3:
            press([0x1b, 0x5b, 0x33, 0x7e])
            if cursor < model.count { model.remove(at: cursor) }
        case 4 where random.next(below: 8) == 0:
            press([0x0b])
            model.removeSubrange(cursor...)
        case 5:
            press([0x01])
            cursor = 0
        case 6:
            press([0x1b, 0x4f, 0x46])
            cursor = model.count
        default:
            let letter = letters[random.next(below: letters.count)]
            press(letter)
            model.insert(letter, at: cursor)
            cursor += 1
        }
        row.show(output)
        output = []
        context.expect(!row.isWrapped, "the line is wider than the terminal")
        let shown = row.column - prompt.count
        context.expect(shown >= 0 && shown <= cursor, "the cursor is at column \(row.column) of \(cursor) characters")
        if prompt.count + model.count < width {
            let expected = prompt + model.flatMap { $0 }
            context.expect(isSame(row.cells.flatMap { $0 }, expected), "the terminal shows something else")
            context.expectEqual(shown, cursor, "the cursor")
        } else if shown > 0 {
            context.expect(isSame(row.cells[row.column - 1], model[cursor - 1]), "the text before the cursor differs")
        }
    }
    guard case .line(let line) = editor.feed(0x0d, &output) else { return context.fail("Enter does not end the line") }
    context.expect(isSame(line, model.flatMap { $0 }), "the line differs from what was typed")
}
