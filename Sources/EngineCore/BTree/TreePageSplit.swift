// Where a full node is cut, and how two poor ones become one.
//
// A leaf's separator is the shortest string that is greater than every key left of it and not greater than any right of
// it (suffix truncation: Bayer and Unterauer, "Prefix B-trees", TODS 1977). An inner node's separator is one of its keys,
// which moves up.

import Platform

/// How a node is to be cut.
struct SplitPlan {
    /// Slots that stay in the left node.
    var keep: Int
    /// Length of the separator in the planner's buffer.
    var separatorByteCount: Int
}

extension TreePage {
    /// Where to cut a leaf in which `key` is to be inserted before slot `position`. The separator is written to
    /// `separator`, which has room for the longest key.
    ///
    /// Each split leaves both sides with fewer entries, so after some the entry fits. Both halves fit their pages: the new
    /// fence is no longer than what the other side takes away with it. At the right edge of the tree, where keys arrive in
    /// order, the left leaf stays nearly full: the little room left in it is for those that arrive a little late.
    func planLeafSplit(for key: TreeKey, at position: Int, separator: UnsafeMutableRawPointer) -> SplitPlan {
        let count = slotCount
        precondition(isLeaf && count > 0 && position <= count, "an empty leaf is never split")
        if count == 1 {
            return SplitPlan(keep: position, separatorByteCount: separateFromOnlySlot(key, position, at: separator))
        }
        let keep = position == count && !hasUpperFence ? count - max(1, count / 16) : shortestCut(near: balancedCut())
        // The shortest separator between the neighbours.
        let length = copyKey(keep, to: separator)
        let common = prefixLength + suffix(keep - 1).commonPrefixLength(suffix(keep))
        return SplitPlan(keep: keep, separatorByteCount: min(length, common + 1))
    }

    /// How many of at least two slots stay left so that both sides take about as many bytes; at least one on each side.
    private func balancedCut() -> Int {
        let count = slotCount
        var total = 0
        for index in 0..<count { total += entrySize(index) }
        var left = 0
        var cut = 0
        while cut < count - 1 && left + entrySize(cut) / 2 < total / 2 {
            left += entrySize(cut)
            cut += 1
        }
        return max(1, cut)
    }

    /// The cut with the shortest separator within an eighth of the slots around `cut`: groups of keys that begin alike stay
    /// together, which serves prefixes, heads and inner nodes (Bayer and Unterauer's split interval).
    private func shortestCut(near cut: Int) -> Int {
        let reach = slotCount / 8
        var best = cut
        var shared = suffix(cut - 1).commonPrefixLength(suffix(cut))
        for candidate in max(1, cut - reach)...min(slotCount - 1, cut + reach) {
            let length = suffix(candidate - 1).commonPrefixLength(suffix(candidate))
            if length < shared || length == shared && abs(candidate - cut) < abs(best - cut) {
                (best, shared) = (candidate, length)
            }
        }
        return best
    }

    /// The shortest separator between the only slot and `key`, which comes before it (`position` 0) or after it.
    private func separateFromOnlySlot(_ key: TreeKey, _ position: Int, at target: UnsafeMutableRawPointer) -> Int {
        let common = prefixLength + key.dropFirst(prefixLength).commonPrefixLength(suffix(0))
        if position == 0 { return min(copyKey(0, to: target), common + 1) }
        target.copyMemory(from: key.base, byteCount: key.count)
        return min(key.count, common + 1)
    }

    /// Bytes that an entry takes, its slot included.
    func entrySize(_ index: Int) -> Int {
        Self.spaceNeeded(suffixByteCount: suffix(index).count, payloadByteCount: payload(index).count)
    }

    /// The shortest separator between two neighbouring slots.
    private func separate(left: Int, right: Int, at target: UnsafeMutableRawPointer) -> Int {
        let length = copyKey(right, to: target)
        let common = prefixLength + suffix(left).commonPrefixLength(suffix(right))
        return min(length, common + 1)
    }

    /// The shortest separator between slot `left` (or the one that then is right of the cut) and a key not in the page.
    private func separate(left: Int, _ key: TreeKey, at target: UnsafeMutableRawPointer, keyIsRight: Bool) -> Int {
        let suffix = key.dropFirst(prefixLength)
        let common = prefixLength + suffix.commonPrefixLength(self.suffix(left))
        if keyIsRight {
            target.copyMemory(from: key.base, byteCount: key.count)
            return min(key.count, common + 1)
        }
        return min(copyKey(left, to: target), common + 1)
    }

    /// Where to cut an inner node: its middle slot by bytes moves up. There is at least one slot.
    func planInnerSplit(separator: UnsafeMutableRawPointer) -> SplitPlan {
        let count = slotCount
        precondition(!isLeaf && count > 0, "an inner node without slots has room for any separator")
        let keep: Int
        if count == 1 {
            keep = 0
        } else if !hasUpperFence {
            // Separators arrive at the right edge in order, as keys do in leaves.
            keep = count - 1 - count / 8
        } else {
            keep = balancedCut()
        }
        return SplitPlan(keep: keep, separatorByteCount: copyKey(keep, to: separator))
    }

    /// False if the first slots do not fit under another upper fence, by which they would have to be longer.
    func hasRoomTruncated(keep: Int, upper: TreeKey) -> Bool {
        let growth = max(0, prefix.count - lowerFence.commonPrefixLength(upper))
        var total = lowerFence.count + upper.count
        for index in 0..<keep { total += entrySize(index) + growth }
        return total <= Self.capacity
    }

    /// Cuts everything from slot `keep` off; `upper` becomes the upper fence and the prefix may grow.
    func truncate(keep: Int, upper: TreeKey) {
        precondition(keep <= slotCount, "no such slot")
        var memory = ScratchPage(repeating: 0)
        withUnsafeMutableBytes(of: &memory) { copy in
            let old = TreePage(copy.baseAddress.unsafelyUnwrapped)
            old.base.copyMemory(from: base, byteCount: pageSize)
            initialize(
                id: old.pageID, tree: old.treeID, level: old.level, layout: old.layout, lower: old.lowerFence,
                upper: upper, firstChild: old.child(-1))
            append(0..<keep, of: old)
        }
    }

    /// Makes `self`, which is no page of the tree yet, the right part of `source` cut at `plan`.
    func formRight(of source: TreePage, id: PageID, plan: SplitPlan, separator: TreeKey) {
        let upper = source.hasUpperFence ? source.upperFence : nil
        let first = source.isLeaf ? plan.keep : plan.keep + 1
        initialize(
            id: id, tree: source.treeID, level: source.level, layout: source.layout, lower: separator, upper: upper,
            firstChild: source.isLeaf ? .none : source.child(plan.keep))
        append(first..<source.slotCount, of: source)
    }

    /// Bytes of `capacity` that `left` and `right`, neighbours under `separator`, would use as one node.
    static func mergedByteCount(_ left: TreePage, _ right: TreePage, separator: TreeKey) -> Int {
        let lower = left.lowerFence
        let upper = right.upperFence
        let prefixLength = right.hasUpperFence ? lower.commonPrefixLength(upper) : 0
        func entries(_ page: TreePage) -> Int {
            page.usedByteCount - page.lowerFence.count - page.upperFence.count
                + page.slotCount * (page.prefixLength - prefixLength)
        }
        var total = entries(left) + entries(right) + lower.count + upper.count
        if !left.isLeaf {
            total += spaceNeeded(suffixByteCount: separator.count - prefixLength, payloadByteCount: childByteCount)
        }
        return total
    }

    /// Makes `self`, which is neither of them, the union of two neighbours. Inner nodes need the `separator` between them,
    /// which comes down to lead to the right one's first child.
    func formUnion(_ left: TreePage, _ right: TreePage, separator: TreeKey) {
        initialize(
            id: left.pageID, tree: left.treeID, level: left.level, layout: left.layout, lower: left.lowerFence,
            upper: right.hasUpperFence ? right.upperFence : nil, firstChild: left.child(-1))
        append(0..<left.slotCount, of: left)
        if !left.isLeaf {
            var child = right.child(-1).rawValue.littleEndian
            withUnsafeBytes(of: &child) { append(separator, payload: $0, spilled: false) }
        }
        append(0..<right.slotCount, of: right)
    }
}
