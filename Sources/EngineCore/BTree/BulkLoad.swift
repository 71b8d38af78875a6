// Fills an empty tree from entries in key order, for index builds. Pages are written once, full to
// 90 %, in sequence on the device, each as an image in a record of its own; the root comes last and makes them a tree.
//
// Until then they belong to the tree only in the free-space map. So the tree must be one that is dropped if the load does
// not finish: created by the same transaction, or swapped in at its end.

import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

package final class BulkLoader {
    // The tree outlives its loader.
    private unowned(unsafe) let tree: BTree
    /// Entries of the leaf to come, key and payload one after the other.
    private let memory: UnsafeMutableRawPointer
    private var entries: [Entry] = []
    private var byteCount = 0
    /// Key, payload and slot bytes of `entries`.
    private var entryByteCount = 0
    /// Lower fence of the leaf to come.
    private let lower: UnsafeMutableRawPointer
    private var lowerByteCount = 0
    private var levels: [InnerLevel] = []
    private var lastPage = PageID.none
    package private(set) var entryCount = 0

    private struct Entry {
        var offset: Int32
        var keyByteCount: UInt16
        /// With the spilled flag.
        var payloadField: UInt16
        var payloadByteCount: Int { Int(payloadField & ~TreePage.spilledFlag) }
    }

    /// An inner node to come, without prefix truncation because its upper fence is not known yet.
    private struct InnerLevel {
        let memory: UnsafeMutableRawPointer
        var node: TreePage { TreePage(memory) }
    }

    private static let fillLimit = TreePage.capacity * 90 / 100
    /// More than a leaf's entries can take, whatever their prefix: a page of entries with the longest prefix in each.
    private static let memoryByteCount = 512 << 10

    /// `tree` is empty, and nobody else uses it until `finish`.
    package init(_ tree: BTree) {
        self.tree = tree
        memory = .allocate(byteCount: Self.memoryByteCount, alignment: 64)
        lower = .allocate(byteCount: TreePage.maxKeyByteCount, alignment: 8)
        entries.reserveCapacity(TreePage.maxSlotCount + 1)
    }

    deinit {
        memory.deallocate()
        lower.deallocate()
        for level in levels { level.memory.deallocate() }
    }

    // MARK: Leaves

    /// Adds an entry after all others. `payload` is at most `maxInlineByteCount` long, or the 32 bytes of a spilled one.
    /// Parks when a page is full. 53100, 54000; drop the tree then.
    package func append(
        _ key: TreeKey, _ payload: UnsafeRawBufferPointer, spilled: Bool = false
    ) throws(EngineError) {
        if key.count > TreePage.maxKeyByteCount {
            throw EngineError(
                .programLimitExceeded, "index row size \(key.count) exceeds btree maximum \(TreePage.maxKeyByteCount)")
        }
        precondition(
            payload.count <= TreePage.maxInlineByteCount(keyByteCount: key.count), "a payload that must be spilled")
        precondition(entries.isEmpty || self.key(entries.count - 1).compare(key) < 0, "keys do not ascend")
        let size = TreePage.slotByteCount + key.count + payload.count
        while !entries.isEmpty
            && (leafByteCount(adding: size, upTo: key) > Self.fillLimit || isMemoryFull(key, payload))
        {
            try flushLeaf(entries.count, before: key)
        }
        entries.append(
            Entry(
                offset: Int32(byteCount), keyByteCount: UInt16(key.count),
                payloadField: UInt16(payload.count) | (spilled ? TreePage.spilledFlag : 0)))
        (memory + byteCount).copyMemory(from: key.base, byteCount: key.count)
        if let base = payload.baseAddress {
            (memory + byteCount + key.count).copyMemory(from: base, byteCount: payload.count)
        }
        byteCount += key.count + payload.count
        entryByteCount += size
        entryCount += 1
    }

    private func isMemoryFull(_ key: TreeKey, _ payload: UnsafeRawBufferPointer) -> Bool {
        entries.count == TreePage.maxSlotCount || byteCount + key.count + payload.count > Self.memoryByteCount
    }

    private func key(_ index: Int) -> TreeKey {
        TreeKey(base: UnsafeRawPointer(memory) + Int(entries[index].offset), count: Int(entries[index].keyByteCount))
    }
    private func payload(_ index: Int) -> UnsafeRawBufferPointer {
        let entry = entries[index]
        return UnsafeRawBufferPointer(
            start: memory + Int(entry.offset) + Int(entry.keyByteCount), count: entry.payloadByteCount)
    }
    private var lowerFence: TreeKey { TreeKey(base: UnsafeRawPointer(lower), count: lowerByteCount) }

    /// Bytes that a leaf of all entries and one of `size` bytes more takes, with `key` as upper fence.
    private func leafByteCount(adding size: Int, upTo key: TreeKey) -> Int {
        let prefixLength = lowerFence.commonPrefixLength(key)
        return entryByteCount + size - (entries.count + 1) * prefixLength + lowerByteCount + key.count
    }

    /// Writes a leaf of the first `limit` entries, or as many of them as fit below a separator that is not after `next`, which
    /// follows all entries. The rest stays.
    private func flushLeaf(_ limit: Int, before next: TreeKey) throws(EngineError) {
        var count = limit
        var separator = self.separator(count, next)
        while !fits(count, separator) {
            // The separator has a shorter prefix in common with the lower fence than the keys have.
            count -= max(1, count / 16)
            separator = self.separator(count, next)
        }
        let page = try writeLeaf(count, upper: separator)
        try addChild(level: 1, lowerFence, page)
        lowerByteCount = separator.count
        lower.copyMemory(from: separator.base, byteCount: separator.count)
        dropEntries(count)
    }

    /// The shortest key that separates the first `count` entries from what follows them.
    private func separator(_ count: Int, _ next: TreeKey) -> TreeKey {
        let right = count < entries.count ? key(count) : next
        return TreeKey(base: right.base, count: min(right.count, key(count - 1).commonPrefixLength(right) + 1))
    }

    /// Whether a leaf has room for the first `count` entries. One always fits.
    private func fits(_ count: Int, _ upper: TreeKey?) -> Bool {
        if count == 1 { return true }
        var total = lowerByteCount
        var prefixLength = 0
        if let upper {
            total += upper.count
            prefixLength = lowerFence.commonPrefixLength(upper)
        }
        for index in 0..<count {
            total +=
                TreePage.slotByteCount + Int(entries[index].keyByteCount) - prefixLength
                + entries[index].payloadByteCount
        }
        return total <= TreePage.capacity
    }

    private func dropEntries(_ count: Int) {
        entries.removeFirst(count)
        let shift = entries.first?.offset ?? Int32(byteCount)
        memory.copyMemory(from: memory + Int(shift), byteCount: byteCount - Int(shift))
        byteCount -= Int(shift)
        entryByteCount = 0
        for index in entries.indices {
            entries[index].offset -= shift
            entryByteCount +=
                TreePage.slotByteCount + Int(entries[index].keyByteCount) + entries[index].payloadByteCount
        }
    }

    private func formLeaf(_ node: TreePage, _ id: PageID, _ count: Int, upper: TreeKey?) {
        node.initialize(
            id: id, tree: tree.treeID, level: 0, layout: tree.layout, lower: lowerFence, upper: upper, firstChild: .none
        )
        for index in 0..<count {
            node.append(
                key(index), payload: payload(index), spilled: entries[index].payloadField & TreePage.spilledFlag != 0)
        }
    }

    private func writeLeaf(_ count: Int, upper: TreeKey?) throws(EngineError) -> PageID {
        let reservation = try tree.allocator.reserve(for: tree.treeID, near: lastPage)
        lastPage = reservation.page
        try tree.writeNew(reservation) { node in formLeaf(node, reservation.page, count, upper: upper) }
        return reservation.page
    }

    // MARK: Inner nodes

    /// Adds a child with its lower fence to the node to come on `level`.
    private func addChild(level: Int, _ separator: TreeKey, _ child: PageID) throws(EngineError) {
        if levels.count < level {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
            levels.append(InnerLevel(memory: memory))
            begin(level, separator, child)
            return
        }
        let node = levels[level - 1].node
        if node.spaceNeeded(separator, payloadByteCount: TreePage.childByteCount) <= node.freeByteCount {
            Self.append(separator, child, to: node)
            return
        }
        // Usually the fences' common prefix makes more room than the upper fence takes.
        let prefixLength = node.lowerFence.commonPrefixLength(separator)
        if node.usedByteCount + separator.count - node.slotCount * prefixLength <= TreePage.capacity {
            try flushInner(level, upper: separator)
            begin(level, separator, child)
            return
        }
        let last = node.slotCount - 1
        let lastChild = node.child(last)
        var memory = ScratchKey(repeating: 0)
        let lastByteCount = withUnsafeMutableBytes(of: &memory) {
            node.copyKey(last, to: $0.baseAddress.unsafelyUnwrapped)
        }
        node.remove(at: last)
        try withUnsafeBytes(of: &memory) { (bytes) throws(EngineError) in
            let key = TreeKey(base: bytes.baseAddress.unsafelyUnwrapped, count: lastByteCount)
            try flushInner(level, upper: key)
            begin(level, key, lastChild)
        }
        Self.append(separator, child, to: node)
    }

    private static func append(_ separator: TreeKey, _ child: PageID, to node: TreePage) {
        var raw = child.rawValue.littleEndian
        withUnsafeBytes(of: &raw) { node.append(separator, payload: $0, spilled: false) }
    }

    private func begin(_ level: Int, _ lower: TreeKey, _ child: PageID) {
        levels[level - 1].node.initialize(
            id: .none, tree: tree.treeID, level: level, layout: tree.layout, lower: lower, upper: nil, firstChild: child
        )
    }

    private func flushInner(_ level: Int, upper: TreeKey?) throws(EngineError) {
        let node = levels[level - 1].node
        let reservation = try tree.allocator.reserve(for: tree.treeID, near: lastPage)
        lastPage = reservation.page
        try tree.writeNew(reservation) { final in Self.form(final, reservation.page, of: node, upper: upper) }
        try addChild(level: level + 1, node.lowerFence, reservation.page)
    }

    private static func form(_ final: TreePage, _ id: PageID, of node: TreePage, upper: TreeKey?) {
        final.initialize(
            id: id, tree: node.treeID, level: node.level, layout: node.layout, lower: node.lowerFence, upper: upper,
            firstChild: node.child(-1))
        final.append(0..<node.slotCount, of: node)
    }

    // MARK: The end

    /// Writes what is left and makes the pages a tree.
    package func finish() throws(EngineError) {
        // The last leaf has no upper fence, and so no prefix that its entries could do without.
        while !fits(entries.count, nil) { try flushLeaf(entries.count / 2, before: key(entries.count - 1)) }
        if levels.isEmpty {
            try tree.writeRoot { root in formLeaf(root, tree.root, entries.count, upper: nil) }
        } else {
            let page = try writeLeaf(entries.count, upper: nil)
            try addChild(level: 1, lowerFence, page)
            var level = 1
            // A flush may begin a level above; the highest one is the root.
            while level < levels.count {
                try flushInner(level, upper: nil)
                level += 1
            }
            let top = levels[level - 1].node
            try tree.writeRoot { root in Self.form(root, tree.root, of: top, upper: nil) }
        }
        entries = []
    }
}

extension BTree {
    private static let imageRecordByteCount = pageSize + 512

    /// Writes a reserved page of this tree, in a record of its own. The reservation is used up or given back.
    func writeNew(_ reservation: PageReservation, _ form: (TreePage) -> Void) throws(EngineError) {
        var change = StructureChange(pool: pool, log: log)
        do throws(EngineError) {
            while true {
                // Who holds a page does not wait for the zone: a checkpoint may want to write what the page was before.
                try log.ensureRoom(Self.imageRecordByteCount)
                try change.latchNew(reservation.page)
                try log.ensureRoom(Self.imageRecordByteCount, for: .system)
                let tokens = try allocator.readMapPages(of: reservation.page)
                if allocator.latch(tokens, &change) {
                    var record = log.makeRecord(.system)
                    withScratchNode { node in
                        form(node)
                        change.image(&record, reservation.page, of: node)
                    }
                    allocator.allocate(&record, &change, reservation, tokens)
                    change.commit(&record)
                    return
                }
                change.abandon()
                backOff()
            }
        } catch {
            change.abandon()
            allocator.cancel(reservation)
            throw error
        }
    }

    /// Replaces the root page of an empty tree.
    func writeRoot(_ form: (TreePage) -> Void) throws(EngineError) {
        while true {
            try log.ensureRoom(Self.imageRecordByteCount)
            let token = try pool.optimisticRead(root)
            var change = StructureChange(pool: pool, log: log)
            if change.latch(root, token) {
                precondition(TreePage(pool.pointer(root)).isLeaf && TreePage(pool.pointer(root)).slotCount == 0)
                var record = log.makeRecord(.system)
                withScratchNode { node in
                    form(node)
                    change.image(&record, root, of: node)
                }
                change.commit(&record)
                appendLeaf.store(root.rawValue, ordering: .relaxed)
                return
            }
            change.abandon()
            backOff()
        }
    }
}
