// Search within a node. Both searches take a key that lies between the node's fences: the descent guarantees it.
//
// Sixteen hints, compared all at once, leave a seventeenth of the slots; heads decide among those; keys are touched only
// where heads are equal. Without branches that depend on the data up to that point.
//
// Heads take for granted that the key begins with what all keys of the page share. If it is not found, that is made sure of by
// the key before the place where it would be, which a descent looks at next anyway.

import CPrimitives
import Platform

extension TreePage {
    /// Where `key` is, or would be inserted.
    @inlinable @inline(__always) package func search(_ key: TreeKey) -> (slot: Int, found: Bool) {
        let suffix = key.dropFirst(prefixLength)
        if isPlain { return searchPlain(suffix) }
        let shared = sharedLength
        let head = suffix.dropFirst(shared).head
        let count = slotCount
        var result = (slot: lowerBound(head, count), found: false)
        if result.slot != count && self.head(result.slot) == head {
            result = searchEqualHeads(suffix, head, from: result.slot, count: count)
            if result.found { return result }
        }
        if shared == 0 || count == 0 { return result }
        let order = compareShared(suffix, result.slot > 0 ? result.slot &- 1 : 0, shared)
        if order == 0 { return result }
        return (order < 0 ? 0 : count, false)
    }

    /// How `key` is ordered against the bytes that all keys share, taken from slot `index`.
    @inlinable @inline(__always) func compareShared(_ key: TreeKey, _ index: Int, _ shared: Int) -> Int {
        let other = suffix(index)
        return TreeKey(base: key.base, count: key.count < shared ? key.count : shared)
            .compare(TreeKey(base: other.base, count: other.count < shared ? other.count : shared))
    }

    /// The child to follow for `key`: the last slot whose key is not greater, -1 if there is none.
    @inlinable @inline(__always) package func childIndex(_ key: TreeKey) -> Int {
        let (slot, found) = search(key)
        return found ? slot : slot &- 1
    }

    /// The child to follow for the greatest key less than `key`.
    @inlinable @inline(__always) package func childIndexBefore(_ key: TreeKey) -> Int { search(key).slot &- 1 }

    /// First slot whose head is not less than `head`.
    @inlinable @inline(__always) func lowerBound(_ head: UInt32, _ count: Int) -> Int {
        var lower = 0
        var length = count
        if count > Self.hintThreshold {
            let rank = dbk_rank16(base + Offset.hints, head)
            let distance = count / (Self.hintCount + 1)
            let notGreater = Int(rank >> 8)
            lower = Int(rank & 0xff) &* distance
            length = (notGreater < Self.hintCount ? (notGreater &+ 1) &* distance : count) &- lower
        }
        // Halving a short run mispredicts more than counting it costs.
        while length > 16 {
            let half = length &>> 1
            if self.head(lower &+ half &- 1) < head { lower &+= half }
            length &-= half
        }
        var at = slot(lower)
        while length > 0 {
            lower &+= at.little(6, as: UInt32.self) < head ? 1 : 0
            at += Self.slotByteCount
            length &-= 1
        }
        return lower
    }

    /// Among the slots from `first` that share `head`.
    @inlinable @inline(__always) func searchEqualHeads(
        _ key: TreeKey, _ head: UInt32, from first: Int, count: Int
    ) -> (slot: Int, found: Bool) {
        // Most often the head is unique, or the first of its equals is the one.
        let order = suffix(first).compare(key)
        if order >= 0 { return (first, order == 0) }
        return searchRun(key, head, from: first &+ 1, count: count)
    }

    @inlinable @inline(never) func searchRun(
        _ key: TreeKey, _ head: UInt32, from first: Int, count: Int
    ) -> (slot: Int, found: Bool) {
        var lower = first
        var upper = count
        while lower < upper {
            let middle = (lower &+ upper) &>> 1
            let order = self.head(middle) == head ? suffix(middle).compare(key) : (self.head(middle) < head ? -1 : 1)
            if order == 0 { return (middle, true) }
            if order < 0 { lower = middle &+ 1 } else { upper = middle }
        }
        return (lower, false)
    }

    /// A slotted page's search as it is without heads and hints: each step reads a key in the heap.
    @inlinable func searchPlain(_ key: TreeKey) -> (slot: Int, found: Bool) {
        var lower = 0
        var upper = slotCount
        while lower < upper {
            let middle = (lower &+ upper) &>> 1
            let order = suffix(middle).compare(key)
            if order == 0 { return (middle, true) }
            if order < 0 { lower = middle &+ 1 } else { upper = middle }
        }
        return (lower, false)
    }

    /// True if `key` lies between the fences.
    @inlinable package func covers(_ key: TreeKey) -> Bool {
        if key.compare(lowerFence) < 0 { return false }
        return !hasUpperFence || key.compare(upperFence) < 0
    }
}
