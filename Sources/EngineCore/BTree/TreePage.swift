// A node of the B+-tree: a slotted 4 KiB page with fence keys, prefix truncation, heads and hints.
//
//   0   page header                     32 bytes, see DirectStorage/PageHeader.swift; type is treeLeaf or treeInner
//   32  slot count            u16
//   34  heap start            u16       lowest byte of the heap, which grows down from the end of the page
//   36  heap byte count       u16       bytes of the heap in use: fences, keys, payloads; the rest of it is holes
//   38  prefix length         u16       bytes that all keys of the page share: what its two fences share
//   40  lower fence           u16 offset, u16 length      every key of the page >= it; empty = no bound
//   44  upper fence           u16 offset, u16 length      every key of the page < it; length 0 = no bound
//   48  level                 u8        0 = leaf
//   49  layout                u8        TreeLayout
//   50  shared length     u16       bytes behind the prefix that all keys share as well; heads begin after them
//   52                        4 bytes zero
//   56  first child           u64       inner: the child left of all slots
//   64  hints                 16 u32    heads of every (count/17)th slot; meaningful above `hintThreshold` slots
//   128 slots                 10 bytes each, in key order
//   ... free
//   ... heap                  key without the prefix, then payload
//
// Slot: u16 offset of the key in the page, u16 key length without prefix, u16 payload length with the spilled flag in
// bit 15, u32 head. An inner slot's payload is the u64 page of the child whose keys are >= the slot's key.
//
// The type is a bare pointer. A page may be read while another worker changes it, as long as what was read is validated
// before it has any effect, so every offset and length that is read from a page is clamped here, at the one place where
// it is read: a garbled page gives garbled answers, never an access outside the page.
//
// After "B-Trees Are Back" (Kuiper et al., SIGMOD 2025) and LeanStore (ICDE 2018); fences from Graefe, "Write-optimized
// B-trees" (VLDB 2004).

import DirectStorage
import Platform

/// How nodes are searched. `plain` exists to measure what heads and hints are worth.
package enum TreeLayout: UInt8, Sendable {
    case headsAndHints = 0
    case plain = 1
}

package struct TreePage: BitwiseCopyable {
    package let base: UnsafeMutableRawPointer

    @inlinable @inline(__always) package init(_ base: UnsafeMutableRawPointer) { self.base = base }

    package enum Offset {
        @inlinable static var slotCount: Int { 32 }
        @inlinable static var heapStart: Int { 34 }
        @inlinable static var heapByteCount: Int { 36 }
        @inlinable static var prefixLength: Int { 38 }
        @inlinable static var lowerFence: Int { 40 }
        @inlinable static var upperFence: Int { 44 }
        @inlinable static var level: Int { 48 }
        @inlinable static var layout: Int { 49 }
        @inlinable static var shared: Int { 50 }
        @inlinable static var firstChild: Int { 56 }
        @inlinable static var hints: Int { 64 }
        @inlinable static var slots: Int { 128 }
    }

    @inlinable package static var hintCount: Int { 16 }
    /// Hints are kept and used above this many slots.
    @inlinable package static var hintThreshold: Int { 32 }
    @inlinable package static var slotByteCount: Int { 10 }
    @inlinable package static var maxSlotCount: Int { (pageSize - Offset.slots) / slotByteCount }
    /// Bytes for slots and heap.
    @inlinable package static var capacity: Int { pageSize - Offset.slots }
    @inlinable package static var maxKeyByteCount: Int { 1024 }
    /// An inner slot's payload.
    @inlinable package static var childByteCount: Int { 8 }
    @inlinable package static var spilledFlag: UInt16 { 0x8000 }

    /// Longest payload that stays in a leaf beside a key of `keyByteCount` bytes; longer ones spill to overflow pages.
    /// A quarter of a page, less for long keys: a page with two of the longest fences must still hold any one entry,
    /// because then splitting always makes room.
    @inlinable package static func maxInlineByteCount(keyByteCount: Int) -> Int {
        min(pageSize / 4, maxEntryByteCount - keyByteCount)
    }
    /// Key and payload of one entry in a leaf, at most.
    @inlinable package static var maxEntryByteCount: Int { capacity - 2 * maxKeyByteCount - slotByteCount - 30 }

    // MARK: Header

    @inlinable @inline(__always) package var slotCount: Int {
        let raw = Int(base.little(Offset.slotCount, as: UInt16.self))
        return raw < Self.maxSlotCount ? raw : Self.maxSlotCount
    }
    @inlinable @inline(__always) package var heapStart: Int {
        let raw = Int(base.little(Offset.heapStart, as: UInt16.self))
        return raw < pageSize ? raw : pageSize
    }
    @inlinable @inline(__always) package var heapByteCount: Int {
        Int(base.little(Offset.heapByteCount, as: UInt16.self))
    }
    /// Never more than a key may be long.
    @inlinable @inline(__always) package var prefixLength: Int {
        let raw = Int(base.little(Offset.prefixLength, as: UInt16.self))
        return raw < Self.maxKeyByteCount ? raw : Self.maxKeyByteCount
    }
    /// Fences are cut short, so keys often share more than their prefix, and right-edge pages have no prefix at all.
    @inlinable @inline(__always) package var sharedLength: Int {
        let raw = Int(base.little(Offset.shared, as: UInt16.self))
        return raw < Self.maxKeyByteCount ? raw : Self.maxKeyByteCount
    }
    @inlinable @inline(__always) package var level: Int {
        Int(base.load(fromByteOffset: Offset.level, as: UInt8.self))
    }
    @inlinable @inline(__always) package var isLeaf: Bool { level == 0 }
    @inlinable @inline(__always) package var isPlain: Bool {
        base.load(fromByteOffset: Offset.layout, as: UInt8.self) == TreeLayout.plain.rawValue
    }
    package var layout: TreeLayout { isPlain ? .plain : .headsAndHints }
    package var treeID: TreeID { TreeID(PageHeader.treeID(base)) }
    package var pageID: PageID { PageHeader.pageID(base) }

    @inlinable @inline(__always) package var lowerFence: TreeKey { fence(Offset.lowerFence) }
    @inlinable @inline(__always) package var upperFence: TreeKey { fence(Offset.upperFence) }
    /// False for the rightmost page of its level.
    @inlinable @inline(__always) package var hasUpperFence: Bool {
        base.little(Offset.upperFence + 2, as: UInt16.self) != 0
    }

    @inlinable @inline(__always) func fence(_ field: Int) -> TreeKey {
        let offset = Int(base.little(field, as: UInt16.self)) & (pageSize - 1)
        let length = Int(base.little(field + 2, as: UInt16.self))
        return TreeKey(
            base: UnsafeRawPointer(base) + offset, count: length < pageSize - offset ? length : pageSize - offset)
    }

    /// The bytes that every key of the page starts with.
    @inlinable @inline(__always) package var prefix: TreeKey {
        let fence = lowerFence
        let length = prefixLength
        return TreeKey(base: fence.base, count: length < fence.count ? length : fence.count)
    }

    // MARK: Slots

    @inlinable @inline(__always) func slot(_ index: Int) -> UnsafeMutableRawPointer {
        base + (Offset.slots &+ index &* Self.slotByteCount)
    }
    @inlinable @inline(__always) package func head(_ index: Int) -> UInt32 { slot(index).little(6, as: UInt32.self) }
    /// Offset of the slot's key in the page.
    @inlinable @inline(__always) func keyOffset(_ index: Int) -> Int {
        Int(slot(index).little(0, as: UInt16.self)) & (pageSize - 1)
    }
    /// The slot's key without the prefix.
    @inlinable @inline(__always) package func suffix(_ index: Int) -> TreeKey {
        let offset = keyOffset(index)
        let length = Int(slot(index).little(2, as: UInt16.self))
        return TreeKey(
            base: UnsafeRawPointer(base) + offset, count: length < pageSize - offset ? length : pageSize - offset)
    }
    /// Where the slot's payload lies, without its length.
    @inlinable @inline(__always) func payloadOffset(_ index: Int) -> Int {
        let end = keyOffset(index) &+ Int(slot(index).little(2, as: UInt16.self))
        return end < pageSize ? end : pageSize
    }
    /// The slot's payload as it is in the page: of a spilled one, its first bytes and where the rest is.
    @inlinable @inline(__always) package func payload(_ index: Int) -> UnsafeMutableRawBufferPointer {
        let offset = payloadOffset(index)
        let length = Int(slot(index).little(4, as: UInt16.self) & ~Self.spilledFlag)
        return UnsafeMutableRawBufferPointer(
            start: base + offset, count: length < pageSize - offset ? length : pageSize - offset)
    }
    @inlinable @inline(__always) package func isSpilled(_ index: Int) -> Bool {
        slot(index).little(4, as: UInt16.self) & Self.spilledFlag != 0
    }

    /// Child `index` of an inner page: -1 is the first child, 0... belong to the slots.
    @inlinable @inline(__always) package func child(_ index: Int) -> PageID {
        if index < 0 { return PageID(base.little(Offset.firstChild, as: UInt64.self)) }
        let offset = payloadOffset(index)
        return PageID(base.little(offset < pageSize - 8 ? offset : pageSize - 8, as: UInt64.self))
    }

    // MARK: Space

    /// Bytes that an entry could take, its slot included, after compaction.
    @inlinable @inline(__always) package var freeByteCount: Int {
        Self.capacity &- slotCount &* Self.slotByteCount &- heapByteCount
    }
    @inlinable @inline(__always) var contiguousFreeByteCount: Int {
        heapStart &- Offset.slots &- slotCount &* Self.slotByteCount
    }
    /// Bytes of `capacity` in use, fences included.
    package var usedByteCount: Int { Self.capacity - freeByteCount }
    /// First byte after the slots.
    var slotsEnd: Int { Offset.slots + slotCount * Self.slotByteCount }

    /// Below this many used bytes a page should be merged with a sibling.
    package static let mergeThreshold = capacity * 45 / 100
    /// A merge may fill a page up to here, so that the next few inserts do not split it again.
    package static let mergeLimit = capacity * 85 / 100

    /// What is wrong with the header and slots; nil if the page can be changed without reaching outside it. A few
    /// nanoseconds: checked each time a page is latched to be changed.
    @inlinable package var isPlausible: Bool {
        let rawCount = Int(base.little(Offset.slotCount, as: UInt16.self))
        let rawHeap = Int(base.little(Offset.heapStart, as: UInt16.self))
        return rawCount <= Self.maxSlotCount && rawHeap <= pageSize
            && rawHeap >= Offset.slots &+ rawCount &* Self.slotByteCount && heapByteCount <= pageSize &- rawHeap
    }

    /// What the prefix length has to be: bytes that the two fences share.
    var fencesPrefixLength: Int { hasUpperFence ? lowerFence.commonPrefixLength(upperFence) : 0 }

    /// An inner node's payloads are children.
    func takes(_ payloadByteCount: Int) -> Bool { isLeaf || payloadByteCount == Self.childByteCount }

    /// What the buffer pool asks of pages that come from the device: whether nodes can be changed, cut and merged, and extent maps
    /// agree with themselves. Other pages' readers look for themselves.
    package static func isSound(_ page: UnsafeMutableRawPointer) -> Bool {
        let type = PageHeader.type(page)
        if type == .extentMap { return ExtentMapPage(page).isSound }
        if type != .treeLeaf && type != .treeInner { return true }
        let node = TreePage(page)
        return node.isLeaf == (type == .treeLeaf) && node.entriesFit
    }

    /// Whether, besides, every entry and fence lies in the heap, and together they are as long as the header says: what another page
    /// is then asked to take. Every operation leaves it true. Costs a walk over the slots.
    var entriesFit: Bool {
        if !isPlausible { return false }
        if Int(base.little(Offset.prefixLength, as: UInt16.self)) != fencesPrefixLength { return false }
        var total = 0
        func add(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
            total += count
            let offset = start - UnsafeRawPointer(base)
            return count == 0 || (offset >= heapStart && offset + count <= pageSize)
        }
        if !add(lowerFence.base, lowerFence.count) || hasUpperFence && !add(upperFence.base, upperFence.count) {
            return false
        }
        for index in 0..<slotCount {
            let payload = payload(index)
            if !takes(payload.count) { return false }
            if !add(suffix(index).base, suffix(index).count)
                || !add(UnsafeRawPointer(payload.baseAddress.unsafelyUnwrapped), payload.count)
            {
                return false
            }
        }
        return total == heapByteCount
    }
}
