// Where the log ends, and telling an end from damage.
//
// Reading follows the chain from block to block: block `n` continues the log if its checksum holds, it says it is number
// `n`, its boot is not older than its predecessor's, and it names its predecessor's checksum. At a crash up to
// `maxFlushesInFlight` flushes were in the air, each of up to `maxBlocksPerFlush` blocks, and of those any subset may
// have reached the device, whole or torn, in any order; everything before them had been made durable. So the first block
// that does not continue the log is either the end, and nothing at or behind it was ever acknowledged, or damage to
// something that was. Cutting the log at damage would lose commits silently; it is an error instead (XX001).
//
// What is found in block `n`, and what proves that it was once durable:
//
//      found                                                     0 no proof   1 checkpoint   2 witness
//      A  no valid checksum: torn, never written, or rotten      end          damage         damage
//      B  block of an earlier lap of the zone                    end          damage         damage
//      C  right number, older boot than its predecessor's        end          damage         damage
//      D  right number, not an older boot, other predecessor     damage       damage         damage
//      E  any other number                                       damage       damage         damage
//
//      1  the superblock's checkpoint says that the log was durable past `n`.
//      2  a later block `m`, in its place, with a valid checksum and a boot not older than the predecessor's, was handed
//         to the device after everything below its `durableNumber` was durable, and that is above `n`.
//
// A0: a flush was torn or lost at a crash. B0: the block was not reached in this lap, or its write was lost. C0: an
// earlier boot's flush landed here behind its own torn block, and the log has since been cut before it. Such leftovers
// prove nothing: their `durableNumber` is at most the block at which that boot's log ended, which the log has passed by
// blocks of a newer boot. D0: block `n` of this boot or of a later one was made when `n − 1` held something else; a boot
// writes a block once, and a later boot chains to what it has read, so `n − 1` has changed since. E0: a newer lap
// (the superblock that freed this block is lost) or a misdirected write.
//
// What cannot be told from a torn flush: damage to the very last flush, if no other followed it. Witnesses are sought up
// to twice the bound of what can be in flight behind `n`; every undamaged block past that bound is one. A block that the device
// does not return is no witness; where it would have to continue the log, the device's error is what the reader gets (58030).

import AsyncIO
import Platform

/// The last block of the log, and where it goes on.
package struct LogTail: Sendable {
    /// The block to be written next.
    package var nextNumber: UInt64
    /// Checksum of the block before it; 0 if there is none.
    package var checksum: UInt32
    /// Boot that wrote the block before it; 0 if there is none.
    package var epoch: UInt32
    /// End of the last complete record; a record that the crash cut off behind it never happened.
    package var endLSN: LSN
    /// What was found in block `nextNumber`.
    package var cause: Cause

    /// The tail of a log that has no record yet.
    package static let empty = LogTail(
        nextNumber: LogBlock.number(of: LogZone.firstLSN), checksum: 0, epoch: 0, endLSN: LogZone.firstLSN,
        cause: .invalid)

    package enum Cause: UInt8, Sendable {
        case invalid = 65, earlierLap, earlierBoot, otherPredecessor, otherNumber
        /// Its letter in the table above.
        var letter: String {
            switch self {
            case .invalid: "A"
            case .earlierLap: "B"
            case .earlierBoot: "C"
            case .otherPredecessor: "D"
            case .otherNumber: "E"
            }
        }
    }
}

/// The last block that continued the log.
struct LogChain {
    var checksum: UInt32 = 0
    var epoch: UInt32 = 0
    /// False before the first block of all, and if the block before the start of reading cannot be read.
    var isKnown = false

    /// Nil if `header` continues the chain as block `number`.
    func mismatch(_ header: LogBlockHeader?, number: UInt64, zone: LogZone) -> LogTail.Cause? {
        guard let header else { return .invalid }
        if header.number != number {
            return header.number < number && zone.slot(header.number) == zone.slot(number) ? .earlierLap : .otherNumber
        }
        if Mutation.isActive(.staleLogAccepted) { return nil }
        if header.epoch < epoch { return .earlierBoot }
        if isKnown && header.previousChecksum != checksum { return .otherPredecessor }
        return nil
    }
}

enum LogEnd {
    /// Judges block `number`, the first that does not continue the log. Returns if it is the end, throws XX001 if it is
    /// damage. `mustReach`: the log was durable up to there.
    static func judge(
        _ cause: LogTail.Cause, number: UInt64, chain: LogChain, zone: LogZone, io: BlockIO, mustReach: LSN,
        buffer: UnsafeMutableRawBufferPointer
    ) throws(EngineError) {
        if LogBlock.firstLSN(number) < mustReach { throw damage(cause, 1, number) }
        if hasWitness(against: number, chain: chain, zone: zone, io: io, buffer: buffer) {
            throw damage(cause, 2, number)
        }
        switch cause {
        case .invalid, .earlierLap, .earlierBoot: return
        case .otherPredecessor, .otherNumber: throw damage(cause, 0, number)
        }
    }

    private static func hasWitness(
        against number: UInt64, chain: LogChain, zone: LogZone, io: BlockIO, buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let bound = UInt64(2 * LogBlock.maxBlocksPerFlush * LogBlock.maxFlushesInFlight)
        var next = number + 1
        let end = number + min(bound, zone.slotCount - 1)
        while next < end {
            let count = min(UInt64(buffer.count / LogBlock.byteCount), end - next, zone.slotCount - zone.slot(next))
            let base = buffer.baseAddress.unsafelyUnwrapped
            // A block that cannot be read bears witness to nothing. The log would end too early only if a block of it were damaged and
            // besides every witness unreadable, and a start is not to fail for a sector that the log has long left.
            zone.read(next, count: Int(count), into: base, io) { _, _ in }
            for index in 0..<count {
                let block = UnsafeRawPointer(base + Int(index) * LogBlock.byteCount)
                // The number first: most blocks are of an earlier lap or empty, and need no checksum.
                if block.little(LogBlock.number, as: UInt64.self) != next + index { continue }
                guard let header = LogBlockHeader(block) else { continue }
                if header.epoch >= chain.epoch && header.durableNumber > number {
                    return true
                }
            }
            next += count
        }
        return false
    }

    private static func damage(_ cause: LogTail.Cause, _ proof: Int, _ number: UInt64) -> EngineError {
        EngineError(
            .dataCorrupted,
            "the log is damaged at LSN \(LogBlock.firstLSN(number).rawValue), block \(number): case \(cause.letter)\(proof)",
            severity: .panic, detail: "Records behind it were durable and cannot be read.",
            hint: "Restore from a backup, or let a replica take over.")
    }
}
