// One line being typed: keys in, what the terminal is to show out. Pure: no console, no waiting.
//
// Keys are those of GNU Readline's Emacs mode (its manual, 8.4) and the escape sequences of a VT100 or xterm (ECMA-48). The line
// scrolls sideways when it is longer than the terminal is wide, so it never wraps and a redraw needs no more than a carriage
// return. Text is UTF-8, one column to a code point.

import Platform

package struct LineEditor {
    package enum Event: Equatable {
        /// The line goes on.
        case none
        case line([UInt8])
        /// Control-C: the line is given up.
        case interrupt
        /// Control-D on an empty line.
        case end
    }

    private enum Escape {
        case none
        /// After the escape byte.
        case started
        /// After `ESC [` or `ESC O`, with the number read so far.
        case sequence(Int)
    }

    private var prompt: [UInt8] = []
    private let width: Int
    private var text: [UInt8] = []
    /// Byte offset, always at a code point's start.
    private var cursor = 0
    private var escape = Escape.none
    /// Continuation bytes that the code point at hand still needs.
    private var missing = 0
    private var killed: [UInt8] = []
    private var history: [[UInt8]] = []
    /// Where in `history` the line is from; its count for a new one.
    private var place = 0
    /// The new line, while an old one is shown.
    private var draft: [UInt8] = []
    private var wasReturn = false

    package static let historyLimit = 200
    /// Longer lines are not taken: bytes.
    package static let lineLimit = 64 << 10

    /// `width`: columns of the terminal.
    package init(width: Int = 80) { self.width = max(20, width) }

    /// Starts a line; shows the prompt.
    package mutating func begin(_ prompt: [UInt8], _ output: inout [UInt8]) {
        self.prompt = prompt
        text = []
        cursor = 0
        place = history.count
        draft = []
        redraw(&output)
    }

    /// The next byte from the terminal.
    package mutating func feed(_ byte: UInt8, _ output: inout [UInt8]) -> Event {
        // A terminal may send a carriage return, a line feed, or both.
        let isSecondHalf = wasReturn && byte == 0x0a
        wasReturn = byte == 0x0d
        if isSecondHalf { return .none }
        // A control key ends a sequence that was cut short.
        if byte < 0x20 { escape = .none }
        switch escape {
        case .started:
            escape = byte == 0x5b || byte == 0x4f ? .sequence(0) : .none
            if byte == 0x62 { moveWord(back: true, &output) }
            if byte == 0x66 { moveWord(back: false, &output) }
            return .none
        case .sequence(let number):
            if byte >= 0x30 && byte <= 0x39 {
                escape = .sequence(min(number * 10 + Int(byte - 0x30), 99))
            } else if byte == 0x3b {
                // Modifiers after a semicolon do not matter; the last number decides.
                escape = .sequence(0)
            } else {
                escape = .none
                special(byte, number, &output)
            }
            return .none
        case .none: return plain(byte, &output)
        }
    }

    // MARK: Keys

    private mutating func plain(_ byte: UInt8, _ output: inout [UInt8]) -> Event {
        if byte & 0xc0 != 0x80 { removeUnfinished() }
        switch byte {
        case 0x0d, 0x0a: return enter(&output)
        case 0x03:
            output += [0x5e, 0x43, 0x0a]  // ^C
            return .interrupt
        case 0x04:
            if text.isEmpty {
                output.append(0x0a)
                return .end
            }
            deleteForward(&output)
        case 0x01: move(to: 0, &output)
        case 0x05: move(to: text.count, &output)
        case 0x02: move(to: before(cursor), &output)
        case 0x06: move(to: after(cursor), &output)
        case 0x08, 0x7f: delete(before(cursor)..<cursor, keeps: false, &output)
        case 0x0b: delete(cursor..<text.count, keeps: true, &output)
        case 0x0c:
            output += Array("\u{1b}[H\u{1b}[2J".utf8)
            redraw(&output)
        case 0x0e: recall(place + 1, &output)
        case 0x10: recall(place - 1, &output)
        case 0x15: delete(0..<cursor, keeps: true, &output)
        case 0x17: delete(wordStart()..<cursor, keeps: true, &output)
        case 0x19: insert(killed, &output)
        case 0x1b: escape = .started
        case 0x00..<0x09, 0x0a..<0x20: break
        default: insertPiece(byte, &output)
        }
        return .none
    }

    private mutating func special(_ byte: UInt8, _ number: Int, _ output: inout [UInt8]) {
        switch (byte, number) {
        case (0x41, _): recall(place - 1, &output)
        case (0x42, _): recall(place + 1, &output)
        case (0x43, _): move(to: after(cursor), &output)
        case (0x44, _): move(to: before(cursor), &output)
        case (0x48, _), (0x7e, 1), (0x7e, 7): move(to: 0, &output)
        case (0x46, _), (0x7e, 4), (0x7e, 8): move(to: text.count, &output)
        case (0x7e, 3): deleteForward(&output)
        default: break
        }
    }

    private mutating func enter(_ output: inout [UInt8]) -> Event {
        output.append(0x0a)
        if !text.isEmpty && !Self.isSame(history.last, text) {
            history.append(text)
            if history.count > Self.historyLimit { history.removeFirst() }
        }
        return .line(text)
    }

    // MARK: Changes

    /// A byte of text; shown once its code point is whole.
    private mutating func insertPiece(_ byte: UInt8, _ output: inout [UInt8]) {
        if text.count >= Self.lineLimit { return output.append(0x07) }
        if byte & 0xc0 == 0x80 {
            // A continuation that continues nothing is dropped.
            if missing == 0 { return }
            missing -= 1
        } else {
            missing = byte < 0x80 ? 0 : byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0
        }
        text.insert(byte, at: cursor)
        cursor += 1
        if missing > 0 { return }
        let isAtEnd = cursor == text.count && columns(prompt) + columns(text) < width
        if isAtEnd { output += text[before(cursor)...].map(Self.shown) } else { redraw(&output) }
    }

    /// What was begun of a code point and not ended goes.
    private mutating func removeUnfinished() {
        if missing == 0 { return }
        missing = 0
        let start = before(cursor)
        text.removeSubrange(start..<cursor)
        cursor = start
    }

    private mutating func insert(_ bytes: [UInt8], _ output: inout [UInt8]) {
        if text.count + bytes.count > Self.lineLimit { return output.append(0x07) }
        text.insert(contentsOf: bytes, at: cursor)
        cursor += bytes.count
        redraw(&output)
    }

    private mutating func deleteForward(_ output: inout [UInt8]) {
        delete(cursor..<after(cursor), keeps: false, &output)
    }

    private mutating func delete(_ range: Range<Int>, keeps: Bool, _ output: inout [UInt8]) {
        if range.isEmpty { return }
        if keeps { killed = Array(text[range]) }
        text.removeSubrange(range)
        cursor = range.lowerBound
        redraw(&output)
    }

    private mutating func recall(_ index: Int, _ output: inout [UInt8]) {
        if index < 0 || index > history.count || index == place { return }
        if place == history.count { draft = text }
        place = index
        text = index == history.count ? draft : history[index]
        cursor = text.count
        redraw(&output)
    }

    // MARK: Places

    private mutating func move(to offset: Int, _ output: inout [UInt8]) {
        cursor = offset
        redraw(&output)
    }

    private mutating func moveWord(back: Bool, _ output: inout [UInt8]) {
        if back { return move(to: wordStart(), &output) }
        var end = cursor
        while end < text.count && text[end] == 0x20 { end += 1 }
        while end < text.count && text[end] != 0x20 { end += 1 }
        move(to: end, &output)
    }

    private func wordStart() -> Int {
        var start = cursor
        while start > 0 && text[start - 1] == 0x20 { start -= 1 }
        while start > 0 && text[start - 1] != 0x20 { start -= 1 }
        return start
    }

    private func before(_ offset: Int) -> Int {
        var start = max(0, offset - 1)
        while start > 0 && text[start] & 0xc0 == 0x80 { start -= 1 }
        return start
    }

    private func after(_ offset: Int) -> Int {
        var end = min(text.count, offset + 1)
        while end < text.count && text[end] & 0xc0 == 0x80 { end += 1 }
        return end
    }

    // MARK: The terminal

    private func columns(_ bytes: some Sequence<UInt8>) -> Int {
        var count = 0
        for byte in bytes where byte & 0xc0 != 0x80 { count += 1 }
        return count
    }

    /// A tab, which COPY wants, takes one column too.
    private static func shown(_ byte: UInt8) -> UInt8 { byte == 0x09 ? 0x20 : byte }

    /// The whole line again, scrolled so that the cursor is in view.
    package func redraw(_ output: inout [UInt8]) {
        let room = max(1, width - columns(prompt) - 1)
        let column = columns(text[..<cursor])
        let first = column > room ? column - room : 0
        output.append(0x0d)
        output += prompt
        var at = 0
        for byte in text {
            let isStart = byte & 0xc0 != 0x80
            if isStart { at += 1 }
            if at > first && at <= first + room { output.append(Self.shown(byte)) }
        }
        output += Array("\u{1b}[K\r".utf8)
        let right = columns(prompt) + column - first
        if right > 0 { output += Array("\u{1b}[\(right)C".utf8) }
    }

    private static func isSame(_ a: [UInt8]?, _ b: [UInt8]) -> Bool {
        guard let a, a.count == b.count else { return false }
        for index in 0..<a.count where a[index] != b[index] { return false }
        return true
    }
}
