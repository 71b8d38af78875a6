// The word that says all about a page in the pool (after vmcache, Leis et al., SIGMOD 2023). All-zero, which is what
// reserved memory reads as, means evicted and never loaded.
//
//   63                     17 16        15..8         7..5   4        3        2        1       0
//   | version                | exclusive | shared count |      | loading| writing| waiters| marked| resident |
//
// exclusive is the lowest bit of a counter that starts at bit 16: latching adds one, unlatching adds one. So a version
// that is odd means "latched exclusively", and every exclusive latching changes what optimistic readers compare.
//
// resident  the page's bytes are in memory
// marked    the clock has passed since the last use: the next pass may evict (second chance)
// waiters   a fiber is parked on this word in the parking lot
// writing   a copy of the page is on its way to the device: not to be evicted, not to be copied again
// loading   held exclusively over I/O: others park at once instead of spinning

package enum PageState {
    package static let resident: UInt64 = 1 << 0
    package static let marked: UInt64 = 1 << 1
    package static let waiters: UInt64 = 1 << 2
    package static let writing: UInt64 = 1 << 3
    package static let loading: UInt64 = 1 << 4
    package static let sharedOne: UInt64 = 1 << 8
    package static let sharedMask: UInt64 = 0xff << 8
    package static let exclusive: UInt64 = 1 << 16
    /// Bits below the version and its exclusive bit.
    package static let versionShift: UInt64 = 16

    @inlinable @inline(__always) package static func isResident(_ word: UInt64) -> Bool { word & resident != 0 }
    @inlinable @inline(__always) package static func isExclusive(_ word: UInt64) -> Bool { word & exclusive != 0 }
    @inlinable @inline(__always) package static func isMarked(_ word: UInt64) -> Bool { word & marked != 0 }
    @inlinable @inline(__always) package static func isShared(_ word: UInt64) -> Bool { word & sharedMask != 0 }
    @inlinable @inline(__always) package static func isWriting(_ word: UInt64) -> Bool { word & writing != 0 }
    @inlinable @inline(__always) package static func isLatched(_ word: UInt64) -> Bool {
        word & (exclusive | sharedMask) != 0
    }
    /// In memory, not being changed, and used since the clock's last pass: what a hit finds.
    @inlinable @inline(__always) package static func isReadable(_ word: UInt64) -> Bool {
        word & (resident | marked | exclusive) == resident
    }
    @inlinable @inline(__always) package static func isSameVersion(_ a: UInt64, _ b: UInt64) -> Bool {
        a ^ b < exclusive
    }
}
