// The page operations of the log that trees and the page allocator own, and the one piece of code that applies them: a
// running engine writes an operation into its log record and applies it from there, recovery applies it from the log. The
// two cannot differ.
//
// Operands are little-endian and not aligned.
//
//   image      u16 end of low part, u16 start of high part, the low part, the high part; zeros between
//   insert     u16 slot, u16 suffix length, u16 payload length with the spilled flag, suffix, payload
//   remove     u16 slot
//   replace    u16 slot, u16 payload length with the spilled flag, payload
//   patch      u16 slot, u16 bytes kept in front, u16 bytes kept behind, u16 spilled flag, bytes that come between
//   truncate   u16 slots kept, upper fence
//   release    nothing: the page is free
//   insertRun  see EntryRun.swift
//   removeRun  u16 first slot, u16 count
//   allocate   u16 extent of the map page, u16 page of the extent, u32 owner, u8 1 = shared extent, u8 1 = suspect
//   deallocate u16 extent, u16 page
//   suspect    u16 extent, u16 page, u8 1 = set
//   vacate     u16 extent: no page of it is in use, nobody owns it
//   own        u16 page of the extent, u32 owner: in the owner page of a shared extent

import DirectStorage
import Platform

package enum PageOpcode {
    package static let image: UInt16 = 1
    package static let insert: UInt16 = 2
    package static let remove: UInt16 = 3
    package static let replace: UInt16 = 4
    package static let patch: UInt16 = 5
    package static let truncate: UInt16 = 6
    package static let release: UInt16 = 7
    package static let insertRun: UInt16 = 8
    package static let removeRun: UInt16 = 9
    package static let allocate: UInt16 = 16
    package static let deallocate: UInt16 = 17
    package static let suspect: UInt16 = 18
    package static let vacate: UInt16 = 19
    package static let own: UInt16 = 20
}

package enum BTreeRedo {
    /// True if the operation writes the whole page: what is on the device does not matter and need not be read.
    package static func initializes(_ opcode: UInt16) -> Bool { opcode == PageOpcode.image }

    /// Repeats one operation on page `id`, which is exclusively latched; the caller sets the page LSN. XX001 if the page is not in the
    /// state in which the operation was logged, or the operation is malformed; the page is then as it was.
    package static func apply(
        _ page: UnsafeMutableRawPointer, _ id: PageID, opcode: UInt16, _ bytes: UnsafeRawBufferPointer
    ) throws(EngineError) {
        if opcode != PageOpcode.image || isSoundImage(bytes, of: id), applied(page, opcode, bytes) { return }
        throw EngineError(
            .dataCorrupted, "log operation \(opcode) cannot be applied to page \(id.rawValue)", severity: .panic,
            hint: "The page or the log is damaged; restore from a backup.")
    }

    /// Whether the image is of page `id`, and such as may be served. It is put together aside: the page may be dirty already.
    private static func isSoundImage(_ bytes: UnsafeRawBufferPointer, of id: PageID) -> Bool {
        var memory = ScratchPage(repeating: 0)
        return withUnsafeMutableBytes(of: &memory) { scratch in
            let page = scratch.baseAddress.unsafelyUnwrapped
            return applied(page, PageOpcode.image, bytes) && PageHeader.pageID(page) == id && TreePage.isSound(page)
        }
    }

    /// Applies an operation that this engine has just composed.
    @inline(__always)
    static func perform(_ page: UnsafeMutableRawPointer, _ opcode: UInt16, _ bytes: UnsafeRawBufferPointer) {
        precondition(applied(page, opcode, bytes), "a page operation does not fit the page it was made for")
    }

    private static func applied(_ page: UnsafeMutableRawPointer, _ opcode: UInt16, _ bytes: UnsafeRawBufferPointer)
        -> Bool
    {
        guard let base = bytes.baseAddress else { return opcode == PageOpcode.release && release(page) }
        switch opcode {
        case PageOpcode.insert: return insert(page, base, bytes.count)
        case PageOpcode.remove: return remove(page, base, bytes.count)
        case PageOpcode.replace: return replace(page, base, bytes.count)
        case PageOpcode.patch: return patch(page, base, bytes.count)
        case PageOpcode.image: return image(page, base, bytes.count)
        case PageOpcode.truncate: return truncate(page, base, bytes.count)
        case PageOpcode.release: return release(page)
        case PageOpcode.insertRun: return insertRun(page, base, bytes.count)
        case PageOpcode.removeRun: return removeRun(page, base, bytes.count)
        case PageOpcode.allocate, PageOpcode.deallocate, PageOpcode.suspect, PageOpcode.vacate:
            return ExtentMapPage(page).apply(opcode, base, bytes.count)
        case PageOpcode.own: return SharedExtentPage(page).apply(base, bytes.count)
        default: return false
        }
    }

    private static func treePage(_ page: UnsafeMutableRawPointer) -> TreePage? {
        let type = PageHeader.type(page)
        guard type == .treeLeaf || type == .treeInner else { return nil }
        let node = TreePage(page)
        return node.isPlausible ? node : nil
    }

    private static func image(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count >= 4 else { return false }
        let low = Int(base.little(0, as: UInt16.self))
        let high = Int(base.little(2, as: UInt16.self))
        guard low >= PageHeader.byteCount, low <= high, high <= pageSize, count == 4 + low + pageSize - high else {
            return false
        }
        page.copyMemory(from: base + 4, byteCount: low)
        (page + low).initializeMemory(as: UInt8.self, repeating: 0, count: high - low)
        (page + high).copyMemory(from: base + 4 + low, byteCount: pageSize - high)
        return true
    }

    private static func insert(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count >= 6, let node = treePage(page) else { return false }
        let slot = Int(base.little(0, as: UInt16.self))
        let suffixByteCount = Int(base.little(2, as: UInt16.self))
        let payloadField = base.little(4, as: UInt16.self)
        let payloadByteCount = Int(payloadField & ~TreePage.spilledFlag)
        guard count == 6 + suffixByteCount + payloadByteCount, slot <= node.slotCount,
            TreePage.slotByteCount + suffixByteCount + payloadByteCount <= node.freeByteCount,
            node.takes(payloadByteCount)
        else { return false }
        node.insert(
            at: slot, suffix: TreeKey(base: base + 6, count: suffixByteCount),
            payload: UnsafeRawBufferPointer(start: base + 6 + suffixByteCount, count: payloadByteCount),
            spilled: payloadField & TreePage.spilledFlag != 0)
        return true
    }

    private static func remove(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count == 2, let node = treePage(page) else { return false }
        let slot = Int(base.little(0, as: UInt16.self))
        guard slot < node.slotCount else { return false }
        node.remove(at: slot)
        return true
    }

    private static func insertRun(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard let node = treePage(page), node.isLeaf else { return false }
        let run = EntryRun(base, count)
        guard let needed = run.spaceNeeded(prefixLength: node.prefixLength), run.slot <= node.slotCount,
            needed <= node.freeByteCount
        else { return false }
        node.insert(run, spaceNeeded: needed)
        return true
    }

    private static func removeRun(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count == 4, let node = treePage(page) else { return false }
        let slot = Int(base.little(0, as: UInt16.self))
        let removed = Int(base.little(2, as: UInt16.self))
        guard removed > 0, slot + removed <= node.slotCount else { return false }
        for index in (slot..<slot + removed).reversed() { node.remove(at: index) }
        return true
    }

    private static func replace(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count >= 4, let node = treePage(page) else { return false }
        let slot = Int(base.little(0, as: UInt16.self))
        let field = base.little(2, as: UInt16.self)
        let payload = UnsafeRawBufferPointer(start: base + 4, count: count - 4)
        guard Int(field & ~TreePage.spilledFlag) == payload.count, slot < node.slotCount,
            payload.count - node.payload(slot).count <= node.freeByteCount, node.takes(payload.count)
        else { return false }
        node.replacePayload(at: slot, with: payload, spilled: field & TreePage.spilledFlag != 0)
        return true
    }

    private static func patch(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count >= 8, let node = treePage(page) else { return false }
        let slot = Int(base.little(0, as: UInt16.self))
        let front = Int(base.little(2, as: UInt16.self))
        let back = Int(base.little(4, as: UInt16.self))
        let spilled = base.little(6, as: UInt16.self) != 0
        guard slot < node.slotCount else { return false }
        let old = node.payload(slot)
        let length = front + count - 8 + back
        guard front + back <= old.count, length <= pageSize / 2, length - old.count <= node.freeByteCount,
            node.takes(length), let oldBase = old.baseAddress
        else { return false }
        if length == old.count && spilled == node.isSpilled(slot) {
            (oldBase + front).copyMemory(from: base + 8, byteCount: count - 8)
            return true
        }
        var memory = ScratchPage(repeating: 0)
        withUnsafeMutableBytes(of: &memory) { new in
            let target = new.baseAddress.unsafelyUnwrapped
            target.copyMemory(from: oldBase, byteCount: front)
            (target + front).copyMemory(from: base + 8, byteCount: count - 8)
            (target + front + count - 8).copyMemory(from: oldBase + old.count - back, byteCount: back)
            node.replacePayload(at: slot, with: UnsafeRawBufferPointer(start: target, count: length), spilled: spilled)
        }
        return true
    }

    private static func truncate(_ page: UnsafeMutableRawPointer, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count > 2, count <= 2 + TreePage.maxKeyByteCount, let node = treePage(page) else { return false }
        let keep = Int(base.little(0, as: UInt16.self))
        let upper = TreeKey(base: base + 2, count: count - 2)
        guard keep <= node.slotCount, node.hasRoomTruncated(keep: keep, upper: upper) else { return false }
        node.truncate(keep: keep, upper: upper)
        return true
    }

    /// Only the type changes: a late optimistic reader still finds plausible bytes, and fails its validation.
    private static func release(_ page: UnsafeMutableRawPointer) -> Bool {
        PageHeader.setType(page, .free)
        return true
    }
}
