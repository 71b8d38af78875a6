// BEGIN, COMMIT, ROLLBACK and savepoints.

import MVCC
import Platform
import SQL
import SQLSyntax

extension Session {
    /// Whether a statement may run in a failed block: those that end it or go back before the failure.
    static func endsFailedBlock(_ statement: Statement) -> Bool {
        guard case .transaction(let command) = statement else { return false }
        switch command {
        case .commit, .rollback, .rollbackTo: return true
        default: return false
        }
    }

    func execute(_ command: TransactionCommand) throws(EngineError) -> CommandTag {
        switch command {
        case .begin(let modes, let isStart):
            begin(modes)
            return CommandTag(isStart ? "START TRANSACTION" : "BEGIN")
        case .commit(let chain):
            return try endBlock(commits: true, chain)
        case .rollback(let chain):
            return try endBlock(commits: false, chain)
        case .savepoint(let name):
            try requireBlock("SAVEPOINT")
            savepoints.append(
                NamedSavepoint(name: name, savepoint: transaction.setSavepoint(), settingsMark: parameters.changeCount))
            return CommandTag("SAVEPOINT")
        case .release(let name):
            try requireBlock("RELEASE SAVEPOINT")
            let index = try find(name)
            savepoints.removeSubrange(index...)
            return CommandTag("RELEASE")
        case .rollbackTo(let name):
            try requireBlock("ROLLBACK TO SAVEPOINT")
            try rollback(to: try find(name))
            return CommandTag("ROLLBACK")
        case .prepare: throw .notSupported("PREPARE TRANSACTION")
        case .commitPrepared: throw .notSupported("COMMIT PREPARED")
        case .rollbackPrepared: throw .notSupported("ROLLBACK PREPARED")
        }
    }

    /// Errors: 25P01 outside a block.
    private func requireBlock(_ what: String) throws(EngineError) {
        if block == .none {
            throw EngineError(.noActiveSQLTransaction, "\(what) can only be used in transaction blocks")
        }
    }

    private func find(_ name: Name) throws(EngineError) -> Int {
        guard let index = savepoints.lastIndex(where: { $0.name == name }) else {
            throw EngineError(
                .invalidSavepoint, "savepoint \"\(String(decoding: name.bytes, as: UTF8.self))\" does not exist")
        }
        return index
    }

    private func rollback(to index: Int) throws(EngineError) {
        closeAllPortals()
        try transaction.rollback(to: savepoints[index].savepoint)
        parameters.rollback(to: savepoints[index].settingsMark)
        catalog.didRollback(isWhole: false)
        savepoints.removeSubrange((index + 1)...)
        block = .open
    }

    private func endBlock(commits: Bool, _ chain: Bool) throws(EngineError) -> CommandTag {
        if block == .none {
            if chain {
                throw EngineError(
                    .noActiveSQLTransaction,
                    "\(commits ? "COMMIT" : "ROLLBACK") AND CHAIN can only be used in transaction blocks")
            }
            port.notice(EngineError(.noActiveSQLTransaction, "there is no transaction in progress"), "WARNING")
            if !commits { abort() }
            return CommandTag(commits ? "COMMIT" : "ROLLBACK")
        }
        var modes = TransactionModes()
        modes.isolation = parameters.transactionIsolation
        modes.readOnly = parameters.transactionIsReadOnly
        let succeeds = commits && block == .open
        if succeeds {
            try commit()
        } else {
            abort()
            block = .none
        }
        if chain {
            try beginStatement()
            begin(modes)
        }
        return CommandTag(succeeds ? "COMMIT" : "ROLLBACK")
    }
}
