// The B-tree: point lookups, inserts and scans in memory, with heads and hints and plain, beside LMDB.

import ArgumentParser
import BTree
import CLMDB
import CPrimitives
import Fibers
import Foundation
import HostPlatform
import Platform
import WALEngine

struct TreeBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tree", abstract: "Point lookups, inserts and scans of the B-tree.",
        discussion: """
            Keys are 8 bytes, big-endian; payloads are 24 bytes, of which 16 stand for the row header, against 8 in LMDB. One
            core, everything in memory. LMDB reads within one transaction, and with a snapshot per lookup.
            """)

    @Option(help: "Entries, in millions.")
    var millions = 10.0
    @Option(help: "Lookups per round, in millions.")
    var lookups = 2.0
    @Option(help: "Rounds; the median is reported.")
    var rounds = 5
    @Option(help: "Directory for scratch files.")
    var directory = "/tmp"
    @Flag(help: "Only the engine's own tree.")
    var own = false

    func run() throws {
        let count = UInt64(millions * 1e6)
        let path = "\(directory)/dbkernel-bench-\(getpid()).disk"
        defer { unlink(path) }
        let disk = max(2 << 30, roundUp(count * 400, 1 << 30))
        let platform = try HostPlatform(
            options: .init(diskPath: path, diskByteCount: disk, createIfMissing: true, cores: 1))
        let scheduler = Scheduler(platform: platform, stackByteCount: 256 << 10, maxFibersPerWorker: 256)
        var failure: EngineError?
        try scheduler.run {
            do throws(EngineError) {
                try self.measureTrees(scheduler, count)
            } catch {
                failure = error
            }
            scheduler.stop()
        }
        if let failure { throw failure }
        if !own { measureLMDB(count) }
    }

    // MARK: The engine's tree

    private func measureTrees(_ scheduler: Scheduler, _ count: UInt64) throws(EngineError) {
        let room = try TreeRoom(scheduler, frameCount: Int(count) * 160 / pageSize + 20_000)
        for (name, spread) in [("sequential", UInt64(1)), ("sparse", 0x9e37_79b9_7f4a_7c15)] {
            for layout in [TreeLayout.headsAndHints, .plain] {
                let id = UInt32(layout == .plain ? 2 : 1)
                let tree = try room.makeTree(id, layout: layout)
                try load(room, tree, count, spread)
                let statistics = try tree.statistics()
                let label = "\(layout == .plain ? "plain" : "heads+hints"), \(name)"
                print("\(label): \(statistics.pageCount) pages, height \(statistics.height)")
                try measureLookups(label, tree, count, spread)
                if layout == .headsAndHints { try measureScan(label, tree, count) }
                try room.allocator.freeTree(tree.treeID)
                try room.checkpoint()
            }
        }
        try measureInserts(room, min(count, 2_000_000))
        try room.close()
    }

    private func load(_ room: TreeRoom, _ tree: BTree, _ count: UInt64, _ spread: UInt64) throws(EngineError) {
        var keys = [UInt64](unsafeUninitializedCapacity: Int(count)) { buffer, size in
            for index in 0..<Int(count) { buffer[index] = UInt64(index) &* spread }
            size = Int(count)
        }
        if spread != 1 { keys.sort() }
        let loader = BulkLoader(tree)
        var payload = (UInt64(0), UInt64(0), UInt64(0))
        for index in 0..<Int(count) {
            var key = keys[index].bigEndian
            payload.2 = keys[index]
            let error = withUnsafeBytes(of: &key) { key in
                withUnsafeBytes(of: &payload) { payload -> EngineError? in
                    do throws(EngineError) {
                        try loader.append(TreeKey(key), payload)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            if let error { throw error }
            if index % 1_000_000 == 999_999 { try room.checkpoint() }
        }
        try loader.finish()
        try room.checkpoint()
    }

    private func measureLookups(_ label: String, _ tree: BTree, _ count: UInt64, _ spread: UInt64) throws(EngineError) {
        let lookups = Int(lookups * 1e6)
        var results: [Measure] = []
        for round in 0..<rounds {
            var random = Random(seed: UInt64(round))
            let sum = Stopwatch()
            let found = try lookUp(tree, lookups, count, spread, &random)
            results.append(sum.measure(lookups))
            if found != lookups { print("  \(lookups - found) keys were not found") }
        }
        report("  lookup", results)
    }

    @inline(never)
    private func lookUp(
        _ tree: BTree, _ lookups: Int, _ count: UInt64, _ spread: UInt64, _ random: inout Random
    ) throws(EngineError) -> Int {
        let key = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
        defer { key.deallocate() }
        var found = 0
        for _ in 0..<lookups {
            let number = random.next(below: count) &* spread
            key.setBig(0, number)
            let value = try tree.lookup(TreeKey(base: key, count: 8)) { bytes, _ in
                bytes.count == 24 ? bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self) : ~number
            }
            if value == number { found += 1 }
        }
        return found
    }

    private func measureScan(_ label: String, _ tree: BTree, _ count: UInt64) throws(EngineError) {
        var results: [Measure] = []
        for _ in 0..<rounds {
            var cursor = Cursor(tree)
            let watch = Stopwatch()
            try cursor.seekFirst()
            var seen = 0
            var sum: UInt64 = 0
            while try cursor.next() {
                seen += 1
                sum &+=
                    cursor.payload.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                    &+ UnsafeRawPointer(cursor.key.baseAddress.unsafelyUnwrapped).big(0, as: UInt64.self)
            }
            results.append(watch.measure(seen))
            if seen != Int(count) { print("  the scan saw \(seen) entries, \(sum)") }
        }
        report("  scan, per entry", results)
    }

    private func measureInserts(_ room: TreeRoom, _ count: UInt64) throws(EngineError) {
        for (name, layout) in [("heads+hints", TreeLayout.headsAndHints), ("plain", .plain)] {
            for (order, spread) in [("append", UInt64(1)), ("random", 0x9e37_79b9_7f4a_7c15)] {
                let tree = try room.makeTree(9, layout: layout)
                let watch = Stopwatch()
                try insert(room, tree, count, spread)
                report("insert with log, \(order), \(name)", [watch.measure(Int(count))])
                let pages = room.allocator.pageCount(of: tree.treeID)
                print("  \(pages) pages, \(Int(count) / pages) entries each")
                try room.allocator.freeTree(tree.treeID)
                try room.checkpoint()
            }
        }
    }

    private func insert(_ room: TreeRoom, _ tree: BTree, _ count: UInt64, _ spread: UInt64) throws(EngineError) {
        let key = UnsafeMutableRawPointer.allocate(byteCount: 32, alignment: 8)
        defer { key.deallocate() }
        key.initializeMemory(as: UInt8.self, repeating: 1, count: 32)
        let treeKey = TreeKey(base: key, count: 8)
        let payload = UnsafeRawBufferPointer(start: key + 8, count: 24)
        for number in 0..<count {
            key.setBig(0, number &* spread)
            var leaf = try tree.withLeaf(for: treeKey, reserving: 24, logging: 256)
            let (slot, _) = leaf.find(treeKey)
            var record = room.log.makeRecord(.system)
            leaf.insert(into: &record, at: slot, treeKey, payload)
            let (start, end) = room.log.append(&record)
            leaf.finish(start: start, end: end)
            if number % 500_000 == 499_999 { try room.checkpoint() }
        }
    }

    // MARK: LMDB

    private func measureLMDB(_ count: UInt64) {
        let folder = "\(directory)/dbkernel-bench-lmdb-\(getpid())"
        mkdir(folder, 0o700)
        defer {
            unlink("\(folder)/data.mdb")
            unlink("\(folder)/lock.mdb")
            rmdir(folder)
        }
        for (name, spread) in [("sequential", UInt64(1)), ("sparse", 0x9e37_79b9_7f4a_7c15)] {
            unlink("\(folder)/data.mdb")
            unlink("\(folder)/lock.mdb")
            guard let db = dbk_lmdb_open(folder, 16 << 30) else {
                print("LMDB is not installed")
                return
            }
            let keys = (0..<count).map { $0 &* spread }.sorted()
            _ = dbk_lmdb_begin(db)
            for var number in keys {
                var key = number.bigEndian
                _ = dbk_lmdb_put(db, &key, 8, &number, 8, 1)
            }
            _ = dbk_lmdb_commit(db)
            _ = dbk_lmdb_read_begin(db)
            for renew in [false, true] {
                var results: [Measure] = []
                for round in 0..<rounds {
                    var random = Random(seed: UInt64(round))
                    let lookups = Int(lookups * 1e6)
                    let watch = Stopwatch()
                    var found = 0
                    for _ in 0..<lookups {
                        let number = random.next(below: count) &* spread
                        var key = number.bigEndian
                        let value = renew ? dbk_lmdb_get_renewed(db, &key, 8) : dbk_lmdb_get(db, &key, 8)
                        if let value, value.loadUnaligned(as: UInt64.self) == number { found += 1 }
                    }
                    results.append(watch.measure(lookups))
                    if found != lookups { print("  \(lookups - found) keys were not found") }
                }
                report("LMDB lookup, \(name)\(renew ? ", a snapshot each" : "")", results)
            }
            dbk_lmdb_read_end(db)
            dbk_lmdb_close(db)
        }
    }
}
