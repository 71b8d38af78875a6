// Group commit: who shares a flush with whom, and when a flush starts beside another.

import Fibers
import Platform
import Synchronization
import WALEngine

func groupCommitCases() -> [SuiteCase] {
    [
        SuiteCase("log: fibers that commit at once share flushes", commitsShareFlushes),
        SuiteCase(bare: "log: two who commit alone do not wait for each other's flush", twoOverlap),
        SuiteCase(bare: "log: a flush for few of many writers waits for the one in the air", fewWait),
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

/// Commits one record after another, on core 0, while the device completes no write, with `writers` transactions under way;
/// how many flushes have started after each. At the end the device goes on, and everybody must have been told.
private func flushes(
    _ context: SuiteContext, writers: Int, committers: Int, _ body: @escaping ([UInt64]) -> Void
) throws(EngineError) {
    try context.onFailingDevice { (device) throws(EngineError) in
        let rig = try LogRig(context, zoneBlocks: 1024)
        for _ in 0..<writers { rig.log.writerBegan() }
        device.holdsWrites.store(true, ordering: .releasing)
        let group = FiberGroup(count: committers)
        var counts: [UInt64] = []
        for owner in 0..<committers {
            try context.scheduler.spawn(on: 0, .interactive, "committer") {
                let place = rig.append(UInt64(owner + 1), 0, length: 100)
                do throws(EngineError) {
                    try rig.log.waitDurable(place.end)
                } catch {
                    context.fail("threw: \(error.message)")
                }
                group.done()
            }
            Fiber.sleep(.milliseconds(5))
            counts.append(rig.log.statistics.flushCount.load(ordering: .relaxed))
        }
        context.expect(rig.log.durableLSN < rig.log.insertLSN, "nothing is durable that the device has not completed")
        device.releaseWrites()
        group.wait()
        for _ in 0..<writers { rig.log.writerEnded() }
        try rig.log.close()
        context.expectEqual(try rig.readAll().ends.count, committers, "records")
        body(counts)
    }
}

private func twoOverlap(_ context: SuiteContext) throws(EngineError) {
    try flushes(context, writers: 2, committers: 3) { counts in
        // The third waits until one of the two has landed.
        context.expect(counts == [1, 2, 2], "flushes started after each commit: \(counts)")
    }
}

private func fewWait(_ context: SuiteContext) throws(EngineError) {
    try flushes(context, writers: 9, committers: 4) { counts in
        // Of those behind the first, three are more than a quarter of nine.
        context.expect(counts == [1, 1, 1, 2], "flushes started after each commit: \(counts)")
    }
}
