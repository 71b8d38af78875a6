// How a device is divided when it is formatted.

import DirectStorage
import Platform

/// What the user may choose; the defaults follow the device's size.
package struct LayoutOptions: Sendable {
    /// Bytes of the log zone. By default an eighth of the device, at least 4 MiB and at most 2 GiB: the zone bounds the
    /// time that recovery takes.
    package var walByteCount: UInt64?
    /// Bytes of the double-write zone. By default 1/64 of the device, at least 256 KiB and at most 16 MiB.
    package var doubleWriteByteCount: UInt64?
    package init(walByteCount: UInt64? = nil, doubleWriteByteCount: UInt64? = nil) {
        self.walByteCount = walByteCount
        self.doubleWriteByteCount = doubleWriteByteCount
    }
}

extension DiskLayout {
    /// Smallest device that can be formatted: 32 MiB.
    package static let minimumDeviceByteCount: UInt64 = 32 << 20

    /// Divides a device. 53100 if it is too small, or too small for the zones asked for.
    package static func compute(
        deviceByteCount: UInt64, options: LayoutOptions = LayoutOptions()
    ) throws(EngineError) -> DiskLayout {
        let page = UInt64(pageSize)
        if deviceByteCount < minimumDeviceByteCount {
            throw EngineError(
                .diskFull,
                "the device is too small: it has \(deviceByteCount) bytes, and a database needs at least "
                    + "\(minimumDeviceByteCount)")
        }
        let wanted = options.walByteCount ?? min(max(deviceByteCount / 8, 4 << 20), 2 << 30)
        let doubleWrite = options.doubleWriteByteCount ?? min(max(deviceByteCount / 64, 256 << 10), 16 << 20)
        if wanted > deviceByteCount || doubleWrite > deviceByteCount { throw noRoom(deviceByteCount) }
        let doubleWritePages = max(16, roundUp(doubleWrite, page) / page)
        let superblocks = UInt64(Superblock.copyCount)
        // Data extents begin at a multiple of their size; the log takes what that leaves.
        let metadata = roundUp(superblocks + max(64, roundUp(wanted, page) / page) + doubleWritePages, pagesPerExtent)
        let walPages = metadata - superblocks - doubleWritePages
        let pages = deviceByteCount / page
        if metadata + pagesPerExtent > pages { throw noRoom(deviceByteCount) }
        let layout = DiskLayout(
            deviceByteCount: deviceByteCount, walFirstPage: superblocks, walPageCount: walPages,
            doubleWriteFirstPage: superblocks + walPages, doubleWritePageCount: doubleWritePages,
            dataFirstPage: metadata, extentCount: (pages - metadata) / pagesPerExtent)
        assert(layout.isConsistent)
        return layout
    }

    private static func noRoom(_ deviceByteCount: UInt64) -> EngineError {
        EngineError(
            .diskFull, "the device is too small: the log and the double-write zone leave no room for data",
            detail: "It has \(deviceByteCount) bytes.", hint: "Choose smaller zones or a larger device.")
    }
}
