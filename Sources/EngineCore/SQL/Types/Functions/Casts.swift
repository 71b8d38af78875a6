// How a value of one type becomes another: pg_cast's rows, conversions by text, arrays element by element, and length
// coercion (the type modifier).

import Platform

/// How to turn a value of one type into another.
package enum CastPath: Sendable {
    /// The bytes are the same; only the type changes (and no modifier has to be applied).
    case relabel
    /// Evaluate this entry: one argument of the source type, result vector of the target type with its modifier.
    case function(FunctionEntry)
}

extension FunctionRegistry {
    /// Whether a cast exists in that context, modifiers aside. Untyped literals can become anything; pseudo-types take what
    /// they stand for.
    package func canCast(from source: TypeOID, to target: TypeOID, _ context: CastContext) -> Bool {
        if source == target || target == .any || source == .unknown { return true }
        if target.isPolymorphic {
            switch target {
            case .anyarray, .anycompatiblearray: return source.isArrayLike || source == .anyarray
            case .anynonarray, .anycompatiblenonarray: return !source.isArrayLike
            case .anyenum: return false
            default: return true
            }
        }
        if target == .record, source == .record { return true }
        return method(from: source, to: target, context) != nil
    }

    private enum Method {
        case relabel
        case inputOutput
        case function(UInt32)
        case elements
    }

    private func method(from source: TypeOID, to target: TypeOID, _ context: CastContext) -> Method? {
        if let cast = cast(from: source, to: target) {
            guard cast.context <= context else { return nil }
            switch cast.method {
            case .relabel: return .relabel
            case .inputOutput: return .inputOutput
            case .function(let oid): return .function(oid)
            }
        }
        let string = UInt8(ascii: "S")
        if source == .oidvector, target == .oidArray { return .relabel }
        if source == .int2vector, target == .int2Array { return .relabel }
        if source == .anyarray, target == .text || target == .textArray { return .inputOutput }
        if source.isArrayLike, target.isArrayLike, source != .oidvector, source != .int2vector, target != .oidvector,
            target != .int2vector
        {
            // Elements of one type differ in modifier only.
            return method(from: source.element, to: target.element, context) == nil ? nil : .elements
        }
        if target.category == string, context >= .assignment { return .inputOutput }
        if source.category == string, context == .explicit, !target.isPseudo { return .inputOutput }
        return nil
    }

    /// How `source` becomes `target` (with the target's modifier applied) in a context that allows `context`; nil if it may
    /// not. A constant untyped literal is the caller's: it gives its text to `TypeIO.input`.
    package func castPath(from source: SQLType, to target: SQLType, _ context: CastContext) -> CastPath? {
        let explicit = context == .explicit
        if source.oid == target.oid {
            return target.typmod < 0 || target.typmod == source.typmod
                ? .relabel : Modifiers.entry(target.oid, explicit).map { .function($0) } ?? .relabel
        }
        if source.oid == .unknown { return .function(inputOutputCast(source.oid, target.oid)) }
        guard let method = method(from: source.oid, to: target.oid, context) else {
            return target.oid == .any || target.oid.isPolymorphic ? .relabel : nil
        }
        switch method {
        case .relabel:
            return target.typmod < 0
                ? .relabel : Modifiers.entry(target.oid, explicit).map { .function($0) } ?? .relabel
        case .inputOutput: return .function(inputOutputCast(source.oid, target.oid))
        case .function(let oid): return function(oid: oid).map { .function($0) }
        case .elements:
            let element = castPath(
                from: SQLType(source.oid.element), to: SQLType(target.oid.element, typmod: target.typmod), context)
            guard let element else { return nil }
            if case .relabel = element, target.typmod < 0 {
                return .function(ArrayCast.entry(target.oid.element, nil))
            }
            guard case .function(let entry) = element else { return .relabel }
            return .function(ArrayCast.entry(target.oid.element, entry))
        }
    }

    /// By text: the source's output read as the target's input.
    private func inputOutputCast(_ source: TypeOID, _ target: TypeOID) -> FunctionEntry {
        let body: ScalarBody = { (call: inout ScalarCall) throws(EngineError) in
            call.frame.scratch.removeAll()
            try TypeIO.output(call.cell(0), source, into: &call.frame.scratch, call.context)
            if target == .text {
                try call.frame.result.setBytes(call.row, call.frame.scratch.bytes)
            } else {
                try TypeIO.inputRow(call.frame.scratch.bytes, into: call.frame.result, row: call.row, call.context)
            }
        }
        return FunctionEntry(
            oid: 0, name: "input_output_cast", arguments: [source], result: target, isStrict: true, volatility: .stable,
            body: .kernel(scalarKernel(strict: true, body)), documentation: "Conversion by text output and input")
    }

    func loadCasts() {
        for line in TextTable(castRows) {
            let function = line[2].unsigned
            let context: CastContext =
                line[3].start[0] == UInt8(ascii: "i")
                ? .implicit : (line[3].start[0] == UInt8(ascii: "a") ? .assignment : .explicit)
            var method = CastEntry.Method.inputOutput
            if line[4].start[0] == UInt8(ascii: "b") { method = .relabel }
            if line[4].start[0] == UInt8(ascii: "f") {
                guard self.function(oid: function) != nil else { continue }
                method = .function(function)
            }
            add(CastEntry(source: line[0].type, target: line[1].type, context: context, method: method))
        }
    }
}

/// Coercion of a value to its own type's modifier.
enum Modifiers {
    /// nil for types whose modifier changes nothing.
    static func entry(_ type: TypeOID, _ isExplicit: Bool) -> FunctionEntry? {
        let body: ScalarBody
        switch type {
        case .varchar:
            body = { (call: inout ScalarCall) throws(EngineError) in
                call.setReference(try StringIO.limit(call.bytes(0), call.resultType.typmod, isExplicit: isExplicit))
            }
        case .bpchar:
            body = { (call: inout ScalarCall) throws(EngineError) in
                try call.frame.result.setDatum(
                    call.row, try StringIO.pad(call.bytes(0), call.resultType.typmod, isExplicit: isExplicit))
            }
        case .numeric:
            body = { (call: inout ScalarCall) throws(EngineError) in
                try call.setNumeric(Decimal(bytes: call.bytes(0)))
            }
        case .time:
            body = { (call: inout ScalarCall) throws(EngineError) in
                call.set(try DateTimeInput.checked(time: call.int64(0), typmod: call.resultType.typmod))
            }
        case .timestamp, .timestamptz:
            body = { (call: inout ScalarCall) throws(EngineError) in
                call.set(try DateTimeInput.checked(timestamp: call.int64(0), typmod: call.resultType.typmod))
            }
        case .interval:
            body = { (call: inout ScalarCall) throws(EngineError) in
                call.set(try IntervalInput.applyModifier(call.interval(0), typmod: call.resultType.typmod))
            }
        default: return type.isArrayLike ? arrayEntry(type, isExplicit) : nil
        }
        return FunctionEntry(
            oid: 0, name: "length_coercion", arguments: [type], result: type,
            body: .kernel(scalarKernel(strict: true, body)), documentation: "Coercion to the type's own modifier")
    }
    private static func arrayEntry(_ type: TypeOID, _ isExplicit: Bool) -> FunctionEntry? {
        entry(type.element, isExplicit).map { ArrayCast.entry(type.element, $0) }
    }
}

extension ScalarCall {
    /// Stores a decimal after applying the result type's modifier. Throws 22003.
    func setNumeric(_ value: Decimal) throws(EngineError) {
        if resultType.typmod < 4 {
            try value.store(frame.result, row)
        } else {
            var limited = value
            try NumericIO.applyModifier(&limited, resultType.typmod)
            try limited.store(frame.result, row)
        }
    }
    func numeric(_ argument: Int) -> Decimal { Decimal(cell(argument).bytes) }
}

/// Casts of arrays: the element's cast applied to each element.
enum ArrayCast {
    /// `element` nil: only the element type's number changes.
    static func entry(_ target: TypeOID, _ element: FunctionEntry?) -> FunctionEntry {
        let body: ScalarBody = { (call: inout ScalarCall) throws(EngineError) in
            let source = ArrayValue(call.bytes(0))
            guard let element else {
                try call.set(source.relabelled(target))
                return
            }
            let count = source.count
            let from = Vector(SQLType(source.element), capacity: max(count, 1))
            let to = Vector(SQLType(target, typmod: call.resultType.typmod), capacity: max(count, 1))
            try source.load(into: from)
            let frame = KernelFrame(arguments: [from], result: to, context: call.context)
            frame.selection = Selection(count: count)
            try element.evaluate(frame)
            var builder = ArrayBuilder(element: target)
            for row in 0..<count { builder.append(to.isNull(row) ? nil : to.cell(row)) }
            try call.set(builder.finish(dimensions: source.dimensions))
        }
        return FunctionEntry(
            oid: 0, name: "array_cast", arguments: [.anyarray], result: .anyarray, volatility: .stable,
            body: .kernel(scalarKernel(strict: true, body)), documentation: "Cast of an array, element by element")
    }
}

// source target function context method
private let castRows: StaticString = """
    16 23 2558 e f
    16 25 2971 a f
    16 1042 2971 a f
    16 1043 2971 a f
    18 23 77 e f
    18 25 946 i f
    18 1042 860 a f
    18 1043 946 a f
    19 25 406 i f
    19 1042 408 a f
    19 1043 1401 a f
    20 21 714 a f
    20 23 480 a f
    20 24 1287 i f
    20 26 1287 i f
    20 700 652 i f
    20 701 482 i f
    20 1700 1781 i f
    20 2202 1287 i f
    20 2203 1287 i f
    20 2204 1287 i f
    20 2205 1287 i f
    20 2206 1287 i f
    20 4089 1287 i f
    20 4096 1287 i f
    20 4191 1287 i f
    21 20 754 i f
    21 23 313 i f
    21 24 313 i f
    21 26 313 i f
    21 700 236 i f
    21 701 235 i f
    21 1700 1782 i f
    21 2202 313 i f
    21 2203 313 i f
    21 2204 313 i f
    21 2205 313 i f
    21 2206 313 i f
    21 4089 313 i f
    21 4096 313 i f
    21 4191 313 i f
    23 16 2557 e f
    23 18 78 e f
    23 20 481 i f
    23 21 314 a f
    23 24 0 i b
    23 26 0 i b
    23 700 318 i f
    23 701 316 i f
    23 1700 1740 i f
    23 2202 0 i b
    23 2203 0 i b
    23 2204 0 i b
    23 2205 0 i b
    23 2206 0 i b
    23 4089 0 i b
    23 4096 0 i b
    23 4191 0 i b
    24 20 1288 a f
    24 23 0 a b
    24 26 0 i b
    24 2202 0 i b
    25 18 944 a f
    25 19 407 i f
    25 1042 0 i b
    25 1043 0 i b
    25 2205 1079 i f
    26 20 1288 a f
    26 23 0 a b
    26 24 0 i b
    26 2202 0 i b
    26 2203 0 i b
    26 2204 0 i b
    26 2205 0 i b
    26 2206 0 i b
    26 4089 0 i b
    26 4096 0 i b
    26 4191 0 i b
    194 25 0 i b
    700 20 653 a f
    700 21 238 a f
    700 23 319 a f
    700 701 311 i f
    700 1700 1742 a f
    701 20 483 a f
    701 21 237 a f
    701 23 317 a f
    701 700 312 a f
    701 1700 1743 a f
    1042 18 944 a f
    1042 19 409 i f
    1042 25 401 i f
    1042 1042 668 i f
    1042 1043 401 i f
    1043 18 944 a f
    1043 19 1400 i f
    1043 25 0 i b
    1043 1042 0 i b
    1043 1043 669 i f
    1043 2205 1079 i f
    1082 1114 2024 i f
    1082 1184 1174 i f
    1083 1083 1968 i f
    1083 1186 1370 i f
    1114 1082 2029 a f
    1114 1083 1316 a f
    1114 1114 1961 i f
    1114 1184 2028 i f
    1184 1082 1178 a f
    1184 1083 2019 a f
    1184 1114 2027 a f
    1184 1184 1967 i f
    1186 1083 1419 a f
    1186 1186 1200 i f
    1700 20 1779 a f
    1700 21 1783 a f
    1700 23 1744 a f
    1700 700 1745 i f
    1700 701 1746 i f
    1700 1700 1703 i f
    2202 20 1288 a f
    2202 23 0 a b
    2202 24 0 i b
    2202 26 0 i b
    2203 20 1288 a f
    2203 23 0 a b
    2203 26 0 i b
    2203 2204 0 i b
    2204 20 1288 a f
    2204 23 0 a b
    2204 26 0 i b
    2204 2203 0 i b
    2205 20 1288 a f
    2205 23 0 a b
    2205 26 0 i b
    2206 20 1288 a f
    2206 23 0 a b
    2206 26 0 i b
    4089 20 1288 a f
    4089 23 0 a b
    4089 26 0 i b
    4096 20 1288 a f
    4096 23 0 a b
    4096 26 0 i b
    4191 20 1288 a f
    4191 23 0 a b
    4191 26 0 i b
    5069 28 5071 e f
    """
