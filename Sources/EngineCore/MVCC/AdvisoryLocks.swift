// Session-level and transaction-level advisory locks (pg_advisory_lock and its kin): locks on numbers that mean something to
// the application. They share table, queues and deadlock detection with all other locks.

import Platform

extension LockManager {
    /// pg_advisory_lock and its kin. `isSession` locks are kept until unlocked or the session ends, and count.
    package func lockAdvisory(
        _ transaction: Transaction, space: UInt32, key: UInt64, exclusive: Bool, isSession: Bool,
        _ policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> Bool {
        let tag = LockTag(kind: .advisory, space: space, item: key)
        return try lock(
            transaction, tag, exclusive ? .advisoryExclusive : .advisoryShare, policy, isSession: isSession)
    }

    /// False if the session does not hold it.
    package func unlockAdvisory(_ transaction: Transaction, space: UInt32, key: UInt64, exclusive: Bool) -> Bool {
        let mode = exclusive ? LockMode.advisoryExclusive : .advisoryShare
        spin.lock()
        defer { spin.unlock() }
        guard let entry = find(LockTag(kind: .advisory, space: space, item: key)) else { return false }
        var hold = entry.pointee.holds
        while let current = hold {
            if current.pointee.owner.toOpaque() == Unmanaged.passUnretained(transaction).toOpaque(),
                current.pointee.isSession, current.pointee.mode.rawValue == mode.rawValue
            {
                current.pointee.count -= 1
                if current.pointee.count == 0 {
                    unlinkSessionHold(transaction, current)
                    removeHold(current)
                }
                return true
            }
            hold = current.pointee.nextInEntry
        }
        return false
    }

    /// pg_advisory_unlock_all, and the end of a session.
    package func releaseSession(_ transaction: Transaction) {
        spin.lock()
        defer { spin.unlock() }
        while let hold = transaction.sessionLocks {
            transaction.sessionLocks = hold.pointee.older
            removeHold(hold)
        }
    }

    private func unlinkSessionHold(_ transaction: Transaction, _ hold: HoldPointer) {
        if transaction.sessionLocks == hold {
            transaction.sessionLocks = hold.pointee.older
            return
        }
        var at = transaction.sessionLocks
        while let current = at {
            if current.pointee.older == hold {
                current.pointee.older = hold.pointee.older
                return
            }
            at = current.pointee.older
        }
    }
}
