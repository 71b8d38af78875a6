// Which function or operator a call means: PostgreSQL's rules (manual, chapter 10: "Type Conversion").

import Platform

/// The function that a call means.
package struct ResolvedCall: Sendable {
    package let entry: FunctionEntry
    /// Types the arguments must be cast to, one per argument as written; polymorphic ones made actual.
    package let argumentTypes: [TypeOID]
    package let result: TypeOID
    /// If above 0, that many last arguments are collected into an array of type `variadicArray`.
    package let variadicCount: Int
    package let variadicArray: TypeOID
}

package struct ResolvedOperator: Sendable {
    package let entry: OperatorEntry
    package let call: ResolvedCall
}

extension FunctionRegistry {
    /// The overload that `name(arguments…)` means; `.unknown` for untyped literals. nil if none matches (42883 is the
    /// caller's); throws 42725 if several match equally well. `isVariadicCall`: VARIADIC was written.
    package func resolve(
        function name: [UInt8], _ arguments: [TypeOID], isVariadicCall: Bool = false
    ) throws(EngineError) -> ResolvedCall? {
        var candidates: [Candidate] = []
        for entry in functions(named: name) {
            if let candidate = Candidate(entry, count: arguments.count, isVariadicCall: isVariadicCall) {
                candidates.append(candidate)
            }
        }
        guard let best = try select(candidates, arguments) else {
            if candidates.isEmpty { return nil }
            if matching(candidates, arguments).isEmpty { return nil }
            throw EngineError(
                .ambiguousFunction, "function \(FunctionRegistry.signature(name, arguments)) is not unique",
                hint: "Could not choose a best candidate function. You might need to add explicit type casts.")
        }
        return try finish(best, arguments)
    }

    /// `name(type, type)` as error messages spell it.
    package static func signature(_ name: [UInt8], _ arguments: [TypeOID]) -> String {
        var text = quoted(name) + "("
        for index in arguments.indices { text += (index > 0 ? ", " : "") + TypeNames.string(arguments[index]) }
        return text + ")"
    }

    /// The operator; `left` nil for a prefix operator. As `resolve(function:)`.
    package func resolve(
        operator name: [UInt8], _ left: TypeOID?, _ right: TypeOID
    ) throws(EngineError) -> ResolvedOperator? {
        let entries = operators(named: name).filter { ($0.left == .none) == (left == nil) }
        // An untyped literal beside a typed operand is first tried as the same type.
        var wantedLeft = left ?? .none
        var wantedRight = right
        if left != nil {
            if wantedLeft == .unknown, wantedRight != .unknown { wantedLeft = wantedRight }
            if wantedRight == .unknown, wantedLeft != .unknown { wantedRight = wantedLeft }
        }
        for entry in entries where entry.left == wantedLeft && entry.right == wantedRight {
            if let operation = try finish(entry, left, right) { return operation }
        }
        var candidates: [Candidate] = []
        for (index, entry) in entries.enumerated() {
            candidates.append(
                Candidate(operator: index, types: left == nil ? [entry.right] : [entry.left, entry.right]))
        }
        let arguments = left.map { [$0, right] } ?? [right]
        guard let best = try select(candidates, arguments) else {
            if matching(candidates, arguments).isEmpty { return nil }
            let sides = left.map { TypeNames.string($0) + " " } ?? ""
            throw EngineError(
                .ambiguousFunction, "operator is not unique: \(sides)\(quoted(name)) \(TypeNames.string(right))",
                hint: "Could not choose a best candidate operator. You might need to add explicit type casts.")
        }
        return try finish(entries[best.operatorIndex], left, right)
    }

    private func finish(_ entry: OperatorEntry, _ left: TypeOID?, _ right: TypeOID) throws(EngineError)
        -> ResolvedOperator?
    {
        guard let function = function(oid: entry.function) else { return nil }
        let arguments = left.map { [$0, right] } ?? [right]
        guard let candidate = Candidate(function, count: arguments.count, isVariadicCall: false) else { return nil }
        let declared = left == nil ? [entry.right] : [entry.left, entry.right]
        guard let call = try finish(candidate.withTypes(declared), arguments) else { return nil }
        return ResolvedOperator(entry: entry, call: call)
    }

    private func finish(_ candidate: Candidate, _ arguments: [TypeOID]) throws(EngineError) -> ResolvedCall? {
        guard let entry = candidate.entry else { return nil }
        var binding = PolymorphicBinding()
        guard try binding.bind(candidate.types, arguments, self) else { return nil }
        var types = candidate.types
        for index in types.indices { types[index] = binding.actual(types[index], argument: arguments[index]) }
        // Zero arguments for a polymorphic result cannot happen: no such function is declared.
        let result = binding.actual(entry.result, argument: .none)
        var array = TypeOID.none
        if candidate.variadicCount > 0 { array = (types.last ?? .text).arrayType }
        return ResolvedCall(
            entry: entry, argumentTypes: types, result: result, variadicCount: candidate.variadicCount,
            variadicArray: array)
    }

    /// Candidates that the arguments can be implicitly cast to.
    private func matching(_ candidates: [Candidate], _ arguments: [TypeOID]) -> [Candidate] {
        candidates.filter { accepts($0.types, arguments) }
    }
    private func accepts(_ types: [TypeOID], _ arguments: [TypeOID]) -> Bool {
        var isPolymorphic = false
        for index in types.indices {
            if types[index].isPolymorphic { isPolymorphic = true }
            if !canCast(from: arguments[index], to: types[index], .implicit) { return false }
        }
        if !isPolymorphic { return true }
        var binding = PolymorphicBinding()
        return binding.isConsistent(types, arguments, self)
    }

    private func select(_ candidates: [Candidate], _ arguments: [TypeOID]) throws(EngineError) -> Candidate? {
        for candidate in candidates where candidate.types == arguments && candidate.variadicCount == 0 {
            return candidate
        }
        for candidate in candidates where candidate.types == arguments { return candidate }
        var left = matching(candidates, arguments)
        if left.count <= 1 { return left.first }
        // A plain function beats a variadic one with the same types.
        let all = left
        left = left.filter { candidate in
            candidate.variadicCount == 0
                || !all.contains { $0.variadicCount == 0 && $0.types == candidate.types }
        }
        if left.count == 1 { return left[0] }
        // Most exact matches.
        left = best(left) { types in
            var count = 0
            for index in types.indices where arguments[index] != .unknown && types[index] == arguments[index] {
                count += 1
            }
            return count
        }
        if left.count == 1 { return left[0] }
        // Most exact matches or preferred types.
        left = best(left) { types in
            var count = 0
            for index in types.indices where arguments[index] != .unknown {
                if types[index] == arguments[index]
                    || (types[index].isPreferred && types[index].category == arguments[index].category)
                {
                    count += 1
                }
            }
            return count
        }
        if left.count == 1 { return left[0] }
        guard arguments.contains(.unknown) else { return nil }
        if let kept = byUnknownCategories(left, arguments) {
            left = kept
            if left.count == 1 { return left[0] }
        }
        // All known arguments of one type: take the unknown ones for that type too.
        var known = TypeOID.unknown
        for argument in arguments where argument != .unknown {
            if known == .unknown {
                known = argument
            } else if known != argument {
                return nil
            }
        }
        guard known != .unknown else { return nil }
        let same = [TypeOID](repeating: known, count: arguments.count)
        let accepting = left.filter { accepts($0.types, same) }
        return accepting.count == 1 ? accepting[0] : nil
    }

    private func best(_ candidates: [Candidate], _ score: ([TypeOID]) -> Int) -> [Candidate] {
        var highest = -1
        var kept: [Candidate] = []
        for candidate in candidates {
            let points = score(candidate.types)
            if points > highest {
                highest = points
                kept = []
            }
            if points == highest { kept.append(candidate) }
        }
        return kept
    }

    /// Candidates of the type category that the untyped literals are taken for (string if any candidate takes strings);
    /// nil if the candidates disagree.
    private func byUnknownCategories(_ candidates: [Candidate], _ arguments: [TypeOID]) -> [Candidate]? {
        let string = UInt8(ascii: "S")
        var categories = [UInt8](repeating: 0, count: arguments.count)
        var wantsPreferred = [Bool](repeating: false, count: arguments.count)
        for index in arguments.indices where arguments[index] == .unknown {
            var conflict = false
            for candidate in candidates {
                let category = candidate.types[index].category
                let preferred = candidate.types[index].isPreferred
                if categories[index] == 0 {
                    categories[index] = category
                    wantsPreferred[index] = preferred
                } else if category == categories[index] {
                    wantsPreferred[index] = wantsPreferred[index] || preferred
                } else if category == string {
                    categories[index] = string
                    wantsPreferred[index] = preferred
                } else {
                    conflict = true
                }
            }
            if conflict, categories[index] != string { return nil }
        }
        let kept = candidates.filter { candidate in
            for index in arguments.indices where arguments[index] == .unknown {
                let type = candidate.types[index]
                if type.category != categories[index] || (wantsPreferred[index] && !type.isPreferred) { return false }
            }
            return true
        }
        return kept.isEmpty ? nil : kept
    }

    /// The type of UNION, CASE, VALUES, ARRAY[], COALESCE, GREATEST and such; nil if the types do not match.
    package func commonType(_ types: [TypeOID]) -> TypeOID? {
        guard var common = types.first else { return .text }
        var allSame = true
        for type in types where type != common { allSame = false }
        if allSame { return common == .unknown ? .text : common }
        for type in types.dropFirst() where type != .unknown && type != common {
            if common == .unknown {
                common = type
            } else if type.category != common.category {
                return nil
            } else if !common.isPreferred, canCast(from: common, to: type, .implicit),
                !canCast(from: type, to: common, .implicit)
            {
                common = type
            }
        }
        return common == .unknown ? .text : common
    }
}

/// A function or operator under consideration, its argument types spread to the call's count.
private struct Candidate {
    var entry: FunctionEntry?
    var operatorIndex = 0
    var types: [TypeOID]
    var variadicCount = 0

    init(operator index: Int, types: [TypeOID]) {
        operatorIndex = index
        self.types = types
    }
    /// nil if the function cannot take `count` arguments.
    init?(_ entry: FunctionEntry, count: Int, isVariadicCall: Bool) {
        self.entry = entry
        types = entry.arguments
        if types.count == count, !entry.isVariadic || isVariadicCall { return }
        guard entry.isVariadic, !isVariadicCall, let last = types.last, count >= types.count else { return nil }
        if last == .any {
            types += [TypeOID](repeating: .any, count: count - types.count)
            return
        }
        variadicCount = count - types.count + 1
        let element: TypeOID =
            last == .anyarray ? .anyelement : (last == .anycompatiblearray ? .anycompatible : last.element)
        types.removeLast()
        types += [TypeOID](repeating: element, count: variadicCount)
    }
    func withTypes(_ types: [TypeOID]) -> Candidate {
        var copy = self
        copy.types = types
        return copy
    }
}

/// What the polymorphic pseudo-types of one call stand for.
struct PolymorphicBinding {
    private var element = TypeOID.none
    private var compatible = TypeOID.none

    /// Whether one element type fits all polymorphic arguments; remembers it.
    mutating func isConsistent(_ declared: [TypeOID], _ actual: [TypeOID], _ registry: FunctionRegistry) -> Bool {
        var compatibles: [TypeOID] = []
        var hasCompatible = false
        for index in declared.indices {
            let type = actual[index]
            switch declared[index] {
            case .anyelement, .anynonarray, .anyenum:
                if type == .unknown { continue }
                if declared[index] == .anynonarray, type.isArrayLike { return false }
                if element != .none, element != type { return false }
                element = type
            case .anyarray:
                if type == .unknown { continue }
                if type == .anyarray {
                    // Column of pg_statistic's kind: accepted, its element type unknown.
                    continue
                }
                guard type.isArrayLike else { return false }
                if element != .none, element != type.element { return false }
                element = type.element
            case .anycompatible, .anycompatiblenonarray:
                hasCompatible = true
                if declared[index] == .anycompatiblenonarray, type.isArrayLike { return false }
                if type != .unknown { compatibles.append(type) }
            case .anycompatiblearray:
                hasCompatible = true
                if type == .unknown { continue }
                guard type.isArrayLike else { return false }
                compatibles.append(type.element)
            default: break
            }
        }
        if hasCompatible {
            guard let common = registry.commonType(compatibles) else { return false }
            for type in compatibles where !registry.canCast(from: type, to: common, .implicit) { return false }
            compatible = common
        }
        return true
    }

    /// As `isConsistent`; throws 42804 if nothing says what the type is.
    mutating func bind(
        _ declared: [TypeOID], _ actual: [TypeOID], _ registry: FunctionRegistry
    ) throws(EngineError) -> Bool {
        guard isConsistent(declared, actual, registry) else { return false }
        var needsElement = false
        for type in declared where type == .anyelement || type == .anynonarray || type == .anyarray {
            needsElement = true
        }
        if needsElement, element == .none, !actual.contains(.anyarray) {
            throw EngineError(
                .datatypeMismatch, "could not determine polymorphic type because input has type unknown")
        }
        return true
    }

    /// The actual type for a declared one; `argument` is what was passed.
    func actual(_ declared: TypeOID, argument: TypeOID) -> TypeOID {
        switch declared {
        case .anyelement, .anynonarray, .anyenum: return element == .none ? declared : element
        case .anyarray:
            if argument.isArrayLike { return argument }
            return element == .none ? .anyarray : element.arrayType
        case .anycompatible, .anycompatiblenonarray: return compatible
        case .anycompatiblearray: return compatible.arrayType
        case .any: return argument == .unknown || argument == .none ? .text : argument
        default: return declared
        }
    }
}
