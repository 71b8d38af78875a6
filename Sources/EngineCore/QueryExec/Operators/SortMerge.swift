// Merging sorted runs: a heap of the runs' next records, least key first, the earlier run first among equal keys. (Knuth,
// TAOCP 3, 5.4.1; a heap of some dozen runs is in the nearest cache, where a loser tree's fewer comparisons gain little.)
//
// A record is the length of its normalised key (u32), the key, and the row (SpillFile.swift). The first eight bytes of the key
// are kept beside the record as a number, as in the sort in memory.

import ArenaAlloc
import BTree
import Platform
import SQLTypes

final class SortMerge {
    private struct Cursor {
        unowned(unsafe) let file: SpillFile
        var prefix: UInt64 = 0
        var record = UnsafeRawBufferPointer(start: nil, count: 0)
        var keyByteCount = 0
    }

    private let files: [SpillFile]
    private let cursors: UnsafeMutablePointer<Cursor>
    /// Runs that have records left, as a heap.
    private let heap: UnsafeMutablePointer<Int>
    private var count = 0

    /// Runs that work_mem allows to merge at a time.
    static func order(_ context: ExecutionContext) -> Int {
        max(6, min(512, context.workMemory / TemporarySpace.blockByteCount))
    }

    /// Takes over the files.
    init(_ files: [SpillFile], _ instance: Instance) throws(EngineError) {
        self.files = files
        cursors = .allocate(capacity: files.count)
        for (index, file) in files.enumerated() { (cursors + index).initialize(to: Cursor(file: file)) }
        heap = .allocate(capacity: files.count)
    }

    deinit {
        close()
        cursors.deallocate()
        heap.deallocate()
    }

    func close() {
        for file in files { file.close() }
        count = 0
    }

    /// Reads the first record of each run.
    func begin() throws(EngineError) {
        for index in files.indices {
            files[index].rewind()
            if try load(index) {
                heap[count] = index
                count += 1
            }
        }
        for root in stride(from: count / 2 - 1, through: 0, by: -1) { sink(root) }
    }

    /// The least record; nil at the end. Valid until `advance`.
    var record: UnsafeRawBufferPointer? { count == 0 ? nil : cursors[heap[0]].record }

    /// Moves on behind the least record.
    @inline(__always) func advance() throws(EngineError) {
        if try !load(heap[0]) {
            count -= 1
            heap[0] = heap[count]
        }
        if count > 1 { sink(0) }
    }

    /// Reads a run's next record; false at its end.
    @inline(__always) private func load(_ index: Int) throws(EngineError) -> Bool {
        guard let record = try cursors[index].file.next() else { return false }
        let length = Int(record.loadUnaligned(as: UInt32.self))
        cursors[index].record = record
        cursors[index].keyByteCount = length
        cursors[index].prefix = NormalizedKey.prefix(
            UnsafeRawBufferPointer(rebasing: record[4..<4 + length]))
        return true
    }

    @inline(__always) private func isLess(_ a: Int, _ b: Int) -> Bool {
        if cursors[a].prefix != cursors[b].prefix { return cursors[a].prefix < cursors[b].prefix }
        let left = cursors[a].record.baseAddress.unsafelyUnwrapped + 4
        let right = cursors[b].record.baseAddress.unsafelyUnwrapped + 4
        let end = min(cursors[a].keyByteCount, cursors[b].keyByteCount)
        var index = 8
        while index < end {
            let x = left.load(fromByteOffset: index, as: UInt8.self)
            let y = right.load(fromByteOffset: index, as: UInt8.self)
            if x != y { return x < y }
            index += 1
        }
        return a < b
    }

    private func sink(_ start: Int) {
        var at = start
        let moving = heap[at]
        while true {
            var child = 2 * at + 1
            if child >= count { break }
            if child + 1 < count, isLess(heap[child + 1], heap[child]) { child += 1 }
            if !isLess(heap[child], moving) { break }
            heap[at] = heap[child]
            at = child
        }
        heap[at] = moving
    }

    /// Writes the next rows to the vectors, which are reset; returns how many, at most `limit`.
    func fill(_ columns: [Vector], count limit: Int) throws(EngineError) -> Int {
        let targets = UnsafeMutableBufferPointer<SpillTarget>.allocate(capacity: max(1, columns.count))
        defer { targets.deallocate() }
        for (index, vector) in columns.enumerated() { targets.initializeElement(at: index, to: SpillTarget(vector)) }
        let list = UnsafeBufferPointer(rebasing: targets[..<columns.count])
        var row = 0
        while row < limit, count > 0 {
            let cursor = heap[0]
            let bytes = cursors[cursor].record.baseAddress.unsafelyUnwrapped
            try SpilledRow.load(bytes + 4 + cursors[cursor].keyByteCount, into: list, at: row)
            try advance()
            row += 1
        }
        return row
    }
}
