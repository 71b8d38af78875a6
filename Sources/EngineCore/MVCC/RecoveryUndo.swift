// Analysis and undo: which transactions had not ended when the log stops, and taking back what they did.
//
// The table of running transactions is rebuilt from the records since the checkpoint's undo LSN, before which none of
// them had begun. What is left at the end are the losers. Their updates are undone newest first, over all of them, so the
// log is read once backwards; each undone update leaves a compensation record that leads past it, and a loser's last
// record is an abort. A crash during undo therefore goes on where it was: compensation records are redone like any other
// and never undone.

import BTree
import BufferPool
import Fibers
import Platform
import WALEngine

/// A transaction whose end the log does not show.
struct Loser {
    /// Start LSN of its last record.
    var lastLSN: LSN
    /// Start LSN of the next record to be undone; zero if none is left.
    var undoNextLSN: LSN
}

/// Transactions by id, while the log is read.
struct TransactionTable {
    private(set) var running: [UInt64: Loser] = [:]
    private(set) var committedCount: UInt64 = 0
    private(set) var abortedCount: UInt64 = 0

    mutating func note(_ record: LogRecordView) {
        note(record.kind, record.transactionID, at: record.startLSN, undoNextLSN: record.undoNextLSN)
    }

    /// As `note`, from what a record's header says.
    mutating func note(_ kind: LogRecordKind, _ id: UInt64, at start: LSN, undoNextLSN: LSN) {
        switch kind {
        case .update:
            running[id] = Loser(lastLSN: start, undoNextLSN: start)
        case .compensation:
            running[id] = Loser(lastLSN: start, undoNextLSN: undoNextLSN)
        case .commit:
            running[id] = nil
            committedCount += 1
        case .abort:
            running[id] = nil
            abortedCount += 1
        case .system, .checkpoint, .note:
            break
        }
    }

    mutating func set(_ id: UInt64, _ loser: Loser) { running[id] = loser }

    /// Drops transactions whose end need not be found in the log.
    mutating func drop(where isOver: (UInt64) -> Bool) {
        running = running.filter { !isOver($0.key) }
    }
}

struct Undo {
    private let pool: BufferPool
    private let log: Log
    private let allocator: PageAllocator
    private let fetcher: LogFetcher
    /// Trees met so far, by id.
    private var trees: [UInt32: BTree] = [:]
    private(set) var undoneCount: UInt64 = 0

    init(pool: BufferPool, log: Log, allocator: PageAllocator, overflow: LogOverflow) throws(EngineError) {
        self.pool = pool
        self.log = log
        self.allocator = allocator
        fetcher = try LogFetcher(
            io: pool.io, zone: log.zone, platform: pool.scheduler.platform, overflow: overflow)
    }

    /// Undoes all of `losers`; who is done leaves `left`. Compensation may be more than the zone holds, so checkpoints are
    /// taken on the way.
    mutating func run(
        _ losers: [UInt64: Loser], _ left: LosersLeft, _ checkpointer: Checkpointer
    ) throws(EngineError) {
        var heap = LoserHeap(losers)
        let stretch = log.capacityByteCount / 8
        var mark = max(log.oldestNeededLSN.rawValue + log.capacityByteCount / 2, log.insertLSN.rawValue)
        while let top = heap.first {
            if log.insertLSN.rawValue >= mark {
                try checkpointer.checkpoint(keeping: 0)
                // It may have freed nothing yet: an extent is written to only when redo has passed the place at which it was
                // taken. What room there is must last for a few more.
                let end = log.oldestNeededLSN.rawValue + log.capacityByteCount
                mark = log.insertLSN.rawValue + min(stretch, (end - min(end, log.insertLSN.rawValue)) / 4)
            }
            var loser = top.loser
            if loser.undoNextLSN == .zero || Mutation.isActive(.losersForgotten) {
                try end(top.id, loser)
                left.ids.remove(top.id)
                heap.removeFirst()
                continue
            }
            try undoOne(top.id, &loser)
            heap.replaceFirst(loser)
            Fiber.yieldIfDue()
        }
    }

    private mutating func undoOne(_ id: UInt64, _ loser: inout Loser) throws(EngineError) {
        let record = try fetcher.record(at: loser.undoNextLSN)
        guard record.transactionID == id else {
            throw EngineError(
                .dataCorrupted, "the log record at LSN \(loser.undoNextLSN.rawValue) is of another transaction",
                severity: .panic)
        }
        if record.kind == .compensation {
            loser.undoNextLSN = record.undoNextLSN
            return
        }
        let next = record.previousLSN
        if record.kind == .update && record.undo.count > 0 {
            let undo = try LogUndo(record.undo)
            let chain = UndoChain(transactionID: id, previousLSN: loser.lastLSN, undoNextLSN: next)
            loser.lastLSN = try VersionedTree.undo(undo, at: record.startLSN, in: tree(undo), chain)
            undoneCount += 1
        }
        loser.undoNextLSN = next
    }

    private mutating func tree(_ undo: LogUndo) -> BTree {
        if let tree = trees[undo.tree.rawValue], tree.root == undo.root { return tree }
        let tree = BTree(pool: pool, log: log, allocator: allocator, treeID: undo.tree, root: undo.root)
        trees[undo.tree.rawValue] = tree
        return tree
    }

    private func end(_ id: UInt64, _ loser: Loser) throws(EngineError) {
        try log.ensureRoom(LogRecordLayout.headerByteCount, for: .system)
        var record = log.makeRecord(.abort, transactionID: id, previousLSN: loser.lastLSN)
        _ = log.append(&record)
    }
}

/// Losers that have not been undone yet.
final class LosersLeft {
    var ids: Set<UInt64> = []
    init(_ losers: [UInt64: Loser]) {
        for id in losers.keys { ids.insert(id) }
    }
}

/// Losers in a binary heap, the one with the greatest `undoNextLSN` first.
private struct LoserHeap {
    private var items: [(id: UInt64, loser: Loser)] = []

    init(_ losers: [UInt64: Loser]) {
        for (id, loser) in losers { items.append((id, loser)) }
        for index in stride(from: items.count / 2, through: 0, by: -1) { sink(index) }
    }

    var first: (id: UInt64, loser: Loser)? { items.first }

    mutating func replaceFirst(_ loser: Loser) {
        items[0].loser = loser
        sink(0)
    }

    mutating func removeFirst() {
        items.swapAt(0, items.count - 1)
        items.removeLast()
        sink(0)
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var largest = index
            for child in [2 * index + 1, 2 * index + 2] where child < items.count {
                if items[child].loser.undoNextLSN > items[largest].loser.undoNextLSN { largest = child }
            }
            if largest == index { return }
            items.swapAt(index, largest)
            index = largest
        }
    }
}
