// Sequences: numbers that are given out outside of transactions and never twice.
//
// A sequence's entry in its tree says from where it goes on after a crash, and is written ahead: one log record lets 32
// values go. A value that was given out and used by a transaction that committed is thus behind a record that is durable
// with that commit; after a crash up to 32 values are skipped, as in PostgreSQL. `save` at a clean stop writes what was
// really given out.
//
// Entry: key u32 big-endian id; payload i64 last value, u8 is called, 7 bytes zero.

import BTree
import Fibers
import Platform
import WALEngine

package struct SequenceParameters: Sendable {
    package var increment: Int64
    package var minimum: Int64
    package var maximum: Int64
    package var cycles: Bool
    package init(increment: Int64 = 1, minimum: Int64 = 1, maximum: Int64 = Int64.max, cycles: Bool = false) {
        self.increment = increment
        self.minimum = minimum
        self.maximum = maximum
        self.cycles = cycles
    }
}

package final class SequenceStore: @unchecked Sendable {
    private struct State {
        var last: Int64
        var isCalled: Bool
        /// Values that may still be given out before the next record.
        var ahead: Int
    }
    private let tree: BTree
    private let log: Log
    private let mutex = FiberMutex()
    private var states: [UInt32: State] = [:]
    private static let batch = 32

    /// `tree` holds the instance's sequences and nothing else.
    package init(_ tree: BTree, _ log: Log) {
        self.tree = tree
        self.log = log
    }

    /// Makes or resets a sequence whose first value will be `start`.
    package func create(_ id: UInt32, start: Int64) throws(EngineError) {
        try set(id, to: start, isCalled: false)
    }

    /// Forgets a sequence. Its id is never used again.
    package func remove(_ id: UInt32) throws(EngineError) {
        mutex.lock()
        defer { mutex.unlock() }
        states[id] = nil
        var key = id.bigEndian
        try withUnsafeBytes(of: &key) { (key) throws(EngineError) in
            var leaf = try tree.withLeaf(for: TreeKey(key), reserving: 0, logging: 128)
            let (slot, found) = leaf.find(TreeKey(key))
            if !found { return }
            var record = log.makeRecord(.system)
            leaf.remove(into: &record, at: slot)
            let (start, end) = log.append(&record)
            if leaf.finish(start: start, end: end) { try tree.merge(around: TreeKey(key)) }
        }
    }

    /// The next value. 2200H at the end.
    package func next(_ id: UInt32, _ parameters: SequenceParameters, name: [UInt8] = []) throws(EngineError) -> Int64 {
        mutex.lock()
        defer { mutex.unlock() }
        var state = try load(id)
        let value = try Self.advance(state, parameters, name)
        state.last = value
        state.isCalled = true
        if state.ahead == 0 {
            try store(id, last: Self.reserve(value, parameters), isCalled: true)
            state.ahead = Self.batch
        }
        state.ahead -= 1
        states[id] = state
        return value
    }

    private static func advance(_ state: State, _ parameters: SequenceParameters, _ name: [UInt8])
        throws(EngineError) -> Int64
    {
        if !state.isCalled { return state.last }
        let (next, overflow) = state.last.addingReportingOverflow(parameters.increment)
        let isUp = parameters.increment > 0
        if !overflow && (isUp ? next <= parameters.maximum : next >= parameters.minimum) { return next }
        if parameters.cycles { return isUp ? parameters.minimum : parameters.maximum }
        let text = String(decoding: name, as: UTF8.self)
        throw EngineError(
            "2200H",
            isUp
                ? "nextval: reached maximum value of sequence \"\(text)\" (\(parameters.maximum))"
                : "nextval: reached minimum value of sequence \"\(text)\" (\(parameters.minimum))")
    }

    /// The value a whole batch on: what a crash goes on from. Stays at the end of the range, where a cycle may repeat values
    /// as cycles do.
    private static func reserve(_ value: Int64, _ parameters: SequenceParameters) -> Int64 {
        let (distance, tooFar) = parameters.increment.multipliedReportingOverflow(by: Int64(batch - 1))
        let (end, overflow) = value.addingReportingOverflow(distance)
        if parameters.increment > 0 { return tooFar || overflow || end > parameters.maximum ? parameters.maximum : end }
        return tooFar || overflow || end < parameters.minimum ? parameters.minimum : end
    }

    /// What `SELECT last_value, is_called` shows.
    package func state(_ id: UInt32) throws(EngineError) -> (last: Int64, isCalled: Bool) {
        mutex.lock()
        defer { mutex.unlock() }
        let state = try load(id)
        return (state.last, state.isCalled)
    }

    /// setval, and RESTART with `isCalled` false.
    package func set(_ id: UInt32, to value: Int64, isCalled: Bool) throws(EngineError) {
        mutex.lock()
        defer { mutex.unlock() }
        try store(id, last: value, isCalled: isCalled)
        states[id] = State(last: value, isCalled: isCalled, ahead: 0)
    }

    /// Writes what was really given out, so that a clean stop skips nothing.
    package func save() throws(EngineError) {
        mutex.lock()
        defer { mutex.unlock() }
        for id in Array(states.keys) {
            guard let state = states[id], state.ahead > 0 else { continue }
            try store(id, last: state.last, isCalled: state.isCalled)
            states[id]?.ahead = 0
        }
    }

    // Under the mutex.

    private func load(_ id: UInt32) throws(EngineError) -> State {
        if let state = states[id] { return state }
        var key = id.bigEndian
        let found = try withUnsafeBytes(of: &key) { (key) throws(EngineError) in
            try tree.lookup(TreeKey(key)) { payload, _ -> State? in
                guard payload.count == 16, let base = payload.baseAddress else { return nil }
                return State(
                    last: base.little(0, as: Int64.self), isCalled: base.little(8, as: UInt8.self) != 0, ahead: 0)
            }
        }
        guard let state = found ?? nil else {
            throw EngineError(.internalError, "sequence \(id) has no state")
        }
        states[id] = state
        return state
    }

    private func store(_ id: UInt32, last: Int64, isCalled: Bool) throws(EngineError) {
        var key = id.bigEndian
        var payload = (last.littleEndian, UInt64(isCalled ? 1 : 0).littleEndian)
        try withUnsafeBytes(of: &key) { (key) throws(EngineError) in
            var leaf = try tree.withLeaf(for: TreeKey(key), reserving: 16, logging: 128)
            let (slot, found) = leaf.find(TreeKey(key))
            var record = log.makeRecord(.system)
            withUnsafeBytes(of: &payload) { payload in
                if found {
                    leaf.replace(into: &record, at: slot, payload)
                } else {
                    leaf.insert(into: &record, at: slot, TreeKey(key), payload)
                }
            }
            let (start, end) = log.append(&record)
            leaf.finish(start: start, end: end)
        }
    }
}
