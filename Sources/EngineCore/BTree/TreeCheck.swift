// Checks trees and the free-space map against each other, page by page, while nothing changes them: for `check`, and for
// tests after every storm. It reads through a closure, so it works over the pool, over a device, or over an image.
//
// What must hold, lettered as in the messages:
//
//   A  a page is what it should be: number, tree, type, level; its header, slots and heap fit each other
//   B  keys ascend strictly, lie between the fences, and heads, hints and prefix follow from them
//   C  a child's fences are the separators around it in its parent; outermost fences are open
//   D  every page of a tree is reached once, is allocated in the map, and belongs to the tree there
//   E  every page that the map gives to a tree is reached, or belongs to a chain that is marked suspect
//   F  a chain of overflow pages has the length and checksum that its entry says

import CPrimitives
import DirectStorage
import Platform

/// What a check found.
package struct CheckReport {
    package var treeCount = 0
    package var pageCount = 0
    package var entryCount = 0
    package var overflowPageCount = 0
    /// Chains of overflow pages that are marked suspect and that no entry refers to: theirs to free who goes on from here.
    package var markedChainCount = 0
    /// The first problems found, and how many there are.
    package var problems: [String] = []
    package var problemCount = 0
    package static let reportedProblems = 50

    mutating func add(_ letter: StaticString, _ page: PageID, _ what: String) {
        problemCount += 1
        if problems.count < Self.reportedProblems { problems.append("\(letter): page \(page.rawValue): \(what)") }
    }
}

package struct TreeCheck {
    /// Copies a page into the buffer, which has room for one.
    package typealias Reader = (PageID, UnsafeMutableRawPointer) throws(EngineError) -> Void

    package private(set) var report = CheckReport()
    private var map: CheckedMap
    private let read: Reader

    /// Reads the map. An error is one of reading; what is wrong with what was read is in the report.
    package init(_ geometry: ExtentGeometry, read: @escaping Reader) throws(EngineError) {
        self.read = read
        map = CheckedMap(geometry)
        try map.load(read, &report)
    }

    /// Walks one tree. Call it for every tree, then `finish`.
    package mutating func check(tree: TreeID, root: PageID) throws(EngineError) {
        report.treeCount += 1
        var pending = [PendingPage(page: root, level: -1, lower: [], upper: nil)]
        let memory = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { memory.deallocate() }
        while let next = pending.popLast() {
            if !map.visit(next.page, tree, &report) { continue }
            try read(next.page, memory)
            report.pageCount += 1
            let node = TreePage(memory)
            if !checkPage(node, next, tree) { continue }
            checkEntries(node, next)
            if node.isLeaf {
                try checkChains(node, next.page, tree)
            } else {
                addChildren(node, &pending)
            }
        }
    }

    /// After all trees: what the map says and no tree has. Trees that were not checked are reported as unknown.
    package mutating func finish() throws(EngineError) {
        for suspect in map.suspects where !map.isVisited(suspect) {
            report.markedChainCount += 1
            try checkSuspect(suspect)
        }
        map.reportUnvisited(&report)
    }

    private struct PendingPage {
        var page: PageID
        /// -1 for a root.
        var level: Int
        var lower: [UInt8]
        var upper: [UInt8]?
    }

    // MARK: One node

    private mutating func checkPage(_ node: TreePage, _ expected: PendingPage, _ tree: TreeID) -> Bool {
        let page = expected.page
        if node.pageID != page { report.add("A", page, "its number is \(node.pageID.rawValue)") }
        if node.treeID != tree {
            report.add("A", page, "it belongs to tree \(node.treeID.rawValue), not \(tree.rawValue)")
        }
        let type = PageHeader.type(node.base)
        guard type == .treeLeaf || type == .treeInner, (type == .treeLeaf) == node.isLeaf else {
            report.add("A", page, "it is no node of a tree")
            return false
        }
        if expected.level >= 0 && node.level != expected.level {
            report.add("A", page, "it is on level \(node.level), not \(expected.level)")
            return false
        }
        guard node.isPlausible, Self.heapIsSound(node) else {
            report.add("A", page, "its header, slots and heap do not fit each other")
            return false
        }
        if !Self.equal(node.lowerFence, expected.lower)
            || (expected.upper.map { !node.hasUpperFence || !Self.equal(node.upperFence, $0) } ?? node.hasUpperFence)
        {
            report.add("C", page, "its fences are not the separators in its parent")
        }
        return true
    }

    /// Every slot's bytes lie in the heap, none overlap, and the count of used bytes is their sum.
    private static func heapIsSound(_ node: TreePage) -> Bool {
        var used = InlineArray<64, UInt64>(repeating: 0)
        var total = 0
        func claim(_ start: Int, _ count: Int) -> Bool {
            if count == 0 { return true }
            if start < node.heapStart || start + count > pageSize { return false }
            for byte in start..<start + count {
                if used[byte / 64] >> UInt64(byte % 64) & 1 != 0 { return false }
                used[byte / 64] |= 1 << UInt64(byte % 64)
            }
            total += count
            return true
        }
        func offset(_ pointer: UnsafeRawPointer) -> Int { pointer - UnsafeRawPointer(node.base) }
        if !claim(offset(node.lowerFence.base), node.lowerFence.count) { return false }
        if node.hasUpperFence && !claim(offset(node.upperFence.base), node.upperFence.count) { return false }
        for index in 0..<node.slotCount {
            let payload = node.payload(index)
            if !claim(offset(node.suffix(index).base), node.suffix(index).count) { return false }
            if !claim(offset(UnsafeRawPointer(payload.baseAddress.unsafelyUnwrapped)), payload.count) { return false }
            if !node.takes(payload.count) { return false }
        }
        return total == node.heapByteCount
    }

    private mutating func checkEntries(_ node: TreePage, _ expected: PendingPage) {
        let page = expected.page
        let prefixLength = node.fencesPrefixLength
        if node.prefixLength != prefixLength { report.add("B", page, "its prefix is \(node.prefixLength) bytes long") }
        if node.isLeaf { report.entryCount += node.slotCount }
        for index in 0..<node.slotCount {
            let suffix = node.suffix(index)
            if index > 0 && node.suffix(index - 1).compare(suffix) >= 0 {
                report.add("B", page, "the key of slot \(index) is not after the one before")
            }
            if !node.isPlain && node.suffix(0).commonPrefixLength(suffix) < node.sharedLength {
                report.add("B", page, "slot \(index) does not share what all keys are to share")
            }
            if !node.isPlain && node.head(index) != suffix.dropFirst(node.sharedLength).head {
                report.add("B", page, "slot \(index) has a wrong head")
            }
            if suffix.count + prefixLength > TreePage.maxKeyByteCount {
                report.add("B", page, "slot \(index) is too long")
            }
        }
        if node.slotCount > 0 {
            if node.suffix(0).compare(node.lowerFence.dropFirst(prefixLength)) < 0 {
                report.add("B", page, "its first key is before its lower fence")
            }
            if node.hasUpperFence
                && node.suffix(node.slotCount - 1).compare(node.upperFence.dropFirst(prefixLength)) >= 0
            {
                report.add("B", page, "its last key is not before its upper fence")
            }
        }
        if !node.hintsAreRight { report.add("B", page, "its hints are not its heads") }
    }

    private func addChildren(_ node: TreePage, _ pending: inout [PendingPage]) {
        var lower = Self.bytes(node.lowerFence)
        let last = node.slotCount - 1
        for index in -1...max(-1, last) {
            let upper =
                index < last ? Self.key(node, index + 1) : (node.hasUpperFence ? Self.bytes(node.upperFence) : nil)
            pending.append(PendingPage(page: node.child(index), level: node.level - 1, lower: lower, upper: upper))
            if let upper { lower = upper }
        }
    }

    private static func equal(_ key: TreeKey, _ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { key.compare(TreeKey($0)) == 0 }
    }
    private static func bytes(_ key: TreeKey) -> [UInt8] { Array(key.bytes) }
    private static func key(_ node: TreePage, _ index: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: TreePage.maxKeyByteCount) { buffer, count in
            count = node.copyKey(index, to: UnsafeMutableRawPointer(buffer.baseAddress.unsafelyUnwrapped))
        }
    }

    // MARK: Chains

    private mutating func checkChains(_ node: TreePage, _ page: PageID, _ tree: TreeID) throws(EngineError) {
        for index in 0..<node.slotCount where node.isSpilled(index) {
            guard let spilled = SpilledPayload(UnsafeRawBufferPointer(node.payload(index))) else {
                report.add("F", page, "slot \(index) is marked as spilled and is not")
                continue
            }
            let (byteCount, checksum) = try walkChain(spilled.firstPage, tree)
            if byteCount != spilled.totalByteCount - SpilledPayload.inlineByteCount || checksum != spilled.checksum {
                report.add("F", page, "the overflow pages of slot \(index) do not hold what was written")
            }
        }
    }

    /// Length and checksum of what a chain holds, as far as it goes.
    private mutating func walkChain(_ first: PageID, _ tree: TreeID) throws(EngineError) -> (Int, UInt32) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { memory.deallocate() }
        let piece = OverflowPage(memory)
        var (page, number, byteCount, checksum) = (first, 0, 0, UInt32(0))
        while page != .none {
            if !map.visit(page, tree, &report) { break }
            try read(page, memory)
            report.overflowPageCount += 1
            guard piece.isPart(of: first, number: number), PageHeader.pageID(memory) == page else {
                report.add("F", page, "it is not page \(number) of the chain that begins at \(first.rawValue)")
                break
            }
            checksum = dbk_crc32c(checksum, piece.data.baseAddress.unsafelyUnwrapped, piece.data.count)
            byteCount += piece.data.count
            number += 1
            page = piece.next
        }
        return (byteCount, checksum)
    }

    /// A chain that no entry refers to may end early: writing or freeing it was interrupted.
    private mutating func checkSuspect(_ first: PageID) throws(EngineError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { memory.deallocate() }
        let piece = OverflowPage(memory)
        var page = first
        var number = 0
        while map.isAllocated(page) && !map.isVisited(page) {
            try read(page, memory)
            if !piece.isPart(of: first, number: number) { break }
            _ = map.visit(page, TreeID(PageHeader.treeID(memory)), &report)
            number += 1
            page = piece.next
        }
    }
}
