// Group commit: who shares a flush with whom, and when a flush starts beside another.

import Fibers
import Platform
import Synchronization
import WALEngine

func groupCommitCases() -> [SuiteCase] {
    [
        SuiteCase("log: fibers that commit at once share flushes", commitsShareFlushes),
        SuiteCase("log: two who commit alone do not wait for each other's flush", twoOverlap),
        SuiteCase("log: a flush for few of many writers waits for the one in the air", fewWait),
    ]
}

private func commitsShareFlushes(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 8192)
    let commits = 32 * 20 * context.coreCount
    try context.onEveryCore(32) { (core, index) throws(EngineError) in
        for sequence in 0..<UInt64(20) {
            let place = rig.append(UInt64(core * 32 + index + 1), sequence, length: 100)
            try rig.log.waitDurable(place.end)
        }
    }
    try rig.log.close()
    let flushes = Int(rig.log.statistics.flushCount.load(ordering: .relaxed))
    context.expect(flushes * 4 < commits, "\(commits) commits took \(flushes) flushes")
}

/// Flushes that started beside another while two fibers commit and `writers` transactions are under way.
private func overlaps(_ context: SuiteContext, writers: Int) throws(EngineError) -> Int {
    let rig = try LogRig(context, zoneBlocks: 8192)
    for _ in 0..<writers { rig.log.writerBegan() }
    let group = FiberGroup(count: 2)
    for owner in 0..<2 {
        try context.scheduler.spawn(on: owner % context.coreCount, .interactive, "committer") {
            do throws(EngineError) {
                for sequence in 0..<UInt64(200) {
                    let place = rig.append(UInt64(owner + 1), sequence, length: 100)
                    try rig.log.waitDurable(place.end)
                    // Out of step with the other.
                    if Int(sequence) % (owner + 2) == 0 { Fiber.sleep(.microseconds(30)) }
                }
            } catch {
                context.fail("threw: \(error.message)")
            }
            group.done()
        }
    }
    group.wait()
    for _ in 0..<writers { rig.log.writerEnded() }
    try rig.log.close()
    context.expectEqual(try rig.readAll().ends.count, 400, "records")
    return Int(rig.log.statistics.overlapCount.load(ordering: .relaxed))
}

private func twoOverlap(_ context: SuiteContext) throws(EngineError) {
    let count = try overlaps(context, writers: 2)
    context.expect(count > 0, "no flush of 400 started beside another")
}

private func fewWait(_ context: SuiteContext) throws(EngineError) {
    // One who waits is not a quarter of nine; the two are never both grounded while a flight is in the air.
    context.expectEqual(try overlaps(context, writers: 9), 0, "flushes that started beside another")
}
