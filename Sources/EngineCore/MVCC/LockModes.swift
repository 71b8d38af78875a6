// Lock modes and which of them exclude each other: PostgreSQL 15, tables 13.2 (tables) and 13.3 (rows).

/// What a table lock allows others. Raw values are PostgreSQL's.
package enum TableLock: UInt8, Sendable {
    case accessShare = 1
    case rowShare
    case rowExclusive
    case shareUpdateExclusive
    case share
    case shareRowExclusive
    case exclusive
    case accessExclusive

    /// These three do not exclude each other, so they need not meet in the lock table unless a stronger one is about.
    @inline(__always) var isWeak: Bool { rawValue <= 3 }
    var lockMode: LockMode { LockMode(rawValue: rawValue) }
}

/// The strength of an explicit row lock, and of the one that a change of a row implies.
package enum RowLockMode: UInt8, Sendable {
    /// A foreign key's look at its parent: excludes only what changes the key.
    case keyShare = 9
    case share
    /// UPDATE of columns that are in no unique index.
    case noKeyUpdate
    /// DELETE, or UPDATE of a key column.
    case update

    var lockMode: LockMode { LockMode(rawValue: rawValue) }
}

package enum LockWaitPolicy: UInt8, Sendable {
    case wait
    /// 55P03 instead of waiting.
    case noWait
    /// The caller goes on without the row.
    case skip
}

/// A mode of any kind as a bit number, so that sets of them are masks.
struct LockMode: BitwiseCopyable {
    let rawValue: UInt8
    @inline(__always) var bit: UInt16 { 1 << UInt16(rawValue) }

    static let advisoryShare = LockMode(rawValue: 13)
    static let advisoryExclusive = LockMode(rawValue: 14)

    /// Modes that another transaction may not hold at the same time.
    var conflicts: UInt16 {
        switch rawValue {
        case 1: 0b1_0000_0000
        case 2: 0b1_1000_0000
        case 3: 0b1_1110_0000
        case 4: 0b1_1111_0000
        case 5: 0b1_1101_1000
        case 6: 0b1_1111_1000
        case 7: 0b1_1111_1100
        case 8: 0b1_1111_1110
        case 9: 1 << 12
        case 10: 1 << 11 | 1 << 12
        case 11: 1 << 10 | 1 << 11 | 1 << 12
        case 12: 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
        case 13: 1 << 14
        case 14: 1 << 13 | 1 << 14
        default: 0
        }
    }
}

/// What is locked.
struct LockTag: BitwiseCopyable {
    enum Kind: UInt8 { case table, row, advisory }
    var kind: Kind
    var space: UInt32
    var item: UInt64

    static func table(_ id: UInt32) -> LockTag { LockTag(kind: .table, space: id, item: 0) }
    static func row(_ tree: UInt32, _ rowID: UInt64) -> LockTag { LockTag(kind: .row, space: tree, item: rowID) }

    @inline(__always) func isSame(_ other: LockTag) -> Bool {
        item == other.item && space == other.space && kind == other.kind
    }
    @inline(__always) var hash: UInt64 {
        let product = (item ^ UInt64(space) << 32 ^ UInt64(kind.rawValue) << 24)
            .multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }
}
