// Making a device into an empty database. Only on request: opening never formats.
//
// The log zone is written with zeros, not merely declared empty: the first write to an unwritten extent of a file makes
// the file system update its metadata, which halves the rate of durable writes (measured 3.9 against 7.8 thousand a
// second). The superblock comes last, so a format that is interrupted leaves no database behind, and none half made.

import AsyncIO
import DirectStorage
import IOScheduler
import Platform

package enum Formatter {
    /// Formats the device; about 0.5 s per GiB of log zone. 55006 if it holds a database already, or data that is not
    /// ours, unless `overwrite`; 53100 if it is too small.
    package static func format(
        io: BlockIO, platform: any Platform, options: LayoutOptions = LayoutOptions(), overwrite: Bool = false
    ) throws(EngineError) -> SuperblockStore {
        let layout = try DiskLayout.compute(deviceByteCount: io.geometry.byteCount, options: options)
        if !overwrite { try checkEmpty(io, platform) }
        // First the old superblock, then what it describes.
        try writeZeros(io, platform, pages: 0..<UInt64(Superblock.copyCount))
        try io.flush()
        try writeZeros(io, platform, pages: layout.walFirstPage..<layout.dataFirstPage)
        try io.flush()
        var uuid: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &uuid) { platform.entropy($0) }
        // RFC 4122, version 4.
        uuid.0 = uuid.0 & ~0xf000 | 0x4000
        uuid.1 = uuid.1 & ~(3 << 62) | 2 << 62
        return try SuperblockStore.create(
            io: io, platform: platform, superblock: Superblock(uuidHigh: uuid.0, uuidLow: uuid.1, layout: layout))
    }

    private static func checkEmpty(_ io: BlockIO, _ platform: any Platform) throws(EngineError) {
        for copy in try SuperblockStore.readCopies(io: io, platform: platform) {
            switch copy {
            case .zero, .unreadable: continue
            case .foreign:
                throw EngineError(
                    .objectInUse, "the device holds data that is not a DBKernel database",
                    hint: "Check that this is the right device; formatting it would destroy that data.")
            case .valid, .damaged, .unknownVersion:
                throw EngineError(
                    .objectInUse, "the device already holds a database",
                    hint: "Formatting it would destroy the database.")
            }
        }
    }

    private static func writeZeros(
        _ io: BlockIO, _ platform: any Platform, pages: Range<UInt64>
    ) throws(EngineError) {
        // A stretch of zeros that fits all requests in flight; every request writes the same one.
        let stretch = min(io.geometry.maxTransferByteCount, 1 << 20)
        guard let zeros = platform.allocate(byteCount: stretch, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "there is no memory to format the device")
        }
        defer { platform.deallocate(zeros, byteCount: stretch) }
        try io.fill(
            with: UnsafeRawPointer(zeros), patternByteCount: stretch, offset: pages.lowerBound * UInt64(pageSize),
            byteCount: (pages.upperBound - pages.lowerBound) * UInt64(pageSize))
    }
}
