// Changes within one node. The caller holds the page exclusively and has made sure that there is room.
//
// Each change is a function of the page's bytes and its arguments alone: redo repeats it and ends with the same bytes.

import DirectStorage
import Platform

/// A page's worth of memory on the stack.
typealias ScratchPage = InlineArray<512, UInt64>

extension TreePage {
    /// Bytes of `freeByteCount` that an entry takes.
    @inlinable package static func spaceNeeded(suffixByteCount: Int, payloadByteCount: Int) -> Int {
        slotByteCount + suffixByteCount + payloadByteCount
    }

    /// Bytes of `freeByteCount` that an entry with this whole key would take here.
    @inlinable package func spaceNeeded(_ key: TreeKey, payloadByteCount: Int) -> Int {
        Self.slotByteCount + max(0, key.count - prefixLength) + payloadByteCount
    }

    /// True if an entry with `key` and a payload of so many bytes fits, or if there is one, if its payload may grow by so
    /// many. An only entry can always be replaced: see `maxInlineByteCount`.
    @inlinable package func hasRoom(for key: TreeKey, payloadByteCount: Int) -> Bool {
        if spaceNeeded(key, payloadByteCount: payloadByteCount) <= freeByteCount { return true }
        return search(key).found && (payloadByteCount <= freeByteCount || slotCount == 1)
    }

    /// Makes `base` an empty node. Every byte of the page is written.
    package func initialize(
        id: PageID, tree: TreeID, level: Int, layout: TreeLayout, lower: TreeKey, upper: TreeKey?, firstChild: PageID
    ) {
        base.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
        PageHeader.initialize(base, id: id, type: level == 0 ? .treeLeaf : .treeInner, treeID: tree.rawValue)
        base.storeBytes(of: UInt8(truncatingIfNeeded: level), toByteOffset: Offset.level, as: UInt8.self)
        base.storeBytes(of: layout.rawValue, toByteOffset: Offset.layout, as: UInt8.self)
        base.setLittle(Offset.firstChild, firstChild.rawValue)
        base.setLittle(Offset.heapStart, UInt16(pageSize))
        setFence(Offset.lowerFence, lower)
        if let upper {
            precondition(upper.count > 0, "an upper fence has at least one byte")
            setFence(Offset.upperFence, upper)
            base.setLittle(Offset.prefixLength, UInt16(lower.commonPrefixLength(upper)))
        }
    }

    private func setFence(_ field: Int, _ key: TreeKey) {
        let offset = takeHeap(key.count)
        (base + offset).copyMemory(from: key.base, byteCount: key.count)
        // An empty fence at the very end of the page would have an offset of 4096, which the mask turns into 0.
        base.setLittle(field, UInt16(offset & (pageSize - 1)))
        base.setLittle(field + 2, UInt16(key.count))
    }

    /// Takes bytes from the contiguous free space; returns their offset.
    private func takeHeap(_ byteCount: Int) -> Int {
        let start = heapStart - byteCount
        base.setLittle(Offset.heapStart, UInt16(start))
        addHeapBytes(byteCount)
        return start
    }

    func addHeapBytes(_ difference: Int) {
        base.setLittle(Offset.heapByteCount, UInt16(truncatingIfNeeded: heapByteCount &+ difference))
    }

    func setSlotCount(_ count: Int) { base.setLittle(Offset.slotCount, UInt16(count)) }

    func writeSlot(_ index: Int, offset: Int, suffixByteCount: Int, payloadByteCount: Int, spilled: Bool) {
        let slot = slot(index)
        slot.setLittle(0, UInt16(offset))
        slot.setLittle(2, UInt16(suffixByteCount))
        slot.setLittle(4, UInt16(payloadByteCount) | (spilled ? Self.spilledFlag : 0))
        let suffix = TreeKey(base: UnsafeRawPointer(base) + offset, count: suffixByteCount)
        slot.setLittle(6, isPlain ? 0 : suffix.dropFirst(sharedLength).head)
    }

    /// Before keys from `lowest` to `highest` (without prefix) are inserted: cuts the shared length to what they share with the
    /// others. An only key shares all but four bytes with itself.
    func share(_ lowest: TreeKey, _ highest: TreeKey) {
        if isPlain { return }
        let count = slotCount
        let old = sharedLength
        if count > 0 && old == 0 { return }
        var shared = lowest.commonPrefixLength(highest)
        if count == 0 {
            shared = min(shared, max(0, lowest.count - 4))
        } else {
            shared = min(min(shared, old), suffix(0).commonPrefixLength(lowest))
        }
        if shared == old { return }
        base.setLittle(Offset.shared, UInt16(shared))
        if count > 0 { rewriteHeads() }
    }

    private func rewriteHeads() {
        let shared = sharedLength
        for index in 0..<slotCount { slot(index).setLittle(6, suffix(index).dropFirst(shared).head) }
        updateHints(from: 0, oldCount: 0)
    }

    /// After the page was filled: as much is shared as can be.
    private func shareAll() {
        if isPlain { return }
        let count = slotCount
        var shared = 0
        if count == 1 { shared = max(0, suffix(0).count - 4) }
        if count > 1 { shared = suffix(0).commonPrefixLength(suffix(count - 1)) }
        base.setLittle(Offset.shared, UInt16(shared))
        rewriteHeads()
    }

    /// Inserts an entry before slot `index`. `suffix` is the key without the page's prefix; neither it nor `payload` may
    /// lie in this page.
    func insert(at index: Int, suffix: TreeKey, payload: UnsafeRawBufferPointer, spilled: Bool = false) {
        let count = slotCount
        let byteCount = suffix.count + payload.count
        precondition(index <= count && Self.slotByteCount + byteCount <= freeByteCount, "no room in the page")
        if contiguousFreeByteCount < Self.slotByteCount + byteCount { compact() }
        share(suffix, suffix)
        let offset = takeHeap(byteCount)
        (base + offset).copyMemory(from: suffix.base, byteCount: suffix.count)
        if payload.count > 0 {
            (base + offset + suffix.count).copyMemory(
                from: payload.baseAddress.unsafelyUnwrapped, byteCount: payload.count)
        }
        slot(index + 1).copyMemory(from: slot(index), byteCount: (count - index) * Self.slotByteCount)
        setSlotCount(count + 1)
        writeSlot(
            index, offset: offset, suffixByteCount: suffix.count, payloadByteCount: payload.count, spilled: spilled)
        updateHints(from: index, oldCount: count)
    }

    /// Removes slot `index` and its entry.
    func remove(at index: Int) {
        let count = slotCount
        precondition(index < count, "no such slot")
        let offset = keyOffset(index)
        let byteCount = suffix(index).count + payload(index).count
        addHeapBytes(-byteCount)
        // The newest entry gives its bytes back at once.
        if offset == heapStart { base.setLittle(Offset.heapStart, UInt16(offset + byteCount)) }
        slot(index).copyMemory(from: slot(index + 1), byteCount: (count - index - 1) * Self.slotByteCount)
        setSlotCount(count - 1)
        updateHints(from: index, oldCount: count)
    }

    /// Gives slot `index` another payload, which may not lie in this page.
    func replacePayload(at index: Int, with new: UnsafeRawBufferPointer, spilled: Bool) {
        precondition(index < slotCount, "no such slot")
        let suffix = suffix(index)
        let old = payload(index)
        var offset = keyOffset(index)
        if new.count > old.count {
            precondition(new.count - old.count <= freeByteCount, "no room in the page")
            let byteCount = suffix.count + new.count
            if contiguousFreeByteCount >= byteCount {
                addHeapBytes(-(suffix.count + old.count))
                offset = takeHeap(byteCount)
                (base + offset).copyMemory(from: suffix.base, byteCount: suffix.count)
            } else {
                offset = compact(growing: index, to: new.count)
            }
        } else {
            addHeapBytes(new.count - old.count)
        }
        if new.count > 0 {
            (base + offset + suffix.count).copyMemory(from: new.baseAddress.unsafelyUnwrapped, byteCount: new.count)
        }
        let slot = slot(index)
        slot.setLittle(0, UInt16(offset))
        slot.setLittle(4, UInt16(new.count) | (spilled ? Self.spilledFlag : 0))
    }

    /// Moves all entries together at the end of the page. With `growing`, that slot's entry comes last, with `newByteCount`
    /// bytes of room for a new payload, which the caller fills in; returns where that entry's key then is.
    @discardableResult
    func compact(growing: Int = -1, to newByteCount: Int = 0) -> Int {
        var memory = ScratchPage(repeating: 0)
        var result = 0
        withUnsafeMutableBytes(of: &memory) { copy in
            let old = TreePage(copy.baseAddress.unsafelyUnwrapped)
            old.base.copyMemory(from: base, byteCount: pageSize)
            base.setLittle(Offset.heapStart, UInt16(pageSize))
            base.setLittle(Offset.heapByteCount, UInt16(0))
            setFence(Offset.lowerFence, old.lowerFence)
            if old.hasUpperFence { setFence(Offset.upperFence, old.upperFence) }
            for index in 0..<slotCount where index != growing {
                let byteCount = old.suffix(index).count + old.payload(index).count
                precondition(contiguousFreeByteCount >= byteCount, "the page's entries overlap")
                let offset = takeHeap(byteCount)
                (base + offset).copyMemory(from: old.base + old.keyOffset(index), byteCount: byteCount)
                slot(index).setLittle(0, UInt16(offset & (pageSize - 1)))
            }
            if growing >= 0 {
                let suffix = old.suffix(growing)
                precondition(contiguousFreeByteCount >= suffix.count + newByteCount, "the page's entries overlap")
                result = takeHeap(suffix.count + newByteCount)
                (base + result).copyMemory(from: suffix.base, byteCount: suffix.count)
            }
            // No stale bytes between slots and heap: the same history gives the same bytes.
            (base + slotsEnd).initializeMemory(as: UInt8.self, repeating: 0, count: contiguousFreeByteCount)
        }
        return result
    }

    /// Appends slots `range` of `source`, whose prefix may be longer or shorter.
    func append(_ range: Range<Int>, of source: TreePage) {
        let prefixLength = prefixLength
        let sourcePrefix = source.prefix
        let shared = min(prefixLength, sourcePrefix.count)
        let added = sourcePrefix.dropFirst(shared)
        for index in range {
            let suffix = source.suffix(index).dropFirst(prefixLength - shared)
            let payload = source.payload(index)
            let count = slotCount
            let byteCount = added.count + suffix.count + payload.count
            precondition(contiguousFreeByteCount >= Self.slotByteCount + byteCount, "no room in the page")
            let offset = takeHeap(byteCount)
            (base + offset).copyMemory(from: added.base, byteCount: added.count)
            (base + offset + added.count).copyMemory(from: suffix.base, byteCount: suffix.count)
            if payload.count > 0 {
                (base + offset + added.count + suffix.count).copyMemory(
                    from: payload.baseAddress.unsafelyUnwrapped, byteCount: payload.count)
            }
            setSlotCount(count + 1)
            writeSlot(
                count, offset: offset, suffixByteCount: added.count + suffix.count, payloadByteCount: payload.count,
                spilled: source.isSpilled(index))
        }
        shareAll()
    }

    /// Appends one entry with a whole key.
    func append(_ key: TreeKey, payload: UnsafeRawBufferPointer, spilled: Bool) {
        insert(at: slotCount, suffix: key.dropFirst(prefixLength), payload: payload, spilled: spilled)
    }

    /// Brings hints up to date after slots from `first` on have moved.
    func updateHints(from first: Int, oldCount: Int) {
        let count = slotCount
        if isPlain || count <= Self.hintThreshold { return }
        let distance = count / (Self.hintCount + 1)
        let sameDistance = oldCount > Self.hintThreshold && oldCount / (Self.hintCount + 1) == distance
        // Hint i is the head of slot distance * (i + 1): those before `first` are right already.
        var hint = sameDistance ? max(0, first / distance - 1) : 0
        while hint < Self.hintCount {
            base.setLittle(Offset.hints + hint * 4, head(distance * (hint + 1)))
            hint += 1
        }
    }

    /// What `updateHints` keeps true.
    var hintsAreRight: Bool {
        let count = slotCount
        if isPlain || count <= Self.hintThreshold { return true }
        let distance = count / (Self.hintCount + 1)
        for hint in 0..<Self.hintCount
        where base.little(Offset.hints + hint * 4, as: UInt32.self) != head(distance * (hint + 1)) { return false }
        return true
    }

    /// Copies the whole key of a slot to `target`, which has room for `maxKeyByteCount` bytes; returns its length.
    @inlinable package func copyKey(_ index: Int, to target: UnsafeMutableRawPointer) -> Int {
        let prefix = prefix
        let suffix = suffix(index)
        let suffixByteCount = min(suffix.count, Self.maxKeyByteCount - prefix.count)
        target.copyMemory(from: prefix.base, byteCount: prefix.count)
        (target + prefix.count).copyMemory(from: suffix.base, byteCount: suffixByteCount)
        return prefix.count + suffixByteCount
    }
}
