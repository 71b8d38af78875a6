// A VGA display in text mode, 80 columns and 25 rows of the default font (IBM PS/2 Hardware Interface Technical Reference, video
// subsystem): what is said on the serial line is said there, too. The few control sequences that the shell uses are obeyed.
//
// The window of 32 KiB holds more rows than the screen shows. To scroll is to move the screen's start by one row; when the window
// ends, the rows on display are written once more at its beginning, from a copy in memory, since the window is slow to read.

import CMetal
import Platform

struct TextScreen: ~Copyable {
    /// Set by firmware that has left the display in text mode; without it bytes go nowhere.
    let isPresent: Bool
    /// Where the screen starts in the window, in cells.
    private var start = 0
    private var row = 0
    private var column = 0
    private var sequence = Sequence.none
    private var number = 0
    /// What the screen shows, a row behind another.
    private let cells: UnsafeMutablePointer<UInt16>

    private enum Sequence { case none, escape, parameters }

    private static let columns = 80
    private static let rows = 25
    static let cellCount = rows * columns
    private static let window: UInt = 0xb8000
    private static let windowCellCount = 16 << 10
    /// Light grey on black.
    private static let blank: UInt16 = 0x0720

    private static let controller: UInt16 = 0x3d4
    private static let graphics: UInt16 = 0x3ce

    /// `cells`: memory for `cellCount` of them, which outlives the screen.
    init(_ cells: UnsafeMutablePointer<UInt16>) {
        self.cells = cells
        // Of the graphics controller's register 6: text, in the window at B8000. And a cursor register that keeps what it is told.
        dbk_out8(Self.graphics, 6)
        let mode = dbk_in8(Self.graphics + 1)
        let old = Self.read(0x0f)
        Self.write(0x0f, 0x5a)
        isPresent = mode & 0x0d == 0x0c && Self.read(0x0f) == 0x5a
        Self.write(0x0f, old)
        if isPresent { clear() }
    }

    private static func write(_ register: UInt8, _ value: UInt8) {
        dbk_out8(controller, register)
        dbk_out8(controller + 1, value)
    }
    private static func read(_ register: UInt8) -> UInt8 {
        dbk_out8(controller, register)
        return dbk_in8(controller + 1)
    }

    /// The lock is the caller's. After the last byte `show` moves the cursor.
    mutating func put(_ byte: UInt8) {
        if !isPresent { return }
        switch sequence {
        case .none: putPlain(byte)
        case .escape:
            sequence = byte == UInt8(ascii: "[") ? .parameters : .none
            number = 0
        case .parameters:
            if byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
                number = min(number * 10 + Int(byte - UInt8(ascii: "0")), 999)
            } else {
                obey(byte)
                sequence = .none
            }
        }
    }

    private mutating func putPlain(_ byte: UInt8) {
        switch byte {
        case 0x08: column = max(0, column - 1)
        case 0x0a: lineFeed()
        case 0x0d: column = 0
        case 0x1b: sequence = .escape
        case 0x20...0x7e:
            if column == Self.columns {
                column = 0
                lineFeed()
            }
            set(row, column, 0x0700 | UInt16(byte))
            column += 1
        // One sign for each character of more than one byte.
        case 0xc0...0xff: putPlain(UInt8(ascii: "?"))
        default: break
        }
    }

    private mutating func obey(_ command: UInt8) {
        switch command {
        case UInt8(ascii: "C"): column = min(Self.columns - 1, column + max(1, number))
        case UInt8(ascii: "D"): column = max(0, column - max(1, number))
        case UInt8(ascii: "H"):
            row = 0
            column = 0
        case UInt8(ascii: "J"): clear()
        case UInt8(ascii: "K"): for at in min(column, Self.columns)..<Self.columns { set(row, at, Self.blank) }
        default: break
        }
    }

    private mutating func clear() {
        start = 0
        row = 0
        column = 0
        for row in 0..<Self.rows {
            for column in 0..<Self.columns { set(row, column, Self.blank) }
        }
        showStart()
    }

    private mutating func lineFeed() {
        if row < Self.rows - 1 {
            row += 1
            return
        }
        cells.update(from: cells + Self.columns, count: Self.cellCount - Self.columns)
        for column in 0..<Self.columns { cells[row * Self.columns + column] = Self.blank }
        start += Self.columns
        if start + Self.cellCount > Self.windowCellCount {
            start = 0
            for cell in 0..<Self.cellCount { poke(cell, cells[cell]) }
        } else {
            for column in 0..<Self.columns { poke(row * Self.columns + column, Self.blank) }
        }
        showStart()
    }

    private mutating func set(_ row: Int, _ column: Int, _ value: UInt16) {
        cells[row * Self.columns + column] = value
        poke(row * Self.columns + column, value)
    }

    private func poke(_ cell: Int, _ value: UInt16) {
        UnsafeMutablePointer<UInt16>(bitPattern: Self.window).unsafelyUnwrapped[start + cell] = value
    }

    private func showStart() {
        Self.write(0x0c, UInt8(truncatingIfNeeded: start >> 8))
        Self.write(0x0d, UInt8(truncatingIfNeeded: start))
    }

    /// Brings the cursor to where the next character goes.
    func show() {
        if !isPresent { return }
        let place = start + row * Self.columns + min(column, Self.columns - 1)
        Self.write(0x0e, UInt8(truncatingIfNeeded: place >> 8))
        Self.write(0x0f, UInt8(truncatingIfNeeded: place))
    }
}
