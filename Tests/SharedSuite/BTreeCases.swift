// The B-tree on a real pool and log: against a model, under concurrency, through redo.

import BTree
import Fibers
import Platform
import Synchronization
import WALEngine

func btreeCases() -> [SuiteCase] {
    [
        SuiteCase("btree: random puts, takes and gets equal a sorted array, with heads and hints") {
            (context) throws(EngineError) in
            try treeFollowsModel(context, .headsAndHints)
        },
        SuiteCase("btree: random puts, takes and gets equal a sorted array, plain") { (context) throws(EngineError) in
            try treeFollowsModel(context, .plain)
        },
        SuiteCase("btree: keys and payloads of every size, up to the longest, come back", everySizeComesBack),
        SuiteCase("btree: appended keys fill their leaves, and removing all leaves one empty page", appendsFillLeaves),
        SuiteCase("btree: a bulk load of any number of entries is the tree that puts would make", bulkLoadEqualsPuts),
        SuiteCase("btree: the pages that a shared extent never hands out are not in use", unusablePagesAreFree),
        SuiteCase("btree: statistics and fractions of key ranges are near the truth", estimatesAreNear),
    ] + btreeStormCases()
}

private func treeFollowsModel(_ context: SuiteContext, _ layout: TreeLayout) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 2_048)
    let tree = try rig.makeTree(layout: layout)
    var random = SuiteRandom(seed: 42)
    var keys: [[UInt8]] = []
    var payloads: [[UInt8]] = []
    var buffer = PayloadBuffer()
    for step in 0..<12_000 {
        // First it grows, then it shrinks.
        let takes = step < 7_000 ? 3 : 8
        let key = randomKey(&random, longest: 40)
        let (slot, found) = place(key, in: keys)
        if random.next(below: 10) < takes && !keys.isEmpty {
            let victim = found ? slot : min(slot, keys.count - 1)
            context.expect(try tree.take(keys[victim]), "step \(step): a key is missing")
            keys.remove(at: victim)
            payloads.remove(at: victim)
        } else {
            let longest = random.next(below: 200) == 0 ? 9_000 : 120
            let payload = randomPayload(&random, longest: longest)
            let isNew = try tree.put(key, payload)
            context.expect(isNew == !found, "step \(step): new is \(isNew)")
            if found {
                payloads[slot] = payload
            } else {
                keys.insert(key, at: slot)
                payloads.insert(payload, at: slot)
            }
        }
        let probe = randomKey(&random, longest: 40)
        let (at, isThere) = place(probe, in: keys)
        let got = try tree.get(probe, &buffer)
        context.expect(got == isThere, "step \(step): get says \(got)")
        if isThere { context.expect(equalBytes(Array(buffer.bytes), payloads[at]), "step \(step): wrong payload") }
        if step % 3_000 == 2_999 {
            try scanEquals(context, tree, keys, payloads)
            context.expectEqual(try rig.expectSound([tree]).entryCount, keys.count, "entries that the check counts")
        }
    }
    try rig.close()
}

private func scanEquals(
    _ context: SuiteContext, _ tree: BTree, _ keys: [[UInt8]], _ payloads: [[UInt8]]
) throws(EngineError) {
    var cursor = Cursor(tree)
    var buffer = PayloadBuffer()
    try cursor.seekFirst()
    var index = 0
    while try cursor.next() {
        if index < keys.count {
            context.expect(equalBytes(Array(cursor.key), keys[index]), "forward: key \(index) differs")
            buffer.assign(cursor.payload)
            if cursor.isSpilled { context.expect(try tree.readSpilled(&buffer), "the chain is gone") }
            context.expect(equalBytes(Array(buffer.bytes), payloads[index]), "forward: payload \(index) differs")
        }
        index += 1
    }
    context.expectEqual(index, keys.count, "entries seen forward")
    try cursor.seekLast()
    while try cursor.previous() {
        index -= 1
        if index >= 0 { context.expect(equalBytes(Array(cursor.key), keys[index]), "backward: key \(index) differs") }
    }
    context.expectEqual(index, 0, "entries not seen backward")
}

private func everySizeComesBack(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context, frameCount: 2_048)
    let tree = try rig.makeTree()
    var random = SuiteRandom(seed: 7)
    var buffer = PayloadBuffer()
    let keySizes = [0, 1, 3, 4, 5, 8, 100, 500, 1_000, 1_023, 1_024]
    let payloadSizes = [
        0, 1, 16, 17, 100, 500, 800, 850, 856, 857, 1_000, 1_024, 1_025, 4_000, 4_032, 4_033, 50_000, 300_000,
    ]
    var written: [([UInt8], [UInt8])] = []
    for keySize in keySizes {
        for payloadSize in payloadSizes {
            let start = UInt8(random.next(below: 250))
            var key = [UInt8](repeating: start, count: max(0, keySize - 2))
            // Long common prefixes, so that separators are long as well.
            if keySize >= 2 {
                key += [UInt8(payloadSize & 255), UInt8(payloadSize >> 8 & 255)]
            } else if keySize == 1 {
                key = [start]
            }
            let payload = (0..<payloadSize).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ keySize) }
            _ = try tree.put(key, payload)
            written.removeAll { equalBytes($0.0, key) }
            written.append((key, payload))
        }
    }
    // Replaced by payloads of all sizes, in leaves with one or a few entries.
    for index in written.indices {
        for payloadSize in [1, 856, 3, 40, 1_024] {
            written[index].1 = [UInt8](repeating: UInt8(payloadSize & 127), count: payloadSize + index % 5)
            context.expect(try !tree.put(written[index].0, written[index].1), "a key is new")
        }
    }
    for (key, payload) in written {
        context.expect(try tree.get(key, &buffer), "a key of \(key.count) bytes is missing")
        context.expect(equalBytes(Array(buffer.bytes), payload), "payload of \(payload.count) bytes differs")
    }
    context.expectError(.programLimitExceeded) { () throws(EngineError) in
        _ = try tree.put([UInt8](repeating: 1, count: 1_025), [1])
    }
    try rig.expectSound([tree])
    for (key, _) in written { context.expect(try tree.take(key), "a key of \(key.count) bytes cannot be taken") }
    context.expectEqual(rig.allocator.pageCount(of: tree.treeID), 1, "pages of the empty tree")
    try rig.close()
}

private func appendsFillLeaves(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context)
    let tree = try rig.makeTree()
    let count: UInt64 = 50_000
    for value in 0..<count { _ = try tree.put(bigEndian(value), bigEndian(value * 3) + bigEndian(value)) }
    // 8 bytes of key at most, 16 of payload, 10 of slot.
    let least = Int(count) * 34 / pageSize
    let pages = rig.allocator.pageCount(of: tree.treeID)
    context.expect(pages < least * 115 / 100, "\(pages) pages, where \(least) would hold the bytes")
    var buffer = PayloadBuffer()
    for value in stride(from: 0, to: count, by: 97) {
        context.expect(try tree.get(bigEndian(value), &buffer), "\(value) is missing")
    }
    for value in 0..<count where value % 3 != 0 {
        context.expect(try tree.take(bigEndian(value)), "\(value) is missing")
    }
    let third = rig.allocator.pageCount(of: tree.treeID)
    for value in 0..<count where value % 3 == 0 {
        context.expect(try tree.take(bigEndian(value)), "\(value) is missing")
    }
    context.expect(third < pages * 3 / 4, "\(third) of \(pages) pages are left with a third of the entries")
    context.expectEqual(rig.allocator.pageCount(of: tree.treeID), 1, "pages of the empty tree")
    try rig.close()
}

private func bulkLoadEqualsPuts(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context)
    var random = SuiteRandom(seed: 77)
    var id: UInt32 = 1
    for (count, longestKey, longestPayload) in [
        (0, 20, 50), (1, 20, 50), (50, 20, 50), (3_000, 12, 40), (2_000, 300, 100), (300, 1_024, 800), (20_000, 30, 60),
    ] {
        let tree = try rig.makeTree(id)
        id += 1
        var keys: [[UInt8]] = []
        for _ in 0..<count { keys.append(randomKey(&random, longest: longestKey)) }
        keys.sort { precedes($0, $1) }
        let loader = BulkLoader(tree)
        var loaded: [[UInt8]] = []
        var payloads: [[UInt8]] = []
        for key in keys where loaded.isEmpty || precedes(loaded[loaded.count - 1], key) {
            let payload = randomPayload(&random, longest: longestPayload)
            try key.withKey { (key) throws(EngineError) in
                try payload.withKey { (payload) throws(EngineError) in try loader.append(key, payload.bytes) }
            }
            loaded.append(key)
            payloads.append(payload)
        }
        try loader.finish()
        context.expectEqual(try rig.expectSound([tree]).problemCount, 0, "problems")
        try scanEquals(context, tree, loaded, payloads)
        // It is a tree like any other.
        for index in stride(from: 0, to: loaded.count, by: 3) { _ = try tree.take(loaded[index]) }
        for index in stride(from: 1, to: loaded.count, by: 5) { _ = try tree.put(loaded[index] + [1], [1, 2, 3]) }
        try rig.expectSound([tree])
        try rig.allocator.freeTree(tree.treeID)
    }
    try rig.close()
}

private func estimatesAreNear(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context)
    let tree = try rig.makeTree()
    let count = 20_000
    let loader = BulkLoader(tree)
    for number in 0..<count {
        try bigEndian(UInt64(number)).withKey { (key) throws(EngineError) in try loader.append(key, key.bytes) }
    }
    try loader.finish()
    let statistics = try tree.statistics()
    let report = try rig.expectSound([tree])
    context.expectEqual(statistics.pageCount, report.pageCount, "pages")
    context.expect(abs(statistics.entryCount - count) < count / 10, "\(statistics.entryCount) entries estimated")
    context.expect(statistics.height == 2, "height \(statistics.height)")
    for (from, to) in [(0, 20_000), (1_000, 2_000), (5_000, 17_000), (19_990, 20_000), (5, 5)] {
        let fraction = try bigEndian(UInt64(from)).withKey { (from) throws(EngineError) in
            try bigEndian(UInt64(to)).withKey { (to) throws(EngineError) in
                try tree.estimateFraction(from: from, to: to)
            }
        }
        let estimated = Int(fraction * Double(count))
        context.expect(abs(estimated - (to - from)) < 300, "\(from)..<\(to) is estimated as \(estimated) entries")
    }
    context.expect(try tree.estimateFraction(from: nil, to: nil) == 1, "the whole is not one")
    try rig.close()
}

/// A check that took them for pages in use would call what an extent's former users left there damage.
private func unusablePagesAreFree(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context)
    let tree = try rig.makeTree()
    let first = rig.geometry.firstExtentPage.rawValue
    context.expect(tree.root.rawValue < first + 1024, "the root is not in the first extent")
    context.expect(rig.allocator.isInUse(tree.root), "the root is not in use")
    context.expect(rig.allocator.isInUse(PageID(first)), "the page that says whose the others are is not in use")
    for page in first + 1..<first + 8 { context.expect(!rig.allocator.isInUse(PageID(page)), "page \(page) is in use") }
    try rig.close()
}
