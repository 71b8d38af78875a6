// Sorts the entries of an index to be, however many: up to a limit in memory, beyond it in runs of temporary space that are
// merged (Knuth, TAOCP vol. 3, 5.4.1: replacement of the smallest by a heap of runs).
//
// An entry, in memory and in blocks alike: u64 writer, u64 rowid, u32 key length with `isRowIDInKey` in the highest bit, key.
// Keys are compared as bytes; the first eight, as a number, lie beside the reference to the entry and decide most comparisons.

import BTree
import Fibers
import Platform
import SQLTypes
import WALEngine

/// An entry of an index that is being built.
struct BuiltEntry {
    let base: UnsafeRawPointer

    static let headerByteCount = 20
    private static let rowIDInKey: UInt32 = 1 << 31

    @inline(__always) init(_ base: UnsafeRawPointer) { self.base = base }

    @inline(__always) var writer: UInt64 { base.loadUnaligned(as: UInt64.self) }
    @inline(__always) var rowID: UInt64 { base.loadUnaligned(fromByteOffset: 8, as: UInt64.self) }
    @inline(__always) private var field: UInt32 { base.loadUnaligned(fromByteOffset: 16, as: UInt32.self) }
    @inline(__always) var isRowIDInKey: Bool { field & Self.rowIDInKey != 0 }
    @inline(__always) var keyByteCount: Int { Int(field & ~Self.rowIDInKey) }
    @inline(__always) var byteCount: Int { Self.headerByteCount + keyByteCount }
    @inline(__always) var key: TreeKey { TreeKey(base: base + Self.headerByteCount, count: keyByteCount) }

    @inline(__always) var prefix: UInt64 { NormalizedKey.prefix(key.bytes) }

    @inline(__always) static func store(
        _ base: UnsafeMutableRawPointer, _ key: UnsafeRawBufferPointer, isRowIDInKey: Bool, writer: UInt64,
        rowID: UInt64
    ) {
        base.storeBytes(of: writer, as: UInt64.self)
        base.storeBytes(of: rowID, toByteOffset: 8, as: UInt64.self)
        base.storeBytes(of: UInt32(key.count) | (isRowIDInKey ? rowIDInKey : 0), toByteOffset: 16, as: UInt32.self)
        if let start = key.baseAddress { (base + headerByteCount).copyMemory(from: start, byteCount: key.count) }
    }
}

struct EntrySorter: ~Copyable {
    /// Where an entry lies in `memory`.
    private struct Reference: BitwiseCopyable {
        var prefix: UInt64
        var offset: UInt32
    }

    private let space: TemporarySpace
    private let memory: UnsafeMutableRawPointer
    private let byteLimit: Int
    private var used = 0
    private var references: [Reference] = []
    private var runs: [EntryRunReader] = []

    /// `byteLimit` is what entries may take in memory; references to them come on top, at most as many bytes again.
    init(_ space: TemporarySpace, byteLimit: Int) {
        self.space = space
        self.byteLimit = byteLimit
        memory = .allocate(byteCount: byteLimit, alignment: 16)
    }

    deinit { memory.deallocate() }

    /// `key` is at most `TreePage.maxKeyByteCount` long. Parks when the memory is full. 53100, 58030.
    mutating func append(
        _ key: UnsafeRawBufferPointer, isRowIDInKey: Bool, writer: UInt64, rowID: UInt64
    ) throws(EngineError) {
        let size = BuiltEntry.headerByteCount + key.count
        if used + size > byteLimit { try spill() }
        BuiltEntry.store(memory + used, key, isRowIDInKey: isRowIDInKey, writer: writer, rowID: rowID)
        references.append(Reference(prefix: BuiltEntry(memory + used).prefix, offset: UInt32(used)))
        used += size
    }

    private mutating func sort() {
        let memory = UnsafeRawPointer(memory)
        references.sort { a, b in
            if a.prefix != b.prefix { return a.prefix < b.prefix }
            return BuiltEntry(memory + Int(a.offset)).key.compare(BuiltEntry(memory + Int(b.offset)).key) < 0
        }
    }

    /// Writes what is in memory as a run.
    private mutating func spill() throws(EngineError) {
        sort()
        let run = EntryRunReader(space)
        runs.append(run)
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: TemporarySpace.blockByteCount, alignment: pageSize)
        defer { buffer.deallocate() }
        var filled = 0
        for reference in references {
            let entry = BuiltEntry(memory + Int(reference.offset))
            if filled + entry.byteCount > TemporarySpace.payloadByteCount {
                try run.write(buffer, filled)
                filled = 0
            }
            (buffer + TemporarySpace.headerByteCount + filled).copyMemory(from: entry.base, byteCount: entry.byteCount)
            filled += entry.byteCount
        }
        if filled > 0 { try run.write(buffer, filled) }
        references.removeAll(keepingCapacity: true)
        used = 0
    }

    /// Calls `body` with every entry in key order; the entry is valid during the call. 53100, 58030, XX001.
    mutating func forEachInOrder(_ body: (BuiltEntry) throws(EngineError) -> Void) throws(EngineError) {
        if runs.isEmpty {
            sort()
            for reference in references { try body(BuiltEntry(memory + Int(reference.offset))) }
            return
        }
        if !references.isEmpty { try spill() }
        for run in runs { try run.start(readAhead: max(1, min(8, 128 / runs.count))) }
        var heap = RunHeap(runs)
        while let run = heap.first {
            try body(run.entry)
            try run.advance()
            heap.firstAdvanced()
        }
    }
}

/// A sorted run in temporary space, read from its beginning. Gives its blocks back as they are read, and the rest at its end.
final class EntryRunReader {
    private let space: TemporarySpace
    private var blocks: [TemporaryBlock] = []
    /// Blocks before this one are given back.
    private var next = 0
    private var buffers: [UnsafeMutableRawPointer] = []
    /// Blocks in `buffers`, the one that is being read, and the position in it.
    private var loaded = 0
    private var current = 0
    private var at = 0
    /// Payload of the block that is being read.
    private var byteCount = 0
    fileprivate private(set) var prefix: UInt64 = 0
    fileprivate private(set) var isAtEnd = true

    fileprivate init(_ space: TemporarySpace) { self.space = space }

    deinit {
        for index in next..<blocks.count { space.giveBack(blocks[index]) }
        for buffer in buffers { buffer.deallocate() }
    }

    fileprivate func write(_ buffer: UnsafeMutableRawPointer, _ byteCount: Int) throws(EngineError) {
        var block = try space.take()
        do throws(EngineError) {
            try space.write(&block, from: buffer, byteCount: byteCount)
        } catch {
            space.giveBack(block)
            throw error
        }
        blocks.append(block)
    }

    fileprivate func start(readAhead: Int) throws(EngineError) {
        for _ in 0..<min(readAhead, blocks.count) {
            buffers.append(.allocate(byteCount: TemporarySpace.blockByteCount, alignment: pageSize))
        }
        try load()
    }

    private func load() throws(EngineError) {
        loaded = min(buffers.count, blocks.count - next)
        current = 0
        at = 0
        isAtEnd = loaded == 0
        if isAtEnd { return }
        try blocks.withUnsafeBufferPointer { (all) throws(EngineError) in
            try buffers.withUnsafeBufferPointer { (buffers) throws(EngineError) in
                try space.read(
                    UnsafeBufferPointer(rebasing: all[next..<next + loaded]),
                    into: buffers.baseAddress.unsafelyUnwrapped)
            }
        }
        for index in next..<next + loaded { space.giveBack(blocks[index]) }
        byteCount = blocks[next].byteCount
        next += loaded
        prefix = entry.prefix
    }

    fileprivate var entry: BuiltEntry { BuiltEntry(buffers[current] + TemporarySpace.headerByteCount + at) }

    fileprivate func advance() throws(EngineError) {
        at += entry.byteCount
        if at >= byteCount {
            at = 0
            current += 1
            if current == loaded { return try load() }
            byteCount = blocks[next - loaded + current].byteCount
        }
        prefix = entry.prefix
    }
}

/// The runs that have not ended, the one with the least entry first.
private struct RunHeap {
    private var runs: [EntryRunReader]

    init(_ all: [EntryRunReader]) {
        runs = all.filter { !$0.isAtEnd }
        for index in stride(from: runs.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    var first: EntryRunReader? { runs.first }

    private func isLess(_ a: Int, _ b: Int) -> Bool {
        let (left, right) = (runs[a], runs[b])
        if left.prefix != right.prefix { return left.prefix < right.prefix }
        return left.entry.key.compare(right.entry.key) < 0
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in 2 * index + 1...2 * index + 2 where child < runs.count && isLess(child, least) {
                least = child
            }
            if least == index { return }
            runs.swapAt(index, least)
            index = least
        }
    }

    mutating func firstAdvanced() {
        if runs[0].isAtEnd {
            runs[0] = runs[runs.count - 1]
            runs.removeLast()
            if runs.isEmpty { return }
        }
        sink(0)
    }
}
