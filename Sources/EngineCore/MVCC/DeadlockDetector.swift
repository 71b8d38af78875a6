// The waits-for graph, searched at the start of each wait under the lock manager's spin lock. Nodes are transactions; a
// waiting one has edges to those that keep it waiting. Edges appear only when a wait begins (a lock that passes from one
// waiter to the next makes edges only to one that was ahead in the queue, to which there was an edge already), so a search
// from the new waiter finds every cycle at its birth.

import Platform
import Synchronization

extension LockManager {
    /// True if `transaction`, which has just begun to wait, waits for itself.
    func isDeadlocked(_ transaction: Transaction) -> Bool {
        if Mutation.isActive(.deadlockUndetected) { return false }
        search += 1
        return reaches(transaction, from: transaction)
    }

    private func reaches(_ goal: Transaction, from transaction: Transaction) -> Bool {
        let wait = transaction.wait.record
        if !wait.pointee.isWaiting || wait.pointee.visited == search { return false }
        wait.pointee.visited = search
        guard let entry = wait.pointee.entry else {
            guard let owner = owner(of: wait.pointee.target) else { return false }
            return owner === goal || reaches(goal, from: owner)
        }
        let conflicts = wait.pointee.mode.conflicts
        var hold = entry.pointee.holds
        while let current = hold {
            let owner = current.pointee.owner.takeUnretainedValue()
            if current.pointee.mode.bit & conflicts != 0 && owner !== transaction {
                if owner === goal || reaches(goal, from: owner) { return true }
            }
            hold = current.pointee.nextInEntry
        }
        var waiter = entry.pointee.firstWaiter
        while let current = waiter, current != wait {
            if current.pointee.mode.bit & conflicts != 0 {
                let owner = current.pointee.owner.unsafelyUnwrapped.takeUnretainedValue()
                if owner === goal || reaches(goal, from: owner) { return true }
            }
            waiter = current.pointee.next
        }
        return false
    }

    /// What keeps `transaction` waiting now: nil if nothing. A transaction that is over, though somebody waits for it, is not in
    /// the list. For diagnosis, by whoever knows that nothing moves meanwhile.
    func blockers(of transaction: Transaction) -> [Transaction]? {
        let wait = transaction.wait.record
        if !wait.pointee.isWaiting { return nil }
        guard let entry = wait.pointee.entry else { return owner(of: wait.pointee.target).map { [$0] } ?? [] }
        var found: [Transaction] = []
        func add(_ owner: Transaction, _ mode: LockMode) {
            if mode.bit & wait.pointee.mode.conflicts != 0 && owner !== transaction { found.append(owner) }
        }
        var hold = entry.pointee.holds
        while let current = hold {
            add(current.pointee.owner.takeUnretainedValue(), current.pointee.mode)
            hold = current.pointee.nextInEntry
        }
        var waiter = entry.pointee.firstWaiter
        while let current = waiter, current != wait {
            add(current.pointee.owner.unsafelyUnwrapped.takeUnretainedValue(), current.pointee.mode)
            waiter = current.pointee.next
        }
        return found
    }

    /// The session that runs transaction `id`; nil if it is over.
    private func owner(of id: UInt64) -> Transaction? {
        let slot = manager.takeUnretainedValue().slots.slot(of: id)
        let state = slot.pointee.state.load(ordering: .sequentiallyConsistent)
        if slot.pointee.id.load(ordering: .acquiring) != id || state & TransactionSlot.ended != 0 { return nil }
        return sessions[Int(state >> 8)]?.takeUnretainedValue()
    }
}

extension Transaction {
    /// See `LockManager.blockers`.
    package var blockers: [Transaction]? { manager.locks.blockers(of: self) }
}
