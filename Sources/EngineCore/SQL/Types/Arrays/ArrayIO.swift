// Arrays as text (`{1,2,{…}}`, `[0:1]={a,b}`) and on the wire; rows as text and on the wire.

import Platform

enum ArrayIO {
    static var maximumDimensions: Int { 6 }
    /// Most elements: as PostgreSQL's MaxArraySize for the widest elements.
    static let maximumCount = 1 << 27

    static func tooManyDimensions(_ count: Int) -> EngineError {
        EngineError(.programLimitExceeded, "number of array dimensions (\(count)) exceeds the maximum allowed (6)")
    }
    static func tooLarge() -> EngineError {
        EngineError(.programLimitExceeded, "array size exceeds the maximum allowed (\(maximumCount - 1))")
    }

    static func parse(
        _ text: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        if type.oid == .int2vector || type.oid == .oidvector { return try parseVector(text, type.oid, context) }
        let parser = ArrayParser(text: text, element: SQLType(type.oid.element, typmod: type.typmod), context: context)
        return Datum(bytes: try parser.run())
    }

    /// Numbers separated by blanks.
    private static func parseVector(
        _ text: UnsafeRawBufferPointer, _ type: TypeOID, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        var builder = ArrayBuilder(element: type.element)
        var position = 0
        while position < text.count {
            if text[position].isSpace {
                position += 1
                continue
            }
            let start = position
            while position < text.count, !text[position].isSpace { position += 1 }
            builder.append(try TypeIO.input(text.slice(start, position), SQLType(type.element), context))
        }
        return Datum(bytes: builder.finish(lower: 0))
    }

    static func output(
        _ bytes: UnsafeRawBufferPointer, isVector: Bool, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        let array = ArrayValue(bytes)
        if isVector {
            for index in 0..<array.count {
                if index > 0 { buffer.append(0x20) }
                try TypeIO.output(array.cell(index), array.element, into: &buffer, context)
            }
            return
        }
        if array.count == 0 {
            buffer.append("{}")
            return
        }
        let dimensions = array.dimensions
        var plain = true
        for dimension in dimensions where dimension.lower != 1 { plain = false }
        if !plain {
            for dimension in dimensions {
                buffer.append(UInt8(ascii: "["))
                buffer.append(decimal: Int64(dimension.lower))
                buffer.append(UInt8(ascii: ":"))
                buffer.append(decimal: Int64(dimension.lower + dimension.length - 1))
                buffer.append(UInt8(ascii: "]"))
            }
            buffer.append(UInt8(ascii: "="))
        }
        var next = 0
        try level(array, dimensions, 0, &next, into: &buffer, context)
    }
    private static func level(
        _ array: ArrayValue, _ dimensions: [ArrayDimension], _ depth: Int, _ next: inout Int,
        into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        buffer.append(UInt8(ascii: "{"))
        for index in 0..<dimensions[depth].length {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            if depth + 1 < dimensions.count {
                try level(array, dimensions, depth + 1, &next, into: &buffer, context)
                continue
            }
            if array.isNull(next) {
                buffer.append("NULL")
            } else {
                let start = buffer.count
                try TypeIO.output(array.cell(next), array.element, into: &buffer, context)
                quoteIfNeeded(&buffer, start)
            }
            next += 1
        }
        buffer.append(UInt8(ascii: "}"))
    }

    /// Puts double quotes around what follows `start` if a reader would need them.
    private static func quoteIfNeeded(_ buffer: inout ByteBuffer, _ start: Int) {
        let text = UnsafeRawBufferPointer(start: buffer.base + start, count: buffer.count - start)
        var needed = text.isEmpty || text.equalsIgnoringCase("null")
        for byte in text {
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\\"):
                needed = true
            default: if byte.isSpace { needed = true }
            }
        }
        guard needed else { return }
        let copy = [UInt8](text)
        buffer.truncate(to: start)
        buffer.append(UInt8(ascii: "\""))
        for byte in copy {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { buffer.append(UInt8(ascii: "\\")) }
            buffer.append(byte)
        }
        buffer.append(UInt8(ascii: "\""))
    }

    /// Int32 dimensions, Int32 has-nulls, element type, per dimension length and lower bound, per element length and bytes.
    static func send(
        _ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        let array = ArrayValue(bytes)
        buffer.appendBig(Int32(array.dimensionCount))
        buffer.appendBig(array.hasNulls ? 1 : 0 as Int32)
        buffer.appendBig(array.element.rawValue)
        for dimension in array.dimensions {
            buffer.appendBig(Int32(dimension.length))
            buffer.appendBig(Int32(dimension.lower))
        }
        for index in 0..<array.count {
            if array.isNull(index) {
                buffer.appendBig(-1 as Int32)
                continue
            }
            let start = buffer.count
            buffer.appendBig(0 as Int32)
            try TypeIO.send(array.cell(index), array.element, into: &buffer, context)
            buffer.setBig(start, Int32(buffer.count - start - 4))
        }
    }
    static func receive(
        _ bytes: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        guard bytes.count >= 12, let base = bytes.baseAddress else { throw TypeIO.tooShort() }
        let dimensionCount = Int(base.big(0, as: Int32.self))
        guard dimensionCount >= 0 else {
            throw EngineError(.invalidBinaryRepresentation, "invalid number of dimensions: \(dimensionCount)")
        }
        guard dimensionCount <= maximumDimensions else { throw tooManyDimensions(dimensionCount) }
        let flags = base.big(4, as: UInt32.self)
        guard flags <= 1 else { throw EngineError(.invalidBinaryRepresentation, "invalid array flags") }
        guard base.big(8, as: UInt32.self) == type.oid.element.rawValue else {
            throw EngineError(.datatypeMismatch, "wrong element type")
        }
        guard bytes.count >= 12 + 8 * dimensionCount else { throw TypeIO.tooShort() }
        var dimensions: [ArrayDimension] = []
        var count = dimensionCount == 0 ? 0 : 1
        for index in 0..<dimensionCount {
            let length = Int(base.big(12 + 8 * index, as: Int32.self))
            // The product of two lengths of 31 bits, checked each time, cannot overflow.
            guard length >= 0, count * length < maximumCount else { throw tooLarge() }
            count *= length
            dimensions.append(ArrayDimension(length: length, lower: Int(base.big(16 + 8 * index, as: Int32.self))))
        }
        var builder = ArrayBuilder(element: type.oid.element)
        var position = 12 + 8 * dimensionCount
        let elementType = SQLType(type.oid.element, typmod: type.typmod)
        for _ in 0..<count {
            guard position + 4 <= bytes.count else { throw TypeIO.tooShort() }
            let length = Int(base.big(position, as: Int32.self))
            position += 4
            if length == -1 {
                builder.append(nil as Cell?)
                continue
            }
            guard length >= 0, position + length <= bytes.count else {
                throw EngineError(.invalidBinaryRepresentation, "insufficient data left in message")
            }
            builder.append(try TypeIO.receive(bytes.slice(position, position + length), elementType, context))
            position += length
        }
        guard position == bytes.count else { throw TypeIO.malformed() }
        return Datum(bytes: try builder.finish(dimensions: dimensions))
    }
}

/// Reads an array's text form.
private struct ArrayParser: ~Copyable {
    private let text: UnsafeRawBufferPointer
    private let element: SQLType
    private let context: EvaluationContext
    private var position = 0
    private var lengths: [Int?] = []
    private var builder: ArrayBuilder

    init(text: UnsafeRawBufferPointer, element: SQLType, context: EvaluationContext) {
        self.text = text
        self.element = element
        self.context = context
        builder = ArrayBuilder(element: element.oid)
    }

    private func malformed(_ detail: String) -> EngineError {
        EngineError(.invalidTextRepresentation, "malformed array literal: \"\(quoted(text))\"", detail: detail)
    }
    private var byte: UInt8 { position < text.count ? text[position] : 0 }
    private mutating func skipSpace() { while position < text.count, byte.isSpace { position += 1 } }

    consuming func run() throws(EngineError) -> [UInt8] {
        skipSpace()
        var bounds: [ArrayDimension] = []
        while byte == UInt8(ascii: "[") {
            bounds.append(try bound())
            skipSpace()
        }
        if !bounds.isEmpty {
            guard byte == UInt8(ascii: "=") else { throw malformed("Missing \"=\" after array dimensions.") }
            position += 1
            skipSpace()
        }
        guard byte == UInt8(ascii: "{") else {
            throw malformed(
                bounds.isEmpty
                    ? "Array value must start with \"{\" or dimension information."
                    : "Array contents must start with \"{\".")
        }
        try level(0)
        skipSpace()
        guard position == text.count else { throw malformed("Junk after closing right brace.") }
        var dimensions: [ArrayDimension] = []
        for length in lengths { dimensions.append(ArrayDimension(length: length ?? 0)) }
        if builder.count == 0 { return builder.finish() }
        if !bounds.isEmpty {
            guard bounds.count == dimensions.count else {
                throw malformed("Specified array dimensions do not match array contents.")
            }
            for index in bounds.indices where bounds[index].length != dimensions[index].length {
                throw malformed("Specified array dimensions do not match array contents.")
            }
            dimensions = bounds
        }
        return try builder.finish(dimensions: dimensions)
    }

    /// `[m:n]` or `[n]`.
    private mutating func bound() throws(EngineError) -> ArrayDimension {
        position += 1
        func number(_ position: inout Int) -> Int? {
            let start = position
            var value = 0
            let negative = position < text.count && text[position] == UInt8(ascii: "-")
            if negative { position += 1 }
            while position < text.count, text[position].isDigit, position - start < 11 {
                value = value * 10 + Int(text[position] - 0x30)
                position += 1
            }
            return position == start ? nil : (negative ? -value : value)
        }
        guard let first = number(&position) else {
            throw malformed("\"[\" must introduce explicitly-specified array dimensions.")
        }
        var (lower, upper) = (1, first)
        if byte == UInt8(ascii: ":") {
            position += 1
            guard let second = number(&position) else { throw malformed("Missing array dimension value.") }
            (lower, upper) = (first, second)
        }
        guard byte == UInt8(ascii: "]") else { throw malformed("Missing \"]\" after array dimensions.") }
        position += 1
        guard upper >= lower else { throw EngineError("2202E", "upper bound cannot be less than lower bound") }
        return ArrayDimension(length: upper - lower + 1, lower: lower)
    }

    private mutating func level(_ depth: Int) throws(EngineError) {
        guard depth < ArrayIO.maximumDimensions else {
            throw ArrayIO.tooManyDimensions(depth + 1)
        }
        position += 1
        if lengths.count == depth { lengths.append(nil) }
        var count = 0
        var holdsArrays: Bool?
        skipSpace()
        if byte == UInt8(ascii: "}") {
            position += 1
            guard depth == 0 else { throw malformed("Unexpected \"}\" character.") }
            return
        }
        while true {
            skipSpace()
            guard position < text.count else { throw malformed("Unexpected end of input.") }
            let isArray = byte == UInt8(ascii: "{")
            if let holdsArrays, holdsArrays != isArray {
                throw malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
            }
            holdsArrays = isArray
            if isArray {
                try level(depth + 1)
            } else {
                guard lengths.count == depth + 1 else {
                    throw malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
                }
                try item()
            }
            count += 1
            skipSpace()
            guard position < text.count else { throw malformed("Unexpected end of input.") }
            if byte == UInt8(ascii: ",") {
                position += 1
            } else if byte == UInt8(ascii: "}") {
                position += 1
                break
            } else {
                throw malformed("Unexpected array element.")
            }
        }
        if let known = lengths[depth], known != count {
            throw malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
        }
        lengths[depth] = count
    }

    private mutating func item() throws(EngineError) {
        var value: [UInt8] = []
        var wasQuoted = false
        var kept = 0
        scan: while position < text.count {
            switch byte {
            case UInt8(ascii: "\""):
                guard value.isEmpty, !wasQuoted else { throw malformed("Unexpected array element.") }
                wasQuoted = true
                position += 1
                while true {
                    guard position < text.count else { throw malformed("Unexpected end of input.") }
                    if byte == UInt8(ascii: "\"") { break }
                    if byte == UInt8(ascii: "\\") {
                        position += 1
                        guard position < text.count else { throw malformed("Unexpected end of input.") }
                    }
                    value.append(byte)
                    position += 1
                }
                position += 1
                kept = value.count
            case UInt8(ascii: "\\"):
                position += 1
                guard position < text.count else { throw malformed("Unexpected end of input.") }
                value.append(byte)
                position += 1
                kept = value.count
            case UInt8(ascii: ","), UInt8(ascii: "}"): break scan
            case UInt8(ascii: "{"): throw malformed("Unexpected \"{\" character.")
            default:
                if wasQuoted {
                    guard byte.isSpace else { throw malformed("Unexpected array element.") }
                } else {
                    value.append(byte)
                    if !byte.isSpace { kept = value.count }
                }
                position += 1
            }
        }
        value.removeLast(value.count - kept)
        if value.isEmpty, !wasQuoted { throw malformed("Unexpected \"\(quoted([byte]))\" character.") }
        let type = element
        let context = context
        let datum = try value.withRaw { (raw) throws(EngineError) -> Datum in
            if !wasQuoted, raw.equalsIgnoringCase("null") { return .null }
            return try TypeIO.input(raw, type, context)
        }
        builder.append(datum)
    }
}
