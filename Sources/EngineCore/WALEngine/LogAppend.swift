// Copying records into the ring.

import Fibers
import Platform
import Synchronization

extension Log {
    /// A builder on this worker's scratch. Nothing may park between this and `append`.
    @inline(__always)
    package func makeRecord(
        _ kind: LogRecordKind, transactionID: UInt64 = 0, previousLSN: LSN = .zero, undoNextLSN: LSN = .zero,
        flags: UInt8 = 0
    ) -> LogRecordBuilder {
        LogRecordBuilder(
            scratch: scratches + Fiber.core, kind: kind, transactionID: transactionID, previousLSN: previousLSN,
            undoNextLSN: undoNextLSN, flags: flags)
    }

    /// Appends the builder's record.
    @inline(__always)
    package func append(
        _ record: inout LogRecordBuilder, publish: UnsafeMutablePointer<Atomic<UInt64>>? = nil
    ) -> (start: LSN, end: LSN) {
        append(record.finish(), publish: publish)
    }

    /// Copies the record into the log: about the cost of two atomic operations and the copy. Does not wait for
    /// durability, and does not park as long as `ensureRoom` was called; should the ring be full nevertheless, it waits
    /// for flushes, which never wait for a latch (see Log.swift).
    ///
    /// `publish` gets the record's end LSN before the record can become durable: whoever sees `durableLSN` at or past
    /// that LSN also sees the word.
    @inline(__always)
    @discardableResult
    package func append(
        _ record: UnsafeRawBufferPointer, publish: UnsafeMutablePointer<Atomic<UInt64>>? = nil
    ) -> (start: LSN, end: LSN) {
        let length = UInt64(record.count)
        assert(record.count >= LogRecordLayout.headerByteCount && record.count <= maxRecordByteCount)
        assert(length % UInt64(LogRecordLayout.alignment) == 0)
        let worker = self.worker(Fiber.core)
        if worker.pointee.firstStalled == nil {
            let lowerBound = positions.pointee.insert.load(ordering: .relaxed)
            worker.pointee.insertingFrom.store(lowerBound, ordering: .releasing)
        }
        let start = positions.pointee.insert.add(length, ordering: .acquiringAndReleasing).oldValue
        let end = start + length
        // Acquire: the device is done with the blocks that the bytes go to.
        if end > positions.pointee.durable.load(ordering: .acquiring) &+ ringCapacity
            || end > positions.pointee.zoneLimit.load(ordering: .relaxed)
        {
            appendSlowly(record, start: start, end: end, publish)
        } else {
            copy(record, to: start)
            publish?.pointee.store(end, ordering: .releasing)
            worker.pointee.publishInserting()
        }
        return (LSN(start), LSN(end))
    }

    @inline(__always) private func copy(_ record: UnsafeRawBufferPointer, to start: UInt64) {
        var source = record.baseAddress.unsafelyUnwrapped
        var remaining = record.count
        var number = start / UInt64(LogBlock.payloadByteCount)
        var offset = Int(start % UInt64(LogBlock.payloadByteCount))
        while true {
            let piece = min(remaining, LogBlock.payloadByteCount - offset)
            (ringBlock(number) + LogBlock.headerByteCount + offset).copyMemory(from: source, byteCount: piece)
            remaining -= piece
            if remaining == 0 { return }
            source += piece
            number += 1
            offset = 0
        }
    }

    @inline(__always) func ringBlock(_ number: UInt64) -> UnsafeMutableRawPointer {
        ring + Int(number & ringMask) * LogBlock.byteCount
    }

    /// Parks until the place from `start` to `end` is free, then copies. If the log has failed, nothing is copied: the gap
    /// stays, and nothing from it on will ever be flushed.
    ///
    /// While this fiber is parked, others of the worker append: `firstStalled` keeps `insertingFrom` at the first stalled
    /// record, and they leave the word alone; they build their records in another scratch buffer.
    @inline(never)
    private func appendSlowly(
        _ record: UnsafeRawBufferPointer, start: UInt64, end: UInt64, _ publish: UnsafeMutablePointer<Atomic<UInt64>>?
    ) {
        if end > positions.pointee.zoneLimit.load(ordering: .acquiring) {
            fail(zoneOverflow())
            return
        }
        let worker = self.worker(Fiber.core)
        let scratch = scratches + Fiber.core
        let held = scratch.pointee.takeCurrent()
        statistics.stallCount.add(1, ordering: .relaxed)
        var stalled = StalledAppend(start: start)
        withUnsafeMutablePointer(to: &stalled) { node in
            worker.pointee.pushStalled(node)
            // The exact start: a bound below it could keep everybody, this record too, from becoming flushable.
            worker.pointee.publishInserting()
            wait(until: end - ringCapacity)
            worker.pointee.removeStalled(node)
        }
        if positions.pointee.durable.load(ordering: .acquiring) &+ ringCapacity >= end {
            copy(record, to: start)
            publish?.pointee.store(end, ordering: .releasing)
            worker.pointee.publishInserting()
        }
        scratch.pointee.giveBack(held)
    }
}
