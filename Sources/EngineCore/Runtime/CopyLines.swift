// Splits a COPY stream into records and fields (PostgreSQL 15 manual, COPY, "File Formats"): text and CSV.
//
// Pieces of the stream come as the client cut them. A record that lies whole in one piece is parsed in place; one that
// is cut is put together in `carry`. Fields are spans into the record, or into `scratch` where escapes were resolved.

import Platform
import SQL
import SQLTypes

/// The fields of one record: memory that is kept from record to record.
struct FieldList: ~Copyable {
    private var base: UnsafeMutablePointer<CopyLines.Field>
    private var capacity = 64
    private(set) var count = 0

    init() { base = .allocate(capacity: capacity) }
    deinit { base.deallocate() }

    @inline(__always) subscript(_ index: Int) -> CopyLines.Field {
        assert(index < count)
        return base[index]
    }
    @inline(__always) mutating func append(_ field: CopyLines.Field) {
        if count == capacity { grow() }
        base[count] = field
        count += 1
    }
    private mutating func grow() {
        let larger = UnsafeMutablePointer<CopyLines.Field>.allocate(capacity: capacity * 2)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
        capacity *= 2
    }
    @inline(__always) mutating func removeAll() { count = 0 }
}

/// Finds records and their fields. `isNull` of a field: the NULL marker, unquoted.
struct CopyLines: ~Copyable {
    struct Field: BitwiseCopyable {
        /// Offset into the record, or into `scratch` if `isUnescaped`.
        var offset: Int
        var count: Int
        var isUnescaped: Bool
        var isNull: Bool
    }

    private let options: CopyPlan.Options
    private var carry: [UInt8] = []
    /// In a quoted CSV field at the end of `carry`.
    private var isInQuotes = false
    private(set) var fields = FieldList()
    private var scratch = ByteBuffer()
    /// Records seen, for messages; the first is 1.
    private(set) var lineNumber = 0
    /// `\.` was read: the rest is ignored.
    private(set) var isAtEnd = false

    init(_ options: CopyPlan.Options) { self.options = options }

    /// The field's bytes, until the next record.
    @inline(__always) func bytes(_ field: Field, of record: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let base = field.isUnescaped ? UnsafeRawPointer(scratch.base) : record.baseAddress
        guard let base else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: base + field.offset, count: field.count)
    }

    /// Calls `record` with each whole record of the piece, without its line end.
    mutating func feed(
        _ piece: UnsafeRawBufferPointer,
        _ record: (inout CopyLines, UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        var start = 0
        while start < piece.count, !isAtEnd {
            guard let end = recordEnd(piece, from: start) else {
                carry.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece[start...]))
                return
            }
            let body = UnsafeRawBufferPointer(rebasing: piece[start..<end])
            start = end + 1
            if carry.isEmpty {
                try deliver(body, record)
            } else {
                carry.append(contentsOf: body)
                try deliverCarry(record)
            }
        }
    }

    /// The stream has ended: a last record without a line end counts.
    mutating func finish(
        _ record: (inout CopyLines, UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        if carry.isEmpty || isAtEnd { return }
        if isInQuotes { throw EngineError(.badCopyFileFormat, "unterminated CSV quoted field") }
        try deliverCarry(record)
    }

    private mutating func deliverCarry(
        _ record: (inout CopyLines, UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        let whole = carry
        carry = []
        try whole.withBytes { (raw) throws(EngineError) in try deliver(raw, record) }
        carry = whole
        carry.removeAll(keepingCapacity: true)
    }

    private mutating func deliver(
        _ body: UnsafeRawBufferPointer,
        _ record: (inout CopyLines, UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        lineNumber += 1
        var body = body
        if body.last == 0x0D { body = UnsafeRawBufferPointer(rebasing: body.dropLast()) }
        if body.count == 2, body[0] == 0x5C, body[1] == 0x2E {
            isAtEnd = true
            return
        }
        try record(&self, body)
    }

    private static let everyByte: UInt64 = 0x0101_0101_0101_0101

    /// The high bits of the bytes that are zero; the lowest bit is true, those above it need not be.
    @inline(__always) private static func zeroBytes(_ word: UInt64) -> UInt64 {
        (word &- everyByte) & ~word & 0x8080_8080_8080_8080
    }

    /// Place of the line feed that ends the record, nil if the piece ends before. In text format an escaped line feed
    /// (a backslash right before it) is data.
    private mutating func recordEnd(_ piece: UnsafeRawBufferPointer, from start: Int) -> Int? {
        if options.format == .csv { return recordEndCSV(piece, from: start) }
        let base = piece.baseAddress.unsafelyUnwrapped
        var position = start
        while position < piece.count {
            if position + 8 <= piece.count {
                let word = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                let hits = Self.zeroBytes(word ^ (0x0A &* Self.everyByte))
                if hits == 0 {
                    position += 8
                    continue
                }
                position += UInt64(littleEndian: hits).trailingZeroBitCount / 8
            } else if piece[position] != 0x0A {
                position += 1
                continue
            }
            if !isEscaped(piece, start, position) { return position }
            position += 1
        }
        return nil
    }

    /// An odd number of backslashes stands before `position`, counting into what was carried.
    private func isEscaped(_ piece: UnsafeRawBufferPointer, _ start: Int, _ position: Int) -> Bool {
        var count = 0
        var index = position - 1
        while index >= start, piece[index] == 0x5C {
            count += 1
            index -= 1
        }
        if index < start {
            for byte in carry.reversed() {
                guard byte == 0x5C else { break }
                count += 1
            }
        }
        return count & 1 == 1
    }

    private mutating func recordEndCSV(_ piece: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var position = start
        while position < piece.count {
            let byte = piece[position]
            if byte == options.quote {
                isInQuotes.toggle()
            } else if isInQuotes, byte == options.escape {
                // An escape other than the quote itself protects the next byte.
                position += 1
            } else if byte == 0x0A, !isInQuotes {
                return position
            }
            position += 1
        }
        return nil
    }

    // MARK: Fields

    /// Splits a record; the fields are in `fields` until the next call.
    mutating func split(_ record: UnsafeRawBufferPointer) throws(EngineError) {
        fields.removeAll()
        scratch.removeAll()
        if options.format == .csv { try splitCSV(record) } else { splitText(record) }
    }

    private mutating func splitText(_ record: UnsafeRawBufferPointer) {
        let delimiter = options.delimiter
        var start = 0
        var position = 0
        var hasEscapes = false
        if record.isEmpty { return addText(record, 0, 0, false) }
        let base = record.baseAddress.unsafelyUnwrapped
        let delimiters = UInt64(delimiter) &* Self.everyByte
        while position < record.count {
            if position + 8 <= record.count {
                // On to the next delimiter or backslash.
                let word = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                let hits = Self.zeroBytes(word ^ delimiters) | Self.zeroBytes(word ^ (0x5C &* Self.everyByte))
                if hits == 0 {
                    position += 8
                    continue
                }
                position += UInt64(littleEndian: hits).trailingZeroBitCount / 8
            }
            let byte = record[position]
            if byte == delimiter {
                addText(record, start, position, hasEscapes)
                start = position + 1
                hasEscapes = false
            } else if byte == 0x5C {
                hasEscapes = true
                position += 1
            }
            position += 1
        }
        addText(record, start, record.count, hasEscapes)
    }

    private mutating func addText(_ record: UnsafeRawBufferPointer, _ start: Int, _ end: Int, _ hasEscapes: Bool) {
        let isNull = matchesNull(record, start, end)
        guard hasEscapes, !isNull else {
            fields.append(Field(offset: start, count: end - start, isUnescaped: false, isNull: isNull))
            return
        }
        let offset = scratch.count
        var position = start
        while position < end {
            let byte = record[position]
            position += 1
            if byte == 0x5C, position < end {
                unescape(record, &position, end)
            } else {
                scratch.append(byte)
            }
        }
        fields.append(Field(offset: offset, count: scratch.count - offset, isUnescaped: true, isNull: false))
    }

    /// One escape sequence, `position` right after the backslash.
    private mutating func unescape(_ record: UnsafeRawBufferPointer, _ position: inout Int, _ end: Int) {
        let byte = record[position]
        position += 1
        switch byte {
        case UInt8(ascii: "b"): scratch.append(8)
        case UInt8(ascii: "f"): scratch.append(12)
        case UInt8(ascii: "n"): scratch.append(10)
        case UInt8(ascii: "r"): scratch.append(13)
        case UInt8(ascii: "t"): scratch.append(9)
        case UInt8(ascii: "v"): scratch.append(11)
        case 0x30...0x37:
            var value = Int(byte - 0x30)
            var digits = 1
            while digits < 3, position < end, (0x30...0x37).contains(record[position]) {
                value = value * 8 + Int(record[position] - 0x30)
                position += 1
                digits += 1
            }
            scratch.append(UInt8(truncatingIfNeeded: value))
        case UInt8(ascii: "x"):
            var value = 0
            var digits = 0
            while digits < 2, position < end, let digit = Self.hexDigit(record[position]) {
                value = value * 16 + digit
                position += 1
                digits += 1
            }
            scratch.append(digits == 0 ? byte : UInt8(truncatingIfNeeded: value))
        default:
            scratch.append(byte)
        }
    }

    private static func hexDigit(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte - 0x30)
        case 0x41...0x46: Int(byte - 0x37)
        case 0x61...0x66: Int(byte - 0x57)
        default: nil
        }
    }

    private func matchesNull(_ record: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Bool {
        guard end - start == options.null.count else { return false }
        for index in 0..<options.null.count where record[start + index] != options.null[index] { return false }
        return true
    }

    private mutating func splitCSV(_ record: UnsafeRawBufferPointer) throws(EngineError) {
        var position = 0
        while true {
            let start = position
            let offset = scratch.count
            var hasQuotes = false
            var isQuoted = false
            while position < record.count, isQuoted || record[position] != options.delimiter {
                let byte = record[position]
                position += 1
                if isQuoted, byte == options.escape, position < record.count,
                    record[position] == options.quote || record[position] == options.escape
                {
                    scratch.append(record[position])
                    position += 1
                } else if byte == options.quote {
                    isQuoted.toggle()
                    hasQuotes = true
                } else {
                    scratch.append(byte)
                }
            }
            if isQuoted { throw EngineError(.badCopyFileFormat, "unterminated CSV quoted field") }
            let isNull = !hasQuotes && matchesNull(record, start, position)
            fields.append(Field(offset: offset, count: scratch.count - offset, isUnescaped: true, isNull: isNull))
            if position >= record.count { return }
            position += 1
            if position == record.count {
                let isNull = options.null.isEmpty
                fields.append(Field(offset: scratch.count, count: 0, isUnescaped: true, isNull: isNull))
                return
            }
        }
    }
}
