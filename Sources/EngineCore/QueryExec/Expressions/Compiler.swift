// From bound expressions to evaluators, once per instantiated plan.

import Platform
import SQL
import SQLTypes

/// Makes evaluators and operators for one instance.
struct Compiler {
    let instance: Instance
    var capacity: Int { instance.capacity }
    private var context: EvaluationContext { instance.evaluation }

    init(_ instance: Instance) { self.instance = instance }

    func compile(_ list: [BoundExpression]) throws(EngineError) -> [Evaluator] {
        var result: [Evaluator] = []
        result.reserveCapacity(list.count)
        for expression in list { result.append(try compile(expression)) }
        return result
    }

    func compile(optional expression: BoundExpression?) throws(EngineError) -> Evaluator? {
        guard let expression else { return nil }
        return try compile(expression)
    }

    func bindings(_ list: [CorrelationBinding]) throws(EngineError) -> [CompiledBinding] {
        var result: [CompiledBinding] = []
        for binding in list {
            result.append(CompiledBinding(index: binding.index, source: try compile(binding.source)))
        }
        return result
    }

    func compile(_ expression: BoundExpression) throws(EngineError) -> Evaluator {
        switch expression {
        case .constant(let datum, let type): return try constant(datum, type)
        case .slot(let slot, let type): return SlotEvaluator(slot, type)
        case .parameter(let index, _): return FixedEvaluator(instance.parameters[index])
        case .correlation(let index, _): return FixedEvaluator(instance.correlations[index])
        case .call(let bound): return try call(bound)
        case .cast(let cast):
            return CastEvaluator(
                try compile(cast.operand), to: cast.target, function: cast.function, capacity: capacity,
                context: context)
        case .and, .or, .not, .isNull, .truth: return try logic(expression)
        case .searchedCase, .coalesce, .nullIf, .extremum, .distinctFrom: return try conditional(expression)
        case .quantifiedArray, .inList, .array, .element, .row, .rowComparison, .field:
            return try composite(expression)
        case .subplan(let plan): return try subplan(plan)
        case .variable, .aggregate, .window, .subquery:
            preconditionFailure("a finished plan has no planner-only expressions")
        }
    }

    func constant(_ datum: Datum, _ type: SQLType) throws(EngineError) -> Evaluator {
        let vector = Vector(type, capacity: 1)
        try vector.setConstant(datum)
        return FixedEvaluator(vector)
    }

    func call(_ bound: BoundCall) throws(EngineError) -> CallEvaluator {
        makeCall(bound, try compile(bound.arguments))
    }

    /// A call whose arguments the executor supplies.
    func makeCall(_ bound: BoundCall, _ arguments: [Evaluator]) -> CallEvaluator {
        CallEvaluator(
            bound.function, arguments, type: bound.type, capacity: capacity,
            context: context)
    }

    private func logic(_ expression: BoundExpression) throws(EngineError) -> Evaluator {
        switch expression {
        case .and(let operands):
            return ConnectiveEvaluator(try compile(operands), absorbing: false, capacity: capacity)
        case .or(let operands):
            return ConnectiveEvaluator(try compile(operands), absorbing: true, capacity: capacity)
        case .not(let operand): return TestEvaluator(try compile(operand), .not, capacity: capacity)
        case .isNull(let operand, let negated):
            return TestEvaluator(try compile(operand), .isNull(negated: negated), capacity: capacity)
        case .truth(let operand, let test, let negated):
            let kind: TestEvaluator.Test =
                switch test {
                case .isTrue: .isValue(true, negated: negated)
                case .isFalse: .isValue(false, negated: negated)
                case .isUnknown: .isNull(negated: negated)
                }
            return TestEvaluator(try compile(operand), kind, capacity: capacity)
        default: preconditionFailure("not a logical expression")
        }
    }

    private func conditional(_ expression: BoundExpression) throws(EngineError) -> Evaluator {
        switch expression {
        case .searchedCase(let branches, let otherwise, let type):
            var compiled: [(condition: Evaluator, result: Evaluator)] = []
            for branch in branches {
                compiled.append((condition: try compile(branch.condition), result: try compile(branch.result)))
            }
            return CaseEvaluator(
                compiled, otherwise: try compile(optional: otherwise), type: type, capacity: capacity)
        case .coalesce(let operands, let type):
            return CoalesceEvaluator(try compile(operands), type: type, capacity: capacity)
        case .nullIf(let equals, let type):
            return NullIfEvaluator(
                try compile(equals.arguments[0]), equals: try call(equals), type: type, capacity: capacity)
        case .extremum(let greatest, let operands, let type):
            return ExtremumEvaluator(try compile(operands), greatest: greatest, type: type, capacity: capacity)
        case .distinctFrom(let equals, let negated):
            let call = try call(equals)
            return DistinctFromEvaluator(
                call.arguments[0], call.arguments[1], equals: call, negated: negated, capacity: capacity)
        default: preconditionFailure("not a conditional expression")
        }
    }
}

extension Compiler {
    func composite(_ expression: BoundExpression) throws(EngineError) -> Evaluator {
        switch expression {
        case .quantifiedArray(let node):
            let array = try compile(node.array)
            let element = SQLType(array.type.oid.element)
            return QuantifiedArrayEvaluator(
                try compile(node.left), array, elementType: element, all: node.isAll, capacity: capacity
            ) { left, elements in
                CallEvaluator(
                    node.operation.function, [left, elements], type: SQLType(.bool),
                    capacity: vectorCapacity, context: instance.evaluation)
            }
        case .inList(let node): return try inList(node)
        case .array(let node):
            return ArrayEvaluator(
                try compile(node.elements), elementType: node.elementType, type: node.type,
                multidimensional: node.isMultidimensional, capacity: capacity)
        case .element(let node): return try element(node)
        case .rowComparison(let node): return try rowComparison(node)
        case .row(let items): return RowEvaluator(try compile(items), capacity: capacity)
        case .field(let row, let index, let type):
            return FieldEvaluator(try compile(row), index, type: type, capacity: capacity)
        default: preconditionFailure("not a composite expression")
        }
    }

    private func inList(_ node: InList) throws(EngineError) -> Evaluator {
        let left = try compile(node.left)
        var constants: [Datum] = []
        for item in node.items { if case .constant(let datum, _) = item { constants.append(datum) } }
        let same = node.items.first.map { $0.type.oid == left.type.oid } ?? false
        if constants.count == node.items.count, same, constants.count > 2 {
            return InListEvaluator(
                left, tests: [], constants: ConstantSet(constants, left.type), capacity: capacity)
        }
        var tests: [CallEvaluator] = []
        for item in node.items { tests.append(makeCall(node.equals, [left, try compile(item)])) }
        return InListEvaluator(left, tests: tests, constants: nil, capacity: capacity)
    }

    private func element(_ node: Subscript) throws(EngineError) -> Evaluator {
        if node.isSlice {
            var bounds: [(lower: Evaluator?, upper: Evaluator?, isSlice: Bool)] = []
            for bound in node.bounds {
                bounds.append((try compile(optional: bound.lower), try compile(optional: bound.upper), bound.isSlice))
            }
            return SliceEvaluator(try compile(node.base), bounds, type: node.type, capacity: capacity)
        }
        var indices: [Evaluator] = []
        for bound in node.bounds {
            guard let upper = bound.upper else { preconditionFailure("a subscript that is no slice has one bound") }
            indices.append(try compile(upper))
        }
        return ElementEvaluator(try compile(node.base), indices, type: node.type, capacity: capacity)
    }

    private func rowComparison(_ node: RowComparison) throws(EngineError) -> Evaluator {
        let left = try compile(node.left)
        let right = try compile(node.right)
        func calls(_ functions: [FunctionEntry]) -> [CallEvaluator] {
            functions.enumerated().map { index, function in
                CallEvaluator(
                    function, [left[index], right[index]], type: SQLType(.bool), capacity: capacity,
                    context: instance.evaluation)
            }
        }
        return RowComparisonEvaluator(
            node.kind, operations: calls(node.operations), equalities: calls(node.equalities), capacity: capacity)
    }

    func subplan(_ node: SubPlan) throws(EngineError) -> Evaluator {
        let plan = try PlanBuilder(instance).build(node.plan)
        let bindings = try bindings(node.bindings)
        let types = node.plan.output.map { $0.type }
        switch node.kind {
        case .scalar: return ScalarSubplan(plan, bindings, type: node.type, capacity: capacity, instance)
        case .exists: return ExistsSubplan(plan, bindings, type: node.type, capacity: capacity, instance)
        case .array:
            return ArraySubplan(
                plan, bindings, type: node.type, element: types[0], capacity: capacity, instance)
        case .any, .all:
            let left = try compile(node.left)
            var sameTypes = true
            for (index, type) in types.enumerated() where left[index].type.oid != type.oid { sameTypes = false }
            if node.isHashed, node.kind == .any, bindings.isEmpty, sameTypes {
                return HashedAnySubplan(plan, left: left, columnTypes: types, capacity: capacity, instance)
            }
            let values = left.map { Vector($0.type, capacity: 1) }
            var tests: [CallEvaluator] = []
            for (index, test) in node.test.enumerated() {
                tests.append(
                    CallEvaluator(
                        test.function, [FixedEvaluator(values[index]), SlotEvaluator(index, types[index])],
                        type: SQLType(.bool), capacity: vectorCapacity,
                        context: instance.evaluation))
            }
            return QuantifiedSubplan(
                plan, bindings, left: left, leftValues: values, tests: tests, all: node.kind == .all,
                columnTypes: types, capacity: capacity, instance)
        }
    }
}
