// Which superblock to believe, given four copies that a crash, a failing device or a foreign program may have touched.
//
// An update writes copies 0 and 1, waits until they are durable, then copies 2 and 3, and counts only if at least three
// were written. So a crash leaves two whole copies of the old superblock or two of the new one. Opening needs two copies
// that vouch for each other: equal ones, or one that names the other as its parent. (The idea of write quorum 3, read
// quorum 2 and parent chains is TigerBeetle's, src/vsr/superblock_quorums.zig.)
//
//  case  copies                                                          decision
//   A    all four equal                                                  open
//   B    two or three equal and newest, none newer                       open, mend the others
//   C    two or more equal, one newer that names them as its parent      open the older: the update did not finish
//   D    no two equal; the newest names another copy as its parent       open the newest: it was whole and true
//   E    no two vouch for each other                                     refuse: quorum lost, or unreadable
//   F    same sequence, different contents                               refuse: two engines wrote to it
//   G    one newer that does not name the two or more equal as parent    refuse: an update is missing
//   H    all zeros                                                       refuse: not formatted
//   I    none is ours                                                    refuse: another program's data
//   J    ours, whole, of an unknown version                              refuse: names both versions
//   K    believed, but the layout does not fit the device, or the
//        checkpoint lies behind what was durable                         refuse: truncated, or inconsistent
//
// In C the newer one may be taken as well as the older; the older has the quorum. In D the newest was fully written by an
// update that followed the other one, and every superblock is true from the moment its update begins.

import Platform

/// What one of the four blocks turned out to be.
package enum SuperblockCopy: Equatable, Sendable {
    case valid(Superblock, checksum: UInt32)
    case zero
    /// No magic number of ours.
    case foreign
    /// Our magic number, but wrong bytes or the wrong place.
    case damaged
    case unknownVersion(UInt32)
    /// The device did not return the block.
    case unreadable

    /// Classifies the block that was read as copy `index`.
    package init(block: UnsafeRawPointer, index: Int) {
        if block.little(8, as: UInt64.self) != Superblock.magic {
            self = PageChecksum.isZero(block) ? .zero : .foreign
            return
        }
        let checksum = block.little(0, as: UInt32.self)
        guard checksum == Superblock.checksum(block), block.little(4, as: UInt32.self) == UInt32(index) else {
            self = .damaged
            return
        }
        let version = block.little(16, as: UInt32.self)
        guard version == Superblock.formatVersion, block.little(20, as: UInt32.self) == UInt32(pageSize) else {
            self = .unknownVersion(version)
            return
        }
        self = .valid(Superblock(decoding: block), checksum: checksum)
    }
}

package enum SuperblockQuorum {
    /// The row of the table above.
    package enum Case: UInt8, Sendable {
        case a = 0x41
        case b, c, d, e, f, g, h, i, j, k
    }

    package struct Decision: Sendable {
        package var verdict: Case
        /// What to open; nil for a refusal.
        package var superblock: Superblock?
        package var checksum: UInt32 = 0
        /// Copies that differ from `superblock` and should be rewritten.
        package var staleCopies: [Int] = []
    }

    package static func decide(_ copies: [SuperblockCopy], deviceByteCount: UInt64) -> Decision {
        precondition(copies.count == Superblock.copyCount)
        var decision = chooseCopy(copies)
        if let chosen = decision.superblock {
            if !chosen.layout.isConsistent || !chosen.checkpoint.isConsistent
                || chosen.layout.deviceByteCount > deviceByteCount
            {
                return Decision(verdict: .k, superblock: nil)
            }
            for (index, copy) in copies.enumerated() where !isEqual(copy, decision.checksum) {
                decision.staleCopies.append(index)
            }
        }
        return decision
    }

    /// True of what is left when the power goes while a device is formatted, at the very first superblock: one copy of it was
    /// written, of a database that never was opened, and three never were. The last two have not been zeros since before the
    /// first opening in any database that is one.
    package static func isCutOffFormat(_ copies: [SuperblockCopy]) -> Bool {
        var validCount = 0
        for (index, copy) in copies.enumerated() {
            switch copy {
            case .zero: continue
            case .valid(let superblock, _) where index < 2 && superblock.bootCount == 0: validCount += 1
            default: return false
            }
        }
        return validCount == 1
    }

    private static func chooseCopy(_ copies: [SuperblockCopy]) -> Decision {
        // Distinct valid superblocks, newest first, with the number of copies of each.
        var groups: [Group] = []
        for copy in copies {
            guard case .valid(let superblock, let checksum) = copy else { continue }
            if let index = groups.firstIndex(where: { $0.checksum == checksum }) {
                groups[index].count += 1
            } else {
                groups.append(Group(superblock: superblock, checksum: checksum))
            }
        }
        guard !groups.isEmpty else { return Decision(verdict: refusal(copies)) }
        groups.sort { $0.superblock.sequence > $1.superblock.sequence }
        for index in 1..<max(groups.count, 1)
        where groups[index].superblock.sequence == groups[index - 1].superblock.sequence {
            return Decision(verdict: .f)
        }
        let newest = groups[0]
        if newest.count == Superblock.copyCount { return newest.opened(.a) }
        if newest.count >= 2 { return newest.opened(.b) }
        if groups.count == 1 { return Decision(verdict: .e) }
        let older = groups[1]
        let isChild =
            newest.superblock.parentChecksum == older.checksum
            && newest.superblock.sequence == older.superblock.sequence + 1
        if older.count >= 2 { return isChild ? older.opened(.c) : Decision(verdict: .g) }
        return isChild ? newest.opened(.d) : Decision(verdict: .e)
    }

    /// No copy is valid: why.
    private static func refusal(_ copies: [SuperblockCopy]) -> Case {
        for case .unknownVersion in copies { return .j }
        for copy in copies where copy == .damaged || copy == .unreadable { return .e }
        for copy in copies where copy == .foreign { return .i }
        return .h
    }

    private static func isEqual(_ copy: SuperblockCopy, _ wanted: UInt32) -> Bool {
        if case .valid(_, let checksum) = copy { return checksum == wanted }
        return false
    }

    private struct Group {
        let superblock: Superblock
        let checksum: UInt32
        var count = 1
        func opened(_ verdict: Case) -> Decision {
            Decision(verdict: verdict, superblock: superblock, checksum: checksum)
        }
    }

    /// The refusal as the user reads it.
    package static func error(
        _ verdict: Case, _ copies: [SuperblockCopy], deviceByteCount: UInt64
    ) -> EngineError {
        switch verdict {
        case .h:
            return EngineError(
                .cannotConnectNow, "the device is empty: it has no superblock", severity: .fatal,
                hint: "Format it first.")
        case .i:
            return EngineError(
                .cannotConnectNow, "the device holds data that is not a DBKernel database", severity: .fatal,
                hint: "Check that this is the right device. It was left untouched.")
        case .j:
            var found: UInt32 = 0
            for case .unknownVersion(let version) in copies { found = version }
            return EngineError(
                .cannotConnectNow,
                "the device has format version \(found), and this program reads version \(Superblock.formatVersion)",
                severity: .fatal, hint: "Open it with the program that made it.")
        case .f:
            return EngineError(
                .dataCorrupted, "the superblock copies contradict each other", severity: .fatal,
                detail: "Copies with the same sequence number differ: two engines wrote to the device at once.",
                hint: "Restore the database from a backup or a replica.")
        case .g:
            return EngineError(
                .dataCorrupted, "an update of the superblock is missing", severity: .fatal,
                detail: "The newest copy does not follow the others.",
                hint: "Restore the database from a backup or a replica.")
        case .k: return truncated(copies, deviceByteCount: deviceByteCount)
        default:
            var validCount = 0
            for case .valid in copies { validCount += 1 }
            let unreadableCount = copies.count { $0 == .unreadable }
            if unreadableCount > 0 {
                // What could not be read may be what is missing: nothing is known to be lost.
                return EngineError(
                    .ioError, "could not read the superblock: \(unreadableCount) of its four copies are unreadable",
                    severity: .fatal, detail: "Valid copies: \(validCount).", hint: "Check the device, and try again.")
            }
            return EngineError(
                .dataCorrupted, "the superblock is damaged: no two of its four copies agree", severity: .fatal,
                detail: "Valid copies: \(validCount).", hint: "Restore the database from a backup or a replica.")
        }
    }

    private static func truncated(_ copies: [SuperblockCopy], deviceByteCount: UInt64) -> EngineError {
        for case .valid(let superblock, _) in copies where superblock.layout.deviceByteCount > deviceByteCount {
            return EngineError(
                .dataCorrupted,
                "the device was truncated: it was formatted with \(superblock.layout.deviceByteCount) bytes and has "
                    + "\(deviceByteCount)",
                severity: .fatal, hint: "Check that the whole device or image is there.")
        }
        return EngineError(
            .dataCorrupted, "the superblock describes an impossible disk layout or checkpoint", severity: .fatal,
            hint: "Restore the database from a backup or a replica.")
    }
}
