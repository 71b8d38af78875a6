// The kernel's command line: words of the form `name` or `name=value`, separated by spaces.

import Platform

package struct CommandLine {
    private let words: [[UInt8]]

    init(_ bytes: [UInt8]) {
        var words: [[UInt8]] = []
        var word: [UInt8] = []
        for byte in bytes {
            if byte > 0x20 {
                word.append(byte)
            } else if !word.isEmpty {
                words.append(word)
                word = []
            }
        }
        if !word.isEmpty { words.append(word) }
        self.words = words
    }

    /// The value of the last word with this name; empty for a word without `=`; nil if there is none.
    package func value(_ name: StaticString) -> [UInt8]? {
        var found: [UInt8]?
        let count = name.utf8CodeUnitCount
        for word in words where word.count >= count {
            var same = true
            for index in 0..<count where word[index] != name.utf8Start[index] { same = false }
            if !same { continue }
            if word.count == count { found = [] }
            if word.count > count && word[count] == 0x3d { found = Array(word[(count + 1)...]) }
        }
        return found
    }

    package func text(_ name: StaticString) -> String? { value(name).map { String(decoding: $0, as: UTF8.self) } }

    /// True if the word's value is `text`.
    package func isSet(_ name: StaticString, to text: StaticString) -> Bool {
        guard let value = value(name), value.count == text.utf8CodeUnitCount else { return false }
        for index in 0..<value.count where value[index] != text.utf8Start[index] { return false }
        return true
    }

    /// A count of bytes with an optional K, M or G; nil if there is no such word or it is no such count.
    package func byteCount(_ name: StaticString) -> Int? {
        guard let value = value(name) else { return nil }
        var number = 0
        for (index, byte) in value.enumerated() {
            switch byte {
            case 0x30...0x39:
                let (product, high) = number.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(Int(byte - 0x30))
                if high || carry { return nil }
                number = sum
            case _ where index > 0 && index == value.count - 1 && [0x4b, 0x4d, 0x47].contains(byte & 0xdf):
                let shift = byte & 0xdf == 0x4b ? 10 : byte & 0xdf == 0x4d ? 20 : 30
                if number > Int.max >> shift { return nil }
                number <<= shift
            default: return nil
            }
        }
        return value.isEmpty ? nil : number
    }
}
