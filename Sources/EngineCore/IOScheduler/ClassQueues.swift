// Chooses which block request goes to the device next: the log at once; then strict priority by class, except that a
// request past its deadline goes first, oldest deadline first; and no class exceeds its share of the device's queue. (The idea of
// Linux's mq-deadline scheduler, per worker and without locks.)
//
// Invariant: inFlight[c] <= caps[c] and their sum <= depth. A class that is below its cap while the depth is not used up
// is never held back for longer than its deadline plus the time of the requests in flight.

import IOBatching
import Platform

package struct ClassQueues: ~Copyable {
    package let policy: IOPolicy
    private var queues: InlineArray<4, RequestList> = [RequestList(), RequestList(), RequestList(), RequestList()]
    private var inFlight: InlineArray<4, Int> = [0, 0, 0, 0]
    package private(set) var inFlightTotal = 0
    package private(set) var queuedTotal = 0

    package init(policy: IOPolicy) { self.policy = policy }

    package mutating func enqueue(_ request: UnsafeMutablePointer<BlockRequest>, _ ioClass: IOClass, now: Nanoseconds) {
        request.pointee.queuedAt = now
        queues[ioClass.index].append(request)
        queuedTotal += 1
    }

    /// The next requests that may go, joined with their neighbours; nil if nothing waits or everything is at its cap. The
    /// run counts as one request in flight until `finished`.
    package mutating func next(
        now: Nanoseconds, coalescer: Coalescer, vectors: UnsafeMutablePointer<IOVector>
    ) -> (run: CoalescedRun, ioClass: IOClass)? {
        if queuedTotal == 0 { return nil }
        guard let ioClass = chooseClass(now: now) else { return nil }
        guard let run = coalescer.takeRun(from: &queues[ioClass.index], vectors: vectors) else { return nil }
        queuedTotal -= run.vectorCount
        inFlight[ioClass.index] += 1
        inFlightTotal += 1
        return (run, ioClass)
    }

    /// The device has answered one run of that class.
    package mutating func finished(_ ioClass: IOClass) {
        assert(inFlight[ioClass.index] > 0)
        inFlight[ioClass.index] -= 1
        inFlightTotal -= 1
    }

    private func chooseClass(now: Nanoseconds) -> IOClass? {
        if inFlightTotal >= policy.depth { return nil }
        // One flusher writes the log, one request at a time: putting it first cannot starve the others.
        if !queues[IOClass.log.index].isEmpty && inFlight[IOClass.log.index] < policy.caps[IOClass.log.index] {
            return .log
        }
        var mostUrgent: IOClass?
        var latest: IOClass?
        var oldestDeadline = Nanoseconds.never
        for ioClass in IOClass.allCases {
            guard let head = queues[ioClass.index].first else { continue }
            if inFlight[ioClass.index] >= policy.caps[ioClass.index] { continue }
            if mostUrgent == nil { mostUrgent = ioClass }
            let deadline = head.pointee.queuedAt + policy.deadlines[ioClass.index]
            if deadline <= now && deadline < oldestDeadline {
                oldestDeadline = deadline
                latest = ioClass
            }
        }
        return latest ?? mostUrgent
    }
}
