// What the planner wants to know about a tree, from a few descents: exact where the allocator knows, estimated otherwise.

import BufferPool
import Platform

package struct TreeStatistics: Sendable {
    /// Pages that the tree has, chains of overflow pages included.
    package var pageCount: Int
    package var leafPageCount: Int
    /// Levels, 1 for a tree of one leaf.
    package var height: Int
    package var entryCount: Int
}

extension BTree {
    /// Exact for a tree of one or two levels' worth of samples; within a few percent if leaves are much alike. `sampleCount`
    /// descents along evenly spread paths.
    package func statistics(sampleCount: Int = 16) throws(EngineError) -> TreeStatistics {
        var height = 1
        // Of the sampled paths: the product of fan-outs estimates the leaves, and with the leaf's entries the entries.
        var leaves = 0.0
        var entries = 0.0
        for sample in 0..<sampleCount {
            let position = (Double(sample) + 0.5) / Double(sampleCount)
            while true {
                guard let path = try samplePath(position) else { continue }
                height = path.height
                leaves += path.leaves
                entries += path.entries
                break
            }
        }
        let pages = max(1, allocator.pageCount(of: treeID))
        let count = Double(sampleCount)
        let leafCount = max(1, min(Int(leaves / count + 0.5), pages))
        return TreeStatistics(
            pageCount: pages, leafPageCount: leafCount, height: height, entryCount: Int(entries / count + 0.5))
    }

    private struct Sample {
        var height = 1
        var leaves = 1.0
        var entries = 0.0
    }

    /// One path to the leaf that lies at `position` (0...1) if all subtrees are alike; nil if a page changed under it.
    private func samplePath(_ position: Double) throws(EngineError) -> Sample? {
        var sample = Sample()
        var rest = position
        var page = root
        var token = try pool.optimisticRead(root)
        while true {
            let node = TreePage(pool.pointer(page))
            let isLeaf = node.isLeaf
            let count = node.slotCount
            if isLeaf {
                sample.entries = sample.leaves * Double(count)
                return pool.validate(page, token) ? sample : nil
            }
            let fanOut = count + 1
            let index = min(fanOut - 1, Int(rest * Double(fanOut)))
            rest = rest * Double(fanOut) - Double(index)
            sample.leaves *= Double(fanOut)
            sample.height += 1
            let child = node.child(index - 1)
            if sample.height > 32 || !pool.validate(page, token) { return nil }
            let childToken = try pool.optimisticRead(child)
            if !pool.validate(page, token) { return nil }
            page = child
            token = childToken
        }
    }

    /// The share of the tree's entries, 0...1, with keys from `lower` up to but without `upper`; nil is no bound. Two
    /// descents. Errs by the unevenness of subtrees, least for keys close together.
    package func estimateFraction(from lower: TreeKey?, to upper: TreeKey?) throws(EngineError) -> Double {
        let start = try lower.map { (key) throws(EngineError) in try position(of: key) } ?? 0
        let end = try upper.map { (key) throws(EngineError) in try position(of: key) } ?? 1
        return max(0, min(1, end - start))
    }

    /// Where in the tree a key is, as a fraction of all entries before it.
    private func position(of key: TreeKey) throws(EngineError) -> Double {
        while true {
            if let position = try tryPosition(of: key) { return position }
        }
    }

    private func tryPosition(of key: TreeKey) throws(EngineError) -> Double? {
        var position = 0.0
        var share = 1.0
        var page = root
        var token = try pool.optimisticRead(root)
        var level = TreePage(pool.pointer(root)).level
        while true {
            let node = TreePage(pool.pointer(page))
            let count = node.slotCount
            if level == 0 {
                let slot = node.search(key).slot
                if !pool.validate(page, token) { return nil }
                return count == 0 ? position : position + share * Double(slot) / Double(count)
            }
            let index = node.childIndex(key)
            let child = node.child(index)
            if !pool.validate(page, token) { return nil }
            let childToken = try pool.optimisticRead(child)
            if !pool.validate(page, token) { return nil }
            share /= Double(count + 1)
            position += share * Double(index + 1)
            page = child
            token = childToken
            level -= 1
            if TreePage(pool.pointer(page)).level != level {
                try checkLevel(page, token)
                return nil
            }
        }
    }
}
