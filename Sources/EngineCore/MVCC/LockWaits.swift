// How a session waits: parked, until it is granted what it asked for or gives up (cancel, timeout); and waiting for another
// transaction to end.

import Fibers
import Platform
import Synchronization

extension LockManager {
    func beginWait(_ wait: WaitPointer) {
        wait.pointee.fiber = Fiber.current
        wait.pointee.granted = false
        wait.pointee.isWaiting = true
        wait.pointee.next = nil
    }

    /// Parks until granted. An error: the wait was given up (and may have been granted meanwhile).
    func park(_ transaction: Transaction) -> EngineError? {
        let wait = transaction.wait.record
        let timeout = transaction.lockTimeout
        let lockDeadline = timeout.rawValue == 0 ? Nanoseconds.never : Fiber.now() + timeout
        // The earlier one is reported; of two at once, the lock's, as PostgreSQL does.
        let isStatements = transaction.statementDeadline < lockDeadline
        let deadline = isStatements ? transaction.statementDeadline : lockDeadline
        while true {
            spin.lock()
            let granted = wait.pointee.granted
            spin.unlock()
            if granted { return nil }
            if Fiber.isInterrupted {
                return EngineError(.queryCanceled, "canceling statement due to user request")
            }
            if !Fiber.park(until: deadline) {
                return isStatements
                    ? EngineError(.queryCanceled, "canceling statement due to statement timeout")
                    : EngineError(.lockNotAvailable, "canceling statement due to lock timeout")
            }
        }
    }

    // MARK: Waiting for a transaction

    /// Returns when the transaction `id` is over (at once if it is). 40P01, 55P03, 57014.
    func waitForEnd(of id: UInt64, _ transaction: Transaction) throws(EngineError) {
        let slot = transaction.view.slots.slot(of: id)
        let wait = transaction.wait.record
        spin.lock()
        // Whoever ends sets `ended` before it looks for `waited`; here it is the other way round, so one sees the other.
        let before = slot.pointee.state.bitwiseOr(TransactionSlot.waited, ordering: .sequentiallyConsistent).oldValue
        if slot.pointee.id.load(ordering: .acquiring) != id || before & TransactionSlot.ended != 0 {
            spin.unlock()
            return
        }
        wait.pointee.entry = nil
        wait.pointee.target = id
        beginWait(wait)
        wait.pointee.next = transactionWaiters
        transactionWaiters = wait
        if isDeadlocked(transaction) {
            removeTransactionWaiter(wait)
            spin.unlock()
            throw Self.deadlock
        }
        spin.unlock()
        if let error = park(transaction) {
            spin.lock()
            defer { spin.unlock() }
            if wait.pointee.granted { return }
            removeTransactionWaiter(wait)
            throw error
        }
    }

    private func removeTransactionWaiter(_ wait: WaitPointer) {
        if transactionWaiters == wait {
            transactionWaiters = wait.pointee.next
        } else {
            var at = transactionWaiters
            while let current = at {
                if current.pointee.next == wait {
                    current.pointee.next = wait.pointee.next
                    break
                }
                at = current.pointee.next
            }
        }
        wait.pointee.next = nil
        wait.pointee.isWaiting = false
    }

    /// Marks the end of a transaction and wakes those who wait for it.
    @inline(__always) func announceEnd(_ slot: SlotPointer, id: UInt64) {
        let before = slot.pointee.state.bitwiseOr(TransactionSlot.ended, ordering: .sequentiallyConsistent).oldValue
        if before & TransactionSlot.waited != 0 && !Mutation.isActive(.lockWakeupLost) { wakeWaiters(of: id) }
    }

    @inline(never) private func wakeWaiters(of id: UInt64) {
        spin.lock()
        defer { spin.unlock() }
        var at = transactionWaiters
        while let current = at {
            at = current.pointee.next
            if current.pointee.target != id { continue }
            removeTransactionWaiter(current)
            current.pointee.granted = true
            manager.takeUnretainedValue().scheduler.wake(current.pointee.fiber)
        }
    }
}
