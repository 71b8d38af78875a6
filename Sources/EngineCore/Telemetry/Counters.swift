// Counters, one copy per core: a worker adds to its own cache line, readers sum over all.

import Platform
import Synchronization

/// What is counted. `name` is the name in SQL views and in Prometheus (there with the prefix `dbkernel_`).
package enum Metric: Int, CaseIterable, Sendable {
    case fiberSwitches, fiberSpawns, parks, remoteWakes
    case blockReads, blockReadBytes, blockWrites, blockWriteBytes, blockFlushes
    case pageHits, pageMisses, pageEvictions, pageWriteBacks
    case pageReadAheads, pageFrameWaits, pageWriteFailures, pageCorruptions
    case logBytes, logRecords, logFlushes
    case treeSplits, treeMerges, treeRestarts
    case commits, rollbacks, conflicts, deadlocks
    case statements, rowsReturned, errors
    case bytesReceived, bytesSent, connections

    package var name: StaticString {
        switch self {
        case .fiberSwitches: "fiber_switches_total"
        case .fiberSpawns: "fiber_spawns_total"
        case .parks: "parks_total"
        case .remoteWakes: "remote_wakes_total"
        case .blockReads: "block_reads_total"
        case .blockReadBytes: "block_read_bytes_total"
        case .blockWrites: "block_writes_total"
        case .blockWriteBytes: "block_write_bytes_total"
        case .blockFlushes: "block_flushes_total"
        case .pageHits: "page_hits_total"
        case .pageMisses: "page_misses_total"
        case .pageEvictions: "page_evictions_total"
        case .pageWriteBacks: "page_write_backs_total"
        case .pageReadAheads: "page_read_aheads_total"
        case .pageFrameWaits: "page_frame_waits_total"
        case .pageWriteFailures: "page_write_failures_total"
        case .pageCorruptions: "page_corruptions_total"
        case .logBytes: "log_bytes_total"
        case .logRecords: "log_records_total"
        case .logFlushes: "log_flushes_total"
        case .treeSplits: "tree_splits_total"
        case .treeMerges: "tree_merges_total"
        case .treeRestarts: "tree_restarts_total"
        case .commits: "commits_total"
        case .rollbacks: "rollbacks_total"
        case .conflicts: "conflicts_total"
        case .deadlocks: "deadlocks_total"
        case .statements: "statements_total"
        case .rowsReturned: "rows_returned_total"
        case .errors: "errors_total"
        case .bytesReceived: "bytes_received_total"
        case .bytesSent: "bytes_sent_total"
        case .connections: "connections_total"
        }
    }
}

package final class Counters: @unchecked Sendable {
    private let coreCount: Int
    /// Per core, rounded up to whole pairs of cache lines.
    private static let stride = roundUp(Metric.allCases.count, 16)
    @usableFromInline let stride = Counters.stride
    @usableFromInline let values: UnsafeMutablePointer<Atomic<UInt64>>

    package init(coreCount: Int) {
        self.coreCount = coreCount
        let count = coreCount * stride
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 128)
        values = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
        for index in 0..<count { (values + index).initialize(to: Atomic(0)) }
    }

    deinit { values.deallocate() }

    /// On worker `core` only: a plain load and store, no locked instruction.
    @inlinable @inline(__always) package func add(_ core: CoreIndex, _ metric: Metric, _ amount: UInt64 = 1) {
        let cell = values + (core &* stride &+ metric.rawValue)
        cell.pointee.store(cell.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    /// Sum over all cores; from anywhere.
    package func total(_ metric: Metric) -> UInt64 {
        var sum: UInt64 = 0
        for core in 0..<coreCount { sum &+= values[core * stride + metric.rawValue].load(ordering: .relaxed) }
        return sum
    }
}
