// Static catalog rows written as text: one row a line, fields separated by spaces. Compiles to one string in the
// image instead of thousands of initialisers; parsed once, when a table is first asked for.

/// Iterates over the rows of a static text table.
struct TextTable: Sequence, IteratorProtocol {
    private let text: StaticString
    private var position = 0

    init(_ text: StaticString) { self.text = text }

    /// The fields of the next row; empty lines are skipped.
    mutating func next() -> [StaticBytes]? {
        let start = text.utf8Start
        let count = text.utf8CodeUnitCount
        while position < count {
            var fields: [StaticBytes] = []
            while position < count, start[position] != 0x0A {
                if start[position] == 0x20 {
                    position += 1
                    continue
                }
                let first = position
                while position < count, start[position] != 0x0A, start[position] != 0x20 { position += 1 }
                fields.append(StaticBytes(start: start + first, count: position - first))
            }
            position += 1
            if !fields.isEmpty { return fields }
        }
        return nil
    }
}

extension StaticBytes {
    /// Its decimal digits as a number. Precondition: it is one.
    var unsigned: UInt32 {
        var value: UInt32 = 0
        for byte in bytes { value = value * 10 + UInt32(byte - 0x30) }
        return value
    }
    var signed: Int32 {
        start[0] == 0x2D ? -Int32(StaticBytes(start: start + 1, count: count - 1).unsigned) : Int32(unsigned)
    }
    /// "1".
    var isOne: Bool { count == 1 && start[0] == 0x31 }
    var type: TypeOID { TypeOID(unsigned) }
}
