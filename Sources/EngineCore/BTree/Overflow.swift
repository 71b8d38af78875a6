// Payloads too long for a leaf. The leaf keeps their first 16 bytes, where transactions keep the row's header, and where
// the rest is; the rest lies in a chain of overflow pages.
//
//   spilled payload in the leaf, 32 bytes                       overflow page
//   0   first 16 bytes of the payload                           0   page header             type overflow
//   16  first page of the chain    u64                          32  next page               u64, 0 = last
//   24  length of the payload      u32                          40  first page of the chain u64
//   28  CRC32C of the chain's bytes  u32                        48  number in the chain     u32
//                                                               52  bytes here              u32
//                                                               56  key length              u16, first page only
//                                                               58  root of the tree        u48, first page only
//                                                               64  key (first page), then payload bytes
//
// A chain never changes: an update writes a new one. So a reader who has the leaf's 32 bytes can read the chain without any
// latch as long as it is not freed, and the checksum tells if it was.
//
// Ownership. Row versions, in the leaf or in undo, own chains, and whoever drops the last reference frees the chain:
//
//      spill          writes a chain; it is marked suspect
//      (leaf record)  the entry now refers to it
//      settle(true)   takes the mark away
//      settle(false)  marks it again, before a record that replaces or removes the entry
//      freeChain      when no snapshot can need it any more: frees the pages, the first one last
//
// So at any moment a chain that no entry refers to is marked, and after a crash `resolve` decides for each marked chain, by
// the key in its first page, whether the entry refers to it. Nothing leaks and nothing that is needed is freed.

import BufferPool
import CPrimitives
import DirectStorage
import Fibers
import Platform
import WALEngine

/// The form of a long payload in its leaf.
package struct SpilledPayload: BitwiseCopyable {
    package static let byteCount = 32
    /// Leading bytes of the payload that stay in the leaf.
    package static let inlineByteCount = 16

    private var words: InlineArray<4, UInt64>

    init(inline: UnsafeRawPointer, firstPage: PageID, totalByteCount: Int, checksum: UInt32) {
        words = [
            inline.loadUnaligned(as: UInt64.self), inline.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
            firstPage.rawValue.littleEndian, (UInt64(checksum) << 32 | UInt64(totalByteCount)).littleEndian,
        ]
    }

    /// From a leaf's payload; nil if it is not 32 bytes.
    @inline(__always) package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        words = bytes.loadUnaligned(as: InlineArray<4, UInt64>.self)
    }

    package var firstPage: PageID { PageID(UInt64(littleEndian: words[2])) }
    /// Of the whole payload.
    package var totalByteCount: Int { Int(UInt64(littleEndian: words[3]) & 0xffff_ffff) }
    package var checksum: UInt32 { UInt32(UInt64(littleEndian: words[3]) >> 32) }

    /// The 16 bytes at the front, which may be changed without touching the chain.
    package var header: (UInt64, UInt64) {
        get { (words[0], words[1]) }
        set {
            words[0] = newValue.0
            words[1] = newValue.1
        }
    }

    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { withUnsafeBytes(of: words, body) }
}

/// See the table at the head of the file.
struct OverflowPage {
    let base: UnsafeMutableRawPointer
    static let dataOffset = 64
    static let capacity = pageSize - dataOffset

    init(_ base: UnsafeMutableRawPointer) { self.base = base }

    var next: PageID { PageID(base.little(32, as: UInt64.self)) }
    var first: PageID { PageID(base.little(40, as: UInt64.self)) }
    var number: Int { Int(base.little(48, as: UInt32.self)) }
    var keyByteCount: Int { number == 0 ? min(Int(base.little(56, as: UInt16.self)), TreePage.maxKeyByteCount) : 0 }
    var key: TreeKey { TreeKey(base: UnsafeRawPointer(base) + Self.dataOffset, count: keyByteCount) }
    var root: PageID {
        PageID(UInt64(base.little(58, as: UInt32.self)) | UInt64(base.little(62, as: UInt16.self)) << 32)
    }
    /// The payload bytes in this page.
    var data: UnsafeRawBufferPointer {
        let start = Self.dataOffset + keyByteCount
        let count = min(Int(base.little(52, as: UInt32.self)), pageSize - start)
        return UnsafeRawBufferPointer(start: base + start, count: count)
    }
    func isPart(of chain: PageID, number: Int) -> Bool {
        PageHeader.type(base) == .overflow && first == chain && self.number == number
    }

    func initialize(
        id: PageID, tree: TreeID, root: PageID, next: PageID, first: PageID, number: Int, key: TreeKey,
        data: UnsafeRawBufferPointer
    ) {
        base.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
        PageHeader.initialize(base, id: id, type: .overflow, treeID: tree.rawValue)
        base.setLittle(32, next.rawValue)
        base.setLittle(40, first.rawValue)
        base.setLittle(48, UInt32(number))
        base.setLittle(52, UInt32(data.count))
        base.setLittle(56, UInt16(key.count))
        if number == 0 {
            base.setLittle(58, UInt32(truncatingIfNeeded: root.rawValue))
            base.setLittle(62, UInt16(root.rawValue >> 32))
        }
        (base + Self.dataOffset).copyMemory(from: key.base, byteCount: key.count)
        (base + Self.dataOffset + key.count).copyMemory(from: data.baseAddress.unsafelyUnwrapped, byteCount: data.count)
    }
}

extension BTree {
    /// Longest payload. Longer ones fail with 54000.
    package static let maxPayloadByteCount = 64 << 20

    /// True if a payload of this length must be spilled before it goes to a leaf.
    @inline(__always) package static func mustSpill(keyByteCount: Int, payloadByteCount: Int) -> Bool {
        payloadByteCount > TreePage.maxInlineByteCount(keyByteCount: keyByteCount)
    }

    // MARK: Reading

    /// `buffer` holds a spilled payload as it was in its leaf; it becomes the whole payload. False if the chain has been
    /// freed meanwhile: the entry has changed, read it again. XX001 if the chain is damaged.
    package func readSpilled(_ buffer: inout PayloadBuffer) throws(EngineError) -> Bool {
        guard let spilled = SpilledPayload(buffer.bytes), spilled.totalByteCount <= Self.maxPayloadByteCount else {
            return false
        }
        buffer.resize(spilled.totalByteCount)
        var count = SpilledPayload.inlineByteCount
        var page = spilled.firstPage
        var number = 0
        var checksum: UInt32 = 0
        while count < spilled.totalByteCount {
            if !allocator.geometry.contains(page) { return false }
            let token = try pool.optimisticRead(page)
            let piece = OverflowPage(pool.pointer(page))
            let data = piece.data
            let fits =
                piece.isPart(of: spilled.firstPage, number: number) && data.count > 0
                && count + data.count <= spilled.totalByteCount
            if fits {
                (buffer.base + count).copyMemory(from: data.baseAddress.unsafelyUnwrapped, byteCount: data.count)
            }
            let next = piece.next
            if !pool.validate(page, token) { continue }
            if !fits { return false }
            checksum = dbk_crc32c(checksum, buffer.base + count, data.count)
            count += data.count
            number += 1
            page = next
        }
        return checksum == spilled.checksum
    }

    // MARK: Writing

    /// Writes a payload of more than 16 bytes to a chain of its own and returns what to put into the leaf instead, with
    /// `spilled: true`. Parks. 54000 if it is too long, 53100 if the disk is full.
    package func spill(_ key: TreeKey, _ payload: UnsafeRawBufferPointer) throws(EngineError) -> SpilledPayload {
        if payload.count > Self.maxPayloadByteCount {
            throw EngineError(
                .programLimitExceeded, "row is too big: size \(payload.count), maximum size \(Self.maxPayloadByteCount)"
            )
        }
        precondition(payload.count > SpilledPayload.inlineByteCount && key.count <= TreePage.maxKeyByteCount)
        let base = payload.baseAddress.unsafelyUnwrapped
        let rest = UnsafeRawBufferPointer(rebasing: payload[SpilledPayload.inlineByteCount...])
        var reservations: [PageReservation] = []
        let pageCount = 1 + max(0, rest.count + key.count - 1) / OverflowPage.capacity
        reservations.reserveCapacity(pageCount)
        var written = 0
        do throws(EngineError) {
            var near = PageID.none
            for _ in 0..<pageCount {
                let reservation = try allocator.reserve(for: treeID, near: near)
                reservations.append(reservation)
                near = reservation.page
            }
            while written < pageCount { written += try writeChain(reservations, from: written, key, rest) }
        } catch {
            for index in written..<reservations.count { allocator.cancel(reservations[index]) }
            if written > 0 { try freePages(reservations[..<written].map { $0.page }) }
            throw error
        }
        return SpilledPayload(
            inline: base, firstPage: reservations[0].page, totalByteCount: payload.count,
            checksum: dbk_crc32c(0, rest.baseAddress.unsafelyUnwrapped, rest.count))
    }

    /// Pages of a chain that are written by one record.
    private static let chainPagesPerRecord = 8

    /// Writes pages `first...` of a chain as far as one record goes; returns how many.
    private func writeChain(
        _ reservations: [PageReservation], from first: Int, _ key: TreeKey, _ rest: UnsafeRawBufferPointer
    ) throws(EngineError) -> Int {
        let geometry = allocator.geometry
        let imageByteCount = pageSize + 128
        let limit = min(Self.chainPagesPerRecord, max(1, (log.maxRecordByteCount - 512) / imageByteCount))
        let extent = geometry.extent(of: reservations[first].page)
        var end = first
        while end < reservations.count && end - first < limit && geometry.extent(of: reservations[end].page) == extent {
            end += 1
        }
        var change = StructureChange(pool: pool, log: log)
        do throws(EngineError) {
            // Who holds a page does not wait for the zone: a checkpoint may want to write what the page was before.
            try log.ensureRoom((end - first) * imageByteCount + 512)
            for index in first..<end { try change.latchNew(reservations[index].page) }
            try log.ensureRoom((end - first) * imageByteCount + 512, for: .system)
            let tokens = try allocator.readMapPages(of: reservations[first].page)
            if !allocator.latch(tokens, &change) {
                change.abandon()
                backOff()
                return 0
            }
            var record = log.makeRecord(.system)
            for index in first..<end {
                writeChainPage(&record, &change, reservations, index, key, rest)
                allocator.allocate(&record, &change, reservations[index], tokens, suspect: index == 0)
            }
            change.commit(&record)
        } catch {
            change.abandon()
            throw error
        }
        return end - first
    }

    private func writeChainPage(
        _ record: inout LogRecordBuilder, _ change: inout StructureChange, _ reservations: [PageReservation],
        _ index: Int, _ key: TreeKey, _ rest: UnsafeRawBufferPointer
    ) {
        let firstCapacity = OverflowPage.capacity - key.count
        let start = index == 0 ? 0 : firstCapacity + (index - 1) * OverflowPage.capacity
        let count = min(rest.count - start, index == 0 ? firstCapacity : OverflowPage.capacity)
        let page = reservations[index].page
        withScratchNode { scratch in
            OverflowPage(scratch.base).initialize(
                id: page, tree: treeID, root: root,
                next: index + 1 < reservations.count ? reservations[index + 1].page : .none,
                first: reservations[0].page, number: index, key: index == 0 ? key : .empty,
                data: UnsafeRawBufferPointer(rebasing: rest[start..<start + count]))
            let low = OverflowPage.dataOffset + (index == 0 ? key.count : 0) + count
            change.image(&record, page, of: scratch.base, low: low, high: pageSize)
        }
    }

    // MARK: Ownership

    /// Notes that an entry refers to the chain, or that it may soon not. See the head of the file.
    package func settle(_ spilled: SpilledPayload, attached: Bool) throws(EngineError) {
        let page = spilled.firstPage
        if Mutation.isActive(.longRowUnmarked) && !attached { return }
        try allocator.change(page) { record, change, tokens in
            allocator.setSuspect(&record, &change, page, tokens.mapPage, !attached)
        }
    }

    /// Frees a chain that nobody can read any more and that is marked suspect.
    package func freeChain(_ spilled: SpilledPayload) throws(EngineError) { try freeChain(from: spilled.firstPage) }

    private func freeChain(from first: PageID) throws(EngineError) {
        var pages: [PageID] = []
        var page = first
        while allocator.isInUse(page) {
            let token = try pool.optimisticRead(page)
            let piece = OverflowPage(pool.pointer(page))
            let isPart = piece.isPart(of: first, number: pages.count)
            let next = piece.next
            if !pool.validate(page, token) { continue }
            // The rest was never written, or freed by a free that a crash interrupted.
            if !isPart { break }
            pages.append(page)
            page = next
        }
        try freePages(pages)
    }

    /// The last page first, so that what is left after a crash is still a chain from its marked first page on.
    private func freePages(_ pages: [PageID]) throws(EngineError) {
        for page in pages.reversed() {
            try allocator.change(page) { record, change, tokens in allocator.free(&record, &change, page, tokens) }
            allocator.didFree(page, of: treeID)
            Fiber.yieldIfDue()
        }
    }

    /// After a crash, once losers are undone: decides about a chain that was marked suspect, by its first page. If its tree
    /// is half gone, since a drop was interrupted, the chain stays, and goes with the rest of the tree; so it does if the tree
    /// is damaged, which whoever uses the tree will hear of.
    package static func resolve(
        suspect first: PageID, pool: BufferPool, log: Log, allocator: PageAllocator
    ) throws(EngineError) {
        try pool.latchShared(first)
        let tree = TreeID(PageHeader.treeID(pool.pointer(first)))
        let piece = OverflowPage(pool.pointer(first))
        let isChain = piece.isPart(of: first, number: 0)
        let root = piece.root
        var key = PayloadBuffer()
        key.assign(piece.key.bytes)
        pool.unlatchShared(first)
        let owner = BTree(pool: pool, log: log, allocator: allocator, treeID: tree, root: root)
        if !isChain { throw owner.damaged(first, "it is marked as the first of overflow pages and is not one") }
        guard allocator.isInUse(root) else { return }
        do throws(EngineError) {
            if try owner.isRootWhole() { try owner.resolve(first, TreeKey(key.bytes)) }
        } catch {
            guard error.state == .indexCorrupted || error.state == .dataCorrupted else { throw error }
            pool.scheduler.platform.log("page \(first.rawValue) is not freed: \(error.message)")
        }
    }

    /// The root page is still one of this tree.
    private func isRootWhole() throws(EngineError) -> Bool {
        try pool.pool.latchShared(root)
        defer { pool.pool.unlatchShared(root) }
        let page = pool.pointer(root)
        let type = PageHeader.type(page)
        return (type == .treeLeaf || type == .treeInner) && PageHeader.treeID(page) == treeID.rawValue
    }

    private func resolve(_ first: PageID, _ key: TreeKey) throws(EngineError) {
        var buffer = PayloadBuffer()
        let isSpilled = try lookup(key) { payload, isSpilled in
            buffer.assign(payload)
            return isSpilled
        }
        if isSpilled == true, let spilled = SpilledPayload(buffer.bytes), spilled.firstPage == first {
            try settle(spilled, attached: true)
        } else {
            try freeChain(from: first)
        }
    }
}
