// Expressions compiled for evaluation: a tree of evaluators, each with the vectors it needs made in advance, so that
// evaluating a batch allocates nothing but memory for long strings.
//
// Contract: `evaluate` computes the value for the selected rows of the chunk and returns a vector in which those rows are
// valid at their positions (or a constant vector). Other rows are unspecified. The vector is valid until the evaluator's
// next evaluation, or as long as the chunk for a plain column. An error is raised only if a selected row has it.

import Platform
import SQLTypes

package class Evaluator {
    package let type: SQLType
    init(_ type: SQLType) { self.type = type }

    package func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        preconditionFailure("an evaluator implements evaluate")
    }

    /// The value where no rows are needed: keys, limits, parameters of a function scan.
    package final func value(_ chunk: Chunk) throws(EngineError) -> Datum {
        try evaluate(chunk, Selection(count: 1)).datum(0)
    }
}

/// A column of the input.
final class SlotEvaluator: Evaluator {
    let slot: Int
    init(_ slot: Int, _ type: SQLType) {
        self.slot = slot
        super.init(type)
    }
    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        chunk.columns[slot]
    }
}

/// A vector that somebody else keeps: a constant, a parameter, a correlation.
final class FixedEvaluator: Evaluator {
    let vector: Vector
    init(_ vector: Vector) {
        self.vector = vector
        super.init(vector.type)
    }
    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector { vector }
}

/// A function or operator.
final class CallEvaluator: Evaluator {
    let function: FunctionEntry
    let arguments: [Evaluator]
    private let context: EvaluationContext
    /// Made at the first evaluation; made anew when an argument's vector is another than before (a slot's chunk changed).
    private var frame: KernelFrame?
    private let result: Vector

    init(
        _ function: FunctionEntry, _ arguments: [Evaluator], type: SQLType, capacity: Int, context: EvaluationContext
    ) {
        self.function = function
        self.arguments = arguments
        self.context = context
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        let frame = try prepare(chunk, selection)
        frame.selection = selection
        try function.evaluate(frame)
        return result
    }

    /// Evaluates the arguments, each once; a frame whose argument vectors are these.
    private func prepare(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> KernelFrame {
        var changed: [Vector]?
        for index in 0..<arguments.count {
            let vector = try arguments[index].evaluate(chunk, selection)
            if changed != nil {
                changed?.append(vector)
            } else if frame == nil || frame.unsafelyUnwrapped.arguments[index] !== vector {
                changed = frame.map { Array($0.arguments[..<index]) } ?? []
                changed?.append(vector)
            }
        }
        if let frame, changed == nil { return frame }
        let made = KernelFrame(arguments: changed ?? [], result: result, context: context)
        frame = made
        return made
    }
}

/// A change of type: through a function of one argument, or of the type's name alone.
final class CastEvaluator: Evaluator {
    private let operand: Evaluator
    private let call: CallEvaluator?
    private let relabelled: Vector?

    init(
        _ operand: Evaluator, to target: SQLType, function: FunctionEntry?, capacity: Int, context: EvaluationContext
    ) {
        self.operand = operand
        if let function {
            call = CallEvaluator(function, [operand], type: target, capacity: capacity, context: context)
            relabelled = nil
        } else {
            call = nil
            relabelled = operand.type.oid == target.oid ? nil : Vector(target, capacity: capacity)
        }
        super.init(target)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        if let call { return try call.evaluate(chunk, selection) }
        let source = try operand.evaluate(chunk, selection)
        guard let relabelled else { return source }
        // Kernels look at a vector's type only through its physical form or, for polymorphic ones, its own type, so the
        // values are put under the new name. Long strings are referred to, not copied.
        relabelled.reset()
        relabelled.isConstant = source.isConstant
        let count = source.isConstant ? 1 : selection.count
        for index in 0..<count {
            let row = source.isConstant ? 0 : selection[index]
            if source.isNull(row) { relabelled.setNull(row) } else { relabelled.setCell(row, source.cell(row)) }
        }
        return relabelled
    }
}
