// The free-space map as a check sees it: read once, then ticked off page by page.

import DirectStorage
import Platform

struct CheckedMap {
    private let geometry: ExtentGeometry
    private var extents: [Extent] = []
    private(set) var suspects: [PageID] = []

    private struct Extent {
        var owner = TreeID.none
        var used: [UInt64] = []
        var visited: [UInt64] = []
        /// Of a shared extent: owner of each page.
        var owners: [TreeID] = []
    }

    init(_ geometry: ExtentGeometry) { self.geometry = geometry }

    mutating func load(_ read: TreeCheck.Reader, _ report: inout CheckReport) throws(EngineError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { memory.deallocate() }
        let map = ExtentMapPage(memory)
        for number in 0..<geometry.extentCount {
            let mapPage = geometry.mapPage(of: number)
            if number % ExtentMapPage.extentsPerPage == 0 {
                try read(mapPage, memory)
                if PageHeader.type(memory) != .extentMap { report.add("A", mapPage, "it is no extent map page") }
            }
            extents.append(loadExtent(map, number, mapPage, &report))
        }
        for number in 0..<geometry.extentCount where extents[number].owner == ExtentMapPage.sharedOwner {
            let page = geometry.firstPage(of: number)
            try read(page, memory)
            if PageHeader.type(memory) != .extentBitmap { report.add("A", page, "it is no owner page") }
            let shared = SharedExtentPage(memory)
            extents[number].owners = (0..<ExtentMapPage.pagesPerExtent).map {
                $0 < SharedExtentPage.firstIndex ? .none : shared.owner($0)
            }
            extents[number].visited[0] |= 1
        }
    }

    private mutating func loadExtent(
        _ map: ExtentMapPage, _ number: Int, _ mapPage: PageID, _ report: inout CheckReport
    ) -> Extent {
        let entry = number % ExtentMapPage.extentsPerPage
        var extent = Extent(owner: map.owner(entry))
        if extent.owner == .none {
            if map.usedCount(entry) != 0 { report.add("D", mapPage, "extent \(number) has pages in use and no owner") }
            return extent
        }
        extent.used = (0..<16).map { map.usedWord(entry, $0) }
        extent.visited = [UInt64](repeating: 0, count: 16)
        var count = 0
        for word in 0..<16 {
            count += extent.used[word].nonzeroBitCount
            let marked = map.suspectWord(entry, word)
            for bit in 0..<64 where marked >> UInt64(bit) & 1 != 0 {
                suspects.append(geometry.page(extent: number, index: word * 64 + bit))
            }
        }
        if count != map.usedCount(entry) {
            report.add("D", mapPage, "extent \(number) has a wrong count of pages in use")
        }
        return extent
    }

    func isAllocated(_ page: PageID) -> Bool {
        geometry.contains(page) && bit(page, in: extents[geometry.extent(of: page)].used)
    }
    func isVisited(_ page: PageID) -> Bool {
        geometry.contains(page) && bit(page, in: extents[geometry.extent(of: page)].visited)
    }

    private func bit(_ page: PageID, in words: [UInt64]) -> Bool {
        let index = geometry.index(of: page)
        return !words.isEmpty && words[index / 64] >> UInt64(index % 64) & 1 != 0
    }

    /// Ticks a page of a tree off. False if it cannot be read, or was ticked off before.
    mutating func visit(_ page: PageID, _ tree: TreeID, _ report: inout CheckReport) -> Bool {
        if !geometry.contains(page) {
            report.add("D", page, "tree \(tree.rawValue) refers to it, and it is no data page")
            return false
        }
        let (number, index) = (geometry.extent(of: page), geometry.index(of: page))
        if extents[number].visited.isEmpty { extents[number].visited = [UInt64](repeating: 0, count: 16) }
        let extent = extents[number]
        if !isAllocated(page) {
            if !isVisited(page) { report.add("D", page, "tree \(tree.rawValue) refers to it, and it is free") }
            extents[number].visited[index / 64] |= 1 << UInt64(index % 64)
            return false
        }
        let owner = extent.owner == ExtentMapPage.sharedOwner ? extent.owners[index] : extent.owner
        if owner != tree { report.add("D", page, "it is in tree \(tree.rawValue) and allocated to \(owner.rawValue)") }
        if isVisited(page) {
            report.add("D", page, "it is referred to twice")
            return false
        }
        extents[number].visited[index / 64] |= 1 << UInt64(index % 64)
        return true
    }

    func reportUnvisited(_ report: inout CheckReport) {
        for number in 0..<extents.count where !extents[number].used.isEmpty {
            let extent = extents[number]
            for word in 0..<16 {
                var left = extent.used[word] & ~extent.visited[word]
                while left != 0 {
                    let index = word * 64 + left.trailingZeroBitCount
                    left &= left - 1
                    let owner = extent.owner == ExtentMapPage.sharedOwner ? extent.owners[index] : extent.owner
                    report.add(
                        "E", geometry.page(extent: number, index: index),
                        "it is allocated to tree \(owner.rawValue) and not in it")
                }
            }
        }
    }
}
