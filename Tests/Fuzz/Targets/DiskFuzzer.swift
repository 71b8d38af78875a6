// Targets `log`, `pages` and `superblocks`: a disk that somebody has tampered with is opened, asked and checked.
//
// The disk is that of a database that lost its power while it worked. An input is a first byte, whose lowest bit says whether
// checksums are made right again afterwards, and a list of patches of the target's own kind of block: which one (two bytes), where in it
// (two bytes), how many bytes (one byte, at most 64), the bytes. What is opened may complain as it likes, or give up; a trap or an end
// that never comes is a finding.

import AsyncIO
import CPrimitives
import DirectStorage
import Fibers
import Platform
import Runtime
import WALEngine

final class DiskFuzzer: Fuzzer {
    enum Kind { case log, pages, superblocks }

    private let kind: Kind
    private let disk = FuzzDisk()
    /// The kind's blocks that have been written, in order.
    private var blocks: [Int] = []
    private var pageChecksum = PageChecksum(seed: 0)

    init(_ kind: Kind) {
        self.kind = kind
        let machine = FuzzMachine(disk)
        var superblock: Superblock?
        let outcome = machine.run { () throws(EngineError) in
            let engine = try Engine.open(FuzzDatabase.options)
            try Self.work(engine)
            superblock = try SuperblockStore.open(io: BlockIO(scheduler: engine.scheduler), platform: machine.platform)
                .current
        }
        guard outcome.finding == nil, let superblock else { preconditionFailure("there is no database: \(outcome)") }
        machine.scrap()
        disk.save()
        pageChecksum = superblock.pageChecksum
        let layout = superblock.layout
        let pages =
            switch kind {
            case .superblocks: 0..<UInt64(Superblock.copyCount)
            case .log: layout.walFirstPage..<layout.walFirstPage + layout.walPageCount
            case .pages: layout.dataFirstPage..<UInt64(FuzzDisk.byteCount / pageSize)
            }
        blocks = pages.map { Int($0) }.filter { block in
            UnsafeRawBufferPointer(start: disk.page(block), count: pageSize).contains { $0 != 0 }
        }
    }

    /// A checkpoint, changes after it, and a transaction that has not ended, whose records another's commit has made durable.
    private static func work(_ engine: Engine) throws(EngineError) {
        let asker = try Asker(engine)
        try asker.ask(FuzzDatabase.schema)
        try asker.ask("CHECKPOINT")
        try asker.ask(
            "UPDATE t SET v = v + 1, note = repeat('y', 5000) WHERE k % 9 = 0; DELETE FROM t WHERE k % 10 = 1")
        try asker.ask("BEGIN; INSERT INTO t SELECT i, 1, 1, i * 3, 'lost' FROM generate_series(200, 400) i")
        let other = try Asker(engine)
        try other.ask("INSERT INTO n (a) VALUES (7)")
        asker.abandon()
        other.abandon()
    }

    func take(_ input: UnsafeRawBufferPointer) -> String? {
        guard let first = input.first else { return nil }
        let patched = patch(UnsafeRawBufferPointer(rebasing: input.dropFirst()))
        if first % 2 == 1 { seal(patched) }
        useAndCheck()
        disk.restore()
        return nil
    }

    // MARK: Patches

    /// Returns the indices in `blocks` of what it has changed.
    private func patch(_ input: UnsafeRawBufferPointer) -> Set<Int> {
        var patched: Set<Int> = []
        var at = 0
        while at + 5 <= input.count {
            let index = Int(input[at]) << 8 | Int(input[at + 1])
            let offset = (Int(input[at + 2]) << 8 | Int(input[at + 3])) % pageSize
            let count = min(Int(input[at + 4]) % 64 + 1, input.count - at - 5, pageSize - offset)
            at += 5
            patched.insert(index % blocks.count)
            let place = blocks[index % blocks.count] * pageSize + offset
            disk.noteWrite(offset: place, byteCount: count)
            (disk.bytes + place).copyMemory(from: input.baseAddress.unsafelyUnwrapped + at, byteCount: count)
            at += count
        }
        return patched
    }

    private func seal(_ patched: Set<Int>) {
        switch kind {
        case .pages: for index in patched { pageChecksum.set(disk.page(blocks[index])) }
        case .superblocks: sealSuperblocks(patched)
        case .log: sealLog(patched)
        }
    }

    /// What a copy says alone is outvoted: they all say what the last patched one says.
    private func sealSuperblocks(_ patched: Set<Int>) {
        guard let last = patched.max() else { return }
        let head = 8
        let source = disk.page(blocks[last])
        source.setLittle(0, dbk_crc32c(0, source + head, pageSize - head))
        for (copy, block) in blocks.enumerated() {
            disk.noteWrite(offset: block * pageSize, byteCount: pageSize)
            disk.page(block).copyMemory(from: source, byteCount: pageSize)
            disk.page(block).setLittle(4, UInt32(copy))
        }
    }

    /// Every block names the checksum of the one before it, so all that follow change as well.
    private func sealLog(_ patched: Set<Int>) {
        guard let first = patched.min() else { return }
        for index in first..<blocks.count {
            let block = disk.page(blocks[index])
            disk.noteWrite(offset: blocks[index] * pageSize, byteCount: pageSize)
            if index > first {
                block.setLittle(
                    LogBlock.previousChecksum, disk.page(blocks[index - 1]).little(LogBlock.checksum, as: UInt32.self))
            }
            let body = LogBlock.previousChecksum
            block.setLittle(LogBlock.checksum, dbk_crc32c(0, block + body, LogBlock.byteCount - body))
        }
    }

    // MARK: What happens to the disk

    /// A start, questions about everything, a clean end, and a check.
    private func useAndCheck() {
        onMachine { () throws(EngineError) in
            var options = FuzzDatabase.options
            options.formatsEmptyDevice = false
            let engine = try Engine.open(options)
            let watchdog = try Watchdog(engine.scheduler)
            let asker = try Asker(engine)
            for sql in Self.questions {
                do throws(EngineError) {
                    try watchdog.guarding { () throws(EngineError) in try asker.ask(sql) }
                } catch {}
            }
            asker.end()
            try engine.close()
        }
        onMachine { () throws(EngineError) in
            _ = try DatabaseCheck.run(FuzzDatabase.options) { _ in }
        }
    }

    private static let questions = [
        "SELECT count(*), sum(length(note)) FROM t", "SELECT k FROM t WHERE u = 30", "SELECT * FROM n, j",
        "SELECT count(*) FROM t WHERE s = 3 AND v > 0", "SELECT k, u FROM t ORDER BY k DESC",
        "INSERT INTO t VALUES (1000, 1, 1, 1, 'new')", "DELETE FROM t WHERE k < 50",
    ]

    private func onMachine(_ body: @escaping () throws(EngineError) -> Void) {
        let machine = FuzzMachine(disk)
        _ = machine.run(body)
        machine.scrap()
    }
}
