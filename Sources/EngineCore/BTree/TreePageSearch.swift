// Search within a node. Both searches take a key that lies between the node's fences: the descent guarantees it.
//
// Sixteen hints, compared all at once, leave a seventeenth of the slots; heads decide among those; keys are touched only
// where heads are equal. Without branches that depend on the data up to that point.

import Platform

extension TreePage {
    /// Where `key` is, or would be inserted.
    @inlinable @inline(__always) package func search(_ key: TreeKey) -> (slot: Int, found: Bool) {
        let suffix = key.dropFirst(prefixLength)
        if isPlain { return searchPlain(suffix) }
        let head = suffix.head
        let slot = lowerBound(head)
        let count = slotCount
        if slot == count || self.head(slot) != head { return (slot, false) }
        return searchEqualHeads(suffix, head, from: slot, count: count)
    }

    /// The child to follow for `key`: the last slot whose key is not greater, -1 if there is none.
    @inlinable @inline(__always) package func childIndex(_ key: TreeKey) -> Int {
        let (slot, found) = search(key)
        return found ? slot : slot &- 1
    }

    /// The child to follow for the greatest key less than `key`.
    @inlinable @inline(__always) package func childIndexBefore(_ key: TreeKey) -> Int { search(key).slot &- 1 }

    /// First slot whose head is not less than `head`.
    @inlinable @inline(__always) func lowerBound(_ head: UInt32) -> Int {
        let count = slotCount
        var lower = 0
        var length = count
        if count > Self.hintThreshold {
            let hints = base.loadUnaligned(fromByteOffset: Offset.hints, as: SIMD16<UInt32>.self)
            let needle = SIMD16<UInt32>(repeating: head)
            // A true lane is -1, so the sums count lanes.
            let less = 0 &- Int(unsafeBitCast(hints .< needle, to: SIMD16<Int32>.self).wrappedSum())
            let greater = 0 &- Int(unsafeBitCast(hints .> needle, to: SIMD16<Int32>.self).wrappedSum())
            let distance = count / (Self.hintCount + 1)
            lower = less &* distance
            let upper = greater > 0 ? (Self.hintCount &- greater &+ 1) &* distance : count
            length = upper &- lower
        }
        // A page that is being changed can give hints that are not in order.
        if length <= 0 { return lower }
        var start = slot(lower)
        while length > 1 {
            let half = length &>> 1
            let probe = start + half &* Self.slotByteCount
            start = (probe - Self.slotByteCount).little(6, as: UInt32.self) < head ? probe : start
            length &-= half
        }
        let index = (start - (base + Offset.slots)) / Self.slotByteCount
        return start.little(6, as: UInt32.self) < head ? index &+ 1 : index
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
