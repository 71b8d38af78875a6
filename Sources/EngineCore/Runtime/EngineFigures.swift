// What the console's shell shows of a running engine.

import ArenaAlloc
import AsyncIO
import BufferPool
import Fibers
import IOScheduler
import Platform
import Telemetry
import WALEngine

/// Totals since the start, and some states of now. Two of them give rates.
package struct EngineFigures {
    package var now = Nanoseconds(0)
    /// Since the engine was opened.
    package var upSeconds: UInt64 = 0
    package var statements: UInt64 = 0
    package var commits: UInt64 = 0
    package var rollbacks: UInt64 = 0
    package var blockReads: UInt64 = 0
    package var blockReadBytes: UInt64 = 0
    package var blockWrites: UInt64 = 0
    package var blockWriteBytes: UInt64 = 0
    package var blockFlushes: UInt64 = 0
    package var pageMisses: UInt64 = 0
    package var pageReadAheads: UInt64 = 0
    package var pageEvictions: UInt64 = 0
    package var pageWriteBacks: UInt64 = 0
    /// Bytes ever written to the log, and of them those known to be durable.
    package var logEnd: UInt64 = 0
    package var logDurable: UInt64 = 0
    package var logUsedBytes: UInt64 = 0
    package var logCapacityBytes: UInt64 = 0
    package var cacheBytes = 0
    package var cacheFreeBytes = 0
    package var queryMemoryBytes = 0
    package var queryMemoryLimit = 0
}

/// Latency of requests of a class, in nanoseconds.
package struct LatencyFigures {
    package var name: StaticString
    package var count: UInt64
    package var median: UInt64
    package var percentile99: UInt64
    package var percentile999: UInt64
}

extension Engine {
    package func figures() -> EngineFigures {
        func total(_ metric: Metric) -> UInt64 { scheduler.counters.total(metric) + UInt64(pool.count(metric)) }
        var figures = EngineFigures()
        figures.now = scheduler.platform.now()
        let age = scheduler.platform.wallClock() - Session.postgresEpoch - startTime
        figures.upSeconds = UInt64(max(0, age)) / 1_000_000
        figures.statements = total(.statements)
        figures.commits = total(.commits)
        figures.rollbacks = total(.rollbacks)
        figures.blockReads = total(.blockReads)
        figures.blockReadBytes = total(.blockReadBytes)
        figures.blockWrites = total(.blockWrites)
        figures.blockWriteBytes = total(.blockWriteBytes)
        figures.blockFlushes = total(.blockFlushes)
        figures.pageMisses = total(.pageMisses)
        figures.pageReadAheads = total(.pageReadAheads)
        figures.pageEvictions = total(.pageEvictions)
        figures.pageWriteBacks = total(.pageWriteBacks)
        figures.logEnd = log.insertLSN.rawValue
        figures.logDurable = log.durableLSN.rawValue
        figures.logUsedBytes = log.usedByteCount
        figures.logCapacityBytes = log.capacityByteCount
        figures.cacheBytes = pool.frameCount * pageSize
        figures.cacheFreeBytes = pool.freeFrameCount * pageSize
        figures.queryMemoryBytes = queryMemory.used
        figures.queryMemoryLimit = queryMemory.limit
        return figures
    }

    package func latencies() -> [LatencyFigures] {
        IOClass.allCases.map { ioClass in
            let histogram = pool.latency(ioClass)
            let name: StaticString =
                switch ioClass {
                case .log: "log"
                case .read: "read"
                case .writeback: "write-back"
                case .scan: "scan"
                }
            return LatencyFigures(
                name: name, count: histogram.count, median: histogram.quantile(permille: 500),
                percentile99: histogram.quantile(permille: 990), percentile999: histogram.quantile(permille: 999))
        }
    }
}
