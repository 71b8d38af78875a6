// Types: PostgreSQL's answers (TypesGolden.swift), and the laws that kernels, keys, hashes and aggregates keep.

import Platform
import SQLTypes

func typesCases() -> [SuiteCase] {
    [
        SuiteCase("types: input, output, casts, operators and functions answer as PostgreSQL 15 does") {
            context throws(EngineError) in try goldenAnswers(context)
        },
        SuiteCase("types: what is sent in binary form is received as the same value") { context throws(EngineError) in
            try binaryRoundTrip(context)
        },
        SuiteCase("types: a kernel gives the same for columns, constants, selections and NULLs") {
            context throws(EngineError) in try kernelShapes(context)
        },
        SuiteCase("types: an overflow in a row that is NULL or not selected is no error") {
            context throws(EngineError) in try ignoredOverflow(context)
        },
        SuiteCase("types: keys order as values do, in both directions, and equal values hash equally") {
            context throws(EngineError) in try keyOrder(context)
        },
        SuiteCase("types: lossless keys decode to the value they were made of") { context throws(EngineError) in
            try keyDecoding(context)
        },
        SuiteCase("types: aggregates do not depend on how rows are divided among states") {
            context throws(EngineError) in try aggregateSplits(context)
        },
        SuiteCase("types: numeric sums are exact beyond 128 bits and after many scales") {
            context throws(EngineError) in
            try numericSums(context)
        },
        SuiteCase("types: a hostile regular expression takes linear time") { context throws(EngineError) in
            try hostileRegex(context)
        },
        SuiteCase("types: calls resolve by PostgreSQL's rules for untyped literals and preferred types") {
            context throws(EngineError) in try resolution(context)
        },
        SuiteCase("types: malformed binary values are errors, never traps") { context throws(EngineError) in
            malformedBinary(context)
        },
    ]
}

/// The functions, operators and casts, and a session with default settings.
private struct TypesRig {
    let registry = FunctionRegistry()
    let evaluation = EvaluationContext()
    init() { registry.seal() }

    func parse(_ text: [UInt8], _ type: TypeOID, typmod: Int32 = -1) throws(EngineError) -> Datum {
        try text.withRaw { (raw) throws(EngineError) in
            try TypeIO.input(raw, SQLType(type, typmod: typmod), evaluation)
        }
    }
    func text(_ datum: Datum, _ type: TypeOID) throws(EngineError) -> [UInt8] {
        if datum.isNull { return [] }
        var buffer = ByteBuffer()
        try datum.withCell { (cell) throws(EngineError) in try TypeIO.output(cell, type, into: &buffer, evaluation) }
        return buffer.array
    }
    func evaluate(
        _ entry: FunctionEntry, _ arguments: [Datum], _ types: [TypeOID], _ result: SQLType
    ) throws(EngineError) -> Datum {
        var vectors: [Vector] = []
        for (index, argument) in arguments.enumerated() {
            let vector = Vector(SQLType(types[index]), capacity: 64)
            try vector.setConstant(argument)
            vectors.append(vector)
        }
        let output = Vector(result, capacity: 64)
        let frame = KernelFrame(arguments: vectors, result: output, context: evaluation)
        frame.selection = Selection(count: 1)
        try entry.evaluate(frame)
        return output.datum(0)
    }
    func cast(_ datum: Datum, _ from: TypeOID, _ to: SQLType, _ context: CastContext) throws(EngineError) -> Datum {
        guard let path = registry.castPath(from: SQLType(from), to: to, context) else {
            throw EngineError("42846", "no cast")
        }
        guard case .function(let entry) = path else { return datum }
        return try evaluate(entry, [datum], [from], to)
    }
    func call(_ call: ResolvedCall, _ data: [Datum], _ types: [TypeOID]) throws(EngineError) -> [UInt8] {
        var arguments: [Datum] = []
        for index in data.indices {
            arguments.append(try cast(data[index], types[index], SQLType(call.argumentTypes[index]), .implicit))
        }
        return try text(try evaluate(call.entry, arguments, call.argumentTypes, SQLType(call.result)), call.result)
    }
}

private func goldenAnswers(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    var rows = 0
    for fields in goldenRows() {
        rows += 1
        let expected = fields[fields.count - 1]
        var actual: [UInt8]
        do throws(EngineError) {
            actual = try answer(rig, fields)
        } catch {
            actual = [UInt8(ascii: "!")] + error.state.bytes + [0x20] + Array(error.message.utf8)
        }
        if actual != expected {
            let row = fields.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "|")
            context.fail("\(row): got \(String(decoding: actual, as: UTF8.self))")
        }
    }
    context.expect(rows > 300, "only \(rows) rows were read")
}

private func answer(_ rig: TypesRig, _ fields: [[UInt8]]) throws(EngineError) -> [UInt8] {
    switch fields[0][0] {
    case UInt8(ascii: "I"):
        let type = oid(fields[1])
        return try rig.text(try rig.parse(fields[3], type, typmod: number(fields[2])), type)
    case UInt8(ascii: "C"):
        let target = SQLType(oid(fields[2]), typmod: number(fields[3]))
        let value = try rig.parse(fields[4], oid(fields[1]))
        return try rig.text(try rig.cast(value, oid(fields[1]), target, .explicit), target.oid)
    case UInt8(ascii: "O"):
        let types = [oid(fields[2]), oid(fields[3])]
        let values = [try rig.parse(fields[4], types[0]), try rig.parse(fields[5], types[1])]
        guard let found = try rig.registry.resolve(operator: fields[1], types[0], types[1]) else { return [] }
        return try rig.call(found.call, values, types)
    default:
        let types = fields[2].split(separator: UInt8(ascii: ",")).map { oid(Array($0)) }
        var values: [Datum] = []
        for index in types.indices { values.append(try rig.parse(fields[3 + index], types[index])) }
        guard let found = try rig.registry.resolve(function: fields[1], types) else { return [] }
        return try rig.call(found, values, types)
    }
}

private func goldenRows() -> [[[UInt8]]] {
    let bytes = UnsafeBufferPointer(start: typesGolden.utf8Start, count: typesGolden.utf8CodeUnitCount)
    return bytes.split(separator: 0x0A).map { line in
        line.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false).map { Array($0) }
    }
}
private func oid(_ digits: [UInt8]) -> TypeOID { TypeOID(UInt32(number(digits))) }
private func number(_ digits: [UInt8]) -> Int32 {
    var value: Int32 = 0
    for digit in digits where digit != 0x2D { value = value * 10 + Int32(digit - 0x30) }
    return digits.first == 0x2D ? -value : value
}

private func binaryRoundTrip(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    for fields in goldenRows() where fields[0][0] == UInt8(ascii: "I") && fields[4].first != UInt8(ascii: "!") {
        let type = oid(fields[1])
        let value = try rig.parse(fields[3], type)
        var wire = ByteBuffer()
        try value.withCell { (cell) throws(EngineError) in try TypeIO.send(cell, type, into: &wire, rig.evaluation) }
        let back = try TypeIO.receive(wire.bytes, SQLType(type), rig.evaluation)
        if try rig.text(back, type) != fields[4] {
            context.fail("type \(type.rawValue), \(String(decoding: fields[3], as: UTF8.self))")
        }
    }
}

/// x + y and x < y over int4, and x || y over text, in every shape against the plain one.
private func kernelShapes(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    var random = SuiteRandom(seed: 7)
    for (name, type) in [("+", TypeOID.int4), ("<", .int4), ("||", .text), ("*", .numeric), ("=", .text)] {
        guard let operation = try rig.registry.resolve(operator: Array(name.utf8), type, type) else {
            context.fail("no operator \(name)")
            continue
        }
        let left = Vector(SQLType(type))
        let right = Vector(SQLType(type))
        let count = 1000
        for row in 0..<count {
            for vector in [left, right] {
                let digits = Array("\(Int64(random.next() % 20_000) - 10_000)".utf8)
                let repeated = random.next() % 8 == 0 && type == .text ? digits + digits + digits + digits : digits
                if random.next() % 10 == 0 {
                    vector.setNull(row)
                } else {
                    try vector.setDatum(row, try rig.parse(repeated, type))
                }
            }
        }
        let rows = UnsafeMutablePointer<UInt16>.allocate(capacity: count)
        defer { rows.deallocate() }
        var selected = 0
        for row in 0..<count where random.next() % 3 == 0 {
            rows[selected] = UInt16(row)
            selected += 1
        }
        let constant = Vector(SQLType(type))
        try constant.setConstant(left.datum(left.isNull(3) ? (left.isNull(4) ? 5 : 4) : 3))
        let flat = Vector(SQLType(type))
        for row in 0..<count { try flat.copyRow(row, from: constant, 0) }
        let shapes: [(Vector, Vector, Vector, Vector)] = [
            (left, right, left, right), (constant, right, flat, right), (left, constant, left, flat),
            (constant, constant, flat, flat),
        ]
        for (a, b, plainA, plainB) in shapes {
            let fast = Vector(SQLType(operation.call.result))
            let frame = KernelFrame(arguments: [a, b], result: fast, context: rig.evaluation)
            frame.selection = Selection(count: selected, rows: UnsafePointer(rows))
            try operation.call.entry.evaluate(frame)
            for index in 0..<selected {
                let row = Int(rows[index])
                let expected = try rig.single(operation.call, plainA, plainB, row)
                let actual = fast.isNull(row) ? nil : try rig.text(fast.datum(row), operation.call.result)
                if actual != expected { context.fail("operator \(name), row \(row)") }
            }
        }
    }
}

extension TypesRig {
    /// One row by itself; nil for NULL.
    fileprivate func single(
        _ call: ResolvedCall, _ a: Vector, _ b: Vector, _ row: Int
    ) throws(EngineError) -> [UInt8]? {
        let value = try evaluate(call.entry, [a.datum(row), b.datum(row)], call.argumentTypes, SQLType(call.result))
        return value.isNull ? nil : try text(value, call.result)
    }
}

private func ignoredOverflow(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    guard let plus = try rig.registry.resolve(operator: Array("+".utf8), .int4, .int4) else { return }
    let left = Vector(SQLType(.int4))
    let right = Vector(SQLType(.int4))
    for row in 0..<4 {
        left.setCell(row, Cell(Int32.max))
        right.setCell(row, Cell(row == 2 ? 0 : 1 as Int32))
    }
    left.setNull(0)
    right.setNull(3)
    let result = Vector(SQLType(.int4))
    let frame = KernelFrame(arguments: [left, right], result: result, context: rig.evaluation)
    let rows: [UInt16] = [0, 2, 3]
    try rows.withUnsafeBufferPointer { (buffer) throws(EngineError) in
        frame.selection = Selection(count: 3, rows: buffer.baseAddress)
        try plus.call.entry.evaluate(frame)
    }
    context.expect(result.isNull(0) && result.isNull(3), "a NULL argument gives NULL")
    context.expectEqual(result.cell(2).int32, Int32.max, "the row that counts")
    frame.selection = Selection(count: 4)
    context.expectError(.numericValueOutOfRange) { () throws(EngineError) in try plus.call.entry.evaluate(frame) }
}

private func keyOrder(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    var byType: [(TypeOID, [Datum])] = []
    for fields in goldenRows() where fields[0][0] == UInt8(ascii: "I") && fields[4].first != UInt8(ascii: "!") {
        let type = oid(fields[1])
        let value = try rig.parse(fields[3], type)
        if let last = byType.last, last.0 == type {
            byType[byType.count - 1].1.append(value)
        } else {
            byType.append((type, [value]))
        }
    }
    context.expect(byType.count > 12, "only \(byType.count) types")
    for (type, values) in byType {
        let kind = ValueClass.of(type)
        for a in values {
            for b in values {
                let order = a.withCell { a in b.withCell { b in Comparison.compare(a, b, kind) } }.signum()
                for descending in [false, true] {
                    var keyA = ByteBuffer()
                    var keyB = ByteBuffer()
                    a.withCell { NormalizedKey.append($0, kind, descending: descending, to: &keyA) }
                    b.withCell { NormalizedKey.append($0, kind, descending: descending, to: &keyB) }
                    let keys = Comparison.bytes(keyA.bytes, keyB.bytes).signum()
                    if keys != (descending ? -order : order) {
                        let (x, y) = (try rig.text(a, type), try rig.text(b, type))
                        context.fail(
                            "type \(type.rawValue): \(String(decoding: x, as: UTF8.self)), "
                                + "\(String(decoding: y, as: UTF8.self)): keys \(keys), values \(order)")
                    }
                }
                if order == 0 {
                    let hashes = (
                        a.withCell { Hashing.hash($0, kind) }, b.withCell { Hashing.hash($0, kind) }
                    )
                    context.expect(hashes.0 == hashes.1, "equal values of type \(type.rawValue) hash differently")
                }
            }
        }
    }
}

private func keyDecoding(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    var decoded = 0
    for fields in goldenRows() where fields[0][0] == UInt8(ascii: "I") && fields[4].first != UInt8(ascii: "!") {
        let type = oid(fields[1])
        let kind = ValueClass.of(type)
        guard NormalizedKey.isLossless(kind) else { continue }
        let value = try rig.parse(fields[3], type)
        for descending in [false, true] {
            var key = ByteBuffer()
            value.withCell { NormalizedKey.append($0, kind, descending: descending, to: &key) }
            key.append([0x01, 0xFF])
            let vector = Vector(SQLType(type), capacity: 1)
            let length = try NormalizedKey.decode(key.bytes, kind, descending: descending, into: vector, row: 0)
            context.expectEqual(length ?? 0, key.count - 2, "length of the column")
            if try rig.text(vector.datum(0), type) != fields[4] { context.fail("type \(type.rawValue)") }
            decoded += 1
        }
    }
    context.expect(decoded > 100, "only \(decoded) decoded")
}

private func aggregateSplits(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    var random = SuiteRandom(seed: 11)
    for (name, type) in [
        ("count", TypeOID.int4), ("sum", .int4), ("sum", .int8), ("avg", .numeric), ("min", .text), ("max", .numeric),
        ("stddev", .int4), ("bit_xor", .int8), ("array_agg", .text),
    ] {
        guard let call = try rig.registry.resolve(function: Array(name.utf8), [type]),
            case .aggregate(let aggregate) = call.entry.body
        else {
            context.fail("no aggregate \(name)")
            continue
        }
        let vector = Vector(SQLType(type))
        let count = 500
        for row in 0..<count {
            let digits = Array("\(Int64(random.next() % 200_000) - 100_000)".utf8)
            let long = type == .text ? digits + digits + digits : digits
            if random.next() % 7 == 0 {
                vector.setNull(row)
            } else {
                try vector.setDatum(row, try rig.parse(long, type))
            }
        }
        var results: [[UInt8]] = []
        for parts in [1, 2, 7] {
            results.append(try rig.aggregated(aggregate, vector, count, parts, call.result))
        }
        context.expect(results[0] == results[1] && results[1] == results[2], "\(name) depends on the division")
        context.expect(!results[0].isEmpty, "\(name) gives NULL")
    }
}

extension TypesRig {
    /// Folds consecutive parts of the rows into a state each, then the states together.
    fileprivate func aggregated(
        _ aggregate: Aggregate, _ vector: Vector, _ count: Int, _ parts: Int, _ result: TypeOID
    ) throws(EngineError) -> [UInt8] {
        let heap = ByteHeap()
        let states = UnsafeMutableRawPointer.allocate(byteCount: aggregate.stateByteCount * parts, alignment: 8)
        states.initializeMemory(as: UInt8.self, repeating: 0, count: aggregate.stateByteCount * parts)
        defer { states.deallocate() }
        let pointers = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: count)
        defer { pointers.deallocate() }
        for row in 0..<count { pointers[row] = states + aggregate.stateByteCount * (row * parts / count) }
        try aggregate.update(
            AggregateInput(
                arguments: [vector], selection: Selection(count: count), states: UnsafePointer(pointers), heap: heap,
                context: evaluation))
        for part in 1..<max(parts, 1) where parts > 1 {
            try aggregate.combine(states, states + aggregate.stateByteCount * part, vector.type, heap)
        }
        let output = Vector(SQLType(result), capacity: 1)
        try aggregate.finalize(states, vector.type, output, 0)
        return try text(output.datum(0), result)
    }
}

private func numericSums(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    guard let call = try rig.registry.resolve(function: Array("sum".utf8), [.numeric]),
        case .aggregate(let sum) = call.entry.body
    else { return }
    let vector = Vector(SQLType(.numeric))
    // 250 × (10^40 + 0.000…1 with 30 places) and as many of the opposite sign but one.
    for row in 0..<500 {
        let text =
            row % 2 == 0
            ? "10000000000000000000000000000000000000000.000000000000000000000000000001"
            : "-10000000000000000000000000000000000000000"
        try vector.setDatum(row, try rig.parse(Array(text.utf8), .numeric))
    }
    for row in 500..<1000 {
        try vector.setDatum(
            row, try rig.parse(Array(row % 2 == 0 ? "99999999999999.9999".utf8 : "-99999999999999.9999".utf8), .numeric)
        )
    }
    let total = try rig.aggregated(sum, vector, 1000, 3, .numeric)
    context.expect(
        total == Array("0.000000000000000000000000000250".utf8), "sum is \(String(decoding: total, as: UTF8.self))")
}

private func hostileRegex(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 4000)
    guard let match = try rig.registry.resolve(operator: Array("~".utf8), .text, .text) else { return }
    for pattern in ["^(a*)*b$", "^(a|aa)+$b", "(a?){50}a{50}b"] {
        let result = try rig.call(match.call, [Datum(bytes: text), Datum(bytes: Array(pattern.utf8))], [.text, .text])
        context.expect(result == [UInt8(ascii: "f")], "\(pattern) matches")
    }
}

private func resolution(_ context: SuiteContext) throws(EngineError) {
    let rig = TypesRig()
    func expectOperator(_ name: StaticString, _ left: TypeOID, _ right: TypeOID, _ function: UInt32) throws(EngineError)
    {
        let bytes = Array(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        let found = try rig.registry.resolve(operator: bytes, left, right)
        context.expectEqual(found?.entry.function ?? 0, function, name)
    }
    try expectOperator("+", .int4, .unknown, 177)
    try expectOperator("+", .int2, .numeric, 1724)
    try expectOperator("+", .int4, .float4, 285)
    try expectOperator("=", .varchar, .unknown, 67)
    try expectOperator("=", .regclass, .unknown, 184)
    try expectOperator("||", .unknown, .unknown, 1258)
    try expectOperator("=", .unknown, .unknown, 67)
    try expectOperator("||", .text, .int4, 2003)
    try expectOperator("~", .name, .unknown, 79)
    let length = try rig.registry.resolve(function: Array("length".utf8), [.unknown])
    context.expectEqual(length?.entry.oid ?? 0, 1317, "length of an untyped literal")
    let round = try rig.registry.resolve(function: Array("round".utf8), [.int4])
    context.expectEqual(round?.entry.oid ?? 0, 1342, "round of an integer")
    let append = try rig.registry.resolve(function: Array("array_append".utf8), [.int4Array, .int8])
    context.expectEqual(append?.result.rawValue ?? 0, TypeOID.int8Array.rawValue, "anycompatible widens")
    context.expectEqual(rig.registry.commonType([.int4, .numeric, .unknown])?.rawValue ?? 0, 1700, "common type")
    context.expect(rig.registry.commonType([.int4, .text]) == nil, "integer and text have no common type")
    context.expectError(.ambiguousFunction) { () throws(EngineError) in
        _ = try rig.registry.resolve(operator: Array("%".utf8), .unknown, .unknown)
    }
}

private func malformedBinary(_ context: SuiteContext) {
    let rig = TypesRig()
    var random = SuiteRandom(seed: 3)
    for type in TypeTable.builtin.types {
        for length in 0..<40 {
            var bytes: [UInt8] = []
            for _ in 0..<length { bytes.append(random.next() % 3 == 0 ? UInt8(truncatingIfNeeded: random.next()) : 0) }
            do throws(EngineError) {
                let value = try bytes.withRaw { (raw) throws(EngineError) in
                    try TypeIO.receive(raw, SQLType(type.oid), rig.evaluation)
                }
                _ = try rig.text(value, type.oid)
            } catch {
                continue
            }
        }
    }
}
