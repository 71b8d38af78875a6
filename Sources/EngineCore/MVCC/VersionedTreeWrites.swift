// Changing rows. One log record per change: the page operation and what is needed to undo it.
//
// The leaf's exclusive latch orders everything about a row: writers look at the header, at explicit locks and write, all
// under one latch. A writer that has to wait lets the latch go first and starts over after. Log room is ensured and undo
// memory is found without parking while the latch is held.
//
// What a writer can find, by letters that tests use:
//   A  no entry
//   B  in doubt, by another transaction        wait for its end, look again
//   C  a row, by this transaction              this command's: leave it (Halloween); an earlier command's: go on
//   D  a row, committed, in the view           go on
//   E  a row, committed after the view         READ COMMITTED: the caller re-evaluates; above: 40001
//   F  a tombstone, by this transaction
//   G  a tombstone, committed, in the view
//   H  a tombstone, committed after the view   as E, but there is no newer row
// Insert: A inserts; B waits; C, D, E are duplicates; F, G, H write over the tombstone, keeping it as the version before.
// Update, delete, lock: A, F and G find no row.

import BTree
import Platform
import Synchronization
import WALEngine

package enum InsertResult: UInt8 {
    case inserted
    /// Copied to `transaction.found`: the row that is in the way.
    case duplicate
    /// Somebody is about to decide whether there is one, and the policy is not to wait.
    case wouldWait
}

package enum WriteResult: UInt8 {
    case done
    /// READ COMMITTED: a newer version was committed meanwhile. It is in `transaction.found`; evaluate the statement's
    /// condition over it, and call again with its `version` as `expected`.
    case changed
    /// There is no row any more.
    case gone
    /// This very command has changed or deleted the row already.
    case changedByCommand
    /// Locked by another, and the policy is not to wait.
    case wouldWait
}

/// Names one version of a row: what a re-evaluation was made for. Undo memory of versions newer than a registered snapshot
/// is not reused, so the address is unique while the statement runs.
package struct RowVersion: BitwiseCopyable, Sendable {
    let undo: UInt64
    package static let none = RowVersion(undo: 0)
    /// Whatever version is there: for who owns the row by another lock.
    package static let any = RowVersion(undo: UInt64.max)
}

extension VersionedTree {
    private typealias Bytes = UnsafeRawBufferPointer
    private static var nothing: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// Bytes of a log record for a change, at most; bounds what `withLeaf` makes room for.
    @inline(__always)
    private func recordByteCount(key: Int, old: Int, new: Int) -> Int {
        LogRecordLayout.byteCount(
            undo: LogUndo.byteCount(keyLength: key, oldLength: old), operationCount: 1,
            operationByteCount: key + new + 32)
    }

    // MARK: Insert

    /// Inserts an entry. `payload`: sixteen bytes of room, then the row.
    /// 40P01, 55P03, 57014 while waiting; 53200, 53100, 25006.
    package func insert(
        _ key: UnsafeRawBufferPointer, _ payload: UnsafeMutableRawBufferPointer, _ transaction: Transaction,
        _ policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> InsertResult {
        if transaction.slot == nil { try manager.start(transaction) }
        if isTable { transaction.oldRow = .none }
        try transaction.requireUndoRoom()
        if key.count > TreePage.maxKeyByteCount {
            throw EngineError(
                .programLimitExceeded,
                "index row size \(key.count) exceeds btree maximum \(TreePage.maxKeyByteCount)",
                hint: "Values larger than 1/4 of a page cannot be indexed.")
        }
        if !BTree.mustSpill(keyByteCount: key.count, payloadByteCount: payload.count) {
            return try insert(key, payload, isSpilled: false, transaction, policy)
        }
        let chain = try Chain(tree, key, UnsafeRawBufferPointer(payload))
        do throws(EngineError) {
            let result = try insert(key, chain.stub, isSpilled: true, transaction, policy)
            try chain.settle(result == .inserted)
            return result
        } catch {
            try chain.settle(false)
            throw error
        }
    }

    private func insert(
        _ key: UnsafeRawBufferPointer, _ payload: UnsafeMutableRawBufferPointer, isSpilled: Bool,
        _ transaction: Transaction, _ policy: LockWaitPolicy
    ) throws(EngineError) -> InsertResult {
        var oldByteCount = 0
        var marked = PageID.none
        while true {
            let leaf = try tree.withLeaf(
                for: TreeKey(key), reserving: payload.count,
                logging: recordByteCount(key: key.count, old: oldByteCount, new: payload.count))
            let (slot, found) = leaf.find(TreeKey(key))
            if !found {
                try write(
                    leaf, slot, .insert, key, payload, isSpilled, Before(writer: 0, undo: 0, row: Self.nothing),
                    transaction)
                return .inserted
            }
            let old = UnsafeRawBufferPointer(leaf.payload(slot))
            let writer = RowHeader.writer(old.baseAddress.unsafelyUnwrapped)
            let state = state(writer, transaction)
            if case .inDoubt(let id) = state {
                leaf.release()
                if policy != .wait { return .wouldWait }
                try manager.locks.waitForEnd(of: id, transaction)
                continue
            }
            if !RowHeader.isTombstone(writer) {
                transaction.found.assign(old, isSpilled: leaf.isSpilled(slot))
                return .duplicate
            }
            if old.count > max(oldByteCount, RowHeader.byteCount) {
                oldByteCount = old.count
                leaf.release()
                continue  // once more, with room for the old bytes in the log
            }
            if leaf.isSpilled(slot), let spilled = SpilledPayload(old), spilled.firstPage != marked {
                leaf.release()
                marked = spilled.firstPage
                try tree.settle(spilled, attached: false)
                continue
            }
            let before = Before(old, resolved(writer, state), isSpilled: leaf.isSpilled(slot))
            try write(leaf, slot, .replace, key, payload, isSpilled, before, transaction)
            return .inserted
        }
    }

    // MARK: Update, delete, lock

    /// Gives the row other bytes. `payload` as for `insert`. After `.done`, `transaction.oldRow` is the row before, or its
    /// stub if `oldRowIsSpilled`.
    package func update(
        _ key: UnsafeRawBufferPointer, _ payload: UnsafeMutableRawBufferPointer, _ transaction: Transaction,
        changesKey: Bool, expected: RowVersion = .none, _ policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        if isTable { transaction.oldRow = .none }
        try transaction.requireUndoRoom()
        if !BTree.mustSpill(keyByteCount: key.count, payloadByteCount: payload.count) {
            return try update(
                key, payload, isSpilled: false, transaction, changesKey: changesKey, expected: expected, policy)
        }
        let chain = try Chain(tree, key, UnsafeRawBufferPointer(payload))
        do throws(EngineError) {
            let result = try update(
                key, chain.stub, isSpilled: true, transaction, changesKey: changesKey, expected: expected, policy)
            try chain.settle(result == .done)
            return result
        } catch {
            try chain.settle(false)
            throw error
        }
    }

    private func update(
        _ key: UnsafeRawBufferPointer, _ payload: UnsafeMutableRawBufferPointer, isSpilled: Bool,
        _ transaction: Transaction, changesKey: Bool, expected: RowVersion, _ policy: LockWaitPolicy
    ) throws(EngineError) -> WriteResult {
        var reserve = 0
        var oldByteCount = payload.count
        var marked = PageID.none
        let mode: RowLockMode = changesKey ? .update : .noKeyUpdate
        while true {
            let leaf = try tree.withLeaf(
                for: TreeKey(key), reserving: reserve,
                logging: recordByteCount(key: key.count, old: oldByteCount, new: payload.count))
            let (slot, found) = leaf.find(TreeKey(key))
            if !found { return .gone }
            let old = UnsafeRawBufferPointer(leaf.payload(slot))
            switch try decide(leaf, slot, key, transaction, mode, expected, changesRow: true) {
            case .go(let state):
                let growth = payload.count - old.count
                if growth > leaf.node.freeByteCount || old.count > oldByteCount {
                    reserve = max(growth, 0)
                    oldByteCount = max(old.count, oldByteCount)
                    leaf.release()
                    continue
                }
                if leaf.isSpilled(slot), let spilled = SpilledPayload(old), spilled.firstPage != marked {
                    leaf.release()
                    marked = spilled.firstPage
                    try tree.settle(spilled, attached: false)
                    continue
                }
                if transaction.slot == nil { try manager.start(transaction) }
                let writer = resolved(RowHeader.writer(old.baseAddress.unsafelyUnwrapped), state)
                let before = Before(old, writer, isSpilled: leaf.isSpilled(slot))
                try write(
                    leaf, slot, .replace, key, payload, isSpilled, before, transaction, changesKey: changesKey)
                let record = UndoRecord(transaction.newestUndo)
                transaction.oldRow = SeenVersion(row: record.oldRow, isSpilled: record.oldIsSpilled)
                if Mutation.isActive(.longRowFreedEarly) { try freeReplaced(record) }
                return .done
            case .answer(let result): return result
            case .ask(let question):
                leaf.release()
                marked = .none
                try find(question, transaction)
            case .wait(let cause):
                leaf.release()
                if policy != .wait { return .wouldWait }
                marked = .none
                try wait(cause, key, transaction, mode)
            }
        }
    }

    /// Marks the row as deleted. After `.done`, `transaction.oldRow` is the row before if `keepsRow`.
    package func delete(
        _ key: UnsafeRawBufferPointer, _ transaction: Transaction, keepsRow: Bool = false,
        expected: RowVersion = .none, _ policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        if isTable { transaction.oldRow = .none }
        try transaction.requireUndoRoom()
        while true {
            let leaf = try tree.withLeaf(
                for: TreeKey(key), reserving: 0,
                logging: recordByteCount(key: key.count, old: 0, new: RowHeader.byteCount))
            let (slot, found) = leaf.find(TreeKey(key))
            if !found { return .gone }
            let old = UnsafeRawBufferPointer(leaf.payload(slot))
            switch try decide(leaf, slot, key, transaction, .update, expected, changesRow: true) {
            case .go(let state):
                if transaction.slot == nil { try manager.start(transaction) }
                if keepsRow {
                    transaction.found.assign(old, isSpilled: leaf.isSpilled(slot))
                    transaction.oldRow = transaction.found.seen
                }
                try mark(leaf, slot, key, old, state, transaction)
                return .done
            case .answer(let result): return result
            case .ask(let question):
                leaf.release()
                try find(question, transaction)
            case .wait(let cause):
                leaf.release()
                if policy != .wait { return .wouldWait }
                try wait(cause, key, transaction, .update)
            }
        }
    }

    /// Locks the row without changing it, until the end of the transaction. Only for trees of tables.
    package func lockRow(
        _ key: UnsafeRawBufferPointer, _ transaction: Transaction, _ mode: RowLockMode, expected: RowVersion = .none,
        _ policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        precondition(isTable, "only rows of tables are locked")
        while true {
            let leaf = try tree.withLeaf(for: TreeKey(key), reserving: 0, logging: 0)
            let (slot, found) = leaf.find(TreeKey(key))
            if !found { return .gone }
            switch try decide(leaf, slot, key, transaction, mode, expected, changesRow: false) {
            case .go:
                if try manager.locks.tryLockRow(transaction, id.rawValue, Self.rowID(key), mode) { return .done }
                leaf.release()
                if policy != .wait { return .wouldWait }
                try wait(.lock, key, transaction, mode)
            case .answer(let result): return result
            case .ask(let question):
                leaf.release()
                try find(question, transaction)
            case .wait(let cause):
                leaf.release()
                if policy != .wait { return .wouldWait }
                try wait(cause, key, transaction, mode)
            }
        }
    }

    // MARK: Decisions, under the leaf's latch

    private enum WaitCause {
        case transaction(UInt64)
        case lock
    }

    private enum Decision {
        case go(VersionState)
        case answer(WriteResult)
        case wait(WaitCause)
        case ask(UndoQuestion)
    }

    /// What a decision wants to know of an undo record that has been moved out.
    private struct UndoQuestion {
        let undo: UInt64
        /// Does this transaction, which wrote it, change the row's key? Nil: which command of ours was it?
        let writer: UInt64?
    }

    /// Reads what a decision needs; the latch has been let go. 58030, XX001.
    private func find(_ question: UndoQuestion, _ transaction: Transaction) throws(EngineError) {
        let area = manager.undoArea
        let answer: UInt32
        if let writer = question.writer {
            answer = try area.changesKey(question.undo, by: writer) ? 1 : 0
        } else {
            answer = try area.command(question.undo)
        }
        transaction.answered = (question.undo, answer)
    }

    @inline(__always) static func rowID(_ key: UnsafeRawBufferPointer) -> UInt64 {
        key.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self)
    }

    @inline(__always)
    private func decide(
        _ leaf: borrowing LeafGuard, _ slot: Int, _ key: UnsafeRawBufferPointer, _ transaction: Transaction,
        _ mode: RowLockMode, _ expected: RowVersion, changesRow: Bool
    ) throws(EngineError) -> Decision {
        let base = UnsafeRawPointer(leaf.payload(slot).baseAddress.unsafelyUnwrapped)
        let writer = RowHeader.writer(base)
        let undo = RowHeader.undo(base)
        let state = state(writer, transaction)
        switch state {
        case .inDoubt(let id):
            if Mutation.isActive(.dirtyWrites) { return .go(.own) }
            if mode == .keyShare {
                let changesKey = transaction.takeAnswer(about: undo).map { $0 != 0 }
                guard let changesKey = changesKey ?? manager.undoArea.changesKeyInMemory(undo, by: id) else {
                    return .ask(UndoQuestion(undo: undo, writer: id))
                }
                if !changesKey { break }
            }
            return .wait(.transaction(id))
        case .own:
            if undo != 0 {
                let current = transaction.view.command
                let answer = transaction.takeAnswer(about: undo)
                guard let command = answer ?? manager.undoArea.commandInMemory(undo, against: current) else {
                    return .ask(UndoQuestion(undo: undo, writer: nil))
                }
                if command >= current {
                    return changesRow
                        ? .answer(.changedByCommand) : .answer(RowHeader.isTombstone(writer) ? .gone : .done)
                }
            }
            if RowHeader.isTombstone(writer) { return .answer(.gone) }
        case .committed(let commit):
            if commit > transaction.view.snapshot && expected.undo != undo && expected.undo != RowVersion.any.undo
                && !Mutation.isActive(.firstCommitterIgnored)
            {
                return .answer(try concurrent(leaf, slot, writer, transaction))
            }
            if RowHeader.isTombstone(writer) { return .answer(.gone) }
        }
        if changesRow && isTable && manager.locks.hasRowLocks
            && manager.locks.isRowLocked(transaction, id.rawValue, Self.rowID(key), against: mode)
        {
            return .wait(.lock)
        }
        return .go(state)
    }

    /// Cases E and H.
    private func concurrent(
        _ leaf: borrowing LeafGuard, _ slot: Int, _ writer: UInt64, _ transaction: Transaction
    ) throws(EngineError) -> WriteResult {
        let isGone = RowHeader.isTombstone(writer)
        if transaction.isolation != .readCommitted {
            throw EngineError(
                .serializationFailure,
                isGone
                    ? "could not serialize access due to concurrent delete"
                    : "could not serialize access due to concurrent update")
        }
        if isGone { return .gone }
        transaction.found.assign(UnsafeRawBufferPointer(leaf.payload(slot)), isSpilled: leaf.isSpilled(slot))
        return .changed
    }

    private func wait(
        _ cause: WaitCause, _ key: UnsafeRawBufferPointer, _ transaction: Transaction, _ mode: RowLockMode
    ) throws(EngineError) {
        switch cause {
        case .transaction(let id): try manager.locks.waitForEnd(of: id, transaction)
        case .lock:
            // Taking the lock is the way to wait for it in turn; it is kept, as the row is about to be ours anyway.
            _ = try manager.locks.lockRow(transaction, id.rawValue, Self.rowID(key), mode, .wait)
        }
    }

    // MARK: Writing, under the leaf's latch

    /// The version that is about to be replaced.
    private struct Before {
        /// Resolved.
        var writer: UInt64
        var undo: UInt64
        var row: UnsafeRawBufferPointer
        var isSpilled = false

        @inline(__always) init(writer: UInt64, undo: UInt64, row: UnsafeRawBufferPointer) {
            self.writer = writer
            self.undo = undo
            self.row = row
        }
        @inline(__always) init(_ payload: UnsafeRawBufferPointer, _ writer: UInt64, isSpilled: Bool) {
            self.writer = writer
            undo = RowHeader.undo(payload.baseAddress.unsafelyUnwrapped)
            row = UnsafeRawBufferPointer(rebasing: payload[RowHeader.byteCount...])
            self.isSpilled = isSpilled
        }
    }

    /// Writes a version and its undo. 53200, with nothing changed.
    @inline(__always)
    private func write(
        _ leaf: consuming LeafGuard, _ slot: Int, _ action: UndoAction, _ key: UnsafeRawBufferPointer,
        _ payload: UnsafeMutableRawBufferPointer, _ isSpilled: Bool, _ before: Before, _ transaction: Transaction,
        changesKey: Bool = false
    ) throws(EngineError) {
        let log = manager.log
        let undo = try keep(action, key, before, transaction, changesKey: changesKey)
        if before.isSpilled { transaction.needsPurge = true }
        let base = payload.baseAddress.unsafelyUnwrapped
        RowHeader.store(base, writer: RowHeader.inDoubt | transaction.id.rawValue, undo: transaction.newestUndo)
        var record = log.makeRecord(
            .update, transactionID: transaction.id.rawValue, previousLSN: transaction.lastLSN)
        LogUndo.append(
            to: &record, tree, action, oldWriter: before.writer, key: key, oldRow: before.row,
            isSpilled: before.isSpilled)
        if action == .insert {
            leaf.insert(
                into: &record, at: slot, TreeKey(key), UnsafeRawBufferPointer(payload), spilled: isSpilled)
        } else {
            leaf.replace(into: &record, at: slot, UnsafeRawBufferPointer(payload), spilled: isSpilled)
        }
        let (start, end) = log.append(&record)
        undo.setLog(start: start.rawValue)
        transaction.lastLSN = start
        leaf.finish(start: start, end: end)
    }

    /// Turns the row into a tombstone, bytes and all.
    @inline(__always)
    private func mark(
        _ leaf: consuming LeafGuard, _ slot: Int, _ key: UnsafeRawBufferPointer, _ old: UnsafeRawBufferPointer,
        _ state: VersionState, _ transaction: Transaction
    ) throws(EngineError) {
        let log = manager.log
        let base = old.baseAddress.unsafelyUnwrapped
        let writer = resolved(RowHeader.writer(base), state)
        let undo = try keep(
            .delete, key, Before(writer: writer, undo: RowHeader.undo(base), row: Self.nothing), transaction,
            changesKey: true)
        transaction.needsPurge = true
        var record = log.makeRecord(
            .update, transactionID: transaction.id.rawValue, previousLSN: transaction.lastLSN)
        LogUndo.append(
            to: &record, tree, .delete, oldWriter: writer, key: key, oldRow: Self.nothing, isSpilled: false)
        leaf.patch(
            into: &record, at: slot,
            (RowHeader.inDoubt | RowHeader.tombstone | transaction.id.rawValue, transaction.newestUndo))
        let (start, end) = log.append(&record)
        undo.setLog(start: start.rawValue)
        transaction.lastLSN = start
        leaf.finish(start: start, end: end)
    }

    /// Makes the undo record and puts it in front of the transaction's.
    @inline(__always)
    private func keep(
        _ action: UndoAction, _ key: UnsafeRawBufferPointer, _ before: Before, _ transaction: Transaction,
        changesKey: Bool
    ) throws(EngineError) -> UndoRecord {
        let memory = try transaction.worker.pointee.undo.allocate(
            UndoRecord.byteCount(keyLength: key.count, oldLength: before.row.count), for: &transaction.holding)
        let record = UndoRecord(at: memory)
        let flags = (changesKey ? UndoRecord.changesKey : 0) | (before.isSpilled ? UndoRecord.oldIsSpilled : 0)
        record.fill(
            oldWriter: before.writer, oldUndo: before.undo, previous: transaction.newestUndo,
            logPrevious: transaction.lastLSN.rawValue,
            tree: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()),
            command: transaction.view.command, action: action, flags: flags, key: key, oldRow: before.row)
        transaction.newestUndo =
            UInt64(UInt(bitPattern: memory)) | transaction.holding.marks(memory)
            | (action == .insert ? UndoAddress.first : 0)
        transaction.changeCount += 1
        return record
    }
}
