// A session's run-time parameters. SET is transactional: an aborted transaction (or savepoint) puts the old values back,
// and SET LOCAL ends with the transaction.

import Platform
import SQLSyntax
import SQLTypes

package final class Settings {
    /// Current values, in the order of `SettingDefinition.all`, in the form SHOW prints (durations in their unit).
    package private(set) var values: [[UInt8]]
    /// What RESET goes back to: defaults, changed by the start-up packet.
    private var resetValues: [[UInt8]]
    /// Parameters with a dot in their name, which anybody may make up.
    private var custom: [(name: [UInt8], value: [UInt8])] = []

    private struct Change {
        /// Place in `values`, or in `custom` for a made-up parameter.
        var index: Int
        var old: [UInt8]
        var isLocal: Bool
        var isCustom = false
    }
    /// Changes of the current transaction, oldest first.
    private var changes: [Change] = []

    // What every statement or transaction looks at, parsed once (see `apply`).
    /// In milliseconds; 0 is none.
    package internal(set) var lockTimeout: UInt64 = 0
    package internal(set) var statementTimeout: UInt64 = 0
    /// In bytes.
    package internal(set) var workMemory = 4 << 20
    package internal(set) var defaultIsolation = IsolationLevel.readCommitted
    package internal(set) var defaultIsReadOnly = false
    /// As `transaction_isolation` and `transaction_read_only` show it.
    package internal(set) var transactionIsolation = IsolationLevel.readCommitted
    package internal(set) var transactionIsReadOnly = false

    /// Kept in step with the parameters that evaluation depends on.
    package let evaluation: EvaluationContext
    /// Told of every change of a reported parameter.
    package var onReport: ((_ name: [UInt8], _ value: [UInt8]) -> Void)?

    package init(evaluation: EvaluationContext) {
        self.evaluation = evaluation
        values = SettingDefinition.all.map {
            [UInt8](UnsafeRawBufferPointer(start: $0.defaultValue.utf8Start, count: $0.defaultValue.utf8CodeUnitCount))
        }
        resetValues = values
    }

    // MARK: Reading

    /// Place of a parameter, names compared without regard to ASCII case; nil if there is none.
    package static func index(of name: [UInt8]) -> Int? {
        for (index, definition) in SettingDefinition.all.enumerated()
        where equalIgnoringCase(definition.nameBytes, name) { return index }
        return nil
    }

    /// What SHOW prints. Errors: 42704.
    package func show(_ name: [UInt8]) throws(EngineError) -> [UInt8] {
        if let value = value(name) { return value }
        throw Self.unknown(name)
    }

    /// As `show`, nil for an unknown parameter.
    package func value(_ name: [UInt8]) -> [UInt8]? {
        if let index = Self.index(of: name) { return display(index) }
        for entry in custom where equalIgnoringCase(entry.name, name) { return entry.value }
        return nil
    }

    package func integer(_ index: Int) -> Int64 { parseInteger(values[index]) ?? 0 }
    package func bool(_ index: Int) -> Bool { values[index] == [UInt8]("on".utf8) }

    /// Durations and sizes are shown with the largest unit that divides them, as PostgreSQL does.
    package func display(_ index: Int) -> [UInt8] {
        guard case .integer(_, _, let unit) = SettingDefinition.all[index].kind, unit != .none else {
            return values[index]
        }
        let value = integer(index)
        if value <= 0 { return values[index] }
        var scaled = value
        var suffix = ""
        for (factor, name) in Self.displayUnits(unit) where scaled % factor == 0 {
            scaled /= factor
            suffix = name
        }
        return [UInt8]("\(scaled)\(suffix)".utf8)
    }

    private static func displayUnits(_ unit: SettingUnit) -> [(Int64, String)] {
        switch unit {
        case .none: []
        case .milliseconds: [(1, "ms"), (1000, "s"), (60, "min"), (60, "h"), (24, "d")]
        case .seconds: [(1, "s"), (60, "min"), (60, "h"), (24, "d")]
        case .kilobytes: [(1, "kB"), (1024, "MB"), (1024, "GB")]
        }
    }

    static func unknown(_ name: [UInt8]) -> EngineError {
        EngineError(
            .undefinedObject, "unrecognized configuration parameter \"\(String(decoding: name, as: UTF8.self))\"")
    }

    // MARK: Writing

    /// Sets a parameter; nil means its reset value. Errors: 42704 unknown, 55P02 not changeable, 22023 bad value.
    package func set(
        _ name: [UInt8], to text: [UInt8]?, isLocal: Bool, isSessionStart: Bool = false
    ) throws(EngineError) {
        guard let index = Self.index(of: name) else {
            guard name.contains(UInt8(ascii: ".")) else { throw Self.unknown(name) }
            setCustom(name, text ?? [], isLocal: isLocal, isSessionStart: isSessionStart)
            return
        }
        let definition = SettingDefinition.all[index]
        if definition.context == .constant {
            // Setting a fact to what it is does no harm: pg_dump and drivers do it.
            if let text, try normalise(text, index) == values[index] { return }
            throw EngineError("55P02", "parameter \"\(definition.name)\" cannot be changed")
        }
        let value = if let text { try normalise(text, index) } else { resetValues[index] }
        if isSessionStart {
            resetValues[index] = value
        } else {
            changes.append(Change(index: index, old: values[index], isLocal: isLocal))
        }
        store(index, value)
    }

    /// RESET ALL.
    package func resetAll() {
        for index in values.indices where values[index] != resetValues[index] {
            if index == SettingIndex.transactionIsolation || index == SettingIndex.transactionReadOnly { continue }
            changes.append(Change(index: index, old: values[index], isLocal: false))
            store(index, resetValues[index])
        }
    }

    /// Sets a parameter that follows the session's state, outside the rules of transactions.
    package func assign(_ index: Int, _ value: StaticString) {
        store(index, [UInt8](UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount)))
    }

    /// What SHOW says of the running transaction. Costs two comparisons when nothing changes.
    package func showModes(_ isolation: IsolationLevel, isReadOnly: Bool) {
        if isolation != transactionIsolation {
            switch isolation {
            case .readUncommitted: assign(SettingIndex.transactionIsolation, "read uncommitted")
            case .readCommitted: assign(SettingIndex.transactionIsolation, "read committed")
            case .repeatableRead: assign(SettingIndex.transactionIsolation, "repeatable read")
            case .serializable: assign(SettingIndex.transactionIsolation, "serializable")
            }
        }
        if isReadOnly != transactionIsReadOnly {
            assign(SettingIndex.transactionReadOnly, isReadOnly ? "on" : "off")
        }
    }

    /// An isolation level as it is written in a setting.
    static func isolation(_ text: [UInt8]) -> IsolationLevel {
        // The words differ in their first and sixth letters: "serializable", "repeatable read", "read (un)committed".
        switch text.first {
        case UInt8(ascii: "s"): .serializable
        case UInt8(ascii: "r") where text.count > 2 && text[2] == UInt8(ascii: "p"): .repeatableRead
        case UInt8(ascii: "r") where text.count > 5 && text[5] == UInt8(ascii: "u"): .readUncommitted
        default: .readCommitted
        }
    }

    /// The default of work_mem, in bytes.
    package func assignWorkMemory(_ byteCount: Int) {
        resetValues[SettingIndex.workMemory] = [UInt8]("\(byteCount >> 10)".utf8)
        store(SettingIndex.workMemory, resetValues[SettingIndex.workMemory])
    }

    package func assignUser(_ name: [UInt8]) {
        resetValues[SettingIndex.sessionAuthorization] = name
        store(SettingIndex.sessionAuthorization, name)
    }

    /// A made-up parameter stays known, with an empty value, when the transaction that made it up is undone.
    private func setCustom(_ name: [UInt8], _ value: [UInt8], isLocal: Bool, isSessionStart: Bool) {
        var place = custom.count
        for index in custom.indices where equalIgnoringCase(custom[index].name, name) { place = index }
        if place == custom.count { custom.append((name, [])) }
        if !isSessionStart {
            changes.append(Change(index: place, old: custom[place].value, isLocal: isLocal, isCustom: true))
        }
        custom[place].value = value
    }

    private func undo(_ change: Change) {
        if change.isCustom { custom[change.index].value = change.old } else { store(change.index, change.old) }
    }

    private func store(_ index: Int, _ value: [UInt8]) {
        let hasChanged = values[index] != value
        values[index] = value
        apply(index)
        if hasChanged, SettingDefinition.all[index].isReported, let onReport {
            onReport(SettingDefinition.all[index].nameBytes, value)
        }
    }

    // MARK: Transactions

    /// A mark to go back to: for savepoints.
    package var changeCount: Int { changes.count }

    /// Undoes what was set since the mark.
    package func rollback(to mark: Int) {
        while changes.count > mark {
            undo(changes.removeLast())
        }
    }

    /// Ends the transaction: all is undone if it aborted, what was LOCAL otherwise.
    package func endTransaction(committed: Bool) {
        if changes.isEmpty { return }
        if !committed {
            rollback(to: 0)
            return
        }
        // Latest first, so that the value before the first LOCAL change of a parameter wins; a plain SET before it stays.
        for change in changes.reversed() where change.isLocal { undo(change) }
        changes.removeAll(keepingCapacity: true)
    }
}

/// Compares names as the SQL language does: ASCII letters without case.
package func equalIgnoringCase(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    for index in a.indices where asciiLower(a[index]) != asciiLower(b[index]) { return false }
    return true
}

@inline(__always) package func asciiLower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

func parseInteger(_ text: [UInt8]) -> Int64? {
    var value: Int64 = 0
    var digits = 0
    let isNegative = text.first == UInt8(ascii: "-")
    for byte in text.dropFirst(isNegative || text.first == UInt8(ascii: "+") ? 1 : 0) {
        guard byte >= 0x30, byte <= 0x39, digits < 18 else { return nil }
        value = value * 10 + Int64(byte - 0x30)
        digits += 1
    }
    return digits == 0 ? nil : (isNegative ? -value : value)
}
