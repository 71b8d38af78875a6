// Walks the entries of a tree in key order, either way.
//
// The cursor works on a private copy of one leaf, taken optimistically and validated once. So a row costs a few
// instructions, the key and payload it shows stay put while other fibers change the tree, and nothing is latched between
// calls. At the end of the copy it descends again with the leaf's fence: whatever was split or merged meanwhile, no key
// that existed throughout is missed or shown twice. What was inserted or removed meanwhile may show or not.
//
// Long scans read ahead by the parent's list of children, and mark pages so that they leave the pool before others.

import BufferPool
import DirectStorage
import Fibers
import Platform

@usableFromInline
package struct Cursor: ~Copyable {
    // The tree outlives its cursors.
    private unowned(unsafe) let tree: BTree
    /// Copy of the leaf, then the current key, then the key to descend with next, then the bound.
    private let memory: UnsafeMutableRawPointer
    private let node: TreePage
    private var slot = -1
    /// Slots of the copy within the bounds: `first..<end`.
    private var first = 0
    private var end = 0
    private var prefixByteCount = 0
    private var bound = Bound.none
    private var boundByteCount = 0
    private var isBoundInclusive = false
    /// No entry in the direction of the scan lies beyond the copy.
    private var isLastLeaf = true
    private var leafCount = 0
    /// Leaves ahead that have been asked for.
    private var readAheadCount = 0

    private enum Bound { case none, upper, lower }
    private static let maxKey = TreePage.maxKeyByteCount
    /// From this leaf on a scan counts as long.
    private static let longScanLeafCount = 4
    private static let readAheadLimit = 32

    package init(_ tree: BTree) {
        self.tree = tree
        memory = .allocate(byteCount: pageSize + 3 * Self.maxKey, alignment: 64)
        node = TreePage(memory)
    }

    // Embedded Swift wants to see the deinit of a move-only type wherever one ends.
    @inlinable deinit { release() }
    @usableFromInline func release() { memory.deallocate() }

    private var keyBuffer: UnsafeMutableRawPointer { memory + pageSize }
    private var nextKeyBuffer: UnsafeMutableRawPointer { memory + pageSize + Self.maxKey }
    private var boundBuffer: UnsafeMutableRawPointer { memory + pageSize + 2 * Self.maxKey }

    // MARK: The current entry

    /// The key of the entry that `next` or `previous` has moved to. Valid until the next move.
    package var key: UnsafeRawBufferPointer {
        @inline(__always) get {
            let suffix = node.suffix(slot)
            let count = min(suffix.count, Self.maxKey - prefixByteCount)
            (keyBuffer + prefixByteCount).copyMemory(from: suffix.base, byteCount: count)
            return UnsafeRawBufferPointer(start: keyBuffer, count: prefixByteCount + count)
        }
    }

    /// Its payload as it is in the leaf. Valid until the next move.
    package var payload: UnsafeRawBufferPointer {
        @inline(__always) get { UnsafeRawBufferPointer(node.payload(slot)) }
    }

    /// True if `payload` is the spilled form of a long one: `BTree.readSpilled` reads it.
    package var isSpilled: Bool {
        @inline(__always) get { node.isSpilled(slot) }
    }

    // MARK: Bounds

    /// `next` ends at this key. Set before seeking. Nil: no bound.
    package mutating func setUpperBound(_ key: TreeKey?, inclusive: Bool) { setBound(.upper, key, inclusive) }
    /// `previous` ends at this key. Set before seeking. Nil: no bound.
    package mutating func setLowerBound(_ key: TreeKey?, inclusive: Bool) { setBound(.lower, key, inclusive) }

    private mutating func setBound(_ kind: Bound, _ key: TreeKey?, _ inclusive: Bool) {
        guard let key else {
            bound = .none
            return
        }
        bound = kind
        boundByteCount = min(key.count, Self.maxKey)
        isBoundInclusive = inclusive
        boundBuffer.copyMemory(from: key.base, byteCount: boundByteCount)
    }

    // MARK: Forward

    /// The next `next` moves to the first entry at or, if not `inclusive`, after `key`.
    package mutating func seek(_ key: TreeKey, inclusive: Bool = true) throws(EngineError) {
        restart()
        try load(key, before: false)
        let (slot, found) = node.search(key)
        self.slot = (found && !inclusive ? slot + 1 : slot) - 1
        applyUpperBound()
    }

    /// The next `next` moves to the first entry of the tree.
    package mutating func seekFirst() throws(EngineError) { try seek(.empty) }

    /// Moves to the next entry; false if there is none within the bound. A few instructions except at the end of a leaf.
    @inline(__always) package mutating func next() throws(EngineError) -> Bool {
        slot &+= 1
        if slot < end { return true }
        return try nextLeaf()
    }

    @inline(never) private mutating func nextLeaf() throws(EngineError) -> Bool {
        while true {
            if isLastLeaf {
                slot = end
                return false
            }
            Fiber.yieldIfDue()
            let key = keepFence(node.upperFence)
            try load(key, before: false)
            // The leaf may have been merged with the one before it.
            slot = node.search(key).slot
            applyUpperBound()
            if slot < end { return true }
        }
    }

    /// Copies a fence to where the next leaf's copy does not overwrite it.
    private func keepFence(_ fence: TreeKey) -> TreeKey {
        let count = min(fence.count, Self.maxKey)
        nextKeyBuffer.copyMemory(from: fence.base, byteCount: count)
        return TreeKey(base: nextKeyBuffer, count: count)
    }

    private mutating func applyUpperBound() {
        end = node.slotCount
        isLastLeaf = !node.hasUpperFence
        if bound != .upper { return }
        let key = TreeKey(base: boundBuffer, count: boundByteCount)
        if node.hasUpperFence && key.compare(node.upperFence) >= 0 { return }
        isLastLeaf = true
        if key.compare(node.lowerFence) < 0 {
            end = 0
            return
        }
        let (slot, found) = node.search(key)
        end = found && isBoundInclusive ? slot + 1 : slot
    }

    // MARK: Backward

    /// The next `previous` moves to the last entry at or, if not `inclusive`, before `key`.
    package mutating func seekBackward(_ key: TreeKey, inclusive: Bool = true) throws(EngineError) {
        restart()
        try load(key, before: false)
        let (slot, found) = node.search(key)
        self.slot = found && inclusive ? slot + 1 : slot
        applyLowerBound()
    }

    /// The next `previous` moves to the last entry of the tree.
    package mutating func seekLast() throws(EngineError) {
        restart()
        try load(.empty, before: true)
        slot = node.slotCount
        applyLowerBound()
    }

    /// Moves to the previous entry; false if there is none within the bound.
    @inline(__always) package mutating func previous() throws(EngineError) -> Bool {
        slot &-= 1
        if slot >= first { return true }
        return try previousLeaf()
    }

    @inline(never) private mutating func previousLeaf() throws(EngineError) -> Bool {
        while true {
            if isLastLeaf {
                slot = first - 1
                return false
            }
            Fiber.yieldIfDue()
            let key = keepFence(node.lowerFence)
            try load(key, before: true)
            // The leaf may have been merged with the one after it.
            slot = node.search(key).slot - 1
            applyLowerBound()
            if slot >= first { return true }
        }
    }

    private mutating func applyLowerBound() {
        first = 0
        isLastLeaf = node.lowerFence.count == 0
        if bound != .lower { return }
        let key = TreeKey(base: boundBuffer, count: boundByteCount)
        if key.compare(node.lowerFence) < 0 { return }
        isLastLeaf = true
        if node.hasUpperFence && key.compare(node.upperFence) >= 0 {
            first = node.slotCount
            return
        }
        let (slot, found) = node.search(key)
        first = found && !isBoundInclusive ? slot + 1 : slot
    }

    // MARK: Leaves

    private mutating func restart() {
        leafCount = 0
        readAheadCount = 0
        first = 0
        end = 0
    }

    /// Copies the leaf that covers `key`, or with `before` the one that covers the greatest keys less than `key` (with an
    /// empty key the last leaf).
    private mutating func load(_ key: TreeKey, before: Bool) throws(EngineError) {
        leafCount += 1
        let isLong = leafCount >= Self.longScanLeafCount
        while true {
            let path: BTree.Path
            if isLong {
                guard let found = try tree.tryFindPath(key, level: 0, before: before, scanning: true) else { continue }
                path = found
                try readAhead(path, forward: !before)
            } else if before {
                guard let found = try tree.tryFindPath(key, level: 0, before: true) else { continue }
                path = found
            } else {
                let leaf = try tree.findLeaf(key)
                path = BTree.Path(page: leaf.page, token: leaf.token, level: 0)
            }
            if !copyLeaf(path.page, path.token) { continue }
            // The scan goes on with one of its fences: what does not get on would never end.
            if !isFound(key, before) { throw tree.damaged(path.page, "its fences are not those that its parent says") }
            break
        }
        let prefix = node.prefix
        prefixByteCount = prefix.count
        keyBuffer.copyMemory(from: prefix.base, byteCount: prefix.count)
    }

    /// Whether the copy is of the leaf that `load` has looked for.
    private func isFound(_ key: TreeKey, _ before: Bool) -> Bool {
        if !before { return node.covers(key) }
        if key.count == 0 { return !node.hasUpperFence }
        return key.compare(node.lowerFence) > 0 && (!node.hasUpperFence || key.compare(node.upperFence) <= 0)
    }

    /// Copies slots and heap, not what lies between. False if the page has changed meanwhile.
    private func copyLeaf(_ page: PageID, _ token: UInt64) -> Bool {
        let source = TreePage(tree.pool.pointer(page))
        let low = source.slotsEnd
        let high = max(low, source.heapStart)
        memory.copyMemory(from: source.base, byteCount: low)
        (memory + high).copyMemory(from: source.base + high, byteCount: pageSize - high)
        return tree.pool.validate(page, token)
    }

    /// Asks for the next leaves under the same parent once most of those asked for before have been read.
    private mutating func readAhead(_ path: BTree.Path, forward: Bool) throws(EngineError) {
        readAheadCount -= 1
        if readAheadCount > Self.readAheadLimit / 2 || path.isRoot { return }
        let parent = TreePage(tree.pool.pointer(path.parent))
        let available = forward ? parent.slotCount - 1 - path.childIndex : path.childIndex + 1
        let count = min(available, Self.readAheadLimit)
        var pages = InlineArray<32, PageID>(repeating: .none)
        for step in 0..<max(0, count) {
            pages[step] = parent.child(forward ? path.childIndex + 1 + step : path.childIndex - 1 - step)
        }
        if count <= 0 || !tree.pool.validate(path.parent, path.parentToken) { return }
        readAheadCount = count
        withUnsafeBytes(of: &pages) { bytes in
            tree.pool.pool.prefetch(
                UnsafeBufferPointer(
                    start: bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: PageID.self), count: count))
        }
    }
}
