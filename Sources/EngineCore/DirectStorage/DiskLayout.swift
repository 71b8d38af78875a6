// Where things lie on the device. Fixed when it is formatted and kept in the superblock:
//
//   page 0     4                    4+W                    data start                      end
//   | 4 super- | WAL zone: W pages  | double-write zone    | extents of 1,024 pages ...    | unused tail |
//   | blocks   |                    | D pages              |                               | < 1 extent  |

import Platform

package struct DiskLayout: Equatable, Sendable {
    package var deviceByteCount: UInt64
    package var walFirstPage: UInt64
    package var walPageCount: UInt64
    package var doubleWriteFirstPage: UInt64
    package var doubleWritePageCount: UInt64
    package var dataFirstPage: UInt64
    package var extentCount: UInt64

    package static let pagesPerExtent: UInt64 = 1024

    package init(
        deviceByteCount: UInt64, walFirstPage: UInt64, walPageCount: UInt64, doubleWriteFirstPage: UInt64,
        doubleWritePageCount: UInt64, dataFirstPage: UInt64, extentCount: UInt64
    ) {
        self.deviceByteCount = deviceByteCount
        self.walFirstPage = walFirstPage
        self.walPageCount = walPageCount
        self.doubleWriteFirstPage = doubleWriteFirstPage
        self.doubleWritePageCount = doubleWritePageCount
        self.dataFirstPage = dataFirstPage
        self.extentCount = extentCount
    }

    package var walOffset: UInt64 { walFirstPage * UInt64(pageSize) }
    package var walByteCount: UInt64 { walPageCount * UInt64(pageSize) }
    package var dataPageCount: UInt64 { extentCount * Self.pagesPerExtent }
    /// One past the last page of the data zone: page numbers from `dataFirstPage` to here are the buffer pool's.
    package var endPage: UInt64 { dataFirstPage + dataPageCount }

    /// First page of an extent.
    package func firstPage(ofExtent extent: UInt64) -> PageID {
        assert(extent < extentCount)
        return PageID(dataFirstPage + extent * Self.pagesPerExtent)
    }

    /// The extent that a data page belongs to.
    package func extent(of page: PageID) -> UInt64 {
        assert(contains(page))
        return (page.rawValue - dataFirstPage) / Self.pagesPerExtent
    }

    /// True for pages of the data zone.
    @inlinable @inline(__always)
    package func contains(_ page: PageID) -> Bool { page.rawValue >= dataFirstPage && page.rawValue < endPage }

    /// Zones in order, inside the device, none empty. Checked on what a superblock says before it is believed.
    package var isConsistent: Bool {
        let pages = deviceByteCount / UInt64(pageSize)
        let limit = UInt64(1) << 48
        if pages > limit || walPageCount > limit || doubleWritePageCount > limit || extentCount > limit { return false }
        if walFirstPage != UInt64(Superblock.copyCount) || walPageCount == 0 || doubleWritePageCount == 0 {
            return false
        }
        if doubleWriteFirstPage != walFirstPage + walPageCount { return false }
        if dataFirstPage < doubleWriteFirstPage + doubleWritePageCount || dataFirstPage > limit { return false }
        return extentCount > 0 && endPage <= pages
    }
}
