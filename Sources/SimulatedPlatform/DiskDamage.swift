// What a disk does to data at rest: sectors that cannot be read any more, bits that change, writes that hit another place.
//
// Invariant: `sectors` has every sector whose visible contents are not those of the last write that was meant for it, with what
// they should be; writing a sector mends it. So a world knows what is damaged, and can mend it all.
//
// Not here: a write that never arrives and leaves the old contents. Nothing in the old page tells that it is old, so an engine
// whose pages carry their own checksums cannot know.

import Platform

/// What is the matter with a sector.
package enum DamageKind: UInt8, Sendable {
    case unreadable, rotten, overwritten
}

struct DiskDamage {
    struct Sector {
        let number: Int
        let kind: DamageKind
        let contents: [UInt8]
    }

    private(set) var sectors: [Sector] = []
    /// The pages that were written once, in that order, and when each was last.
    private(set) var writtenPages: [Int] = []
    private var lastWrite: [UInt64]
    /// Pages of the log zone; the number of the last three writes to them.
    var logPages: Range<Int> = 0..<0
    private var lastLogWrites: (UInt64, UInt64, UInt64) = (0, 0, 0)
    /// Pages of which at most one may be damaged at a time.
    var quorumPages: Range<Int> = 0..<0

    init(pageCount: Int) { lastWrite = Array(repeating: 0, count: pageCount) }

    func isWritten(_ page: Int) -> Bool { lastWrite[page] > 0 }

    /// Bytes were written where they were meant to be.
    mutating func noteWrite(_ offset: Int, _ byteCount: Int, number: UInt64) {
        for page in offset / pageSize...(offset + byteCount - 1) / pageSize {
            if lastWrite[page] == 0 { writtenPages.append(page) }
            lastWrite[page] = number
            if page == offset / pageSize, logPages.contains(page) {
                lastLogWrites = (lastLogWrites.1, lastLogWrites.2, number)
            }
        }
    }

    /// Takes out the damage to these bytes.
    mutating func take(_ offset: Int, _ byteCount: Int) -> [Sector] {
        if sectors.isEmpty { return [] }
        let first = offset / sectorByteCount
        let end = (offset + byteCount) / sectorByteCount
        let taken = sectors.filter { $0.number >= first && $0.number < end }
        sectors.removeAll { $0.number >= first && $0.number < end }
        return taken
    }

    /// Damage to the page can be told from anything that may rightly happen. The last flushes of the log cannot: they look as if
    /// the power had gone before they were acknowledged (WALEngine/LogTail.swift). And of the superblock's copies most must be sound.
    func mayHit(_ page: Int) -> Bool {
        if logPages.contains(page) { return lastWrite[page] < lastLogWrites.0 }
        if quorumPages.contains(page) {
            return !sectors.contains { quorumPages.contains($0.number * sectorByteCount / pageSize) }
        }
        return true
    }

    mutating func add(_ sector: Int, _ kind: DamageKind, _ contents: [UInt8]) {
        // What it should be is known from the first damage.
        if let index = sectors.firstIndex(where: { $0.number == sector }) {
            let known = sectors.remove(at: index)
            return sectors.append(Sector(number: sector, kind: kind, contents: known.contents))
        }
        sectors.append(Sector(number: sector, kind: kind, contents: contents))
    }

    /// The damage that reading the bytes meets, and whether some cannot be read.
    func meets(_ offset: Int, _ byteCount: Int) -> (count: Int, isUnreadable: Bool) {
        if sectors.isEmpty { return (0, false) }
        let first = offset / sectorByteCount
        let end = (offset + byteCount) / sectorByteCount
        var count = 0
        var isUnreadable = false
        for sector in sectors where sector.number >= first && sector.number < end {
            count += 1
            if sector.kind == .unreadable { isUnreadable = true }
        }
        return (count, isUnreadable)
    }

    let sectorByteCount = 512
}
