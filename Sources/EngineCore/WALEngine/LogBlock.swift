// A log block: 4 KiB on the device, 32 bytes of header and 4,064 of payload. The payloads, one after the other, are the
// log's byte stream that LSNs count.
//
// Invariant: within one boot a block is written exactly once. A flush that must take a partly filled block seals it: the
// next record starts in the next block, so no acknowledged block is ever written again and a torn write can only hit
// bytes nobody was told are safe. `previousChecksum` chains the blocks (as in SQLite's WAL and TigerBeetle's journal): a
// block left over from an earlier lap of the zone or an earlier boot does not continue the chain.
//
//      0  u32 checksum            CRC32C of bytes 4..<4096
//      4  u32 previousChecksum    checksum of block number − 1
//      8  u64 number              first LSN / 4064; the block lies at zone slot number % slotCount
//     16  u64 durableNumber       when this block was handed to the device, every block below this was durable
//     24  u32 epoch               boot that wrote it
//     28  u16 payloadUsed         records end here; the rest is zero, skipped by readers
//     30  u16 reserved

import AsyncIO
import CPrimitives
import IOScheduler
import Platform

package enum LogBlock {
    package static let byteCount = 4096
    package static let headerByteCount = 32
    package static let payloadByteCount = byteCount - headerByteCount

    package static let checksum = 0
    package static let previousChecksum = 4
    package static let number = 8
    package static let durableNumber = 16
    package static let epoch = 24
    package static let payloadUsed = 28

    /// Bounds of what can be in flight when power fails: part of the format, because they bound how far behind a torn
    /// block recovery must look for proof that the log went on (LogTail).
    package static let maxBlocksPerFlush = 256
    package static let maxFlushesInFlight = 4

    @inline(__always) package static func number(of lsn: LSN) -> UInt64 { lsn.rawValue / UInt64(payloadByteCount) }
    @inline(__always) package static func offset(of lsn: LSN) -> Int { Int(lsn.rawValue % UInt64(payloadByteCount)) }
    @inline(__always) package static func firstLSN(_ number: UInt64) -> LSN { LSN(number * UInt64(payloadByteCount)) }
    /// `lsn` or the next block boundary after it.
    @inline(__always) package static func roundedUp(_ lsn: LSN) -> LSN {
        firstLSN((lsn.rawValue + UInt64(payloadByteCount - 1)) / UInt64(payloadByteCount))
    }

    @inline(__always) static func computeChecksum(_ block: UnsafeRawPointer) -> UInt32 {
        dbk_crc32c(0, block + previousChecksum, byteCount - previousChecksum)
    }
}

/// A block's header, taken from bytes that may be anything.
package struct LogBlockHeader {
    package var checksum: UInt32
    package var previousChecksum: UInt32
    package var number: UInt64
    package var durableNumber: UInt64
    package var epoch: UInt32
    package var payloadUsed: Int

    /// Nil unless the checksum matches and the payload length is possible.
    package init?(_ block: UnsafeRawPointer) {
        checksum = block.little(LogBlock.checksum, as: UInt32.self)
        guard Mutation.isActive(.logBlockUnchecked) || LogBlock.computeChecksum(block) == checksum else { return nil }
        previousChecksum = block.little(LogBlock.previousChecksum, as: UInt32.self)
        number = block.little(LogBlock.number, as: UInt64.self)
        durableNumber = block.little(LogBlock.durableNumber, as: UInt64.self)
        epoch = block.little(LogBlock.epoch, as: UInt32.self)
        payloadUsed = Int(block.little(LogBlock.payloadUsed, as: UInt16.self))
        guard payloadUsed <= LogBlock.payloadByteCount, payloadUsed % LogRecordLayout.alignment == 0 else { return nil }
    }

    /// Writes the header into `block`, whose payload is complete. Returns the block's checksum.
    static func seal(
        _ block: UnsafeMutableRawPointer, previousChecksum: UInt32, number: UInt64, durableNumber: UInt64,
        epoch: UInt32,
        payloadUsed: Int
    ) -> UInt32 {
        block.setLittle(LogBlock.previousChecksum, previousChecksum)
        block.setLittle(LogBlock.number, number)
        block.setLittle(LogBlock.durableNumber, durableNumber)
        block.setLittle(LogBlock.epoch, epoch)
        block.setLittle(LogBlock.payloadUsed, UInt32(payloadUsed))  // and the reserved half word after it
        let checksum = LogBlock.computeChecksum(block)
        block.setLittle(LogBlock.checksum, checksum)
        return checksum
    }
}

/// Where the log lies on the device.
package struct LogZone: Sendable {
    /// Byte offset of slot 0, a multiple of the block size.
    package let offset: UInt64
    package let slotCount: UInt64

    package init(offset: UInt64, byteCount: UInt64) {
        precondition(offset % UInt64(LogBlock.byteCount) == 0, "the log zone is not aligned")
        self.offset = offset
        slotCount = byteCount / UInt64(LogBlock.byteCount)
        precondition(slotCount >= 32, "the log zone is too small")
    }
    @inline(__always) package func slot(_ number: UInt64) -> UInt64 { number % slotCount }
    /// Byte offset of a block on the device.
    @inline(__always) package func byteOffset(_ number: UInt64) -> UInt64 {
        offset + slot(number) * UInt64(LogBlock.byteCount)
    }
    /// Where a new log begins. Not zero: LSN 0 means "none".
    package static let firstLSN = LogBlock.firstLSN(1)
}

extension LogZone {
    /// Reads `count` blocks from `first` on, which do not wrap around, one by one if they cannot be had at once. A block that the
    /// device does not return is zeros, and `unreadable` is told its number and what the device said. Ends early once `isWanted`
    /// is false.
    func read(
        _ first: UInt64, count: Int, into base: UnsafeMutableRawPointer, _ io: BlockIO, isWanted: () -> Bool = { true },
        unreadable: (UInt64, EngineError) -> Void
    ) {
        do throws(EngineError) {
            try io.read(
                into: base, offset: byteOffset(first), byteCount: count * LogBlock.byteCount, class: .scan)
        } catch {
            for index in 0..<count where isWanted() {
                let block = base + index * LogBlock.byteCount
                let number = first + UInt64(index)
                do throws(EngineError) {
                    try io.read(into: block, offset: byteOffset(number), byteCount: LogBlock.byteCount, class: .scan)
                } catch {
                    block.initializeMemory(as: UInt8.self, repeating: 0, count: LogBlock.byteCount)
                    unreadable(number, error)
                }
            }
        }
    }
}
