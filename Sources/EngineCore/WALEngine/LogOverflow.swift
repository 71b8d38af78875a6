// Log blocks that have left the zone: those that hold what a transaction still open would have to undo, copied to extents
// of the data area so that the zone can be used again behind them (see MVCC/LogRetention.swift for when and which).
//
// A copied block is a page like any other: the page header takes the place of the block header, which is as long, and the
// payload stays where it is. So a check of the device, a torn-page repair and a late reader find a page with a sound
// checksum whose type says that it belongs to no tree.
//
//      0  page header     type logBlock; page LSN: the block's first LSN
//      6  u16             payload length, in the header's spare half word
//     32  payload         as in the block
//
// Invariant: a block is in the map before the zone may overwrite it, and stays there as long as anybody may ask for it.

import DirectStorage
import Fibers
import Platform
import Synchronization

/// Blocks with consecutive numbers on consecutive pages.
package struct LogOverflowRun: BitwiseCopyable, Sendable {
    package var firstNumber: UInt64
    package var blockCount: UInt64
    package var firstPage: PageID
    package init(firstNumber: UInt64, blockCount: UInt64, firstPage: PageID) {
        self.firstNumber = firstNumber
        self.blockCount = blockCount
        self.firstPage = firstPage
    }
    package var endNumber: UInt64 { firstNumber + blockCount }
    package func page(of number: UInt64) -> PageID { PageID(firstPage.rawValue + (number - firstNumber)) }
}

extension [LogOverflowRun] {
    /// The run that holds a block; nil if none does. They are in the order of their numbers.
    package func run(holding number: UInt64) -> LogOverflowRun? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].endNumber <= number { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].firstNumber <= number ? self[low] : nil
    }
}

package final class LogOverflow: @unchecked Sendable {
    package let checksum: PageChecksum
    private let mutex = FiberMutex()
    /// In the order of their numbers, none overlapping.
    private var runs: [LogOverflowRun] = []
    /// Blocks below it are in the map or nowhere.
    private let firstInZone = Atomic<UInt64>(0)

    package init(checksum: PageChecksum) { self.checksum = checksum }

    package var zoneStart: UInt64 { firstInZone.load(ordering: .acquiring) }

    /// What lies where from now on. Before the zone below `zoneStart` is given back.
    package func install(_ runs: [LogOverflowRun], zoneStart: UInt64) {
        mutex.withLock {
            self.runs = runs
            firstInZone.store(zoneStart, ordering: .releasing)
        }
    }

    /// Every run, in the order of their numbers.
    package var allRuns: [LogOverflowRun] { mutex.withLock { runs } }

    /// The run that holds a block; nil if none does.
    package func run(holding number: UInt64) -> LogOverflowRun? {
        mutex.withLock { runs.run(holding: number) }
    }

    // MARK: The form of a page

    private static let payloadUsed = 6

    /// Turns a verified block into the page that keeps it.
    package func form(_ block: UnsafeMutableRawPointer, _ header: LogBlockHeader, page: PageID) {
        PageHeader.initialize(block, id: page, type: .logBlock)
        PageHeader.setPageLSN(block, LogBlock.firstLSN(header.number))
        block.setLittle(Self.payloadUsed, UInt16(header.payloadUsed))
        checksum.set(block)
    }

    /// Length of the payload if this is the page that keeps block `number`, sound.
    package func payloadUsed(_ page: UnsafeRawPointer, _ number: UInt64, at id: PageID) -> Int? {
        guard checksum.defect(of: page, expected: id) == nil, PageHeader.type(page) == .logBlock,
            PageHeader.pageLSN(page) == LogBlock.firstLSN(number)
        else { return nil }
        let used = Int(page.little(Self.payloadUsed, as: UInt16.self))
        return used <= LogBlock.payloadByteCount && used % LogRecordLayout.alignment == 0 ? used : nil
    }
}
