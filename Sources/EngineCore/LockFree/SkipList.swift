// Ordered map from byte strings to a 64-bit value, without locks: the skip list of Fraser (Cambridge TR-579, 2004, section
// 4.3.3) and Herlihy/Shavit (The Art of Multiprocessor Programming, chapter 14), with epoch reclamation.
//
// The list at level 0 is the truth; upper levels are shortcuts. A node is removed once the low bit of its level-0 link is
// set (marked); marked links never change again, so whoever passes unlinks the node. Every call runs in an epoch section of
// the calling worker.

import CPrimitives
import Platform
import Synchronization

package final class SkipList: @unchecked Sendable {
    private static let maxHeight = 16
    private let head: SkipNode
    private let epoch: Epoch

    package init(epoch: Epoch) {
        self.epoch = epoch
        head = SkipNode(key: UnsafeRawBufferPointer(start: nil, count: 0), value: 0, height: Self.maxHeight)
    }

    deinit {
        var node: SkipNode? = head
        while let current = node {
            node = SkipNode(bits: current.link(0).load() & ~1)
            current.base.deallocate()
        }
    }

    // MARK: Reading

    /// The value of `key`, or nil.
    package func lookup(_ core: CoreIndex, _ key: UnsafeRawBufferPointer) -> UInt64? {
        epoch.enter(core)
        defer { epoch.exit(core) }
        guard let node = firstNotBelow(key), node.compare(key) == 0 else { return nil }
        return node.value
    }

    /// Calls `body` with every key from `start` on and its value, in order, until it returns false. Keys that come or go
    /// meanwhile may or may not be seen; the others are. The key's bytes are valid during the call; `body` must not park.
    package func scan(
        _ core: CoreIndex, from start: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer, UInt64) -> Bool
    ) {
        epoch.enter(core)
        defer { epoch.exit(core) }
        var node = firstNotBelow(start)
        while let current = node {
            let link = current.link(0).load()
            if link & 1 == 0 && !body(current.key, current.value) { return }
            node = SkipNode(bits: link & ~1)
        }
    }

    /// First unmarked node whose key is not below `key`. Writes nothing.
    private func firstNotBelow(_ key: UnsafeRawBufferPointer) -> SkipNode? {
        var previous = head
        var level = Self.maxHeight - 1
        while true {
            var node = SkipNode(bits: previous.link(level).load() & ~1)
            while let current = node {
                let link = current.link(level).load()
                if link & 1 != 0 {
                    node = SkipNode(bits: link & ~1)
                    continue
                }
                if current.compare(key) >= 0 { break }
                previous = current
                node = SkipNode(bits: link)
            }
            if level == 0 { return node }
            level -= 1
        }
    }

    // MARK: Writing

    /// Adds the key. False, and nothing done, if it is there already. 53200 is the caller's to enforce: a node takes 40
    /// bytes, 8 per level (2 on average), and the key.
    package func insert(_ core: CoreIndex, _ key: UnsafeRawBufferPointer, _ value: UInt64) -> Bool {
        epoch.enter(core)
        defer { epoch.exit(core) }
        let node = SkipNode(key: key, value: value, height: Self.randomHeight())
        var path = SkipPath()
        // Linking level 0 is the insertion.
        while true {
            if let found = find(key, &path), found.compare(key) == 0 {
                node.base.deallocate()
                return false
            }
            for level in 0..<node.height { node.link(level).initialize(path.next(level)) }
            if path.previous(0).swing(from: path.next(0), to: node.bits) { break }
        }
        linkUpperLevels(node, key, &path)
        if node.isLast(SkipNode.inserter) { retire(core, node, key, &path) }
        return true
    }

    /// The shortcuts of a node that is in the list. Gives up when the node turns out to be removed.
    private func linkUpperLevels(_ node: SkipNode, _ key: UnsafeRawBufferPointer, _ path: inout SkipPath) {
        for level in 1..<max(1, node.height) {
            while true {
                // A remover may have marked the node meanwhile; its links then stay as they are.
                let own = node.link(level).load()
                if own & 1 != 0 { return }
                if own != path.next(level) && !node.link(level).swing(from: own, to: path.next(level)) { return }
                if path.previous(level).swing(from: path.next(level), to: node.bits) { break }
                guard let found = find(key, &path), found.bits == node.bits else { return }
            }
        }
    }

    /// Removes the key; its value, or nil if it is not there.
    package func remove(_ core: CoreIndex, _ key: UnsafeRawBufferPointer) -> UInt64? {
        epoch.enter(core)
        defer { epoch.exit(core) }
        var path = SkipPath()
        guard let node = find(key, &path), node.compare(key) == 0 else { return nil }
        // Upper levels first, so that an inserter still at work stops linking them; level 0 decides who removed it.
        for level in (1..<max(1, node.height)).reversed() { _ = node.link(level).mark() }
        if !node.link(0).mark() { return nil }
        let value = node.value
        if node.isLast(SkipNode.remover) {
            retire(core, node, key, &path)
        } else {
            // The inserter is still linking shortcuts, and will retire the node.
            _ = find(key, &path)
        }
        return value
    }

    /// Unlinks a marked node that nobody links any more at every level, and has it freed when no reader is left.
    private func retire(_ core: CoreIndex, _ node: SkipNode, _ key: UnsafeRawBufferPointer, _ path: inout SkipPath) {
        _ = find(key, &path)
        epoch.retire(core, node.base) { $0.deallocate() }
    }

    /// Fills `path` with the nodes around `key` at every level, unlinking marked nodes on the way; returns the level-0 one
    /// that is not below `key`.
    private func find(_ key: UnsafeRawBufferPointer, _ path: inout SkipPath) -> SkipNode? {
        restart: while true {
            var previous = head
            for level in (0..<Self.maxHeight).reversed() {
                var node = SkipNode(bits: previous.link(level).load() & ~1)
                while let current = node {
                    let link = current.link(level).load()
                    if link & 1 != 0 {
                        if !previous.link(level).swing(from: current.bits, to: link & ~1) { continue restart }
                        node = SkipNode(bits: link & ~1)
                        continue
                    }
                    if current.compare(key) >= 0 { break }
                    previous = current
                    node = SkipNode(bits: link)
                }
                path.set(level, previous, node?.bits ?? 0)
            }
            return SkipNode(bits: path.next(0))
        }
    }

    /// 1 with probability 1/2, 2 with 1/4 and so on.
    private static func randomHeight() -> Int {
        let noise = dbk_tsc() &* 0x9e37_79b9_7f4a_7c15
        return min(1 + (noise >> 20).trailingZeroBitCount, maxHeight)
    }
}
