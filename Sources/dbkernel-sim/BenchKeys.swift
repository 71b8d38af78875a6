// `dbkernel-sim bench keys`: 8-byte keys with 8-byte values through the transaction interface, as a table or an index uses it:
// a versioned tree, durable commits, snapshots, visibility of each row.

import ArgumentParser
import BTree
import BufferPool
import Fibers
import MVCC
import MultiEngine
import Platform
import Runtime

struct BenchKeys: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Inserts and point lookups of 8-byte keys.",
        discussion: """
            Inserts ROWS keys in random order, 1,000 to a transaction, each commit durable, and times each of the last \
            five hundredths. Then looks keys up, 1,000 to a read-only transaction, which is one snapshot. Prints nanoseconds \
            per row: `dbkernel insert N`, five times, and for each distribution `dbkernel lookup N`.
            """)

    static let batch = 1000

    @OptionGroup var arguments: BenchArguments

    func run() throws {
        print("# \(Self.batch) inserts to a transaction, every commit durable; \(Self.batch) lookups to a snapshot")
        try arguments.withEngine(bytesPerRow: 96) { (engine) throws(EngineError) in
            let transaction = try engine.storage.transactions.makeTransaction()
            defer { engine.storage.transactions.close(transaction) }
            transaction.begin()
            let tree = try engine.storage.createTree(transaction, isTable: false).versions
            try transaction.commit()
            let pool = engine.storage.pool
            let batch = UInt64(Self.batch)
            let slice = arguments.rows / 100 / batch * batch
            let rows = arguments.rows
            try insert(0..<rows - 5 * slice, tree, transaction)
            for part in (1...5).reversed() as [UInt64] {
                let start = BenchClock.wall
                try insert(rows - part * slice..<rows - (part - 1) * slice, tree, transaction)
                BenchClock.report("dbkernel insert", BenchClock.wall - start, per: Int(slice))
            }
            print("# \(pool.largePageCount) regions of 2 MiB on large pages")
            for distribution in arguments.distributions {
                var chooser = Chooser(arguments.rows, distribution)
                _ = try lookUp(tree, transaction, arguments.operations / 10, &chooser)
                let spent = try lookUp(tree, transaction, arguments.operations, &chooser)
                BenchClock.report("dbkernel lookup", spent, per: arguments.operations)
            }
        }
    }

    private func insert(
        _ rows: Range<UInt64>, _ tree: VersionedTree, _ transaction: Transaction
    ) throws(EngineError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 8 + RowHeader.byteCount + 8, alignment: 8)
        defer { memory.deallocate() }
        let key = UnsafeRawBufferPointer(start: memory, count: 8)
        let payload = UnsafeMutableRawBufferPointer(start: memory + 8, count: RowHeader.byteCount + 8)
        var row = rows.lowerBound
        while row < rows.upperBound {
            transaction.begin()
            transaction.beginStatement()
            let end = min(rows.upperBound, row + UInt64(Self.batch))
            while row < end {
                memory.setBig(0, scramble(row))
                memory.setLittle(8 + RowHeader.byteCount, row)
                guard try tree.insert(key, payload, transaction) == .inserted else {
                    throw EngineError(.internalError, "a key was there already")
                }
                row += 1
            }
            try transaction.commit()
        }
    }

    /// Nanoseconds spent in the transactions.
    private func lookUp(
        _ tree: VersionedTree, _ transaction: Transaction, _ count: Int, _ chooser: inout Chooser
    ) throws(EngineError) -> UInt64 {
        let rows = UnsafeMutablePointer<UInt64>.allocate(capacity: Self.batch)
        defer { rows.deallocate() }
        var spent: UInt64 = 0
        var done = 0
        while done < count {
            let size = min(Self.batch, count - done)
            for index in 0..<size { rows[index] = chooser.next() }
            let start = BenchClock.thread
            transaction.begin(.repeatableRead, readOnly: true)
            transaction.beginStatement()
            let found = try lookUpBatch(tree, transaction.view, UnsafeBufferPointer(start: rows, count: size))
            try transaction.commit()
            spent += BenchClock.thread - start
            if found != size { throw EngineError(.internalError, "\(size - found) keys were not found") }
            done += size
        }
        return spent
    }

    /// How many of the rows were found with the value they were given.
    @inline(never)
    private func lookUpBatch(
        _ tree: VersionedTree, _ view: ReadView, _ rows: UnsafeBufferPointer<UInt64>
    ) throws(EngineError) -> Int {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 8)
        defer { memory.deallocate() }
        let key = TreeKey(base: memory, count: 8)
        let value = UnsafeMutableRawBufferPointer(start: memory + 8, count: 8)
        var found = 0
        for row in rows {
            memory.setBig(0, scramble(row))
            if try tree.lookup(key, view, into: value) == 8 && memory.little(8, as: UInt64.self) == row { found += 1 }
        }
        return found
    }
}
