// Where free space is recorded: extent map pages, and the owner page of a shared extent. Ordinary pages of the pool,
// changed by logged operations only.
//
// Extent map page, at the front of the data zone; entry `i` of map page `m` describes extent `m * 15 + i`:
//
//   0    page header               type extentMap
//   32   15 entries of 264 bytes
//          0    owner        u32   tree; 0 = free extent, `sharedOwner` = pages of many small trees
//          4    used count   u16
//          6                 u16   zero
//          8    used         1024 bits
//          136  suspect      1024 bits: heads of overflow chains that perhaps no leaf entry refers to
//
// Owner page, first page of a shared extent. The seven pages after it are never used: their owners have no room here.
//
//   0    page header               type extentBitmap
//   32   owner of page 8...1023    u32 each

import DirectStorage
import Platform

struct ExtentMapPage {
    let base: UnsafeMutableRawPointer

    static let extentsPerPage = 15
    static let pagesPerExtent = 1024
    static let entryByteCount = 264
    /// No tree has these numbers, of which `TreeID.firstReserved` is the least.
    static let sharedOwner = TreeID(UInt32.max)
    /// Only in memory: the extent is the log's, see LogExtents.swift.
    static let logOwner = TreeID(UInt32.max - 1)
    /// Only in memory: the extent holds data of statements, see TemporarySpace.swift.
    static let temporaryOwner = TreeID(UInt32.max - 2)

    init(_ base: UnsafeMutableRawPointer) { self.base = base }

    static func initialize(_ base: UnsafeMutableRawPointer, id: PageID) {
        base.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
        PageHeader.initialize(base, id: id, type: .extentMap)
    }

    private func entry(_ extent: Int) -> UnsafeMutableRawPointer {
        base + PageHeader.byteCount + extent * Self.entryByteCount
    }

    /// Whether the entries agree with themselves. Every operation leaves it true.
    var isSound: Bool {
        for extent in 0..<Self.extentsPerPage {
            var count = 0
            for index in 0..<Self.pagesPerExtent / 64 {
                count += usedWord(extent, index).nonzeroBitCount
                if suspectWord(extent, index) & ~usedWord(extent, index) != 0 { return false }
            }
            let owner = owner(extent)
            if count != usedCount(extent) || (count == 0) != (owner == TreeID(0)) { return false }
            if owner == Self.logOwner || owner == Self.temporaryOwner { return false }
        }
        return true
    }

    func owner(_ extent: Int) -> TreeID { TreeID(entry(extent).little(0, as: UInt32.self)) }
    func usedCount(_ extent: Int) -> Int { Int(entry(extent).little(4, as: UInt16.self)) }
    func usedWord(_ extent: Int, _ index: Int) -> UInt64 { entry(extent).little(8 + index * 8, as: UInt64.self) }
    func suspectWord(_ extent: Int, _ index: Int) -> UInt64 { entry(extent).little(136 + index * 8, as: UInt64.self) }
    func isUsed(_ extent: Int, _ page: Int) -> Bool { usedWord(extent, page / 64) >> UInt64(page % 64) & 1 != 0 }

    private func setBit(_ extent: Int, _ area: Int, _ page: Int, _ value: Bool) {
        let offset = area + page / 64 * 8
        let bit = UInt64(1) << UInt64(page % 64)
        let word = entry(extent).little(offset, as: UInt64.self)
        entry(extent).setLittle(offset, value ? word | bit : word & ~bit)
    }

    /// See PageOperations.swift for the operands. False, with nothing changed, if they do not fit the page.
    func apply(_ opcode: UInt16, _ operands: UnsafeRawPointer, _ count: Int) -> Bool {
        guard PageHeader.type(base) == .extentMap, count >= 2 else { return false }
        let extent = Int(operands.little(0, as: UInt16.self))
        guard extent < Self.extentsPerPage else { return false }
        if opcode == PageOpcode.vacate {
            entry(extent).initializeMemory(as: UInt8.self, repeating: 0, count: Self.entryByteCount)
            return count == 2
        }
        guard count >= 4 else { return false }
        let page = Int(operands.little(2, as: UInt16.self))
        guard page < Self.pagesPerExtent else { return false }
        switch opcode {
        case PageOpcode.allocate:
            guard count == 10 else { return false }
            return allocate(
                extent, page, owner: TreeID(operands.little(4, as: UInt32.self)),
                shared: operands.little(8, as: UInt8.self) != 0, suspect: operands.little(9, as: UInt8.self) != 0)
        case PageOpcode.deallocate: return count == 4 && deallocate(extent, page)
        case PageOpcode.suspect:
            guard count == 5, isUsed(extent, page) else { return false }
            setBit(extent, 136, page, operands.little(4, as: UInt8.self) != 0)
            return true
        default: return false
        }
    }

    private func allocate(_ extent: Int, _ page: Int, owner: TreeID, shared: Bool, suspect: Bool) -> Bool {
        let extentOwner = shared ? Self.sharedOwner : owner
        guard !isUsed(extent, page), usedCount(extent) == 0 || self.owner(extent) == extentOwner else { return false }
        entry(extent).setLittle(0, extentOwner.rawValue)
        setBit(extent, 8, page, true)
        setBit(extent, 136, page, suspect)
        entry(extent).setLittle(4, UInt16(usedCount(extent) + 1))
        return true
    }

    /// Whether `deallocate` would do it.
    func canFree(_ extent: Int, _ page: Int) -> Bool {
        PageHeader.type(base) == .extentMap && isUsed(extent, page) && usedCount(extent) > 0
    }

    private func deallocate(_ extent: Int, _ page: Int) -> Bool {
        guard canFree(extent, page) else { return false }
        setBit(extent, 8, page, false)
        setBit(extent, 136, page, false)
        let left = usedCount(extent) - 1
        entry(extent).setLittle(4, UInt16(left))
        if left == 0 { entry(extent).setLittle(0, UInt32(0)) }
        return true
    }
}

extension TreeID {
    package static let firstReserved = ExtentMapPage.temporaryOwner
}

struct SharedExtentPage {
    let base: UnsafeMutableRawPointer

    /// First page of a shared extent that a tree can have.
    static let firstIndex = 8

    init(_ base: UnsafeMutableRawPointer) { self.base = base }

    static func initialize(_ base: UnsafeMutableRawPointer, id: PageID) {
        base.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
        PageHeader.initialize(base, id: id, type: .extentBitmap, treeID: ExtentMapPage.sharedOwner.rawValue)
    }

    func owner(_ page: Int) -> TreeID {
        TreeID(base.little(PageHeader.byteCount + (page - Self.firstIndex) * 4, as: UInt32.self))
    }

    func apply(_ operands: UnsafeRawPointer, _ count: Int) -> Bool {
        guard PageHeader.type(base) == .extentBitmap, count == 6 else { return false }
        let page = Int(operands.little(0, as: UInt16.self))
        guard page >= Self.firstIndex, page < ExtentMapPage.pagesPerExtent else { return false }
        base.setLittle(PageHeader.byteCount + (page - Self.firstIndex) * 4, operands.little(2, as: UInt32.self))
        return true
    }
}

/// Where the extents of the data zone lie: first the map pages, then the extents, one after the other. The last one may be
/// cut short by the end of the zone.
package struct ExtentGeometry: Sendable {
    package let firstMapPage: PageID
    package let mapPageCount: Int
    package let extentCount: Int
    package let firstExtentPage: PageID
    package let endPage: PageID

    /// For data pages `first ..< first + count`; there is at least one.
    package init(firstDataPage first: PageID, dataPageCount count: UInt64) {
        precondition(count > 1, "there is no room for an extent")
        let pagesPerMapPage = ExtentMapPage.extentsPerPage * ExtentMapPage.pagesPerExtent
        firstMapPage = first
        // Each map page describes so many pages and takes one itself.
        mapPageCount = (Int(count) + pagesPerMapPage) / (pagesPerMapPage + 1)
        firstExtentPage = PageID(first.rawValue + UInt64(mapPageCount))
        endPage = PageID(first.rawValue + count)
        extentCount = (Int(count) - mapPageCount + ExtentMapPage.pagesPerExtent - 1) / ExtentMapPage.pagesPerExtent
    }

    /// Pages of an extent.
    func pageCount(of extent: Int) -> Int {
        min(ExtentMapPage.pagesPerExtent, Int(endPage.rawValue - firstPage(of: extent).rawValue))
    }

    /// True for pages that can belong to a tree.
    @inline(__always) package func contains(_ page: PageID) -> Bool { page >= firstExtentPage && page < endPage }

    func extent(of page: PageID) -> Int { Int(page.rawValue - firstExtentPage.rawValue) / ExtentMapPage.pagesPerExtent }
    func index(of page: PageID) -> Int { Int(page.rawValue - firstExtentPage.rawValue) % ExtentMapPage.pagesPerExtent }
    func page(extent: Int, index: Int) -> PageID {
        PageID(firstExtentPage.rawValue + UInt64(extent * ExtentMapPage.pagesPerExtent + index))
    }
    func mapPage(of extent: Int) -> PageID {
        PageID(firstMapPage.rawValue + UInt64(extent / ExtentMapPage.extentsPerPage))
    }
    /// Also the owner page, if the extent is shared.
    func firstPage(of extent: Int) -> PageID { page(extent: extent, index: 0) }
}
