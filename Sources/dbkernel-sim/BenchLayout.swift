// `dbkernel-sim bench layout`: what heads and hints are worth: point lookups in two trees of the same entries, one with them and
// one with plain slots. Both are loaded by inserts in the same random order, so their pages are filled as inserts fill them.

import ArgumentParser
import BTree
import BufferPool
import Fibers
import MultiEngine
import Platform
import Runtime
import WALEngine

struct BenchLayout: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout", abstract: "Point lookups with heads and hints, and with plain slots.",
        discussion: """
            Two key sets: 8-byte integers in random order, and addresses of about 60 bytes, a hundred to a site. Prints \
            nanoseconds per lookup, for each distribution: `layout plain N`, `layout hints N`, `layout-text plain N`, \
            `layout-text hints N`.
            """)

    @OptionGroup var arguments: BenchArguments

    func run() throws {
        try arguments.withEngine(bytesPerRow: 240) { (engine) throws(EngineError) in
            try measure(engine, "layout", firstID: 1_000_000, IntegerKeys())
            try measure(engine, "layout-text", firstID: 1_000_002, AddressKeys())
        }
    }

    private func measure<Keys: KeySet>(
        _ engine: Engine, _ name: String, firstID: UInt32, _ keys: Keys
    ) throws(EngineError) {
        let (pool, log, allocator) = (engine.storage.pool, engine.storage.log, engine.storage.allocator)
        var trees: [BTree] = []
        for (index, layout) in [TreeLayout.plain, .headsAndHints].enumerated() {
            let id = TreeID(firstID + UInt32(index))
            let root = try BTree.create(pool: pool, log: log, allocator: allocator, treeID: id, layout: layout)
            let tree = BTree(pool: pool, log: log, allocator: allocator, treeID: id, root: root, layout: layout)
            try insert(engine, tree, keys)
            trees.append(tree)
        }
        for distribution in arguments.distributions {
            var spent: [UInt64] = [0, 0]
            var choosers = [Chooser(arguments.rows, distribution), Chooser(arguments.rows, distribution)]
            for index in 0...1 { _ = try lookUp(trees[index], keys, arguments.operations / 10, &choosers[index]) }
            // They take turns, so that what else goes on disturbs both.
            for _ in 0..<10 {
                for index in 0...1 {
                    spent[index] += try lookUp(trees[index], keys, arguments.operations / 10, &choosers[index])
                }
            }
            let count = arguments.operations / 10 * 10
            BenchClock.report("\(name) plain", spent[0], per: count)
            BenchClock.report("\(name) hints", spent[1], per: count)
        }
        for tree in trees { try allocator.freeTree(tree.treeID) }
    }

    private func insert<Keys: KeySet>(_ engine: Engine, _ tree: BTree, _ keys: Keys) throws(EngineError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Keys.capacity + 24, alignment: 8)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: Keys.capacity + 24)
        let payload = UnsafeRawBufferPointer(start: memory + Keys.capacity, count: 24)
        for row in 0..<arguments.rows {
            let key = TreeKey(base: memory, count: keys.write(row, to: memory))
            memory.setLittle(Keys.capacity + 16, row)
            var leaf = try tree.withLeaf(for: key, reserving: 24, logging: 256)
            let (slot, _) = leaf.find(key)
            var record = tree.log.makeRecord(.system)
            leaf.insert(into: &record, at: slot, key, payload)
            let (start, end) = tree.log.append(&record)
            leaf.finish(start: start, end: end)
            if row % 4096 == 0 { Fiber.yield() }
        }
    }

    /// Nanoseconds. Keys are made outside of the time measured.
    private func lookUp<Keys: KeySet>(
        _ tree: BTree, _ keys: Keys, _ count: Int, _ chooser: inout Chooser
    ) throws(EngineError) -> UInt64 {
        let batch = 1000
        let rows = UnsafeMutablePointer<UInt64>.allocate(capacity: batch)
        let lengths = UnsafeMutablePointer<Int>.allocate(capacity: batch)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: batch * Keys.capacity, alignment: 64)
        defer {
            rows.deallocate()
            lengths.deallocate()
            memory.deallocate()
        }
        var spent: UInt64 = 0
        var done = 0
        while done < count {
            let size = min(batch, count - done)
            for index in 0..<size {
                rows[index] = chooser.next()
                lengths[index] = keys.write(rows[index], to: memory + index * Keys.capacity)
            }
            let start = BenchClock.thread
            let found = try lookUpBatch(tree, size, rows, memory, Keys.capacity, lengths)
            spent += BenchClock.thread - start
            if found != size { throw EngineError(.internalError, "\(size - found) keys were not found") }
            done += size
        }
        return spent
    }

    @inline(never)
    private func lookUpBatch(
        _ tree: BTree, _ count: Int, _ rows: UnsafePointer<UInt64>, _ keys: UnsafeRawPointer, _ stride: Int,
        _ lengths: UnsafePointer<Int>
    ) throws(EngineError) -> Int {
        let pool = tree.pool
        var found = 0
        for index in 0..<count {
            let row = rows[index]
            let key = TreeKey(base: keys + index * stride, count: lengths[index])
            while true {
                let place = try tree.find(key)
                let value = place.byteCount == 24 ? place.base.unsafelyUnwrapped.little(16, as: UInt64.self) : ~row
                if !pool.validate(place.page, place.token) { continue }
                if value == row { found += 1 }
                break
            }
        }
        return found
    }
}

/// Keys by row number.
private protocol KeySet {
    /// Most bytes of a key.
    static var capacity: Int { get }
    /// Writes the key; its length.
    func write(_ row: UInt64, to target: UnsafeMutableRawPointer) -> Int
}

private struct IntegerKeys: KeySet {
    static let capacity = 8
    func write(_ row: UInt64, to target: UnsafeMutableRawPointer) -> Int {
        target.setBig(0, scramble(row))
        return 8
    }
}

/// `https://www.SITE.example.org/articles/NAME.html`, a hundred names to a site.
private struct AddressKeys: KeySet {
    static let capacity = 72

    func write(_ row: UInt64, to target: UnsafeMutableRawPointer) -> Int {
        let site = scramble(row / 100)
        let name = scramble(row ^ 0x5555_5555)
        var end = append("https://www.", to: target, 0)
        end = letters(site, 8 + Int(site >> 60) % 5, to: target, end)
        end = append(".example.org/articles/", to: target, end)
        end = letters(name, 13, to: target, end)
        return append(".html", to: target, end)
    }

    private func append(_ text: StaticString, to target: UnsafeMutableRawPointer, _ at: Int) -> Int {
        (target + at).copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        return at + text.utf8CodeUnitCount
    }

    /// Five bits to a letter: thirteen of them hold the whole number.
    private func letters(_ number: UInt64, _ count: Int, to target: UnsafeMutableRawPointer, _ at: Int) -> Int {
        var number = number
        for index in 0..<count {
            let digit = UInt8(number & 31)
            target.storeBytes(of: digit < 26 ? 0x61 + digit : 0x16 + digit, toByteOffset: at + index, as: UInt8.self)
            number >>= 5
        }
        return at + count
    }
}
