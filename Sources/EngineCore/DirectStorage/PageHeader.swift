// The first 32 bytes of every page on the device, little-endian.
//
//   0  checksum  u32   CRC32C of bytes 4..<4096, seeded with the device's own seed
//   4  type      u8    PageType
//   5  flags     u8    the type's own
//   6            u16   zero; of a log block the length of its payload
//   8  page id   u64   where the page belongs: tells misdirected reads and writes
//  16  page LSN  u64   end LSN of the last record that changed the page; redo skips records up to it
//  24  tree id   u32   the tree that owns the page; 0 for none
//  28            u32   zero
//
// The checksum is set in the copy that goes to the device, just before the write, and is verified on every read from the
// device; a page in memory has a stale one. Its seed comes from the superblock's identity, so that a page which an
// earlier database left on the same device is not taken for one of this database.

import CPrimitives
import Platform

/// What a page holds.
package enum PageType: UInt8, Sendable {
    /// Never written by this database.
    case unused = 0
    /// Which tree each extent belongs to.
    case extentMap = 1
    /// Which pages of extents are in use.
    case extentBitmap = 2
    case treeInner = 3
    case treeLeaf = 4
    /// A piece of a payload too long for a leaf.
    case overflow = 5
    /// Was used and is free again.
    case free = 6
    /// A log block that has left the log zone.
    case logBlock = 7
}

package enum PageHeader {
    package static let byteCount = 32

    @inlinable @inline(__always)
    package static func checksum(_ page: UnsafeRawPointer) -> UInt32 { page.little(0, as: UInt32.self) }
    @inlinable @inline(__always)
    package static func rawType(_ page: UnsafeRawPointer) -> UInt8 { page.load(fromByteOffset: 4, as: UInt8.self) }
    @inlinable @inline(__always)
    package static func type(_ page: UnsafeRawPointer) -> PageType? { PageType(rawValue: rawType(page)) }
    @inlinable @inline(__always)
    package static func flags(_ page: UnsafeRawPointer) -> UInt8 { page.load(fromByteOffset: 5, as: UInt8.self) }
    @inlinable @inline(__always)
    package static func pageID(_ page: UnsafeRawPointer) -> PageID { PageID(page.little(8, as: UInt64.self)) }
    @inlinable @inline(__always)
    package static func pageLSN(_ page: UnsafeRawPointer) -> LSN { LSN(page.little(16, as: UInt64.self)) }
    @inlinable @inline(__always)
    package static func treeID(_ page: UnsafeRawPointer) -> UInt32 { page.little(24, as: UInt32.self) }

    @inlinable @inline(__always)
    package static func setType(_ page: UnsafeMutableRawPointer, _ type: PageType) {
        page.storeBytes(of: type.rawValue, toByteOffset: 4, as: UInt8.self)
    }
    @inlinable @inline(__always)
    package static func setFlags(_ page: UnsafeMutableRawPointer, _ flags: UInt8) {
        page.storeBytes(of: flags, toByteOffset: 5, as: UInt8.self)
    }
    @inlinable @inline(__always)
    package static func setPageLSN(_ page: UnsafeMutableRawPointer, _ lsn: LSN) { page.setLittle(16, lsn.rawValue) }
    @inlinable @inline(__always)
    package static func setTreeID(_ page: UnsafeMutableRawPointer, _ treeID: UInt32) { page.setLittle(24, treeID) }

    /// Writes a whole header. The page LSN is zero until the first record's `setPageLSN`; the checksum stays unset.
    package static func initialize(
        _ page: UnsafeMutableRawPointer, id: PageID, type: PageType, treeID: UInt32 = 0, flags: UInt8 = 0
    ) {
        page.setLittle(0, UInt32(0))
        setType(page, type)
        setFlags(page, flags)
        page.setLittle(6, UInt16(0))
        page.setLittle(8, id.rawValue)
        setPageLSN(page, .zero)
        setTreeID(page, treeID)
        page.setLittle(28, UInt32(0))
    }
}

/// Sets and verifies the checksum of pages of one device.
package struct PageChecksum: Sendable {
    package let seed: UInt32

    package init(seed: UInt32) { self.seed = seed }

    /// About 0.4 µs: 8 bytes per instruction.
    package func compute(_ page: UnsafeRawPointer) -> UInt32 { dbk_crc32c(seed, page + 4, pageSize - 4) }

    package func set(_ page: UnsafeMutableRawPointer) { page.setLittle(0, compute(page)) }

    /// What is wrong with a page that was read from where page `id` lies; nil if nothing is.
    package func defect(of page: UnsafeRawPointer, expected id: PageID) -> PageDefect? {
        if Mutation.isActive(.pageChecksumUnchecked) { return nil }
        if PageHeader.checksum(page) != compute(page) { return Self.isZero(page) ? .neverWritten : .badChecksum }
        if PageHeader.pageID(page) != id { return .misdirected(PageHeader.pageID(page)) }
        return nil
    }

    static func isZero(_ page: UnsafeRawPointer) -> Bool {
        let words = page.assumingMemoryBound(to: UInt64.self)
        var any: UInt64 = 0
        for index in 0..<pageSize / 8 { any |= words[index] }
        return any == 0
    }
}

/// Why a page that was read from the device cannot be used.
package enum PageDefect: Equatable, Sendable {
    /// The bytes are not those that were written: a torn write, bit rot, or another database's page.
    case badChecksum
    /// Zeros: the page was never written, or a write to it was lost.
    case neverWritten
    /// A sound page, but the one that belongs elsewhere.
    case misdirected(PageID)
    /// What was written, but what its parts say does not fit together: written by a fault, or on purpose.
    case malformed
    /// The device did not return it.
    case unreadable

    /// XX001: names the page and what was found. The page is not served.
    package func error(_ page: PageID) -> EngineError {
        let message: String
        switch self {
        case .badChecksum: message = "page \(page.rawValue) is corrupted: its checksum does not match its contents"
        case .malformed: message = "page \(page.rawValue) is corrupted: its parts do not fit together"
        case .unreadable: message = "page \(page.rawValue) cannot be read from the device"
        case .neverWritten: message = "page \(page.rawValue) is corrupted: it was never written"
        case .misdirected(let found):
            message = "page \(page.rawValue) is corrupted: page \(found.rawValue) was found in its place"
        }
        return EngineError(
            .dataCorrupted, message, hint: "Check the device, then restore the database from a backup or a replica.")
    }
}
