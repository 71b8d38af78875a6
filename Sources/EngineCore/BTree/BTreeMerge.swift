// Merging poor nodes. A node less than 45 % full goes together with a sibling of the same parent if both fit one page with
// some room left. One record: the left node as an image of the union, the right one released, the separator out of their
// parent. A parent that becomes poor is merged in turn, and a root with one child takes over the child's contents.

import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

extension BTree {
    private enum MergeOutcome {
        /// Merged; the parent should be looked at.
        case done
        /// There is nothing to do, or no sibling to do it with.
        case notNeeded
        /// The node is its parent's only child: merge the parent first.
        case onlyChild
        /// The right sibling is too full.
        case tryLeft
        case retry
    }

    private static let mergeRecordByteCount = 12 << 10

    /// To be called, with nothing latched, when `LeafGuard.finish` says so. Does nothing if somebody else has done it.
    package func merge(around key: TreeKey) throws(EngineError) {
        var level = 0
        // The only child to come back to once its parent has been merged.
        var waiting = -1
        var skipsRight = false
        while true {
            let outcome = try mergeNode(key, level, skipsRight: skipsRight)
            if case .retry = outcome {
                backOff()
                continue
            }
            skipsRight = false
            switch outcome {
            case .retry: break
            case .tryLeft: skipsRight = true
            case .onlyChild:
                waiting = level
                level += 1
            case .done:
                level = waiting >= 0 ? waiting : level + 1
                waiting = -1
            case .notNeeded: return
            }
        }
    }

    private func mergeNode(_ key: TreeKey, _ level: Int, skipsRight: Bool) throws(EngineError) -> MergeOutcome {
        let path = try findPath(key, level: level)
        let node = TreePage(pool.pointer(path.page))
        if path.isRoot { return try shrinkRoot(path) }
        let parent = TreePage(pool.pointer(path.parent))
        let used = node.usedByteCount
        let hasRight = path.childIndex < parent.slotCount - 1
        let hasLeft = path.childIndex >= 0
        if !pool.validate(path.page, path.token) || !pool.validate(path.parent, path.parentToken) { return .retry }
        if used >= TreePage.mergeThreshold { return .notNeeded }
        if !hasRight && !hasLeft { return .onlyChild }
        if hasRight && !(skipsRight && hasLeft) {
            let outcome = try mergeWithSibling(path, separator: path.childIndex + 1, sibling: path.childIndex + 1)
            if case .notNeeded = outcome, hasLeft { return .tryLeft }
            return outcome
        }
        if !hasLeft { return .notNeeded }
        return try mergeWithSibling(path, separator: path.childIndex, sibling: path.childIndex - 1)
    }

    /// `separator` is the slot of the separator between the two, `sibling` says which child the other one is.
    private func mergeWithSibling(_ path: Path, separator: Int, sibling: Int) throws(EngineError) -> MergeOutcome {
        let page = TreePage(pool.pointer(path.parent)).child(sibling)
        if !pool.validate(path.parent, path.parentToken) { return .retry }
        let here = Visit(path.page, path.token)
        let there = Visit(page, try pool.optimisticRead(page))
        let together = TreePage(pool.pointer(path.page)).usedByteCount + TreePage(pool.pointer(page)).usedByteCount
        // An estimate that saves latches: fences are counted twice, but prefixes may shrink.
        if together > TreePage.capacity + TreePage.mergeThreshold { return .notNeeded }
        let isRight = sibling > path.childIndex
        return try mergeSiblings(
            Visit(path.parent, path.parentToken), separator, left: isRight ? here : there, right: isRight ? there : here
        )
    }

    private func mergeSiblings(
        _ parent: Visit, _ slot: Int, left: Visit, right: Visit
    ) throws(EngineError) -> MergeOutcome {
        try log.ensureRoom(Self.mergeRecordByteCount, for: .system)
        let tokens = try allocator.readMapPages(of: right.page)
        var change = StructureChange(pool: pool, log: log)
        guard change.latch(parent.page, parent.token), change.latch(left.page, left.token),
            change.latch(right.page, right.token), allocator.latch(tokens, &change)
        else {
            change.abandon()
            return .retry
        }
        let parentNode = TreePage(pool.pointer(parent.page))
        let leftNode = TreePage(pool.pointer(left.page))
        let rightNode = TreePage(pool.pointer(right.page))
        do throws(EngineError) {
            guard parentNode.entriesFit, leftNode.entriesFit, rightNode.entriesFit, leftNode.level == rightNode.level
            else {
                throw damaged(parent.page, "its slots and heap or a child's do not fit each other")
            }
            try allocator.checkInUse(right.page, tokens)
        } catch {
            change.abandon()
            throw error
        }
        var memory = ScratchKey(repeating: 0)
        let isMerged = withUnsafeMutableBytes(of: &memory) { buffer -> Bool in
            let base = buffer.baseAddress.unsafelyUnwrapped
            let separator = TreeKey(base: UnsafeRawPointer(base), count: parentNode.copyKey(slot, to: base))
            let total = TreePage.mergedByteCount(leftNode, rightNode, separator: separator)
            let isEmpty = leftNode.slotCount == 0 || rightNode.slotCount == 0
            if total > (isEmpty ? TreePage.capacity : TreePage.mergeLimit) { return false }
            commit(parent.page, slot, left.page, right.page, separator, tokens, &change)
            return true
        }
        if !isMerged {
            change.abandon()
            return .notNeeded
        }
        allocator.didFree(right.page, of: treeID)
        return .done
    }

    private func commit(
        _ parent: PageID, _ slot: Int, _ left: PageID, _ right: PageID, _ separator: TreeKey, _ tokens: MapTokens,
        _ change: inout StructureChange
    ) {
        var record = log.makeRecord(.system)
        withScratchNode { union in
            union.formUnion(TreePage(pool.pointer(left)), TreePage(pool.pointer(right)), separator: separator)
            change.image(&record, left, of: union)
        }
        change.remove(&record, parent, at: slot)
        change.release(&record, right)
        allocator.free(&record, &change, right, tokens)
        let node = TreePage(pool.pointer(left))
        if node.isLeaf && !node.hasUpperFence { appendLeaf.store(left.rawValue, ordering: .relaxed) }
        change.commit(&record)
    }

    /// A root with one child takes its place.
    private func shrinkRoot(_ path: Path) throws(EngineError) -> MergeOutcome {
        let node = TreePage(pool.pointer(root))
        if node.isLeaf || node.slotCount > 0 {
            return pool.validate(root, path.token) ? .notNeeded : .retry
        }
        let child = node.child(-1)
        if !pool.validate(root, path.token) { return .retry }
        let childToken = try pool.optimisticRead(child)
        try log.ensureRoom(Self.mergeRecordByteCount, for: .system)
        let tokens = try allocator.readMapPages(of: child)
        var change = StructureChange(pool: pool, log: log)
        guard change.latch(root, path.token), change.latch(child, childToken), allocator.latch(tokens, &change) else {
            change.abandon()
            return .retry
        }
        let childNode = TreePage(pool.pointer(child))
        do throws(EngineError) {
            if !childNode.entriesFit { throw damaged(child, "its slots and heap do not fit each other") }
            try allocator.checkInUse(child, tokens)
        } catch {
            change.abandon()
            throw error
        }
        var record = log.makeRecord(.system)
        withScratchNode { top in
            top.initialize(
                id: root, tree: treeID, level: childNode.level, layout: layout, lower: .empty, upper: nil,
                firstChild: childNode.child(-1))
            top.append(0..<childNode.slotCount, of: childNode)
            change.image(&record, root, of: top)
        }
        change.release(&record, child)
        allocator.free(&record, &change, child, tokens)
        if childNode.isLeaf { appendLeaf.store(root.rawValue, ordering: .relaxed) }
        change.commit(&record)
        allocator.didFree(child, of: treeID)
        // The new root may have one child as well.
        return .retry
    }
}
