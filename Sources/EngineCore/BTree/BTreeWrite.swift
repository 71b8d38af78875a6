// Finding and latching a leaf for a change, with room for it.

import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

extension BTree {
    /// Latches the leaf that covers `key`. Splits it before if an entry with that key and `byteCount` bytes of payload would
    /// not fit; for an update, `byteCount` is what the payload may grow by, nil if it will not. `logging` bounds the record's length: there is
    /// room for it in the log, so nothing parks while the leaf is held. `byteCount` is at most `maxInlineByteCount`: longer
    /// payloads are spilled before. 53100, 54000 or 58030, with nothing changed.
    package func withLeaf(
        for key: TreeKey, reserving byteCount: Int?, logging: Int, room: LogRoom = .user
    ) throws(EngineError) -> LeafGuard {
        if key.count > TreePage.maxKeyByteCount {
            throw EngineError(
                .programLimitExceeded, "index row size \(key.count) exceeds btree maximum \(TreePage.maxKeyByteCount)",
                detail: "Keys of more than a quarter of a page cannot be stored.")
        }
        precondition(
            byteCount ?? 0 <= TreePage.maxInlineByteCount(keyByteCount: key.count), "a payload that must be spilled")
        while true {
            let leaf = try findLeafForChange(key)
            let node = TreePage(pool.pointer(leaf.page))
            let fits = byteCount.map { node.hasRoom(for: key, payloadByteCount: $0) } ?? true
            if !pool.validate(leaf.page, leaf.token) { continue }
            if !fits {
                try split(key, payloadByteCount: byteCount ?? 0, room: room)
                continue
            }
            try log.ensureRoom(logging, for: room)
            if !pool.tryUpgrade(leaf.page, leaf.token) {
                backOff()
                continue
            }
            if !node.isPlausible {
                pool.unlatchExclusive(leaf.page)
                throw damaged(leaf.page, "its header is out of bounds")
            }
            return LeafGuard(leaf.page, pool: pool)
        }
    }

    /// The leaf for `key`: the rightmost one without a descent, if `key` belongs there.
    @inline(__always)
    private func findLeafForChange(_ key: TreeKey) throws(EngineError) -> Visit {
        let page = PageID(appendLeaf.load(ordering: .relaxed))
        // A page that was evicted is not worth reading for a guess.
        if let token = pool.tryRead(page) {
            let node = TreePage(pool.pointer(page))
            if PageHeader.rawType(node.base) == PageType.treeLeaf.rawValue
                && PageHeader.treeID(node.base) == treeID.rawValue
                && !node.hasUpperFence && key.compare(node.lowerFence) >= 0 && pool.validate(page, token)
            {
                return Visit(page, token)
            }
        }
        return try findLeaf(key)
    }
}

extension PoolView {
    /// A token if the page is in memory and nobody is changing it. Never parks.
    @inline(__always) func tryRead(_ page: PageID) -> UInt64? {
        guard page.rawValue < endPage else { return nil }
        let word = states[Int(truncatingIfNeeded: page.rawValue)].load(ordering: .acquiring)
        return PageState.isReadable(word) ? word : nil
    }
}
