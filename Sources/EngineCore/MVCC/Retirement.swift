// What happens once every snapshot sees the end of a transaction: its slot is reused, its undo memory freed, the tombstones
// it left are purged, the trees it dropped are given back.
//
// Retirement proper is a few stores and runs inside commits; purging latches leaves and may read pages, so a background
// fiber per worker does it, with the undo records as its work list.

import BTree
import Fibers
import Platform
import Synchronization
import WALEngine

extension TransactionManager {
    /// Retires the worker's ended transactions that every snapshot has passed. True if there was one.
    @discardableResult
    func retireEnded(_ worker: WorkerPointer) -> Bool {
        if worker.pointee.endedHead == nil { return false }
        let horizon = horizon()
        var any = false
        while let ending = worker.pointee.endedHead, ending.pointee.isAnnounced, ending.pointee.endLSN <= horizon {
            _ = worker.pointee.dequeueEnded()
            any = true
            let index = ending.pointee.slotIndex
            // Id first: see ReadView.seesInDoubt.
            slots.base[Int(index)].id.store(0, ordering: .releasing)
            worker.pointee.slots.push(index)
            if ending.pointee.needsPurge || ending.pointee.holding.hasMoved {
                worker.pointee.enqueuePurge(ending)
            } else {
                worker.pointee.undo.giveBack(ending.pointee.holding)
            }
        }
        return any
    }

    /// Hands a dropped tree to the worker that will free its pages when no snapshot older than `lsn` is left.
    func retire(tree: VersionedTree, at lsn: UInt64, worker: WorkerPointer) {
        worker.pointee.droppedTrees.append((tree, lsn))
        worker.pointee.wakePurger()
    }

    /// Starts one purging fiber per worker. Call on a worker, once.
    package func start() throws(EngineError) {
        for core in 0..<workerCount {
            let fiber = try scheduler.spawn(on: core, .background, "purge") { [unowned(unsafe) self] in purgeLoop() }
            purgers.append(fiber)
        }
    }

    /// Ends the purging fibers; they finish what they are at. Sessions must have ended. Parks until they are gone.
    package func stop() {
        stopping.store(true, ordering: .releasing)
        for fiber in purgers { scheduler.wake(fiber) }
        while runningPurgers.load(ordering: .acquiring) > 0 { Fiber.sleep(.microseconds(100)) }
        purgers.removeAll()
    }

    private func purgeLoop() {
        runningPurgers.wrappingAdd(1, ordering: .acquiringAndReleasing)
        defer { runningPurgers.wrappingSubtract(1, ordering: .acquiringAndReleasing) }
        let worker = workers + Fiber.core
        while !stopping.load(ordering: .acquiring) {
            do throws(EngineError) {
                try maintain(worker)
            } catch {
                // A page that cannot be read is reported to whoever needs it; garbage in it can wait.
                scheduler.platform.log("purge: \(error.message)")
            }
            if worker.pointee.hasNothingToPurge {
                // An idle engine leaves its cores asleep. No other fiber of this worker runs between the look and the park, and
                // only this worker's fibers queue anything here: each wakes us. `stop` wakes us once, and a wait for the device in
                // `maintain` may have taken that for its own: hence the look at `stopping`, after which its wake is still to come.
                worker.pointee.idlePurger = Fiber.current
                if !stopping.load(ordering: .acquiring) { Fiber.park() }
                worker.pointee.idlePurger = .none
            } else {
                // What is left waits for snapshots to end, which tell nobody, or for the log.
                _ = Fiber.park(until: Fiber.now() + .milliseconds(20))
                makeDurable(worker)
            }
        }
    }

    /// No snapshot is newer than the durable log, and a rollback does not wait for that: if nobody else does, what it leaves would stay.
    private func makeDurable(_ worker: WorkerPointer) {
        guard let ending = worker.pointee.endedHead, ending.pointee.isAnnounced,
            ending.pointee.endLSN > log.durableLSN.rawValue
        else { return }
        // A log that has failed ends the engine.
        do throws(EngineError) { try log.waitDurable(LSN(ending.pointee.endLSN)) } catch {}
    }

    /// Ended transactions of the calling fiber's worker that are not retired or not purged.
    package var retainedTransactionCount: Int {
        let worker = workers + Fiber.core
        return worker.pointee.endedCount + worker.pointee.purgeCount
    }

    /// Undo bytes that are counted as used and hold nothing, on the calling fiber's worker.
    package var idleUndoByteCount: Int { workers[Fiber.core].undo.idleByteCount }

    /// Retires, purges and frees what can be now, on the calling fiber's worker.
    package func maintain() throws(EngineError) { try maintain(workers + Fiber.core) }

    private func maintain(_ worker: WorkerPointer) throws(EngineError) {
        retireEnded(worker)
        while let ending = worker.pointee.dequeuePurge() {
            let holding = ending.pointee.holding
            defer {
                giveBackMoved(holding)
                worker.pointee.undo.giveBack(holding)
            }
            if !ending.pointee.needsPurge { continue }
            if !holding.hasMoved {
                try purge(ending.pointee.newestUndo, buffer: 0)
                continue
            }
            let reader = undoArea.readers + worker.pointee.core
            reader.pointee.purge.lock()
            defer { reader.pointee.purge.unlock() }
            if reader.pointee.purgeBuffer == 0 { reader.pointee.purgeBuffer = undoArea.take() }
            try purge(ending.pointee.newestUndo, buffer: reader.pointee.purgeBuffer)
        }
        try dropTrees(worker)
    }

    /// Removes what the changes from `newest` back have left for the time when nobody sees it any more.
    private func purge(_ newest: UInt64, buffer: SegmentIndex) throws(EngineError) {
        var undo = newest
        var buffered: SegmentIndex = 0
        while undo != 0 {
            let record = try ownRecord(undo, buffer: buffer, buffered: &buffered)
            if record.action == .delete {
                try record.versionedTree.purge(record, at: undo)
            } else if record.oldIsSpilled {
                try record.versionedTree.freeReplaced(record)
            }
            undo = record.previous
            Fiber.yieldIfDue()
        }
    }

    private func dropTrees(_ worker: WorkerPointer) throws(EngineError) {
        let horizon = horizon()
        while let first = worker.pointee.droppedTrees.first, first.lsn <= horizon {
            let tree = worker.pointee.droppedTrees.removeFirst().tree
            try tree.drop()
            // The object stays: undo records in some worker's purge queue may still name it, and find it dropped.
            _ = Unmanaged.passRetained(tree)
        }
    }
}
