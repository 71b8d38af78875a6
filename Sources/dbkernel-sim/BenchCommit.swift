// `dbkernel-sim bench commit`: one transaction after the other, each a row and a durable commit, without a network between:
// what the way from COMMIT to the device costs beside the device itself.

import ArgumentParser
import BTree
import Fibers
import MVCC
import MultiEngine
import Platform
import Runtime

struct BenchCommit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "commit", abstract: "Commits of one row each, one after the other.",
        discussion: """
            Prints `dbkernel commit N`, durable commits per second. Each writes one 4 KiB block of the log and flushes the \
            device's cache, as `fio --rw=write --bs=4k --direct=1 --sync=dsync` does.
            """)

    @Argument(help: "Folder for the disk file, which is removed at the end.")
    var folder: String

    @Argument(help: "Seconds to run.")
    var seconds: UInt64

    func validate() throws {
        if seconds < 1 || seconds > 3600 { throw ValidationError("Give between 1 and 3600 seconds.") }
    }

    func run() throws {
        let seconds = seconds
        try withBenchEngine(folder: folder, diskByteCount: 4 << 30, memoryByteCount: 256 << 20) {
            (engine) throws(EngineError) in
            let transaction = try engine.storage.transactions.makeTransaction()
            defer { engine.storage.transactions.close(transaction) }
            transaction.begin()
            let tree = try engine.storage.createTree(transaction, isTable: false).versions
            try transaction.commit()
            _ = try commits(tree, transaction, from: 0, for: 500_000_000)
            let start = BenchClock.wall
            let count = try commits(tree, transaction, from: 1 << 40, for: seconds * 1_000_000_000)
            let elapsed = BenchClock.wall - start
            print("dbkernel commit \(UInt64(count) * 1_000_000_000 / elapsed)")
        }
    }

    /// Commits rows with keys from `first` on until the time is over; how many.
    private func commits(
        _ tree: VersionedTree, _ transaction: Transaction, from first: UInt64, for nanoseconds: UInt64
    ) throws(EngineError) -> Int {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 8 + RowHeader.byteCount + 8, alignment: 8)
        defer { memory.deallocate() }
        let key = UnsafeRawBufferPointer(start: memory, count: 8)
        let payload = UnsafeMutableRawBufferPointer(start: memory + 8, count: RowHeader.byteCount + 8)
        let end = BenchClock.wall + nanoseconds
        var count = 0
        while BenchClock.wall < end {
            memory.setBig(0, first + UInt64(count))
            memory.setLittle(8 + RowHeader.byteCount, UInt64(count))
            transaction.begin()
            transaction.beginStatement()
            guard try tree.insert(key, payload, transaction) == .inserted else {
                throw EngineError(.internalError, "a key was there already")
            }
            try transaction.commit()
            count += 1
        }
        return count
    }
}
