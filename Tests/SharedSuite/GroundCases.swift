// Allocators, structures without locks, telemetry.

import ArenaAlloc
import Fibers
import LockFree
import NUMAMemory
import Platform
import Synchronization
import Telemetry

func groundCases() -> [SuiteCase] { arenaCases() + lockFreeCases() + telemetryCases() + numaCases() + randomCases() }

private func randomCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "random: the stream's blocks are those of RFC 8439, section 2.3.2") { context in
            var key: [8 of UInt32] = .init(repeating: 0)
            for index in 0..<8 { key[index] = 0x0302_0100 + UInt32(index) * 0x0404_0404 }
            let block = RandomStream.block(key, counter: 1, nonce: (0x0900_0000, 0x4a00_0000, 0))
            let wanted: [UInt32] = [
                0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3, 0xc7f4_d1c7, 0x0368_c033, 0x9aaa_2204, 0x4e6c_d4c3,
                0x4664_82d2, 0x09aa_9f07, 0x05d7_c214, 0xa202_8bd9, 0xd19c_12b5, 0xb94e_16de, 0xe883_d0cb, 0x4e3c_50a2,
            ]
            for index in 0..<16 { context.expectEqual(block[index], wanted[index], "word of the block") }
        },
        SuiteCase(bare: "random: no call repeats another's bytes, and all that was mixed in matters") { context in
            var streams: [[UInt8]] = []
            for secret in 0..<3 as Range<UInt64> {
                var stream = RandomStream()
                // The last word, and the one before it.
                stream.mix(secret / 2)
                stream.mix(secret % 2)
                for byteCount in [64, 64, 200] {
                    var bytes = [UInt8](repeating: 0, count: byteCount)
                    bytes.withUnsafeMutableBytes { stream.fill($0) }
                    // Every 32 bytes, wherever they come from.
                    for start in stride(from: 0, through: byteCount - 32, by: 32) {
                        streams.append(Array(bytes[start..<start + 32]))
                    }
                }
            }
            for (index, bytes) in streams.enumerated() {
                context.expect(!streams[..<index].contains(bytes), "bytes that were given out before")
            }
        },
    ]
}

private func arenaCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "arena: blocks are aligned, apart, and writable") { context throws(EngineError) in
            let budget = MemoryBudget(limit: 64 << 20)
            let arena = Arena(budget: budget, chunkByteCount: 4096)
            var random = SuiteRandom(seed: 1)
            var blocks: [(base: UnsafeMutableRawPointer, byteCount: Int)] = []
            for index in 0..<2_000 {
                let byteCount = index % 97 == 0 ? random.next(below: 20_000) : random.next(below: 200)
                let alignment = 1 << random.next(below: 9)
                let base = try arena.allocate(byteCount: byteCount, alignment: alignment)
                context.expectEqual(UInt(bitPattern: base) % UInt(alignment), 0, "misalignment")
                for offset in 0..<byteCount {
                    base.storeBytes(of: UInt8(truncatingIfNeeded: index), toByteOffset: offset, as: UInt8.self)
                }
                blocks.append((base, byteCount))
            }
            for index in 0..<blocks.count {
                for offset in 0..<blocks[index].byteCount
                where blocks[index].base.load(fromByteOffset: offset, as: UInt8.self)
                    != UInt8(truncatingIfNeeded: index)
                {
                    context.fail("block \(index) was overwritten at \(offset)")
                    break
                }
            }
            context.expectEqual(budget.used, arena.byteCount, "charged bytes")
            arena.reset()
            context.expectEqual(budget.used, 4096, "bytes kept by reset")
        },
        SuiteCase(bare: "arena: a used-up budget is 53200, and reset gives all back") { context throws(EngineError) in
            let parent = MemoryBudget(limit: 100 << 10)
            let budget = MemoryBudget(limit: 1 << 20, parent: parent)
            let arena = Arena(budget: budget, chunkByteCount: 8 << 10)
            context.expectError(.outOfMemory) { () throws(EngineError) in
                while true { _ = try arena.allocate(byteCount: 1000) }
            }
            context.expectError(.outOfMemory) { () throws(EngineError) in _ = try arena.allocate(byteCount: .max) }
            context.expectError(.outOfMemory) { () throws(EngineError) in _ = try arena.allocate(byteCount: -1) }
            context.expect(parent.used <= parent.limit && parent.used > 90 << 10, "parent has \(parent.used)")
            arena.reset()
            for _ in 0..<8 { _ = try arena.allocate(byteCount: 1000) }
            context.expectEqual(parent.used, 8 << 10, "one chunk")
            arena.resetAndTrim()
            context.expectEqual(parent.used, 0, "after the trim")
            context.expectEqual(budget.used, 0, "after the trim")
        },
        SuiteCase(bare: "slab: slots are reused and accounted for") { context throws(EngineError) in
            let budget = MemoryBudget(limit: 2 * 64 * 32)
            let slab = Slab<(UInt64, UInt64, UInt64)>(budget: budget)
            var slots: [UnsafeMutablePointer<(UInt64, UInt64, UInt64)>] = []
            for index in 0..<128 {
                let slot = try slab.allocate()
                slot.initialize(to: (UInt64(index), 1, 2))
                slots.append(slot)
            }
            context.expectError(.outOfMemory) { () throws(EngineError) in _ = try slab.allocate() }
            for index in 0..<128 { context.expectEqual(slots[index].pointee.0, UInt64(index), "element") }
            slab.deallocate(slots[17])
            let again = try slab.allocate()
            context.expect(again == slots[17], "the free slot was not reused")
            for slot in slots { slab.deallocate(slot) }
            context.expectEqual(slab.count, 0, "in use")
        },
    ]
}

private func telemetryCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "telemetry: every value falls into its bucket, and quantiles are within a sixteenth") {
            context throws(EngineError) in
            var random = SuiteRandom(seed: 5)
            for _ in 0..<100_000 {
                let value = random.next() >> UInt64(random.next(below: 64))
                let bucket = Histogram.bucket(of: value)
                let upper = Histogram.upperBound(ofBucket: bucket)
                let lower = bucket == 0 ? 0 : Histogram.upperBound(ofBucket: bucket - 1) + 1
                if bucket >= Histogram.bucketCount || value > upper || value < lower {
                    context.fail("\(value) is in bucket \(bucket): \(lower)...\(upper)")
                }
            }
            let histogram = Histogram()
            for value in 1...100_000 as ClosedRange<UInt64> { histogram.record(value) }
            for permille in [1, 100, 500, 990, 999] as [UInt64] {
                let exact = permille * 100
                let got = histogram.quantile(permille: permille)
                context.expect(got >= exact && got <= exact + exact / 16 + 1, "quantile \(permille): \(got)")
            }
            context.expectEqual(histogram.sum, 100_000 * 100_001 / 2, "sum")
        },
        SuiteCase("telemetry: counters of all cores add up") { context throws(EngineError) in
            let counters = Counters(coreCount: context.coreCount)
            try context.onEveryCore(4) { core, _ throws(EngineError) in
                for step in 0..<1_000 {
                    counters.add(core, .commits)
                    counters.add(core, .logBytes, 10)
                    if step % 100 == 0 { Fiber.yield() }
                }
            }
            context.expectEqual(counters.total(.commits), UInt64(4_000 * context.coreCount), "commits")
            context.expectEqual(counters.total(.logBytes), UInt64(40_000 * context.coreCount), "bytes")
            context.expectEqual(counters.total(.logRecords), 0, "untouched")
        },
        SuiteCase(bare: "telemetry: the trace ring keeps the last events in order") { context throws(EngineError) in
            let ring = TraceRing(core: 3, capacity: 64)
            for index in 0..<100 as Range<UInt64> { ring.record(.commit, index, index * 2) }
            let events = ring.snapshot(limit: 1000)
            context.expectEqual(events.count, 63, "events kept, but for the one that may be overwritten")
            for index in 0..<events.count {
                context.expectEqual(events[index].first, UInt64(100 - events.count + index), "event")
                context.expectEqual(events[index].second, events[index].first * 2, "event")
            }
            context.expectEqual(ring.snapshot(limit: 5).count, 5, "limited")
        },
    ]
}

private func numaCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "numa: every core is on one node, whose own memory comes first") {
            context throws(EngineError) in
            let memory = NUMAMemory(context.platform)
            var cores = 0
            for node in 0..<memory.nodeCount {
                cores += memory.cores(of: node).count
                let order = memory.nodesByDistance(from: node)
                context.expectEqual(order.count, memory.nodeCount, "nodes")
                context.expectEqual(order[0], node, "nearest node")
                let distance = context.platform.topology.distance[node]
                for index in 1..<max(1, order.count) {
                    let ordered = index == 1 || distance[order[index - 1]] <= distance[order[index]]
                    context.expect(ordered, "node \(order[index]) is out of order")
                }
            }
            context.expectEqual(cores, context.coreCount, "cores")
            let block = try memory.allocate(byteCount: 3 * pageSize, for: context.coreCount - 1)
            context.expectEqual(UInt(bitPattern: block) % UInt(pageSize), 0, "misalignment")
            for word in 0..<(3 * pageSize / 8) {
                context.expectEqual(block.load(fromByteOffset: word * 8, as: UInt64.self), 0, "fresh memory")
            }
            memory.deallocate(block, byteCount: 3 * pageSize)
        }
    ]
}
