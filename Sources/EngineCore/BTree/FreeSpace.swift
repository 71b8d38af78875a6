// What the page allocator keeps in memory: which pages are in use or promised, by extent, and which extents and shared
// pages a tree has. Rebuilt from the map pages when the database is opened. Says where a page is to be had; changes nothing
// on disk. The caller holds the allocator's mutex.

import Platform

/// A tree's share of the disk.
struct TreeSpace {
    /// Its own extents, in the order in which it got them.
    var extents: [Int] = []
    /// Index in `extents` before which all are full.
    var firstOpen = 0
    var sharedPages: [PageID] = []
    /// Pages in use or promised.
    var pageCount = 0
}

struct FreeSpace {
    let geometry: ExtentGeometry
    /// 16 words for each extent; a set bit is a page in use or promised.
    private let bits: UnsafeMutablePointer<UInt64>
    private let freeCounts: UnsafeMutablePointer<UInt16>
    private let owners: UnsafeMutablePointer<TreeID>
    /// Log position at which a tree gave the extent back: every record about its pages ends before it.
    private let freedAt: UnsafeMutablePointer<LSN>
    private(set) var freeExtentCount: Int
    private(set) var freePageCount: Int
    /// No free extent lies before this one.
    private var firstFreeExtent = 0
    /// No free extent lies behind this one.
    private var lastFreeExtent: Int
    private(set) var sharedExtents: [Int] = []
    private(set) var trees: [UInt32: TreeSpace] = [:]

    /// A tree takes pages of shared extents up to here, then extents of its own.
    static let sharedPageLimit = 64
    private static let words = ExtentMapPage.pagesPerExtent / 64

    /// Everything is free since `lsn`.
    init(_ geometry: ExtentGeometry, at lsn: LSN) {
        self.geometry = geometry
        let count = max(1, geometry.extentCount)
        bits = .allocate(capacity: count * Self.words)
        bits.initialize(repeating: 0, count: count * Self.words)
        freeCounts = .allocate(capacity: count)
        freeCounts.initialize(repeating: 0, count: count)
        owners = .allocate(capacity: count)
        owners.initialize(repeating: .none, count: count)
        freedAt = .allocate(capacity: count)
        freedAt.initialize(repeating: lsn, count: count)
        freeExtentCount = geometry.extentCount
        lastFreeExtent = geometry.extentCount - 1
        freePageCount = 0
        for extent in 0..<geometry.extentCount { clear(extent) }
    }

    /// All pages of the extent are free; those that it lacks, being cut short, never are.
    private mutating func clear(_ extent: Int) {
        let pageCount = geometry.pageCount(of: extent)
        for word in 0..<Self.words {
            let present = max(0, min(64, pageCount - word * 64))
            bits[extent * Self.words + word] = present == 64 ? 0 : UInt64.max << UInt64(present)
        }
        freePageCount += pageCount - Int(freeCounts[extent])
        freeCounts[extent] = UInt16(pageCount)
    }

    func deallocate() {
        bits.deallocate()
        freeCounts.deallocate()
        owners.deallocate()
        freedAt.deallocate()
    }

    func owner(_ extent: Int) -> TreeID { owners[extent] }
    func isTaken(_ extent: Int, _ index: Int) -> Bool {
        bits[extent * Self.words + index / 64] >> UInt64(index % 64) & 1 != 0
    }

    // MARK: Taking and giving back

    /// Gives a free extent to `owner`. A tree's extents are listed with the tree.
    mutating func assign(_ extent: Int, to owner: TreeID) {
        precondition(owners[extent] == .none && owner != .none, "the extent is not free")
        owners[extent] = owner
        freeExtentCount -= 1
        if owner == ExtentMapPage.sharedOwner {
            sharedExtents.append(extent)
        } else {
            trees[owner.rawValue, default: TreeSpace()].extents.append(extent)
        }
    }

    mutating func take(_ extent: Int, _ index: Int) {
        precondition(!isTaken(extent, index), "the page is taken")
        bits[extent * Self.words + index / 64] |= 1 << UInt64(index % 64)
        freeCounts[extent] -= 1
        freePageCount -= 1
    }

    /// Takes a page for a tree.
    mutating func take(_ extent: Int, _ index: Int, for tree: TreeID) {
        take(extent, index)
        trees[tree.rawValue, default: TreeSpace()].pageCount += 1
        if owners[extent] == ExtentMapPage.sharedOwner {
            trees[tree.rawValue]!.sharedPages.append(geometry.page(extent: extent, index: index))
        }
    }

    /// A page of a shared extent that has been taken is the tree's.
    mutating func adopt(_ extent: Int, _ index: Int, for tree: TreeID) {
        trees[tree.rawValue, default: TreeSpace()].pageCount += 1
        trees[tree.rawValue]!.sharedPages.append(geometry.page(extent: extent, index: index))
    }

    /// Gives back a page of a tree, and its extent if that was its last page. What the log says of it ends before `lsn`.
    mutating func giveBack(_ page: PageID, of tree: TreeID, at lsn: LSN) {
        let extent = geometry.extent(of: page)
        let index = geometry.index(of: page)
        precondition(isTaken(extent, index), "the page is free")
        bits[extent * Self.words + index / 64] &= ~(1 << UInt64(index % 64))
        freeCounts[extent] += 1
        freePageCount += 1
        guard var space = trees.removeValue(forKey: tree.rawValue) else { return }
        space.pageCount -= 1
        if owners[extent] == ExtentMapPage.sharedOwner {
            if let at = space.sharedPages.lastIndex(where: { $0 == page }) { space.sharedPages.remove(at: at) }
        } else {
            if let at = space.extents.firstIndex(where: { $0 == extent }) {
                space.firstOpen = min(space.firstOpen, at)
                if Int(freeCounts[extent]) == geometry.pageCount(of: extent) {
                    space.extents.remove(at: at)
                    freedAt[extent] = lsn
                    release(extent)
                }
            }
        }
        if space.pageCount > 0 || !space.extents.isEmpty { trees[tree.rawValue] = space }
    }

    private mutating func release(_ extent: Int) {
        owners[extent] = .none
        freeExtentCount += 1
        firstFreeExtent = min(firstFreeExtent, extent)
        lastFreeExtent = max(lastFreeExtent, extent)
    }

    // MARK: Extents lent to others than trees

    /// Takes the last free extent, or `wanted` if it is free.
    mutating func takeForLog(_ wanted: Int? = nil) -> Int? {
        if freeExtentCount == 0 { return nil }
        while owners[lastFreeExtent] != .none { lastFreeExtent -= 1 }
        let extent = wanted ?? lastFreeExtent
        if owners[extent] != .none { return nil }
        lend(extent, to: ExtentMapPage.logOwner)
        return extent
    }

    /// Takes the last free extent that no tree has had since `lsn`.
    mutating func takeTemporary(unusedSince lsn: LSN) -> Int? {
        if freeExtentCount == 0 { return nil }
        while owners[lastFreeExtent] != .none { lastFreeExtent -= 1 }
        var extent = lastFreeExtent
        while owners[extent] != .none || freedAt[extent] > lsn {
            if extent == firstFreeExtent { return nil }
            extent -= 1
        }
        lend(extent, to: ExtentMapPage.temporaryOwner)
        return extent
    }

    private mutating func lend(_ extent: Int, to owner: TreeID) {
        owners[extent] = owner
        freeExtentCount -= 1
        freePageCount -= Int(freeCounts[extent])
    }

    /// The extent is free again, as it was before it was lent.
    mutating func giveBackLent(_ extent: Int, by owner: TreeID) {
        precondition(owners[extent] == owner, "the extent was not lent to this owner")
        freePageCount += Int(freeCounts[extent])
        release(extent)
    }

    /// Takes the tree off the books; its own extents become free when `giveBackExtent` is called for each.
    mutating func forget(_ tree: TreeID) -> TreeSpace? { trees.removeValue(forKey: tree.rawValue) }

    mutating func giveBackExtent(_ extent: Int, at lsn: LSN) {
        clear(extent)
        freedAt[extent] = lsn
        release(extent)
    }

    // MARK: Finding

    /// A free page of one of the tree's own extents, near `near` if there is one there.
    mutating func findOwn(_ tree: TreeID, near: PageID) -> (extent: Int, index: Int)? {
        guard let space = trees[tree.rawValue], !space.extents.isEmpty else { return nil }
        if geometry.contains(near) {
            let extent = geometry.extent(of: near)
            if owners[extent] == tree, let index = findPage(extent, from: geometry.index(of: near) + 1) {
                return (extent, index)
            }
        }
        for at in space.firstOpen..<space.extents.count {
            if let index = findPage(space.extents[at], from: 0) {
                trees[tree.rawValue]!.firstOpen = at
                return (space.extents[at], index)
            }
        }
        trees[tree.rawValue]!.firstOpen = space.extents.count
        return nil
    }

    func findShared(near: PageID) -> (extent: Int, index: Int)? {
        if geometry.contains(near) {
            let extent = geometry.extent(of: near)
            if owners[extent] == ExtentMapPage.sharedOwner,
                let index = findPage(extent, from: geometry.index(of: near) + 1)
            {
                return (extent, index)
            }
        }
        for extent in sharedExtents {
            if let index = findPage(extent, from: 0) { return (extent, index) }
        }
        return nil
    }

    /// The free extent after `near`'s, so that a growing tree lies in sequence, or the first one.
    mutating func findFreeExtent(near: PageID) -> Int? {
        if freeExtentCount == 0 { return nil }
        if geometry.contains(near) {
            let next = geometry.extent(of: near) + 1
            if next < geometry.extentCount && owners[next] == .none { return next }
        }
        while owners[firstFreeExtent] != .none { firstFreeExtent += 1 }
        return firstFreeExtent
    }

    /// First free page of the extent from index `start` on, else before it.
    private func findPage(_ extent: Int, from start: Int) -> Int? {
        if freeCounts[extent] == 0 { return nil }
        let words = bits + extent * Self.words
        let start = start < ExtentMapPage.pagesPerExtent ? start : 0
        let first = words[start / 64] | (1 << UInt64(start % 64) &- 1)
        if first != .max { return start / 64 * 64 + (~first).trailingZeroBitCount }
        for step in 1...Self.words {
            let word = (start / 64 + step) % Self.words
            if words[word] != .max { return word * 64 + (~words[word]).trailingZeroBitCount }
        }
        return nil
    }
}
