// A B+-tree over the buffer pool, for byte-string keys that are unique within it.
//
// Readers latch nothing (optimistic lock coupling: Leis et al., DaMoN 2016). They go from page to page with a token of each
// page's version: a child's number counts only if the parent is unchanged after the child's token was taken, and an answer
// only if the leaf is unchanged after it was formed. Otherwise they start over. A restart is a return value.
//
// Writers descend the same way and then upgrade the leaf's token to an exclusive latch. Splits and merges latch parent and
// children (see StructureChange.swift) and keep, at every moment between two records, these invariants:
//
//   - a page's fences are what its parent says about it: keys of child i are >= the separator left of it, < the one right;
//   - all leaves are on level 0, a child is one level below its parent, and the root page never changes its number;
//   - every page of the tree is allocated to it, and every page allocated to it is in the tree.
//
// There are no sibling links: a scan goes on by descending with the leaf's upper fence, which needs no latch coupling and
// lets a merge touch no page but parent and siblings.

import BufferPool
import CPrimitives
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

package final class BTree: @unchecked Sendable {
    package let pool: PoolView
    // Log and allocator outlive every tree.
    package unowned(unsafe) let log: Log
    package unowned(unsafe) let allocator: PageAllocator
    package let treeID: TreeID
    package let root: PageID
    package let layout: TreeLayout
    /// Where the greatest keys were last seen to live: a hint for appends.
    let appendLeaf: Atomic<UInt64>

    /// An open tree. Its root page was made by `create`.
    package init(
        pool: BufferPool, log: Log, allocator: PageAllocator, treeID: TreeID, root: PageID,
        layout: TreeLayout = .headsAndHints
    ) {
        self.pool = pool.view
        self.log = log
        self.allocator = allocator
        self.treeID = treeID
        self.root = root
        self.layout = layout
        appendLeaf = Atomic(root.rawValue)
    }

    /// Makes an empty tree, in a record of its own, and returns its root page. If the transaction that creates it does not
    /// commit, `PageAllocator.freeTree` removes it. 53100 if the disk is full.
    package static func create(
        pool: BufferPool, log: Log, allocator: PageAllocator, treeID: TreeID, layout: TreeLayout = .headsAndHints
    ) throws(EngineError) -> PageID {
        let reservation = try allocator.reserve(for: treeID)
        let page = reservation.page
        var change = StructureChange(pool: pool.view, log: log)
        do throws(EngineError) {
            while true {
                // Who holds a page does not wait for the zone: a checkpoint may want to write what the page was before.
                try log.ensureRoom(1024)
                try change.latchNew(page)
                try log.ensureRoom(1024, for: .system)
                let tokens = try allocator.readMapPages(of: page)
                if allocator.latch(tokens, &change) {
                    var record = log.makeRecord(.system)
                    withScratchNode { node in
                        node.initialize(
                            id: page, tree: treeID, level: 0, layout: layout, lower: .empty, upper: nil,
                            firstChild: .none)
                        change.image(&record, page, of: node)
                    }
                    allocator.allocate(&record, &change, reservation, tokens)
                    change.commit(&record)
                    return page
                }
                change.abandon()
                Fiber.yield()
            }
        } catch {
            change.abandon()
            allocator.cancel(reservation)
            throw error
        }
    }

    // MARK: Point reads

    /// An entry where it lies in its leaf, or the place where there is none. The bytes may be torn, and what is made of them
    /// counts only if `pool.validate(page, token)` says so afterwards.
    package struct Place: BitwiseCopyable {
        package let page: PageID
        package let token: UInt64
        /// Nil if there is no such key.
        package let base: UnsafeMutableRawPointer?
        /// Bytes of the payload, all within the page.
        package let byteCount: Int
        package let isSpilled: Bool

        @inlinable @inline(__always) package var payload: UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: base, count: byteCount)
        }
    }

    /// The entry with `key`. Allocates nothing and knows no generic type: what lookups that are to be fast are made of.
    package func find(_ key: TreeKey) throws(EngineError) -> Place {
        let leaf = try findLeaf(key)
        let node = TreePage(pool.pointer(leaf.page))
        let (slot, found) = node.search(key)
        if !found { return Place(page: leaf.page, token: leaf.token, base: nil, byteCount: 0, isSpilled: false) }
        let payload = node.payload(slot)
        return Place(
            page: leaf.page, token: leaf.token, base: payload.baseAddress, byteCount: payload.count,
            isSpilled: node.isSpilled(slot))
    }

    /// Calls `body` with the payload of `key`, and whether it is spilled, and returns what it returned; nil if there is no
    /// such key. The bytes may be torn and `body` may be called several times: it must only compute its result from them,
    /// within the bounds given. Its last result is of bytes that were as they are on the page. Allocates nothing.
    @inlinable @inline(__always)
    package func lookup<R>(
        _ key: TreeKey, _ body: (UnsafeRawBufferPointer, _ isSpilled: Bool) -> R
    ) throws(EngineError) -> R? {
        while true {
            let leaf = try findLeaf(key)
            let node = TreePage(pool.pointer(leaf.page))
            let (slot, found) = node.search(key)
            if !found {
                if pool.validate(leaf.page, leaf.token) { return nil }
                continue
            }
            let result = body(UnsafeRawBufferPointer(node.payload(slot)), node.isSpilled(slot))
            if pool.validate(leaf.page, leaf.token) { return result }
        }
    }

    /// Copies the payload of `key`, whole even if it is spilled; false if there is no such key.
    package func lookup(_ key: UnsafeRawBufferPointer, into buffer: inout PayloadBuffer) throws(EngineError) -> Bool {
        while true {
            let isSpilled = try lookup(TreeKey(key)) { payload, isSpilled in
                buffer.assign(payload)
                return isSpilled
            }
            guard let isSpilled else { return false }
            if !isSpilled { return true }
            // The chain may be freed between leaf and chain: then the entry has changed too.
            if try readSpilled(&buffer) { return true }
        }
    }

    // MARK: Descent

    /// A page and the version of it that was seen.
    package struct Visit {
        package let page: PageID
        package let token: UInt64
        @inlinable @inline(__always) init(_ page: PageID, _ token: UInt64) {
            self.page = page
            self.token = token
        }
    }

    /// The leaf that covers `key`. Parks while pages are read.
    @inlinable @inline(__always)
    package func findLeaf(_ key: TreeKey) throws(EngineError) -> Visit {
        while true {
            if let leaf = try tryFindLeaf(key) { return leaf }
        }
    }

    /// One attempt; nil if a page changed under it.
    @inlinable @inline(__always)
    func tryFindLeaf(_ key: TreeKey) throws(EngineError) -> Visit? {
        let pool = pool
        var page = root
        var token = try pool.optimisticRead(page)
        var level = TreePage(pool.pointer(page)).level
        while level > 0 {
            let node = TreePage(pool.pointer(page))
            let child = node.child(node.childIndex(key))
            // Its header and hints come while its state is looked at, and of a leaf its slots, too: it is seldom in a
            // cache, and they would be waited for one after the other. A wrong number does no harm.
            if level == 1 {
                dbk_prefetch_leaf(pool.pointer(child))
            } else {
                dbk_prefetch_header(pool.pointer(child))
            }
            if !pool.validate(page, token) { return nil }
            let childToken = try pool.optimisticRead(child)
            if !pool.validate(page, token) && !Mutation.isActive(.parentUnchecked) { return nil }
            page = child
            token = childToken
            level &-= 1
            if TreePage(pool.pointer(page)).level != level {
                try checkLevel(page, token)
                return nil
            }
        }
        return Visit(page, token)
    }

    /// A page is not on the level it should be on: it has changed meanwhile, or the tree is damaged. XX002.
    @usableFromInline @inline(never)
    func checkLevel(_ page: PageID, _ token: UInt64) throws(EngineError) {
        if !pool.validate(page, token) { return }
        throw damaged(page, "it is not on the level that its parent says")
    }

    func damaged(_ page: PageID, _ what: String) -> EngineError {
        EngineError(
            .indexCorrupted, "tree \(treeID.rawValue) is damaged at page \(page.rawValue): \(what)",
            hint: "Run a check of the database, and restore the tree from a backup or rebuild the index.")
    }

    /// A node, its parent, and which child it is.
    struct Path {
        var parent = PageID.none
        var parentToken: UInt64 = 0
        /// As in `TreePage.child`.
        var childIndex = -1
        var page: PageID
        var token: UInt64
        var level: Int
        var isRoot: Bool { parent == .none }
    }

    /// The node on `level` that covers `key`, or the root if the tree is lower.
    func findPath(_ key: TreeKey, level: Int) throws(EngineError) -> Path {
        while true {
            if let path = try tryFindPath(key, level: level, before: false) { return path }
        }
    }

    /// One attempt. With `before`, the node that covers the greatest keys less than `key`; an empty key is then the end.
    /// With `scanning`, the leaf does not count as used (see `PoolView.optimisticScan`).
    func tryFindPath(
        _ key: TreeKey, level: Int, before: Bool, scanning: Bool = false
    ) throws(EngineError) -> Path? {
        let rootToken = try pool.optimisticRead(root)
        var path = Path(page: root, token: rootToken, level: TreePage(pool.pointer(root)).level)
        while path.level > level {
            let node = TreePage(pool.pointer(path.page))
            let index: Int
            if before {
                index = key.count == 0 ? node.slotCount - 1 : node.childIndexBefore(key)
            } else {
                index = node.childIndex(key)
            }
            let child = node.child(index)
            if !pool.validate(path.page, path.token) { return nil }
            let isScanned = scanning && path.level == 1
            let childToken = isScanned ? try pool.optimisticScan(child) : try pool.optimisticRead(child)
            if !pool.validate(path.page, path.token) && !Mutation.isActive(.parentUnchecked) { return nil }
            path = Path(
                parent: path.page, parentToken: path.token, childIndex: index, page: child, token: childToken,
                level: path.level - 1)
            if TreePage(pool.pointer(child)).level != path.level {
                try checkLevel(child, childToken)
                return nil
            }
        }
        // The level of the root decided how far to go.
        return pool.validate(path.page, path.token) ? path : nil
    }

    /// After a lost race for a latch.
    @inline(never) func backOff() { Fiber.yield() }
}

/// Runs `body` with a page's worth of memory on the stack.
func withScratchNode<R>(_ body: (TreePage) -> R) -> R {
    var memory = ScratchPage(repeating: 0)
    return withUnsafeMutableBytes(of: &memory) { body(TreePage($0.baseAddress.unsafelyUnwrapped)) }
}
