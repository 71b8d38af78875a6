// What a simulated disk does to those who rely on it, and the record of what it did.

import Platform

/// How a device behaves. Chances are of a thousand.
package struct DiskProfile: Sendable {
    package var byteCount: UInt64 = 64 << 20
    package var sectorByteCount = 512
    /// Bytes that are written all or not at all.
    package var atomicWriteByteCount = 512
    package var maxTransferByteCount = 256 << 10
    package var queueDepth = 32
    /// Nanoseconds.
    package var latency: ClosedRange<Int> = 5_000...200_000
    /// Requests that take a hundred times as long.
    package var slowPermille = 2
    /// Requests that find the queue full.
    package var refusedPermille = 5
    /// Reads or writes that transfer less than asked, at a sector.
    package var shortPermille = 5
    /// Says that it flushed, and did nothing: no engine can keep its promises on it, and the oracles must notice.
    package var liesAboutFlush = false

    /// Reads, writes and flushes that fail, once, without any effect.
    package var readErrorPermille = 0
    package var writeErrorPermille = 0
    package var flushErrorPermille = 0
    /// Requests after which a sector somewhere cannot be read any more, until it is written again.
    package var latentPermille = 0
    /// Requests after which some bits of a sector somewhere have changed.
    package var rotPermille = 0
    /// Reads that return what lies elsewhere.
    package var misdirectedReadPermille = 0
    /// Writes that hit another place as well.
    package var misdirectedWritePermille = 0
    /// Bytes that there is room for beneath the device, as under a sparse file; nil is enough for all. Writing to a page for the
    /// first time takes one page.
    package var storableByteCount: UInt64?
    package init() {}

    /// Requests fail without any damage.
    package var fails: Bool { readErrorPermille + writeErrorPermille + flushErrorPermille > 0 }
    /// What was written may not come back.
    package var damages: Bool {
        latentPermille + rotPermille + misdirectedReadPermille + misdirectedWritePermille > 0
    }
}

/// Counts requests to write to some pages.
package struct DiskTrap {
    let pages: Range<Int>
    private var left: Int
    package init(pages: Range<Int>, left: Int) {
        self.pages = pages
        self.left = left
    }

    /// True at the last of them.
    mutating func isSprung(by page: Int) -> Bool {
        if pages.contains(page) { left -= 1 }
        return left == 0
    }
}

/// A request that took effect, for the trace of a failure.
package struct DiskEvent: Sendable {
    package var time: UInt64
    package var operation: BlockOperation
    package var offset: Int
    package var byteCount: Int
    package var result: Int
    /// What went wrong with it, if something did.
    package var fault: StaticString

    package var text: String {
        let name =
            switch operation {
            case .read: "read"
            case .write: "write"
            case .durableWrite: "durable write"
            case .flush: "flush"
            }
        let place = operation == .flush ? "" : " of \(byteCount) bytes at page \(offset / pageSize)"
        let rest = fault.utf8CodeUnitCount > 0 ? ", \(fault)" : ""
        return "\(time / 1000) us: \(name)\(place): \(result)\(rest)"
    }
}
