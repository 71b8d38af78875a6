// The measures every layer shares, as types, so that a page number is never taken for a byte position.

/// Number of a 4 KiB page on the device. Page `p` lies at byte `p * pageSize`; 0 is the superblock and never a tree page.
package struct PageID: RawRepresentable, BitwiseCopyable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64
    @inline(__always) package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inline(__always) package init(_ value: UInt64) { rawValue = value }
    package static let none = PageID(0)
    @inline(__always) package static func < (a: PageID, b: PageID) -> Bool { a.rawValue < b.rawValue }
    @inline(__always) package static func == (a: PageID, b: PageID) -> Bool { a.rawValue == b.rawValue }
}

/// Bytes in a page, on the device and in memory.
package let pageSize = 4096

/// Position in the log: count of payload bytes since the log began, so it only grows, across restarts too.
/// The end LSN of a transaction's commit record is its commit timestamp.
package struct LSN: RawRepresentable, BitwiseCopyable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64
    @inline(__always) package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inline(__always) package init(_ value: UInt64) { rawValue = value }
    package static let zero = LSN(0)
    @inline(__always) package static func < (a: LSN, b: LSN) -> Bool { a.rawValue < b.rawValue }
    @inline(__always) package static func == (a: LSN, b: LSN) -> Bool { a.rawValue == b.rawValue }
}

/// Monotonic time, from an arbitrary origin.
package struct Nanoseconds: RawRepresentable, BitwiseCopyable, Hashable, Comparable, Sendable {
    package var rawValue: UInt64
    @inline(__always) package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inline(__always) package init(_ value: UInt64) { rawValue = value }
    package static func microseconds(_ count: UInt64) -> Nanoseconds { Nanoseconds(count * 1_000) }
    package static func milliseconds(_ count: UInt64) -> Nanoseconds { Nanoseconds(count * 1_000_000) }
    package static func seconds(_ count: UInt64) -> Nanoseconds { Nanoseconds(count * 1_000_000_000) }
    /// A deadline that never comes.
    package static let never = Nanoseconds(UInt64.max)
    @inline(__always) package static func < (a: Nanoseconds, b: Nanoseconds) -> Bool { a.rawValue < b.rawValue }
    @inline(__always) package static func + (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
        let (sum, overflow) = a.rawValue.addingReportingOverflow(b.rawValue)
        return overflow ? .never : Nanoseconds(sum)
    }
    /// Zero if `b` is later than `a`.
    @inline(__always) package static func - (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
        a.rawValue > b.rawValue ? Nanoseconds(a.rawValue - b.rawValue) : Nanoseconds(0)
    }
}
