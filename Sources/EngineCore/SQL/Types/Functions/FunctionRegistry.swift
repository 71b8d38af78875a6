// The functions, operators and casts there are, found by name or OID. Floors above add theirs before the registry is
// sealed; after that it is immutable and shared by all workers.

import Platform

/// An operator: a name for a function.
package struct OperatorEntry: Sendable {
    package let oid: UInt32
    package let name: [UInt8]
    /// `.none` for a prefix operator.
    package let left: TypeOID
    package let right: TypeOID
    package let result: TypeOID
    package let function: UInt32
    /// OID of the operator that gives the same with sides swapped; 0 if none.
    package let commutator: UInt32
    package let negator: UInt32
    package let canHash: Bool
    package let canMerge: Bool
    /// Place in the types' default btree operator family: 1 <, 2 <=, 3 =, 4 >=, 5 >; 0 if none.
    package let strategy: UInt8
}

/// When a cast applies without being written.
package enum CastContext: UInt8, Sendable, Comparable {
    case implicit, assignment, explicit
    package static func < (a: CastContext, b: CastContext) -> Bool { a.rawValue < b.rawValue }
}

package struct CastEntry: Sendable {
    package let source: TypeOID
    package let target: TypeOID
    package let context: CastContext
    package let method: Method
    package enum Method: Sendable, Equatable {
        /// Same bytes.
        case relabel
        /// By text output and input.
        case inputOutput
        case function(UInt32)
    }
}

package final class FunctionRegistry: @unchecked Sendable {
    package private(set) var functions: [FunctionEntry] = []
    package private(set) var operators: [OperatorEntry] = []
    package private(set) var casts: [CastEntry] = []
    /// Indices into `functions`, by OID and by name.
    private var byOID: [Int32] = []
    private var byName: [Int32] = []
    private var operatorsByName: [Int32] = []
    private var operatorsByOID: [Int32] = []
    private var isSealed = false

    /// Everything SQLTypes declares, not yet sealed.
    package init() {
        declareAll()
    }

    package func add(_ entry: FunctionEntry) {
        precondition(!isSealed, "functions are added before the registry is sealed")
        functions.append(entry)
    }
    func add(_ entry: OperatorEntry) { operators.append(entry) }
    func add(_ entry: CastEntry) { casts.append(entry) }

    /// Adds the operators and casts whose functions there are and sorts the indices; lookups work from here on.
    package func seal() {
        isSealed = true
        byOID = FunctionRegistry.indices(functions.count) { functions[$0].oid }
        byName = functions.indices.map { Int32($0) }
        byName.sort { FunctionRegistry.order(functions[Int($0)].name.bytes, functions[Int($1)].name.bytes) < 0 }
        loadOperators()
        loadCasts()
        operatorsByName = operators.indices.map { Int32($0) }
        operatorsByName.sort { FunctionRegistry.isBefore(operators[Int($0)].name, operators[Int($1)].name) }
        operatorsByOID = FunctionRegistry.indices(operators.count) { operators[$0].oid }
    }

    /// Indices in order of the OIDs, sorted as integers that hold both: a start waits for this.
    private static func indices(_ count: Int, by oid: (Int) -> UInt32) -> [Int32] {
        var keys = (0..<count).map { UInt64(oid($0)) << 32 | UInt64($0) }
        keys.sort()
        return keys.map { Int32(truncatingIfNeeded: $0) }
    }

    package func function(oid: UInt32) -> FunctionEntry? {
        let place = FunctionRegistry.lowerBound(byOID.count) { functions[Int(byOID[$0])].oid < oid }
        guard place < byOID.count, functions[Int(byOID[place])].oid == oid else { return nil }
        return functions[Int(byOID[place])]
    }
    /// All overloads of a name.
    package func functions(named name: [UInt8]) -> [FunctionEntry] {
        var found: [FunctionEntry] = []
        name.withUnsafeBytes { bytes in
            var place = FunctionRegistry.lowerBound(byName.count) {
                FunctionRegistry.order(functions[Int(byName[$0])].name.bytes, bytes) < 0
            }
            while place < byName.count, FunctionRegistry.order(functions[Int(byName[place])].name.bytes, bytes) == 0 {
                found.append(functions[Int(byName[place])])
                place += 1
            }
        }
        return found
    }
    package func operators(named name: [UInt8]) -> [OperatorEntry] {
        var place = FunctionRegistry.lowerBound(operatorsByName.count) {
            FunctionRegistry.isBefore(operators[Int(operatorsByName[$0])].name, name)
        }
        var found: [OperatorEntry] = []
        while place < operatorsByName.count, operators[Int(operatorsByName[place])].name == name {
            found.append(operators[Int(operatorsByName[place])])
            place += 1
        }
        return found
    }
    package func operatorEntry(oid: UInt32) -> OperatorEntry? {
        let place = FunctionRegistry.lowerBound(operatorsByOID.count) { operators[Int(operatorsByOID[$0])].oid < oid }
        guard place < operatorsByOID.count, operators[Int(operatorsByOID[place])].oid == oid else { return nil }
        return operators[Int(operatorsByOID[place])]
    }
    /// The pg_cast row of a pair, if there is one. I/O conversions to and from text and array casts have no rows: see
    /// `castPath`.
    package func cast(from source: TypeOID, to target: TypeOID) -> CastEntry? {
        for cast in casts where cast.source == source && cast.target == target { return cast }
        return nil
    }

    private static func lowerBound(_ count: Int, _ isLess: (Int) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isLess(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }
    /// Bytewise order: negative, zero or positive.
    private static func order(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        for index in 0..<min(a.count, b.count) where a[index] != b[index] { return Int(a[index]) - Int(b[index]) }
        return a.count - b.count
    }
    private static func isBefore(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.withUnsafeBytes { a in b.withUnsafeBytes { b in order(a, b) < 0 } }
    }
}

extension FunctionRegistry {
    /// A strict, immutable function of one row.
    func scalar(
        _ oid: UInt32, _ name: StaticBytes, _ arguments: [TypeOID], _ result: TypeOID, _ documentation: StaticString,
        volatility: Volatility = .immutable, variadic: Bool = false, strict: Bool = true, _ body: @escaping ScalarBody
    ) {
        add(
            FunctionEntry(
                oid: oid, name: name, arguments: arguments, result: result, isVariadic: variadic, isStrict: strict,
                volatility: volatility, body: .kernel(scalarKernel(strict: strict, body)), documentation: documentation)
        )
    }
    /// A strict, immutable function with a kernel of its own.
    func kernel(
        _ oid: UInt32, _ name: StaticBytes, _ arguments: [TypeOID], _ result: TypeOID, _ documentation: StaticString,
        volatility: Volatility = .immutable, strict: Bool = true, _ kernel: @escaping Kernel
    ) {
        add(
            FunctionEntry(
                oid: oid, name: name, arguments: arguments, result: result, isStrict: strict, volatility: volatility,
                body: .kernel(kernel), documentation: documentation))
    }
    func aggregate(
        _ oid: UInt32, _ name: StaticBytes, _ arguments: [TypeOID], _ result: TypeOID, _ documentation: StaticString,
        _ aggregate: Aggregate
    ) {
        add(
            FunctionEntry(
                oid: oid, name: name, arguments: arguments, result: result, isStrict: false,
                body: .aggregate(aggregate),
                documentation: documentation))
    }
    func rows(
        _ oid: UInt32, _ name: StaticBytes, _ arguments: [TypeOID], _ result: TypeOID, _ documentation: StaticString,
        volatility: Volatility = .immutable, _ make: @escaping @Sendable (SetCall) throws(EngineError) -> SetIterator
    ) {
        add(
            FunctionEntry(
                oid: oid, name: name, arguments: arguments, result: result, volatility: volatility, body: .rows(make),
                documentation: documentation))
    }
}
