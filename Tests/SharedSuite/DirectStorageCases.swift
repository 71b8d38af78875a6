// Superblock, layout, format, double-write zone.

import AsyncIO
import CPrimitives
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import Platform

func directStorageCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "directstorage: the superblock quorum decides every row of its table") {
            context throws(EngineError) in
            try quorumCase(context)
        },
        SuiteCase(bare: "directstorage: a format that was cut off is told from a database that has lost copies") {
            context throws(EngineError) in try cutOffFormatCase(context)
        },
        SuiteCase(bare: "directstorage: a layout has its zones in order and within the device, at every size") {
            context throws(EngineError) in
            try layoutCase(context)
        },
        SuiteCase("directstorage: an empty, a foreign and a too new device are told apart, and never formatted") {
            context throws(EngineError) in
            try refusalCase(context)
        },
        SuiteCase("directstorage: what an update stores is there after the next open, and damaged copies are mended") {
            context throws(EngineError) in
            try updateCase(context)
        },
        SuiteCase("directstorage: format refuses a device that holds something unless told to overwrite") {
            context throws(EngineError) in
            try formatCase(context)
        },
        SuiteCase("directstorage: a torn page comes back from the double-write zone, and nothing else does") {
            context throws(EngineError) in
            try doubleWriteCase(context)
        },
        SuiteCase("directstorage: a check counts sound and unwritten pages and names the others") {
            context throws(EngineError) in
            try checkCase(context)
        },
    ]
}

private func quorumCase(_ context: SuiteContext) throws(EngineError) {
    let byteCount: UInt64 = 64 << 20
    let layout = try DiskLayout.compute(deviceByteCount: byteCount)
    let block = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
    defer { block.deallocate() }
    /// Copy with that sequence, following `parent`; `boot` makes it different.
    func copy(
        _ sequence: UInt64, parent: UInt32 = 0, boot: UInt64 = 0, deviceByteCount: UInt64? = nil,
        checkpoint: Superblock.Checkpoint? = nil
    ) -> SuperblockCopy {
        var superblock = Superblock(uuidHigh: 1, uuidLow: 2, layout: layout)
        superblock.sequence = sequence
        superblock.parentChecksum = parent
        superblock.bootCount = boot
        if let checkpoint { superblock.checkpoint = checkpoint }
        if let deviceByteCount { superblock.layout.deviceByteCount = deviceByteCount }
        superblock.encode(into: block, copy: 0)
        return SuperblockCopy(block: block, index: 0)
    }
    func checksum(_ copy: SuperblockCopy) -> UInt32 {
        if case .valid(_, let checksum) = copy { return checksum }
        return 0
    }
    let seven = copy(7)
    let eight = copy(8, parent: checksum(seven))
    let nine = copy(9, parent: checksum(eight))
    let otherEight = copy(8, parent: checksum(seven), boot: 5)
    let orphanNine = copy(9, parent: 12345)
    let large = copy(8, deviceByteCount: byteCount * 2)
    let redo = copy(8, checkpoint: Superblock.Checkpoint(checkpointLSN: LSN(9000), redoLSN: LSN(9001)))
    let undo = copy(8, checkpoint: Superblock.Checkpoint(checkpointLSN: LSN(9000), undoLSN: LSN(9001)))
    let table = copy(8, checkpoint: Superblock.Checkpoint(checkpointLSN: LSN(9000), tableLSN: LSN(9001)))
    typealias Row = (StaticString, [SuperblockCopy], SuperblockQuorum.Case, sequence: UInt64?, stale: [Int])
    let rows: [Row] = [
        ("four equal", [eight, eight, eight, eight], .a, 8, []),
        ("three equal, one damaged", [eight, .damaged, eight, eight], .b, 8, [1]),
        ("three equal, one unreadable", [eight, eight, eight, .unreadable], .b, 8, [3]),
        ("crash between the halves", [eight, eight, seven, seven], .b, 8, [2, 3]),
        ("crash in the second half", [eight, eight, .damaged, seven], .b, 8, [2, 3]),
        ("crash in the first half, both torn", [.damaged, .damaged, seven, seven], .b, 7, [0, 1]),
        ("crash in the first half, one done", [eight, .damaged, seven, seven], .c, 7, [0, 1]),
        ("crash with a copy lost before", [.unreadable, eight, seven, .damaged], .d, 8, [0, 2, 3]),
        ("one copy left", [.damaged, eight, .damaged, .damaged], .e, nil, []),
        ("two that do not know each other", [.damaged, nine, seven, .damaged], .e, nil, []),
        ("all damaged", [.damaged, .damaged, .damaged, .damaged], .e, nil, []),
        ("all unreadable", [.unreadable, .unreadable, .unreadable, .unreadable], .e, nil, []),
        ("zeros, and one that cannot be read", [.zero, .zero, .unreadable, .zero], .e, nil, []),
        ("a fork", [eight, eight, otherEight, otherEight], .f, nil, []),
        ("a fork by one", [eight, eight, eight, otherEight], .f, nil, []),
        ("an update is missing", [orphanNine, eight, eight, eight], .g, nil, []),
        ("a skipped sequence", [nine, seven, seven, seven], .g, nil, []),
        ("zeros", [.zero, .zero, .zero, .zero], .h, nil, []),
        ("another program's", [.foreign, .foreign, .zero, .zero], .i, nil, []),
        ("zeros and damage", [.zero, .zero, .damaged, .zero], .e, nil, []),
        ("a version to come", [.unknownVersion(2), .unknownVersion(2), .damaged, .zero], .j, nil, []),
        ("truncated", [large, large, large, large], .k, nil, []),
        ("redo from behind what was durable", [redo, redo, redo, redo], .k, nil, []),
        ("undo from behind what was durable", [undo, undo, undo, undo], .k, nil, []),
        ("a table behind what was durable", [table, table, table, table], .k, nil, []),
    ]
    for row in rows {
        let decision = SuperblockQuorum.decide(row.1, deviceByteCount: byteCount)
        context.expect(
            decision.verdict == row.2, "\(row.0): case \(decision.verdict.rawValue) instead of \(row.2.rawValue)")
        context.expect(decision.superblock?.sequence == row.sequence, "\(row.0): wrong superblock")
        context.expect(decision.staleCopies == row.stale, "\(row.0): wrong copies to mend")
        if row.sequence == nil {
            let error = SuperblockQuorum.error(decision.verdict, row.1, deviceByteCount: byteCount)
            context.expect(error.severity == .fatal, "\(row.0): a refusal ends the start")
            // What could not be read is not called damaged: it may be sound the next time.
            context.expect(
                (error.state == .ioError) == row.1.contains(.unreadable), "\(row.0): error \(error.state)")
        }
    }
}

private func cutOffFormatCase(_ context: SuiteContext) throws(EngineError) {
    let layout = try DiskLayout.compute(deviceByteCount: 64 << 20)
    func copy(bootCount: UInt64) -> SuperblockCopy {
        var superblock = Superblock(uuidHigh: 1, uuidLow: 2, layout: layout)
        superblock.bootCount = bootCount
        return .valid(superblock, checksum: 7)
    }
    let (never, once) = (copy(bootCount: 0), copy(bootCount: 1))
    let rows: [(copies: [SuperblockCopy], isCutOff: Bool)] = [
        ([never, .zero, .zero, .zero], true), ([.zero, never, .zero, .zero], true),
        // Nothing was written; it is whole; it was in use; something else has happened to it.
        ([.zero, .zero, .zero, .zero], false), ([never, never, .zero, .zero], false),
        ([once, .zero, .zero, .zero], false), ([never, .zero, .damaged, .zero], false),
        ([.zero, .zero, never, .zero], false), ([never, .unreadable, .zero, .zero], false),
        ([never, .foreign, .zero, .zero], false),
    ]
    for (index, row) in rows.enumerated() {
        context.expect(SuperblockQuorum.isCutOffFormat(row.copies) == row.isCutOff, "row \(index) is told otherwise")
    }
}

private func layoutCase(_ context: SuiteContext) throws(EngineError) {
    var byteCount = DiskLayout.minimumDeviceByteCount
    context.expectError(.diskFull) { () throws(EngineError) in
        _ = try DiskLayout.compute(deviceByteCount: byteCount - 1)
    }
    while byteCount < 8 << 40 {
        for odd: UInt64 in [0, 4096, 999_424] {
            let layout = try DiskLayout.compute(deviceByteCount: byteCount + odd)
            context.expect(layout.isConsistent, "inconsistent at \(byteCount + odd) bytes")
            context.expect(layout.walByteCount >= 2 << 20, "log zone too small at \(byteCount) bytes")
            context.expect(layout.walByteCount <= (2 << 30) + (4 << 20), "log zone too large at \(byteCount) bytes")
            context.expectEqual(layout.dataFirstPage % DiskLayout.pagesPerExtent, 0, "alignment of extents")
            let last = PageID(layout.endPage - 1)
            context.expectEqual(layout.extent(of: last), layout.extentCount - 1, "last extent")
            context.expectEqual(layout.firstPage(ofExtent: 1).rawValue, layout.dataFirstPage + 1024, "second extent")
        }
        byteCount = byteCount * 3 / 2 / 4096 * 4096
    }
    context.expectError(.diskFull) { () throws(EngineError) in
        _ = try DiskLayout.compute(deviceByteCount: 64 << 20, options: LayoutOptions(walByteCount: 62 << 20))
    }
}

/// Fills pages 0 to 3 with a byte.
private func smear(_ io: BlockIO, _ platform: any Platform, _ byte: UInt8, pages: Range<Int> = 0..<4)
    throws(EngineError)
{
    guard let memory = platform.allocate(byteCount: pageSize, node: 0, huge: false) else { return }
    defer { platform.deallocate(memory, byteCount: pageSize) }
    memory.initializeMemory(as: UInt8.self, repeating: byte, count: pageSize)
    for page in pages {
        try io.write(from: memory, offset: UInt64(page * pageSize), byteCount: pageSize, class: .log, durable: true)
    }
}

private func refusalCase(_ context: SuiteContext) throws(EngineError) {
    let io = BlockIO(scheduler: context.scheduler)
    let platform = context.platform
    try smear(io, platform, 0)
    expectRefusal(context, io, "is empty")
    try smear(io, platform, 0xa5)
    expectRefusal(context, io, "not a DBKernel database")
    _ = try Formatter.format(io: io, platform: platform, overwrite: true)
    // A version to come, otherwise whole.
    guard let block = platform.allocate(byteCount: pageSize, node: 0, huge: false) else { return }
    defer { platform.deallocate(block, byteCount: pageSize) }
    for copy in 0..<4 {
        let offset = UInt64(copy * pageSize)
        try io.read(into: block, offset: offset, byteCount: pageSize, class: .read)
        block.setLittle(16, UInt32(9))
        block.setLittle(0, dbk_crc32c(0, block + 8, pageSize - 8))
        try io.write(from: block, offset: offset, byteCount: pageSize, class: .log)
    }
    expectRefusal(context, io, "has format version 9")
}

private func expectRefusal(_ context: SuiteContext, _ io: BlockIO, _ text: StaticString, line: UInt32 = #line) {
    do throws(EngineError) {
        _ = try SuperblockStore.open(io: io, platform: context.platform)
        context.fail("was opened", line: line)
    } catch {
        context.expect(contains(error.message, text), "said: \(error.message)", line: line)
    }
}

/// Byte-wise search; engine code has no Unicode.
func contains(_ message: String, _ text: StaticString) -> Bool {
    let bytes = Array(message.utf8)
    let count = text.utf8CodeUnitCount
    if bytes.count < count { return false }
    for start in 0...bytes.count - count {
        var index = 0
        while index < count && bytes[start + index] == text.utf8Start[index] { index += 1 }
        if index == count { return true }
    }
    return false
}

private func updateCase(_ context: SuiteContext) throws(EngineError) {
    let io = BlockIO(scheduler: context.scheduler)
    let platform = context.platform
    let store = try Formatter.format(io: io, platform: platform, overwrite: true)
    let uuid = store.current.uuidHigh
    for boot in 1...5 as ClosedRange<UInt64> {
        try store.update {
            $0.bootCount = boot
            $0.checkpoint = Superblock.Checkpoint(checkpointLSN: LSN(boot * 100), redoLSN: LSN(boot * 100))
            $0.roots[3] = boot * 7
        }
    }
    // Two copies destroyed: the other two are a quorum.
    try smear(io, platform, 0x5a, pages: 1..<3)
    let reopened = try SuperblockStore.open(io: io, platform: platform)
    let current = reopened.current
    context.expectEqual(current.sequence, 5, "sequence")
    context.expectEqual(current.bootCount, 5, "boot count")
    context.expectEqual(current.checkpoint.redoLSN.rawValue, 500, "redo LSN")
    context.expectEqual(current.roots[3], 35, "root")
    context.expectEqual(current.uuidHigh, uuid, "uuid")
    for copy in try SuperblockStore.readCopies(io: io, platform: platform) {
        if case .valid(let superblock, _) = copy {
            context.expect(superblock == current, "a copy differs")
        } else {
            context.fail("a copy was not mended")
        }
    }
    try reopened.update { $0.isCleanShutdown = true }
    context.expect(try SuperblockStore.open(io: io, platform: platform).current.isCleanShutdown, "flag lost")
    try smear(io, platform, 0x5a, pages: 0..<3)
    context.expectError(.dataCorrupted) { () throws(EngineError) in
        _ = try SuperblockStore.open(io: io, platform: platform)
    }
}

private func formatCase(_ context: SuiteContext) throws(EngineError) {
    let io = BlockIO(scheduler: context.scheduler)
    let platform = context.platform
    try smear(io, platform, 0)
    let first = try Formatter.format(io: io, platform: platform).current
    context.expectError(.objectInUse) { () throws(EngineError) in _ = try Formatter.format(io: io, platform: platform) }
    let second = try Formatter.format(io: io, platform: platform, overwrite: true).current
    context.expect(first.pageChecksum.seed != second.pageChecksum.seed, "two databases share a checksum seed")
    // The zones read as zeros.
    let layout = second.layout
    guard let memory = platform.allocate(byteCount: 1 << 20, node: 0, huge: false) else { return }
    defer { platform.deallocate(memory, byteCount: 1 << 20) }
    var offset = layout.walOffset
    while offset + 1 << 20 <= layout.dataFirstPage * UInt64(pageSize) {
        try io.read(into: memory, offset: offset, byteCount: 1 << 20, class: .scan)
        for word in 0..<(1 << 17) where memory.load(fromByteOffset: word * 8, as: UInt64.self) != 0 {
            context.fail("the zone is not zeroed at \(offset) + \(word * 8)")
            return
        }
        offset += 1 << 20
    }
}

private func doubleWriteCase(_ context: SuiteContext) throws(EngineError) {
    let io = BlockIO(scheduler: context.scheduler)
    let platform = context.platform
    let store = try Formatter.format(io: io, platform: platform, overwrite: true)
    try store.update {
        $0.checkpoint = Superblock.Checkpoint(checkpointLSN: LSN(1000), redoLSN: LSN(1000))
    }
    let superblock = store.current
    let layout = superblock.layout
    guard let page = platform.allocate(byteCount: pageSize, node: 0, huge: false) else { return }
    defer { platform.deallocate(page, byteCount: pageSize) }
    /// Writes a page that says `text` with that LSN; `torn` leaves its second half as it was in an older version.
    func put(_ id: UInt64, lsn: UInt64, at number: UInt64, fill: UInt8, torn: Bool = false) throws(EngineError) {
        page.initializeMemory(as: UInt8.self, repeating: fill, count: pageSize)
        PageHeader.initialize(page, id: PageID(id), type: .treeLeaf, treeID: 3)
        PageHeader.setPageLSN(page, LSN(lsn))
        superblock.pageChecksum.set(page)
        if torn { (page + 2048).initializeMemory(as: UInt8.self, repeating: 0x11, count: 2048) }
        try io.write(from: page, offset: number * UInt64(pageSize), byteCount: pageSize, class: .writeback)
    }
    let zone = layout.doubleWriteFirstPage
    let data = layout.dataFirstPage
    // Torn in place, with a copy of the batch in flight.
    try put(data, lsn: 1500, at: zone, fill: 1)
    try put(data, lsn: 1500, at: data, fill: 1, torn: true)
    // Whole but older in place: its write never came.
    try put(data + 1, lsn: 1600, at: zone + 1, fill: 2)
    try put(data + 1, lsn: 1200, at: data + 1, fill: 9)
    // Newer in place than the copy that an older batch left.
    try put(data + 2, lsn: 1100, at: zone + 2, fill: 3)
    try put(data + 2, lsn: 1700, at: data + 2, fill: 4)
    // Rotten in place, with a copy from before the checkpoint: it must not come back to life.
    try put(data + 3, lsn: 900, at: zone + 3, fill: 5)
    try put(data + 3, lsn: 950, at: data + 3, fill: 6, torn: true)
    // The copy itself is torn.
    try put(data + 4, lsn: 1900, at: zone + 4, fill: 7, torn: true)
    try put(data + 4, lsn: 1800, at: data + 4, fill: 8)
    // Two copies: the newer wins, also if it comes first.
    try put(data + 5, lsn: 2100, at: zone + 5, fill: 10)
    try put(data + 5, lsn: 2000, at: zone + 6, fill: 11)
    try put(data + 5, lsn: 2100, at: data + 5, fill: 10, torn: true)

    let report = try DoubleWrite.recover(io: io, superblock: superblock, platform: platform)
    let restored = report.restored.map { $0.rawValue - data }
    context.expect(restored == [0, 1, 5], "restored pages \(restored.count)")
    let expected: [(UInt64, UInt8)?] = [(1500, 1), (1600, 2), (1700, 4), nil, (1800, 8), (2100, 10)]
    for (index, expected) in expected.enumerated() {
        let id = PageID(data + UInt64(index))
        try io.read(into: page, offset: id.rawValue * UInt64(pageSize), byteCount: pageSize, class: .read)
        let defect = superblock.pageChecksum.defect(of: page, expected: id)
        guard let expected else {
            context.expect(defect == .badChecksum, "page \(index) is said to be sound")
            continue
        }
        context.expect(defect == nil, "page \(index) is damaged")
        context.expectEqual(PageHeader.pageLSN(page).rawValue, expected.0, "page LSN")
        context.expectEqual(page.load(fromByteOffset: 4000, as: UInt8.self), expected.1, "contents")
    }
    let again = try DoubleWrite.recover(io: io, superblock: superblock, platform: platform)
    context.expect(again.restored.isEmpty, "a second recovery found work")
}

private func checkCase(_ context: SuiteContext) throws(EngineError) {
    let io = BlockIO(scheduler: context.scheduler)
    let platform = context.platform
    let superblock = try Formatter.format(io: io, platform: platform, overwrite: true).current
    let first = superblock.layout.dataFirstPage
    guard let page = platform.allocate(byteCount: pageSize, node: 0, huge: false) else { return }
    defer { platform.deallocate(page, byteCount: pageSize) }
    page.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
    for number in first..<first + 2048 {
        try io.write(from: page, offset: number * UInt64(pageSize), byteCount: pageSize, class: .scan)
    }
    for number in first..<first + 700 {
        PageHeader.initialize(page, id: PageID(number == first + 300 ? first + 9 : number), type: .treeLeaf)
        superblock.pageChecksum.set(page)
        if number == first + 555 { page.storeBytes(of: 1, toByteOffset: 2000, as: UInt8.self) }
        try io.write(from: page, offset: number * UInt64(pageSize), byteCount: pageSize, class: .scan)
        page.storeBytes(of: 0, toByteOffset: 2000, as: UInt8.self)
    }
    try smear(io, platform, 0x33, pages: 2..<3)
    var (found, report) = try DeviceCheck.superblock(io: io, platform: platform)
    context.expect(found == superblock, "the superblock was not found")
    context.expect(report.verdict == .b && report.copies[2] == .foreign, "the superblock copies were misjudged")
    try DeviceCheck.pages(first..<first + 2048, of: superblock, io: io, platform: platform, into: &report)
    context.expectEqual(report.soundPageCount, 698, "sound pages")
    context.expectEqual(report.unwrittenPageCount, 2048 - 700, "unwritten pages")
    context.expectEqual(report.defectivePageCount, 2, "defective pages")
    if report.defects.count != 2 { return }
    context.expectEqual(report.defects[0].page.rawValue, first + 300, "first defective page")
    context.expect(report.defects[0].defect == .misdirected(PageID(first + 9)), "what is wrong with it")
    context.expectEqual(report.defects[1].page.rawValue, first + 555, "second defective page")
    context.expect(report.defects[1].defect == .badChecksum, "what is wrong with it")
}
