// Choosing what the next flush writes.
//
// Full blocks are taken as they are. The partly filled last one is taken only if somebody waits for a record in it; then
// `insert` is moved to the next block boundary, by compare-and-exchange from a value up to which every record is complete,
// so the rest of the block belongs to the sealer, who zeroes it.

import AsyncIO
import CPrimitives
import Fibers
import Platform
import Synchronization

extension Log {
    /// Takes the next run of blocks: contiguous in the ring and on the device, at most one flush long. Nil if there is
    /// nothing to flush, all flights are in the air, or another fiber is sealing (which then looks again by itself). May
    /// yield while another worker finishes a record.
    func seal() -> SealedRun? {
        let (got, _) = positions.pointee.isSealing.compareExchange(
            expected: false, desired: true, ordering: .sequentiallyConsistent)
        if !got { return nil }
        defer { positions.pointee.isSealing.store(false, ordering: .sequentiallyConsistent) }

        let flight = positions.pointee.flightTail.load(ordering: .relaxed)
        if !hasFreeFlight { return nil }
        let start = positions.pointee.sealedEnd.load(ordering: .relaxed)
        let (end, lastUsed) = chooseEnd(from: start)
        if end == start { return nil }

        let firstNumber = start / UInt64(LogBlock.payloadByteCount)
        let blockCount = Int((end - start) / UInt64(LogBlock.payloadByteCount))
        sealBlocks(firstNumber, blockCount, lastUsed: lastUsed)
        if flightsInFlight > 0 { statistics.overlapCount.add(1, ordering: .relaxed) }
        let slot = flightSlot(flight)
        slot.pointee.end = end
        slot.pointee.waiterCount = groundedCount
        positions.pointee.flyingCount.add(slot.pointee.waiterCount, ordering: .relaxed)
        slot.pointee.isDone.store(false, ordering: .sequentiallyConsistent)
        positions.pointee.sealedEnd.store(end, ordering: .sequentiallyConsistent)
        positions.pointee.flightTail.store(flight + 1, ordering: .sequentiallyConsistent)
        return SealedRun(flight: flight, firstNumber: firstNumber, blockCount: blockCount)
    }

    /// End of what can be flushed now, a block boundary, and the payload length of its last block.
    private func chooseEnd(from start: UInt64) -> (end: UInt64, lastUsed: Int) {
        let payload = UInt64(LogBlock.payloadByteCount)
        let cap = runCap(from: start)
        var patience = 64
        while true {
            let insert = positions.pointee.insert.load(ordering: .acquiring)
            let complete = completePrefix(insert)
            let full = complete / payload * payload
            if full >= cap { return (cap, LogBlock.payloadByteCount) }
            let wanted = min(positions.pointee.requested.load(ordering: .sequentiallyConsistent), insert)
            // `full` may lie before `start` while the record that a seal has just passed over is still unfinished.
            if wanted <= max(full, start) || insert == full { return (max(full, start), LogBlock.payloadByteCount) }
            if complete == insert {
                let boundary = full + payload
                let (moved, _) = positions.pointee.insert.compareExchange(
                    expected: insert, desired: boundary, ordering: .acquiringAndReleasing)
                if !moved { continue }
                zeroPadding(from: insert, to: boundary)
                return (boundary, Int(insert - full))
            }
            // A record before the wanted one is being copied, on another worker or by a stalled fiber.
            if patience > 0 {
                patience -= 1
                Interleaving.spin()
                dbk_pause()
            } else if full > start {
                return (full, LogBlock.payloadByteCount)
            } else {
                Fiber.yield()
                if currentFailure != nil { return (start, 0) }
            }
        }
    }

    /// Everything before it is completely copied; see Log.swift for why.
    func completePrefix(_ insert: UInt64) -> UInt64 {
        var complete = insert
        for core in 0..<scheduler.workerCount {
            complete = min(complete, worker(core).pointee.insertingFrom.load(ordering: .acquiring))
        }
        return complete
    }

    /// The farthest end of a run that starts at `start`: one flush long, no wrap of ring or zone, and inside the part of
    /// the ring that the device is done with.
    private func runCap(from start: UInt64) -> UInt64 {
        let number = start / UInt64(LogBlock.payloadByteCount)
        let untilRingEnd = UInt64(ringBlockCount) - (number & ringMask)
        let untilZoneEnd = zone.slotCount - zone.slot(number)
        let count = min(UInt64(maxBlocksPerFlush), untilRingEnd, untilZoneEnd)
        let ringEnd = positions.pointee.durable.load(ordering: .acquiring) + ringCapacity
        return min(start + count * UInt64(LogBlock.payloadByteCount), ringEnd)
    }

    private var maxBlocksPerFlush: Int {
        min(LogBlock.maxBlocksPerFlush, io.geometry.maxTransferByteCount / LogBlock.byteCount, ringBlockCount / 2)
    }

    private func zeroPadding(from insert: UInt64, to boundary: UInt64) {
        let count = Int(boundary - insert)
        let block = ringBlock(insert / UInt64(LogBlock.payloadByteCount))
        let at = block + LogBlock.byteCount - count
        at.initializeMemory(as: UInt8.self, repeating: 0, count: count)
        statistics.paddingByteCount.add(UInt64(count), ordering: .relaxed)
    }

    private func sealBlocks(_ firstNumber: UInt64, _ count: Int, lastUsed: Int) {
        let durableNumber = positions.pointee.durable.load(ordering: .acquiring) / UInt64(LogBlock.payloadByteCount)
        var checksum = previousChecksum
        for index in 0..<count {
            let number = firstNumber + UInt64(index)
            checksum = LogBlockHeader.seal(
                ringBlock(number), previousChecksum: checksum, number: number, durableNumber: durableNumber,
                epoch: epoch,
                payloadUsed: index == count - 1 ? lastUsed : LogBlock.payloadByteCount)
        }
        previousChecksum = checksum
        statistics.flushCount.add(1, ordering: .relaxed)
        statistics.blockCount.add(UInt64(count), ordering: .relaxed)
    }
}
