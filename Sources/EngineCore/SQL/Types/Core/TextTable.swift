// Static catalog rows written as text: one row a line, fields separated by spaces. Compiles to one string in the
// image instead of thousands of initialisers; parsed once, when a table is first asked for.

/// Iterates over the rows of a static text table.
struct TextTable: Sequence, IteratorProtocol {
    private let text: StaticString
    private var position = 0

    init(_ text: StaticString) { self.text = text }

    /// The fields of the next row; empty lines are skipped.
    mutating func next() -> [[UInt8]]? {
        let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        while position < bytes.count {
            var fields: [[UInt8]] = []
            var field: [UInt8] = []
            while position < bytes.count, bytes[position] != 0x0A {
                if bytes[position] == 0x20 {
                    if !field.isEmpty { fields.append(field) }
                    field = []
                } else {
                    field.append(bytes[position])
                }
                position += 1
            }
            position += 1
            if !field.isEmpty { fields.append(field) }
            if !fields.isEmpty { return fields }
        }
        return nil
    }

    /// The digits of `field` as a number. Precondition: it is one.
    static func unsigned(_ field: [UInt8]) -> UInt32 {
        var value: UInt32 = 0
        for byte in field { value = value * 10 + UInt32(byte - 0x30) }
        return value
    }
    static func signed(_ field: [UInt8]) -> Int32 {
        field[0] == 0x2D ? -Int32(unsigned(Array(field.dropFirst()))) : Int32(unsigned(field))
    }
}
