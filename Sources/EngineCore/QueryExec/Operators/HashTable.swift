// Hash tables over rows: 8-byte entries of a 16-bit salt and a row number, linear probing, at most half full. Equal
// hashes' rows are chained through `next`. After DuckDB's join hash table (salt in the entry, so that most mismatches
// cost no look at the row).

import Platform
import SQLTypes

/// Maps hashes to chains of row numbers. Keys are compared by the caller.
struct RowHashTable: ~Copyable {
    private var entries: UnsafeMutablePointer<UInt64>
    private var mask: Int
    private(set) var entryCount = 0
    /// Next row of the same hash, by row; -1 at the end.
    private var chain: [Int32] = []
    private var hashes: [UInt64] = []

    private static let empty: UInt64 = 0
    private static let rowMask: UInt64 = (1 << 48) - 1

    init() {
        mask = 1023
        entries = .allocate(capacity: 1024)
        entries.initialize(repeating: Self.empty, count: 1024)
    }
    deinit { entries.deallocate() }

    var rowCount: Int { chain.count }
    /// Bytes held, for budgets.
    var byteCount: Int { (mask + 1) * 8 + chain.capacity * 4 + hashes.capacity * 8 }

    /// Bytes that the rows need, whatever was kept for reuse.
    var usedByteCount: Int { entryCount * 16 + chain.count * 12 }

    mutating func removeAll() {
        if mask > 65_535 {
            entries.deallocate()
            mask = 1023
            entries = .allocate(capacity: 1024)
            entries.initialize(repeating: Self.empty, count: 1024)
        } else {
            entries.update(repeating: Self.empty, count: mask + 1)
        }
        entryCount = 0
        chain.removeAll(keepingCapacity: chain.capacity < 1 << 20)
        hashes.removeAll(keepingCapacity: hashes.capacity < 1 << 20)
    }

    @inline(__always) private static func salt(_ hash: UInt64) -> UInt64 { hash & ~rowMask }
    @inline(__always) func hash(of row: Int) -> UInt64 { hashes[row] }
    @inline(__always) func next(after row: Int) -> Int { Int(chain[row]) }

    /// First row of the chain whose hash has the same salt and slot and equals `hash`; -1 if there is none.
    @inline(__always) func first(_ hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = entries[slot]
            if entry == Self.empty { return -1 }
            if Self.salt(entry) == Self.salt(hash) {
                let row = Int(entry & Self.rowMask) - 1
                if hashes[row] == hash { return row }
            }
            slot = (slot + 1) & mask
        }
    }

    /// Adds the next row (rows are numbered from 0 as they are added) at the head of its hash's chain.
    mutating func insert(_ hash: UInt64) {
        if 2 * (entryCount + 1) > mask { grow() }
        let row = chain.count
        hashes.append(hash)
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = entries[slot]
            if entry == Self.empty {
                entries[slot] = Self.salt(hash) | UInt64(row + 1)
                chain.append(-1)
                entryCount += 1
                return
            }
            if Self.salt(entry) == Self.salt(hash), hashes[Int(entry & Self.rowMask) - 1] == hash {
                chain.append(Int32(truncatingIfNeeded: Int(entry & Self.rowMask) - 1))
                entries[slot] = Self.salt(hash) | UInt64(row + 1)
                return
            }
            slot = (slot + 1) & mask
        }
    }

    /// Adds a row that is not to be found: its number is taken, nothing leads to it.
    mutating func skip() {
        hashes.append(0)
        chain.append(-1)
    }

    private mutating func grow() {
        let old = entries
        let oldCount = mask + 1
        mask = oldCount * 4 - 1
        entries = .allocate(capacity: mask + 1)
        entries.initialize(repeating: Self.empty, count: mask + 1)
        for index in 0..<oldCount where old[index] != Self.empty {
            let entry = old[index]
            let hash = hashes[Int(entry & Self.rowMask) - 1]
            var slot = Int(truncatingIfNeeded: hash) & mask
            while entries[slot] != Self.empty { slot = (slot + 1) & mask }
            entries[slot] = entry
        }
        old.deallocate()
    }
}
