// Splitting nodes that have no room for what is to come.
//
// A split is one record: the new right node as an image, the left one cut, the separator in their parent, the page
// allocated. A full parent is split before its child, so that a record never spans more than two levels. When the root is
// full, its contents move to a new only child first, and the child is split then: the root keeps its page.

import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

/// Room for the longest key, on the stack.
typealias ScratchKey = InlineArray<128, UInt64>

extension BTree {
    private enum SplitOutcome {
        case done
        /// There is room already.
        case notNeeded
        /// The parent has no room for a separator of this length.
        case parentFull(separatorByteCount: Int)
        /// A latch was lost to somebody else.
        case retry
    }

    /// What a node must have room for: in a leaf, an entry with the key and a payload of that length; in an inner node, a
    /// separator of that length somewhere near the key.
    private struct Need {
        var key: TreeKey
        var byteCount: Int

        func fits(_ node: TreePage) -> Bool {
            node.isLeaf
                ? node.hasRoom(for: key, payloadByteCount: byteCount)
                : TreePage.spaceNeeded(suffixByteCount: byteCount, payloadByteCount: TreePage.childByteCount)
                    <= node.freeByteCount
        }
    }

    /// Log bytes of a split: a page image, two long keys, the allocation.
    private static let splitRecordByteCount = 8192
    private static let maxLevelCount = 32

    /// Splits the leaf that covers `key`, and as many of its ancestors as needed, from the top, one record each: between
    /// them the tree is whole.
    func split(_ key: TreeKey, payloadByteCount: Int, room: LogRoom) throws(EngineError) {
        var level = 0
        // Lengths of the separators that inner nodes must have room for, by level.
        var separators = InlineArray<32, Int>(repeating: 0)
        separators[0] = payloadByteCount
        while true {
            switch try splitNode(level, Need(key: key, byteCount: separators[level]), room) {
            case .retry: backOff()
            case .parentFull(let byteCount):
                level += 1
                precondition(level < Self.maxLevelCount, "a tree cannot be that high")
                separators[level] = byteCount
            case .done, .notNeeded:
                if level == 0 { return }
                level -= 1
            }
        }
    }

    /// Reserves and latches the new page, and lets go of it again if nothing came of the split.
    private func splitNode(_ level: Int, _ need: Need, _ room: LogRoom) throws(EngineError) -> SplitOutcome {
        let path = try findPath(need.key, level: level)
        // The tree has become lower meanwhile.
        if path.level < level { return .notNeeded }
        let reservation = try allocator.reserve(for: treeID, near: path.page)
        var change = StructureChange(pool: pool, log: log)
        do throws(EngineError) {
            // A checkpoint may want to write what the page was before, so who holds it does not wait for the zone.
            try log.ensureRoom(Self.splitRecordByteCount, for: room)
            try change.latchNew(reservation.page)
            let (isLatched, tokens) = try latch(path, reservation, &change)
            var outcome = SplitOutcome.retry
            if isLatched {
                outcome = try splitLatched(path, need, reservation, tokens, &change)
                if case .done = outcome { return outcome }
            }
            change.abandon()
            allocator.cancel(reservation)
            return outcome
        } catch {
            change.abandon()
            allocator.cancel(reservation)
            throw error
        }
    }

    private func latch(
        _ path: Path, _ reservation: PageReservation, _ change: inout StructureChange
    ) throws(EngineError) -> (Bool, MapTokens) {
        try log.ensureRoom(Self.splitRecordByteCount, for: .system)
        let tokens = try allocator.readMapPages(of: reservation.page)
        let isLatched =
            (path.isRoot || change.latch(path.parent, path.parentToken)) && change.latch(path.page, path.token)
            && allocator.latch(tokens, &change)
        return (isLatched, tokens)
    }

    /// With everything latched. Commits if the outcome is `done`, otherwise has changed nothing.
    private func splitLatched(
        _ path: Path, _ need: Need, _ reservation: PageReservation, _ tokens: MapTokens, _ change: inout StructureChange
    ) throws(EngineError) -> SplitOutcome {
        let node = TreePage(pool.pointer(path.page))
        let parent = TreePage(pool.pointer(path.isRoot ? path.page : path.parent))
        if !node.isPlausible || !parent.isPlausible {
            throw damaged(path.page, "its header or its parent's is out of bounds")
        }
        if need.fits(node) { return .notNeeded }
        if path.isRoot {
            growRoot(node, reservation, tokens, &change)
            return .done
        }
        if node.slotCount == 0 { throw damaged(path.page, "it is full without an entry") }
        var memory = ScratchKey(repeating: 0)
        return withUnsafeMutableBytes(of: &memory) { buffer in
            let target = buffer.baseAddress.unsafelyUnwrapped
            let plan =
                node.isLeaf
                ? node.planLeafSplit(for: need.key, at: node.search(need.key).slot, separator: target)
                : node.planInnerSplit(separator: target)
            let separator = TreeKey(base: UnsafeRawPointer(target), count: plan.separatorByteCount)
            if parent.spaceNeeded(separator, payloadByteCount: TreePage.childByteCount) > parent.freeByteCount {
                return .parentFull(separatorByteCount: separator.count)
            }
            commit(path, plan, separator, reservation, tokens, &change)
            return .done
        }
    }

    private func commit(
        _ path: Path, _ plan: SplitPlan, _ separator: TreeKey, _ reservation: PageReservation, _ tokens: MapTokens,
        _ change: inout StructureChange
    ) {
        let node = TreePage(pool.pointer(path.page))
        let page = reservation.page
        var record = log.makeRecord(.system)
        withScratchNode { right in
            right.formRight(of: node, id: page, plan: plan, separator: separator)
            change.image(&record, page, of: right)
        }
        change.truncate(&record, path.page, keep: plan.keep, upper: separator)
        change.insertChild(&record, path.parent, at: path.childIndex + 1, separator, page)
        allocator.allocate(&record, &change, reservation, tokens)
        if node.isLeaf && !TreePage(pool.pointer(page)).hasUpperFence {
            appendLeaf.store(page.rawValue, ordering: .relaxed)
        }
        change.commit(&record)
    }

    /// The root's contents move to a new page, its only child.
    private func growRoot(
        _ node: TreePage, _ reservation: PageReservation, _ tokens: MapTokens, _ change: inout StructureChange
    ) {
        let page = reservation.page
        var record = log.makeRecord(.system)
        withScratchNode { child in
            child.initialize(
                id: page, tree: treeID, level: node.level, layout: layout, lower: .empty, upper: nil,
                firstChild: node.child(-1))
            child.append(0..<node.slotCount, of: node)
            change.image(&record, page, of: child)
        }
        let level = node.level + 1
        withScratchNode { top in
            top.initialize(
                id: root, tree: treeID, level: level, layout: layout, lower: .empty, upper: nil, firstChild: page)
            change.image(&record, root, of: top)
        }
        allocator.allocate(&record, &change, reservation, tokens)
        if level == 1 { appendLeaf.store(page.rawValue, ordering: .relaxed) }
        change.commit(&record)
    }
}
