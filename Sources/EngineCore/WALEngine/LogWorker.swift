// What the log keeps per worker: where the worker is inserting, and which of its fibers wait for which LSN.
//
// Only the atomics are seen by other workers, and written by this one alone; everything else belongs to the worker's own fibers,
// which switch only when they park, and so needs no lock.

import Fibers
import Platform
import Synchronization

/// A fiber that waits until the log is durable up to `lsn`. Lies on that fiber's stack.
struct LogWaiter {
    let lsn: UInt64
    let fiber: FiberRef
    var previous: UnsafeMutablePointer<LogWaiter>?
    var next: UnsafeMutablePointer<LogWaiter>?
    var isQueued = false
}

/// Waiters of one worker, lowest LSN first. Commits arrive almost in LSN order, so insertion looks from the end.
struct LogWaiterList {
    private(set) var first: UnsafeMutablePointer<LogWaiter>?
    private var last: UnsafeMutablePointer<LogWaiter>?

    var lowest: UInt64 { first?.pointee.lsn ?? .max }

    mutating func insert(_ waiter: UnsafeMutablePointer<LogWaiter>) {
        var before = last
        while let node = before, node.pointee.lsn > waiter.pointee.lsn { before = node.pointee.previous }
        let after = before == nil ? first : before.unsafelyUnwrapped.pointee.next
        waiter.pointee.previous = before
        waiter.pointee.next = after
        if let before { before.pointee.next = waiter } else { first = waiter }
        if let after { after.pointee.previous = waiter } else { last = waiter }
        waiter.pointee.isQueued = true
    }

    mutating func remove(_ waiter: UnsafeMutablePointer<LogWaiter>) {
        assert(waiter.pointee.isQueued)
        if let before = waiter.pointee.previous {
            before.pointee.next = waiter.pointee.next
        } else {
            first = waiter.pointee.next
        }
        if let after = waiter.pointee.next {
            after.pointee.previous = waiter.pointee.previous
        } else {
            last = waiter.pointee.previous
        }
        waiter.pointee.isQueued = false
    }
}

/// An append that has reserved its place and waits for the ring. Lies on its fiber's stack.
struct StalledAppend {
    let start: UInt64
    var next: UnsafeMutablePointer<StalledAppend>?
}

struct LogWorker: ~Copyable {
    /// No record of this worker that starts at or after this LSN is known to be complete. `.max`: it is not inserting.
    /// Written by the worker, read by whoever seals.
    let insertingFrom = Atomic<UInt64>(.max)
    // Own cache line: `insertingFrom` is written twice per record.
    private let padding: InlineArray<15, UInt64> = .init(repeating: 0)
    /// LSN of the first waiter; `.max` if there is none. Written by the worker, read by whoever completes a flush.
    let firstWaiting = Atomic<UInt64>(.max)
    /// How many of this worker's fibers wait, and how many of its transactions have written and not ended. Written by the
    /// worker; others read them as hints.
    let waitingCount = Atomic<Int>(0)
    let writerCount = Atomic<Int>(0)
    var waiters = LogWaiterList()
    /// Stalled appends in the order of their start.
    var firstStalled: UnsafeMutablePointer<StalledAppend>?
    /// Wakes this worker's waiters when another worker's flush has made them durable.
    var waker = FiberRef.none
    /// Flushers of this worker that have nothing to do.
    var idleFlushers: InlineArray<4, FiberRef> = .init(repeating: .none)
    var idleFlusherCount = 0

    static let stride = 512

    /// Publishes where this worker's first unfinished record is. Release: who reads the value sees the bytes of every
    /// record finished before.
    @inline(__always) func publishInserting() {
        insertingFrom.store(firstStalled?.pointee.start ?? .max, ordering: .releasing)
    }

    @inline(__always) func count(_ counter: borrowing Atomic<Int>, _ change: Int) {
        counter.store(counter.load(ordering: .relaxed) + change, ordering: .relaxed)
    }

    /// Sequentially consistent, see `Log.wait`.
    mutating func publishWaiting() {
        firstWaiting.store(waiters.lowest, ordering: .sequentiallyConsistent)
    }

    mutating func pushStalled(_ stalled: UnsafeMutablePointer<StalledAppend>) {
        // Fibers of one worker reserve one after the other and a fiber stalls in the same breath, so starts ascend.
        guard var last = firstStalled else {
            firstStalled = stalled
            return
        }
        while let next = last.pointee.next { last = next }
        assert(last.pointee.start < stalled.pointee.start)
        last.pointee.next = stalled
    }

    mutating func removeStalled(_ stalled: UnsafeMutablePointer<StalledAppend>) {
        guard let first = firstStalled else { preconditionFailure("not a stalled append") }
        if first == stalled {
            firstStalled = stalled.pointee.next
            return
        }
        var before = first
        while let next = before.pointee.next, next != stalled { before = next }
        before.pointee.next = stalled.pointee.next
    }
}
