// Page tables of the one address space (SDM volume 3, 4.5): physical memory and devices at their own addresses below 16 TiB,
// reserved ranges above. All in the low half: Embedded Swift takes an object with address bit 63 set for immortal.
//
// An entry of the last level in a reserved range is one of
//   empty    0                              touching it maps a zeroed frame
//   present  frame | writable | present
//   guard    bit 9                          touching it is a fault
//   limbo    frame | bit 10 | tag           discarded, but other cores' TLBs may still know the frame; touching it brings
//                                           the same frame back, zeroed, so that no two cores ever see different frames
//   busy     bit 11                         one core is about to make it present; others wait
// Every change is a compare-and-swap: no lock, and a page fault may come anywhere.

import CMetal
import CPrimitives
import Platform

enum PageEntry {
    static let present: UInt64 = 1
    static let writable: UInt64 = 2
    static let uncached: UInt64 = 0x18
    static let large: UInt64 = 0x80
    static let global: UInt64 = 0x100
    static let guardPage: UInt64 = 1 << 9
    static let limbo: UInt64 = 1 << 10
    static let busy: UInt64 = 1 << 11
    static let addressMask: UInt64 = 0x000f_ffff_ffff_f000
    /// Where a limbo entry keeps its batch: bits 1 to 8 and 52 to 62.
    static let tagMask: UInt64 = 0x7ff0_0000_0000_01fe
    static func tag(core: Int, batch: UInt64) -> UInt64 { UInt64(core & 0xff) << 1 | (batch & 0x7ff) << 52 }
}

/// Where reserved ranges begin and end.
let reservedBase: UInt = 1 << 44
let reservedEnd: UInt = 1 << 47

struct PageTables: ~Copyable {
    let root: PhysicalAddress
    private let frames: UnsafeMutablePointer<Frames>
    private let hasGigabytePages: Bool

    /// Takes over the tables that boot.S made.
    init(frames: UnsafeMutablePointer<Frames>) {
        root = UInt(dbk_read_cr3()) & UInt(PageEntry.addressMask)
        self.frames = frames
        hasGigabytePages = dbk_cpuid(0x8000_0001, 0).d & 1 << 26 != 0
    }

    // MARK: Memory and devices at their own addresses; at start, by one core

    /// Maps whole 2 MiB pages inside `region`; false if there are no frames for tables. What is mapped stays.
    func mapMemory(_ region: MemoryRegion) -> Bool {
        let large = UInt(largePageByteCount)
        var at = roundUp(region.base, large)
        while at + large <= region.end {
            let gigabyte: UInt = 1 << 30
            if hasGigabytePages && at % gigabyte == 0 && at + gigabyte <= region.end,
                let slot = entry(at, level: 2), dbk_atomic_load(slot) == 0
            {
                dbk_atomic_store(
                    slot, UInt64(at) | PageEntry.present | PageEntry.writable | PageEntry.large | PageEntry.global)
                at += gigabyte
                continue
            }
            guard let slot = entry(at, level: 1) else { return false }
            if dbk_atomic_load(slot) == 0 {
                dbk_atomic_store(
                    slot, UInt64(at) | PageEntry.present | PageEntry.writable | PageEntry.large | PageEntry.global)
            }
            at += large
        }
        return true
    }

    /// Maps device registers, uncached, by small pages; false if there are no frames for tables.
    func mapDevice(_ base: PhysicalAddress, byteCount: Int) -> Bool {
        var at = base & ~UInt(pageSize - 1)
        while at < base + UInt(byteCount) {
            guard let slot = entry(at, level: 0) else { return isMapped(at) }
            dbk_atomic_store(slot, UInt64(at) | PageEntry.present | PageEntry.writable | PageEntry.uncached)
            dbk_invlpg(at)
            at += UInt(pageSize)
        }
        return true
    }

    /// Puts the 2 MiB page around `address` on small ones, so that one of them can be taken away.
    func splitLargePage(_ address: UInt) -> Bool {
        guard let slot = entry(address, level: 1) else { return false }
        let old = dbk_atomic_load(slot)
        if old & PageEntry.large == 0 { return true }
        guard let table = newTable() else { return false }
        for index in 0..<512 {
            dbk_atomic_store(
                table + UInt(index * 8),
                (old & PageEntry.addressMask + UInt64(index * pageSize)) | PageEntry.present | PageEntry.writable)
        }
        dbk_atomic_store(slot, UInt64(table) | PageEntry.present | PageEntry.writable)
        dbk_write_cr3(UInt64(root))
        dbk_invlpg(address)
        return true
    }

    /// Makes a page of the memory mapped from the start fault. While one core runs.
    func takeAway(_ address: UInt) {
        guard splitLargePage(address), let slot = entry(address, level: 0) else { return }
        dbk_atomic_store(slot, PageEntry.guardPage)
        dbk_write_cr3(UInt64(root))
        dbk_invlpg(address)
    }

    /// True if the page has an entry that is present.
    func isMapped(_ address: UInt) -> Bool {
        var table = root
        var level = 3
        while true {
            let value = dbk_atomic_load(Self.slot(table, address, level))
            if value & PageEntry.present == 0 { return false }
            if level == 0 || value & PageEntry.large != 0 { return true }
            table = UInt(value & PageEntry.addressMask)
            level -= 1
        }
    }

    // MARK: Walking

    private static func slot(_ table: PhysicalAddress, _ address: UInt, _ level: Int) -> UInt {
        table + (address >> UInt(12 + 9 * level) & 511) * 8
    }

    /// Address of the entry for `address` at `level` (0 is the last), making tables on the way; nil if there is no frame for
    /// one or a large page is in the way.
    func entry(_ address: UInt, level: Int) -> UInt? {
        var table = root
        var current = 3
        while current > level {
            let slot = Self.slot(table, address, current)
            var value = dbk_atomic_load(slot)
            if value == 0 {
                guard let fresh = newTable() else { return nil }
                if dbk_atomic_replace(slot, 0, UInt64(fresh) | PageEntry.present | PageEntry.writable) == 0 {
                    frames.pointee.free(fresh, order: 0)
                }
                value = dbk_atomic_load(slot)
            }
            if value & PageEntry.large != 0 { return nil }
            table = UInt(value & PageEntry.addressMask)
            current -= 1
        }
        return Self.slot(table, address, level)
    }

    /// The same without making anything; `skip` is how many bytes from `address` have no table at all if it is nil.
    func existingEntry(_ address: UInt) -> (slot: UInt?, skip: UInt) {
        var table = root
        var level = 3
        while level > 0 {
            let value = dbk_atomic_load(Self.slot(table, address, level))
            if value == 0 {
                let span: UInt = 1 << UInt(12 + 9 * level)
                return (nil, span - address & (span - 1))
            }
            table = UInt(value & PageEntry.addressMask)
            level -= 1
        }
        return (Self.slot(table, address, 0), 0)
    }

    /// Gives back the last-level tables of [base, end), both multiples of 2 MiB, whose entries are all empty. No other core
    /// may know them any more: after every core has dropped its TLB.
    func removeTables(from base: UInt, to end: UInt) {
        var at = base
        while at < end {
            var table = root
            var level = 3
            var slot: UInt = 0
            while level >= 1 {
                slot = Self.slot(table, at, level)
                let value = dbk_atomic_load(slot)
                if value == 0 { break }
                table = UInt(value & PageEntry.addressMask)
                level -= 1
            }
            if level == 0 {
                dbk_atomic_store(slot, 0)
                frames.pointee.free(table, order: 0)
                at += UInt(largePageByteCount)
            } else {
                let span: UInt = 1 << UInt(12 + 9 * level)
                at = (at & ~(span - 1)) + span
            }
        }
    }

    private func newTable() -> PhysicalAddress? {
        guard let table = frames.pointee.allocate(order: 0) else { return nil }
        clear(table, byteCount: pageSize)
        return table
    }

    // MARK: Pages of reserved ranges

    /// The physical address of `address` in a reserved range, bringing a zeroed frame, of `node` if that has one, if it has none; nil
    /// for a guard page or if there is no memory.
    func materialise(_ address: UInt, node: Int) -> PhysicalAddress? {
        guard let slot = entry(address, level: 0) else { return nil }
        while true {
            let value = dbk_atomic_load(slot)
            if value & PageEntry.present != 0 {
                return UInt(value & PageEntry.addressMask) | address & UInt(pageSize - 1)
            }
            if value & PageEntry.guardPage != 0 { return nil }
            if value & PageEntry.busy != 0 {
                dbk_pause()
                continue
            }
            if dbk_atomic_replace(slot, value, PageEntry.busy) == 0 { continue }
            var frame = UInt(value & PageEntry.addressMask)
            if value == 0 {
                guard let fresh = frames.pointee.allocate(order: 0, node: node) else {
                    dbk_atomic_store(slot, 0)
                    return nil
                }
                frame = fresh
            }
            clear(frame, byteCount: pageSize)
            dbk_atomic_store(slot, UInt64(frame) | PageEntry.present | PageEntry.writable)
            return frame | address & UInt(pageSize - 1)
        }
    }
}

/// Zeros memory that is mapped.
@inline(__always) func clear(_ address: UInt, byteCount: Int) { dbk_clear(address, byteCount) }
