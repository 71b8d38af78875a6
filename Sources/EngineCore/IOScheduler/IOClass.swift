// What a block request is for, which decides how long it may wait.

import Platform

/// Most urgent first.
package enum IOClass: UInt8, Sendable, CaseIterable {
    /// The log: a transaction waits for it.
    case log
    /// A page that a query misses.
    case read
    /// Dirty pages on their way out.
    case writeback
    /// Read-ahead, bulk scans, checks.
    case scan

    package static let count = 4
    package var index: Int { Int(rawValue) }
}

/// How the classes share one worker's queue to the device.
package struct IOPolicy: Sendable {
    /// Requests that this worker keeps in flight.
    package var depth: Int
    /// Of which at most so many of each class.
    package var caps: InlineArray<4, Int>
    /// A request that has waited so long goes before more urgent classes (within its cap): nobody starves.
    package var deadlines: InlineArray<4, Nanoseconds>

    /// Write-back and scans get a quarter of the depth each, so half is always there for reads; reads leave room for the
    /// log. The log is capped by the depth alone.
    package init(depth: Int) {
        precondition(depth >= 8, "a worker needs eight requests in flight: one of each class and spare ones")
        self.depth = depth
        let quarter = depth / 4
        caps = [depth, depth - 4, quarter, quarter]
        deadlines = [.milliseconds(0), .milliseconds(5), .milliseconds(50), .milliseconds(20)]
    }
}
