// Targets `log`, `pages` and `superblocks`: a disk that somebody has tampered with is opened, asked and checked.
//
// The disk is that of a database that lost its power while it worked. An input is a first byte, whose lowest bit says whether
// checksums are made right again afterwards, and a list of patches of their own kind of block: which one (two bytes), where in
// it (two bytes), how many bytes (one byte, at most 64), the bytes. With wrong checksums, damage must be told; with right
// ones anything may come out but a trap.

import AsyncIO
import BTree
import CLinux
import CPrimitives
import DirectStorage
import Fibers
import Platform
import Runtime
import WALEngine

enum DiskFuzzer {
    nonisolated(unsafe) private static var original = FuzzPlatform()
    nonisolated(unsafe) private static var working = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
    nonisolated(unsafe) private static var firstPage = 0
    nonisolated(unsafe) private static var pageCount = 0
    nonisolated(unsafe) private static var target = FuzzTarget.log
    nonisolated(unsafe) private static var checksum = PageChecksum(seed: 0)

    static func prepare(_ target: FuzzTarget) {
        let failure = onMachine(original) { () throws(EngineError) in
            let engine = try Engine.open(fuzzOptions)
            let asker = try Asker(engine)
            try asker.ask(schema)
            try asker.ask(rows)
            try asker.ask("CHECKPOINT")
            try asker.ask(
                "UPDATE t SET v = v + 1, note = repeat('y', 5000) WHERE k % 9 = 0; DELETE FROM t WHERE k % 10 = 1")
            // A loser for recovery to undo, its records made durable by the commit of another.
            try asker.ask("BEGIN; INSERT INTO t SELECT i, 1, 1, i * 3, 'lost' FROM generate_series(200, 400) i")
            let other = try Asker(engine)
            try other.ask("INSERT INTO n (a) VALUES (7)")
            try remember(engine, target)
        }
        precondition(failure == nil, "the database did not start")
        guard let copy = dbk_reserve(FuzzPlatform.diskByteCount) else { preconditionFailure("no memory for a disk") }
        working = copy
        working.copyMemory(from: original.disk, byteCount: FuzzPlatform.diskByteCount)
    }

    private static func remember(_ engine: Engine, _ target: FuzzTarget) throws(EngineError) {
        Self.target = target
        let superblock = try SuperblockStore.open(
            io: BlockIO(scheduler: engine.scheduler), platform: original
        ).current
        checksum = superblock.pageChecksum
        switch target {
        case .superblocks:
            (firstPage, pageCount) = (0, Superblock.copyCount)
        case .log:
            // More blocks than the history has written.
            firstPage = Int(superblock.layout.walFirstPage)
            pageCount = 128
        default:
            firstPage = Int(superblock.layout.dataFirstPage)
            pageCount = 512
        }
    }

    static func take(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        guard let first = bytes.first else { return -1 }
        var at = 1
        var touched: Set<Int> = []
        while at + 5 <= bytes.count {
            let page = firstPage + (Int(bytes[at]) << 8 | Int(bytes[at + 1])) % pageCount
            let offset = (Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])) % pageSize
            let count = min(Int(bytes[at + 4]) % 64 + 1, bytes.count - at - 5, pageSize - offset)
            for index in 0..<count {
                working.storeBytes(
                    of: bytes[at + 5 + index], toByteOffset: page * pageSize + offset + index, as: UInt8.self)
            }
            touched.insert(page)
            at += 5 + count
        }
        if first % 2 == 1 { for page in touched { seal(working + page * pageSize) } }
        open(&touched)
        for page in touched {
            (working + page * pageSize).copyMemory(from: original.disk + page * pageSize, byteCount: pageSize)
        }
        return 0
    }

    private static func seal(_ block: UnsafeMutableRawPointer) {
        switch target {
        case .superblocks: block.setLittle(0, dbk_crc32c(0, block + 8, pageSize - 8))
        case .log: block.setLittle(0, dbk_crc32c(0, block + 4, pageSize - 4))
        default: checksum.set(block)
        }
    }

    /// A start, questions about everything, and a check; then what was written is forgotten.
    private static func open(_ touched: inout Set<Int>) {
        let platform = FuzzPlatform(disk: working)
        _ = onMachine(platform) { () throws(EngineError) in
            var options = fuzzOptions
            options.formatsEmptyDevice = false
            let engine = try Engine.open(options)
            let asker = try Asker(engine)
            for sql in [
                "SELECT count(*), sum(length(note)) FROM t", "SELECT k FROM t WHERE u = 30", "SELECT * FROM n, j",
                "SELECT count(*) FROM t WHERE s = 3 AND v > 0", "SELECT k, u FROM t ORDER BY k DESC",
                "INSERT INTO t VALUES (1000, 1, 1, 1, 'new')", "DELETE FROM t WHERE k < 50",
            ] {
                do throws(EngineError) { try asker.ask(sql) } catch {}
            }
            asker.end()
        }
        platform.scrap()
        let second = FuzzPlatform(disk: working)
        _ = onMachine(second) { () throws(EngineError) in
            _ = try DatabaseCheck.run(fuzzOptions) { _ in }
        }
        second.scrap()
        touched.formUnion(platform.writtenPages)
        touched.formUnion(second.writtenPages)
    }
}
