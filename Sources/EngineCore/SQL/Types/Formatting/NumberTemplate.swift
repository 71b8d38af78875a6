// to_char and to_number of numbers. Source: PostgreSQL 15 manual, tables 9.29 and 9.30.
//
// A number is laid out over the template's digit places from the right; places before its first digit are blank, or zeros
// from the first `0` of the template on. The sign stands right before the first thing written, unless the template has a
// place for it.

import Platform

struct NumberTemplate {
    enum Item {
        case digit, zero, point, group, sign, signAlways, minus, plus, ordinal(DateFieldStyle.Case), currency
        case text([UInt8])
    }
    private(set) var items: [Item] = []
    /// Digit places before and after the point.
    private(set) var before = 0
    private(set) var after = 0
    /// Places that V multiplies by.
    private(set) var shift: Int?
    /// The first `0` before the point; nil if there is none.
    private var firstZero: Int?
    /// Places after the point up to the last `0`.
    private var lastZero = 0
    private var hasPoint = false
    private var isFill = false
    private var isBracketed = false
    private(set) var isExponential = false
    private var roman: DateFieldStyle.Case?
    private enum SignPlace { case none, front, end }
    private var signPlace = SignPlace.none
    private var hasMinus = false
    private var hasPlus = false

    /// Errors: 42601.
    init(_ text: UnsafeRawBufferPointer) throws(EngineError) {
        var position = 0
        func at(_ word: StaticString) -> Bool {
            let count = word.utf8CodeUnitCount
            guard position + count <= text.count else { return false }
            for index in 0..<count {
                let wanted = word.utf8Start[index]
                if text[position + index] != wanted,
                    text[position + index] != (wanted.isLetter ? wanted | 0x20 : wanted)
                {
                    return false
                }
            }
            return true
        }
        while position < text.count {
            var count = 1
            if at("EEEE") {
                count = 4
                isExponential = true
            } else if at("FM") {
                count = 2
                isFill = true
            } else if at("MI") || at("PL") || at("SG") || at("PR") || at("RN") || at("TH") {
                count = 2
                try addPair(text[position].lowered, text[position + 1].lowered, isUpper: text[position] < 0x60)
            } else if text[position] == UInt8(ascii: "\"") {
                let start = position + 1
                var end = start
                while end < text.count, text[end] != UInt8(ascii: "\"") { end += 1 }
                items.append(.text([UInt8](text.slice(start, end))))
                count = end - position + 1
            } else {
                count = try addSingle(text, position)
            }
            position += count
        }
    }

    private mutating func addPair(_ first: UInt8, _ second: UInt8, isUpper: Bool) throws(EngineError) {
        switch (first, second) {
        case (UInt8(ascii: "m"), _):
            hasMinus = true
            items.append(.minus)
        case (UInt8(ascii: "p"), UInt8(ascii: "l")):
            hasPlus = true
            items.append(.plus)
        case (UInt8(ascii: "s"), _):
            hasMinus = true
            items.append(.signAlways)
        case (UInt8(ascii: "p"), _): isBracketed = true
        case (UInt8(ascii: "r"), _): roman = isUpper ? .upper : .lower
        default: items.append(.ordinal(isUpper ? .upper : .lower))
        }
    }

    private mutating func addSingle(_ text: UnsafeRawBufferPointer, _ position: Int) throws(EngineError) -> Int {
        switch text[position] {
        case UInt8(ascii: "9"), UInt8(ascii: "0"):
            let isZero = text[position] == UInt8(ascii: "0")
            items.append(isZero ? .zero : .digit)
            if hasPoint {
                after += 1
                if isZero { lastZero = after }
            } else {
                if isZero, firstZero == nil { firstZero = before }
                before += 1
                if let known = shift { shift = known + 1 }
            }
        case UInt8(ascii: "."), UInt8(ascii: "D"), UInt8(ascii: "d"):
            if hasPoint { throw EngineError(.syntaxError, "multiple decimal points") }
            if shift != nil { throw EngineError(.syntaxError, "cannot use \"V\" and decimal point together") }
            hasPoint = true
            items.append(.point)
        case UInt8(ascii: ","), UInt8(ascii: "G"), UInt8(ascii: "g"): items.append(.group)
        case UInt8(ascii: "S"), UInt8(ascii: "s"):
            if signPlace != .none { throw EngineError(.syntaxError, "cannot use \"S\" twice") }
            if hasPlus || hasMinus || isBracketed {
                throw EngineError(
                    .syntaxError, "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together")
            }
            signPlace = before + after == 0 ? .front : .end
            items.append(.sign)
        case UInt8(ascii: "V"), UInt8(ascii: "v"):
            if hasPoint { throw EngineError(.syntaxError, "cannot use \"V\" and decimal point together") }
            shift = 0
        case UInt8(ascii: "L"), UInt8(ascii: "l"): items.append(.currency)
        default:
            let length = min(UTF8Text.length(lead: text[position]), text.count - position)
            items.append(.text([UInt8](text.slice(position, position + length))))
            return length
        }
        return 1
    }

    // MARK: - Output

    func text(_ number: Decimal) throws(EngineError) -> [UInt8] {
        if let roman { return self.roman(number, roman) }
        if isExponential { return try exponential(number) }
        var value = number
        if let shift { value = try scaled(value, by: shift) }
        value.round(to: after)
        let isNegative = value.isNegative && !value.digits.isEmpty || number.kind == .negativeInfinity
        value.isNegative = false
        value.scale = after
        var whole: [UInt8] = []
        var fraction: [UInt8] = []
        if value.kind == .finite {
            var buffer = ByteBuffer()
            NumericIO.output(value, into: &buffer)
            let all = buffer.array
            let point = all.firstIndex(of: UInt8(ascii: ".")) ?? all.count
            whole = Array(all[..<point])
            fraction = Array(all.dropFirst(point + 1))
        }
        let isZeroWhole = whole == [0x30]
        if value.kind == .nan, before >= 3 {
            return [UInt8](repeating: 0x20, count: isFill ? 0 : before - 2) + Array("NaN".utf8)
        }
        if value.kind != .finite || whole.count > before {
            // Too long: every place shows that.
            whole = [UInt8](repeating: UInt8(ascii: "#"), count: before)
            fraction = [UInt8](repeating: UInt8(ascii: "#"), count: after)
        }
        return laidOut(whole, fraction, isNegative: isNegative, isZeroWhole: isZeroWhole)
    }

    private func scaled(_ value: Decimal, by places: Int) throws(EngineError) -> Decimal {
        var buffer = ByteBuffer()
        NumericIO.output(value, into: &buffer)
        buffer.append("e")
        buffer.append(decimal: UInt64(places), width: 1)
        return try NumericIO.decimal(buffer.bytes)
    }

    private func laidOut(_ whole: [UInt8], _ fraction: [UInt8], isNegative: Bool, isZeroWhole: Bool) -> [UInt8] {
        var out: [UInt8] = []
        let lead = before - whole.count
        // Digits of the fraction that are shown: with FM, not the zeros that nobody asked for.
        var shown = fraction.count
        if isFill {
            while shown > lastZero, fraction[shown - 1] == 0x30 { shown -= 1 }
        }
        let hidesZero = isZeroWhole && firstZero == nil && after > 0 && !(isFill && shown == 0)
        var place = 0
        var decimals = 0
        var hasWritten = false
        var isSigned = hasMinus || signPlace == .end
        func sign() {
            if hasWritten { return }
            hasWritten = true
            if isSigned { return }
            isSigned = true
            if signPlace == .front {
                out.append(isNegative ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            } else if isBracketed {
                out.append(isNegative ? UInt8(ascii: "<") : 0x20)
            } else if isNegative {
                out.append(UInt8(ascii: "-"))
            } else if !isFill {
                out.append(0x20)
            }
        }
        var remaining = before + after
        for item in items {
            switch item {
            case .digit, .zero:
                remaining -= 1
                if place < before {
                    let isBlank = place < lead ? place < (firstZero ?? before) : hidesZero && place == before - 1
                    if isBlank {
                        if !isFill { out.append(0x20) }
                    } else {
                        sign()
                        out.append(place < lead ? 0x30 : whole[place - lead])
                    }
                    place += 1
                } else {
                    if decimals < shown {
                        sign()
                        out.append(fraction[decimals])
                    }
                    decimals += 1
                }
                if remaining == 0 { finish(&out, isNegative: isNegative) }
            case .point:
                sign()
                out.append(UInt8(ascii: "."))
            case .group:
                if hasWritten { out.append(UInt8(ascii: ",")) } else if !isFill { out.append(0x20) }
            case .sign: break
            case .signAlways: out.append(isNegative ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            case .minus: if isNegative { out.append(UInt8(ascii: "-")) } else if !isFill { out.append(0x20) }
            case .plus: if !isNegative { out.append(UInt8(ascii: "+")) } else if !isFill { out.append(0x20) }
            case .ordinal(let letters):
                if !isNegative, !hasPoint, whole.first != UInt8(ascii: "#") {
                    out += FormattedMoment.ordinal(whole.suffix(2).reduce(0) { $0 * 10 + Int($1 - 0x30) }, letters)
                }
            case .currency: out.append(0x20)
            case .text(let bytes): out += bytes
            }
        }
        return out
    }

    /// What stands behind the last digit.
    private func finish(_ out: inout [UInt8], isNegative: Bool) {
        if signPlace == .end { out.append(isNegative ? UInt8(ascii: "-") : UInt8(ascii: "+")) }
        if isBracketed { if isNegative { out.append(UInt8(ascii: ">")) } else if !isFill { out.append(0x20) } }
    }

    private func roman(_ number: Decimal, _ letters: DateFieldStyle.Case) -> [UInt8] {
        var value = number
        value.round(to: 0)
        let units: [(Int, StaticString)] = [
            (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
            (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
        ]
        let isSmall = value.kind == .finite && value.weight == 0 && value.digits.count == 1 && !value.isNegative
        var rest = isSmall ? Int(value.digits[0]) : 0
        guard rest >= 1, rest <= 3999 else { return [UInt8](repeating: UInt8(ascii: "#"), count: 15) }
        var text: [UInt8] = []
        for (unit, word) in units {
            while rest >= unit {
                text += TemplateNames.bytes(word, letters)
                rest -= unit
            }
        }
        return isFill ? text : [UInt8](repeating: 0x20, count: max(15 - text.count, 0)) + text
    }

    private func exponential(_ number: Decimal) throws(EngineError) -> [UInt8] {
        guard number.kind == .finite else { return [UInt8](" #.##".utf8) }
        var value = number
        var exponent = 0
        let isNegative = value.isNegative
        value.isNegative = false
        if let first = value.digits.first {
            exponent = value.weight * 4 + (first >= 1000 ? 3 : first >= 100 ? 2 : first >= 10 ? 1 : 0)
        }
        value = try scaled(value, byPower: -exponent)
        value.round(to: after)
        if value.weight == 0, value.digits.first ?? 0 >= 10 {
            // Rounding has carried: 9.99 is 10.0.
            exponent += 1
            value = try scaled(value, byPower: -1)
            value.round(to: after)
        }
        value.scale = after
        var buffer = ByteBuffer()
        buffer.append(isNegative ? "-" : isFill ? "" : signPlace == .front ? "+" : " ")
        NumericIO.output(value, into: &buffer)
        buffer.append(exponent < 0 ? "e-" : "e+")
        buffer.append(decimal: UInt64(exponent.magnitude), width: 2)
        return buffer.array
    }

    private func scaled(_ value: Decimal, byPower power: Int) throws(EngineError) -> Decimal {
        var buffer = ByteBuffer()
        NumericIO.output(value, into: &buffer)
        buffer.append(power < 0 ? "e-" : "e")
        buffer.append(decimal: UInt64(power.magnitude), width: 1)
        return try NumericIO.decimal(buffer.bytes)
    }

    // MARK: - Input

    /// Errors: 22P02 if there are no digits.
    func parse(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Datum {
        if isExponential { throw EngineError(.featureNotSupported, "\"EEEE\" not supported for input") }
        if roman != nil { throw EngineError(.featureNotSupported, "\"RN\" not supported for input") }
        var digits: [UInt8] = []
        var isNegative = false
        var hasPoint = false
        var position = 0
        func takeSign() {
            guard position < text.count else { return }
            if text[position] == UInt8(ascii: "-") || text[position] == UInt8(ascii: "<") {
                isNegative = true
                position += 1
            } else if text[position] == UInt8(ascii: "+") {
                position += 1
            }
        }
        for item in items where position < text.count {
            switch item {
            case .digit, .zero:
                if digits.isEmpty {
                    while position < text.count, text[position].isSpace { position += 1 }
                    takeSign()
                }
                if position < text.count, text[position].isDigit {
                    digits.append(text[position])
                    position += 1
                }
            case .point:
                if text[position] == UInt8(ascii: "."), !hasPoint {
                    if digits.isEmpty { digits.append(0x30) }
                    digits.append(UInt8(ascii: "."))
                    hasPoint = true
                    position += 1
                }
            case .group: if text[position] == UInt8(ascii: ",") { position += 1 }
            case .sign, .signAlways, .minus, .plus:
                while position < text.count, text[position].isSpace { position += 1 }
                takeSign()
            case .ordinal: position += 2
            case .currency: if !text[position].isDigit { position += 1 }
            case .text(let bytes):
                for _ in bytes where position < text.count { position += UTF8Text.length(lead: text[position]) }
            }
        }
        if let shift, shift > 0 {
            let cut = max(digits.count - shift, 0)
            digits.insert(UInt8(ascii: "."), at: cut)
            if cut == 0 { digits.insert(0x30, at: 0) }
        }
        if isNegative { digits.insert(UInt8(ascii: "-"), at: 0) }
        if digits.isEmpty { digits = [0x20] }
        // As many decimals as the template has.
        return try digits.withBytes { (bytes) throws(EngineError) in
            var value = try NumericIO.decimal(bytes)
            value.scale = max(value.scale, shift ?? 0)
            return try value.datum()
        }
    }
}
