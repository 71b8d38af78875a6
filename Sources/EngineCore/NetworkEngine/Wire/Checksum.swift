// The Internet checksum (RFC 1071): the complement of the ones' complement sum of 16-bit words. Sums are kept unfolded in 64
// bits, in the byte order of memory, and swapped once at the end; the sum does not care (RFC 1071, section 2 B).

import Platform

enum Checksum {
    /// Adds `byteCount` bytes that begin at an even offset of what is summed.
    static func sum(_ base: UnsafeRawPointer, _ byteCount: Int, _ initial: UInt64 = 0) -> UInt64 {
        var low: UInt64 = initial
        var high: UInt64 = 0
        var offset = 0
        while offset + 16 <= byteCount {
            let a = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let b = base.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
            low &+= (a & 0xffff_ffff) &+ (b & 0xffff_ffff)
            high &+= (a >> 32) &+ (b >> 32)
            offset += 16
        }
        var sum = low &+ high
        while offset + 2 <= byteCount {
            sum &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset += 2
        }
        if offset < byteCount { sum &+= UInt64(base.load(fromByteOffset: offset, as: UInt8.self)) }
        return sum
    }

    /// The 16-bit sum, not complemented, in the byte order of memory.
    @inline(__always) static func fold(_ sum: UInt64) -> UInt16 {
        var value = (sum & 0xffff_ffff) &+ (sum >> 32)
        value = (value & 0xffff) &+ (value >> 16 & 0xffff) &+ (value >> 32)
        value = (value & 0xffff) &+ (value >> 16)
        value = (value & 0xffff) &+ (value >> 16)
        return UInt16(truncatingIfNeeded: value)
    }

    /// What TCP and UDP add: addresses, protocol, length (RFC 9293, section 3.1).
    @inline(__always) static func pseudoHeader(
        _ source: IPv4Address, _ destination: IPv4Address, _ protocolNumber: UInt8, _ byteCount: Int
    ) -> UInt64 {
        UInt64(source.rawValue.byteSwapped) &+ UInt64(destination.rawValue.byteSwapped)
            &+ UInt64(UInt16(protocolNumber).byteSwapped) &+ UInt64(UInt16(truncatingIfNeeded: byteCount).byteSwapped)
    }

    /// True if bytes that contain their checksum sum up as they should.
    @inline(__always) static func isGood(_ base: UnsafeRawPointer, _ byteCount: Int, _ initial: UInt64 = 0) -> Bool {
        fold(sum(base, byteCount, initial)) == 0xffff
    }

    /// Stores the checksum of `byteCount` bytes into the field at `offset`, which is zero.
    @inline(__always) static func store(
        _ base: UnsafeMutableRawPointer, _ byteCount: Int, at offset: Int, _ initial: UInt64 = 0
    ) {
        base.storeBytes(of: ~fold(sum(base, byteCount, initial)), toByteOffset: offset, as: UInt16.self)
    }
}
