// What SQL functions and system relations ask of the session around them.

import Fibers
import MVCC
import MultiEngine
import Platform
import QueryExec
import SQL
import SQLTypes

/// The session's values of sequences: currval and lastval.
struct SequenceValues {
    private var values: [ObjectID: Int64] = [:]
    private(set) var last: (sequence: ObjectID, value: Int64)?

    mutating func note(_ sequence: ObjectID, _ value: Int64) {
        values[sequence] = value
        last = (sequence, value)
    }
    mutating func setWithoutLast(_ sequence: ObjectID, _ value: Int64) { values[sequence] = value }
    func current(_ sequence: ObjectID) -> Int64? { values[sequence] }
    mutating func removeAll() {
        values.removeAll()
        last = nil
    }
}

extension Session: SessionServices {
    package func setting(_ name: [UInt8]) -> [UInt8]? { parameters.value(name) }

    package func setSetting(_ name: [UInt8], to value: [UInt8], isLocal: Bool) throws(EngineError) {
        try set(name, value, isLocal: isLocal)
    }

    package func settings() -> [SettingActivity] {
        SettingDefinition.all.enumerated().map { index, definition in
            var activity = SettingActivity()
            activity.name = definition.nameBytes
            activity.value = parameters.values[index]
            activity.category = [UInt8]("\(definition.category)".utf8)
            activity.description = [UInt8]("\(definition.summary)".utf8)
            let context: String =
                switch definition.context {
                case .constant: "internal"
                case .sessionStart: "backend"
                case .user: "user"
                }
            activity.context = [UInt8](context.utf8)
            activity.source = [UInt8]("default".utf8)
            activity.bootValue = [UInt8]("\(definition.defaultValue)".utf8)
            activity.resetValue = activity.bootValue
            describe(definition.kind, &activity)
            return activity
        }
    }

    private func describe(_ kind: SettingKind, _ activity: inout SettingActivity) {
        switch kind {
        case .bool: activity.type = [UInt8]("bool".utf8)
        case .integer(let min, let max, let unit):
            activity.type = [UInt8]("integer".utf8)
            activity.minimum = [UInt8]("\(min)".utf8)
            activity.maximum = [UInt8]("\(max)".utf8)
            switch unit {
            case .none: break
            case .milliseconds: activity.unit = [UInt8]("ms".utf8)
            case .seconds: activity.unit = [UInt8]("s".utf8)
            case .kilobytes: activity.unit = [UInt8]("kB".utf8)
            }
        case .real: activity.type = [UInt8]("real".utf8)
        case .string: activity.type = [UInt8]("string".utf8)
        case .oneOf: activity.type = [UInt8]("enum".utf8)
        }
    }

    package func activities() -> [SessionActivity] { engine.activities() }
    package func lockActivities() -> [LockActivity] { engine.lockActivities() }
    package func signal(processID: Int32, terminate: Bool) -> Bool {
        engine.signal(processID: processID, terminate: terminate)
    }

    package func nextValue(of sequence: SequenceDescriptor) throws(EngineError) -> Int64 {
        if transaction.isReadOnly {
            throw EngineError(.readOnlySQLTransaction, "cannot execute nextval() in a read-only transaction")
        }
        let value = try engine.sequences.next(sequence.oid, sequence.storage, name: sequence.name)
        sequences.note(sequence.oid, value)
        return value
    }
    package func currentValue(of sequence: SequenceDescriptor) -> Int64? { sequences.current(sequence.oid) }
    package func sequenceState(_ sequence: SequenceDescriptor) throws(EngineError) -> (last: Int64, isCalled: Bool) {
        try engine.sequences.state(sequence.oid)
    }
    package func setValue(
        of sequence: SequenceDescriptor, to value: Int64, isCalled: Bool
    ) throws(EngineError) {
        if transaction.isReadOnly {
            throw EngineError(.readOnlySQLTransaction, "cannot execute setval() in a read-only transaction")
        }
        try engine.sequences.set(sequence.oid, to: value, isCalled: isCalled)
        if isCalled { sequences.setWithoutLast(sequence.oid, value) }
    }
    package func lastValue() -> (sequence: ObjectID, value: Int64)? { sequences.last }

    package func pageCount(treeID: UInt32, rootPage: UInt64) throws(EngineError) -> Int64 {
        try engine.pageCount(treeID: treeID, rootPage: rootPage)
    }
    package func estimatedRowCount(_ table: TableDescriptor) -> Double? { engine.estimatedRowCount(table) }

    package var userName: [UInt8] { user }
    package var sessionUserName: [UInt8] { user }
    package var isInTransactionBlock: Bool { block != .none }
    package var serverStartTime: Int64 { engine.startTime }

    package func interruptionPoint() throws(EngineError) {
        Fiber.yieldIfDue()
        if Fiber.isInterrupted { throw ExecutionContext.canceled }
        if statementDeadline != .never, !(Fiber.now() < statementDeadline) { throw ExecutionContext.timedOut }
    }

    package func sleep(microseconds: Int64) throws(EngineError) {
        let end = Fiber.now() + Nanoseconds(UInt64(microseconds) * 1000)
        while Fiber.now() < end {
            _ = Fiber.park(until: statementDeadline < end ? statementDeadline : end)
            try interruptionPoint()
        }
    }
}

extension SequenceDescriptor {
    /// As the store of sequences needs it.
    var storage: SequenceParameters {
        SequenceParameters(increment: increment, minimum: minimum, maximum: maximum, cycles: isCycling)
    }
}
