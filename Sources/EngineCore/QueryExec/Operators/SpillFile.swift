// Rows on the device: what an operator puts there when it holds more than work_mem, and reads back from the first row to the
// last. A file is a list of temporary blocks (BTree/TemporarySpace.swift); one block's worth of memory is taken while it is
// written or read.
//
// A row is its length (u32) and its bytes, which may go on in the next block; a length never lies across blocks. The bytes of
// a row of columns: a bitmap of the columns that are not NULL, then each of these: fixed-width values as they lie in a vector,
// strings as their length (u32) and bytes. What is written here is read by the same process, in the machine's byte order.

import ArenaAlloc
import BTree
import Platform
import SQLTypes

final class SpillFile {
    private unowned(unsafe) let space: TemporarySpace
    private unowned(unsafe) let budget: MemoryBudget
    private var blocks: [TemporaryBlock] = []
    /// A block, while there is something to write or read.
    private var buffer: UnsafeMutableRawPointer?
    /// Payload bytes written to the buffer, or the place of reading in it.
    private var position = 0
    /// Payload bytes that the buffer holds for reading.
    private var limit = 0
    private var nextBlock = 0
    /// A row that lies across blocks.
    private var piece = ByteBuffer(capacity: 64)
    private(set) var rowCount = 0
    /// Bytes of rows.
    private(set) var byteCount = 0
    /// Blocks are given back as they are read: the file can be read once.
    var isReadOnce = true
    /// Another file gives the blocks back.
    private let isBorrowed: Bool

    private static let payload = TemporarySpace.payloadByteCount
    private static let header = TemporarySpace.headerByteCount

    init(_ context: ExecutionContext) {
        space = context.temporary
        budget = context.budget
        isBorrowed = false
    }

    /// Another place of reading in a finished file that is not read once, and outlives this one.
    init(reading other: SpillFile) {
        precondition(!other.isReadOnce && other.buffer == nil, "a file is finished before others read it")
        space = other.space
        budget = other.budget
        blocks = other.blocks
        isReadOnce = false
        isBorrowed = true
    }

    deinit { close() }

    /// Gives back memory and blocks, wherever writing or reading has come.
    func close() {
        releaseBuffer()
        let first = isReadOnce ? nextBlock : 0
        if !isBorrowed { for index in first..<blocks.count { space.giveBack(blocks[index]) } }
        blocks.removeAll()
        nextBlock = 0
        rowCount = 0
        byteCount = 0
        position = 0
        limit = 0
    }

    private func heldBuffer() throws(EngineError) -> UnsafeMutableRawPointer {
        if let buffer { return buffer }
        return try takeBuffer()
    }

    private func takeBuffer() throws(EngineError) -> UnsafeMutableRawPointer {
        try budget.charge(TemporarySpace.blockByteCount)
        let made = UnsafeMutableRawPointer.allocate(byteCount: TemporarySpace.blockByteCount, alignment: pageSize)
        buffer = made
        return made
    }

    private func releaseBuffer() {
        guard let buffer else { return }
        buffer.deallocate()
        budget.release(TemporarySpace.blockByteCount)
        self.buffer = nil
    }

    // MARK: Writing

    /// Appends a row. Parks when a block is full. 53100, 53200, 58030.
    func append(_ row: UnsafeRawBufferPointer) throws(EngineError) {
        var memory = try heldBuffer()
        if Self.payload - position < 4 { memory = try flush(memory) }
        memory.storeBytes(of: UInt32(row.count), toByteOffset: Self.header + position, as: UInt32.self)
        position += 4
        var done = 0
        while done < row.count {
            if position == Self.payload { memory = try flush(memory) }
            let part = min(row.count - done, Self.payload - position)
            (memory + Self.header + position).copyMemory(
                from: row.baseAddress.unsafelyUnwrapped + done, byteCount: part)
            position += part
            done += part
        }
        rowCount += 1
        byteCount += row.count + 4
    }

    private func flush(_ memory: UnsafeMutableRawPointer) throws(EngineError) -> UnsafeMutableRawPointer {
        var block = try space.take()
        // Ours from here on: given back even if writing fails.
        blocks.append(block)
        try space.write(&block, from: memory, byteCount: position)
        blocks[blocks.count - 1] = block
        position = 0
        return memory
    }

    /// The last row has been appended: writes what is left and gives the memory back.
    func finish() throws(EngineError) {
        if let buffer, position > 0 { _ = try flush(buffer) }
        releaseBuffer()
    }

    // MARK: Reading

    /// Begins to read at the first row.
    func rewind() {
        nextBlock = 0
        position = 0
        limit = 0
    }

    /// The next row's bytes, valid until the next call; nil at the end. Parks for each block. 53200, 58030, XX001.
    @inline(__always) func next() throws(EngineError) -> UnsafeRawBufferPointer? {
        if let buffer, limit - position >= 4 {
            let count = Int((buffer + Self.header + position).loadUnaligned(as: UInt32.self))
            let start = position + 4
            if count <= limit - start {
                position = start + count
                return UnsafeRawBufferPointer(start: buffer + Self.header + start, count: count)
            }
        }
        return try nextSlowly()
    }

    /// The next row lies across blocks, or begins one.
    @inline(never) private func nextSlowly() throws(EngineError) -> UnsafeRawBufferPointer? {
        if limit - position < 4, try !readBlock() { return nil }
        guard let memory = buffer else { return nil }
        let count = Int((memory + Self.header + position).loadUnaligned(as: UInt32.self))
        position += 4
        if count <= limit - position {
            position += count
            return UnsafeRawBufferPointer(start: memory + Self.header + position - count, count: count)
        }
        piece.removeAll()
        while piece.count < count {
            if position == limit, try !readBlock() {
                throw EngineError(.internalError, "a spilled row ends before its length")
            }
            let part = min(count - piece.count, limit - position)
            piece.append(UnsafeRawBufferPointer(start: memory + Self.header + position, count: part))
            position += part
        }
        try piece.check()
        return piece.bytes
    }

    private func readBlock() throws(EngineError) -> Bool {
        if nextBlock == blocks.count {
            releaseBuffer()
            position = 0
            limit = 0
            return false
        }
        let memory = try heldBuffer()
        let block = blocks[nextBlock]
        try space.read(block, into: memory)
        if isReadOnce { space.giveBack(block) }
        nextBlock += 1
        position = 0
        limit = block.byteCount
        return true
    }
}

// MARK: - Columns

/// A column to be written, as plain pointers: no reference is counted for each row.
struct SpillSource: BitwiseCopyable {
    let data: UnsafeMutableRawPointer
    /// Nil: nothing is NULL.
    let validity: UnsafeMutablePointer<UInt64>?
    /// Zero for a constant, whose only row is 0.
    let rowMask: Int
    let width: Int
    let isBytes: Bool

    init(_ vector: Vector) {
        data = vector.data
        validity = vector.hasNulls ? vector.validity : nil
        rowMask = vector.isConstant ? 0 : -1
        width = vector.physical.width
        isBytes = vector.physical == .bytes
    }

    @inline(__always) func isNull(_ row: Int) -> Bool {
        guard let validity else { return false }
        return validity[row >> 6] & (1 << UInt64(row & 63)) == 0
    }
}

/// A column that rows are read into.
struct SpillTarget {
    let data: UnsafeMutableRawPointer
    let width: Int
    let isBytes: Bool
    unowned(unsafe) let vector: Vector

    init(_ vector: Vector) {
        data = vector.data
        width = vector.physical.width
        isBytes = vector.physical == .bytes
        self.vector = vector
    }
}

enum SpilledRow {
    /// Appends the bytes of row `row` of the columns.
    static func append(
        _ columns: UnsafeBufferPointer<SpillSource>, _ row: Int, to buffer: inout ByteBuffer
    ) {
        let bitmap = buffer.count
        for _ in 0..<(columns.count + 7) / 8 { buffer.append(UInt8(0)) }
        for index in 0..<columns.count {
            let column = columns[index]
            let place = row & column.rowMask
            if column.isNull(place) { continue }
            let flags = buffer.base + bitmap + index / 8
            flags.storeBytes(of: flags.load(as: UInt8.self) | 1 << UInt8(index % 8), as: UInt8.self)
            let slot = column.data + place * column.width
            if !column.isBytes {
                buffer.append(UnsafeRawBufferPointer(start: slot, count: column.width))
                continue
            }
            let count = Int(slot.load(as: UInt32.self))
            withUnsafeBytes(of: UInt32(count)) { buffer.append($0) }
            let bytes =
                count <= 12 ? UnsafeRawPointer(slot + 4) : slot.load(fromByteOffset: 8, as: UnsafeRawPointer.self)
            buffer.append(UnsafeRawBufferPointer(start: bytes, count: count))
        }
    }

    /// Writes a row to position `row` of the vectors, whose values from there on are fresh; long strings are copied to their
    /// heaps. 53200.
    static func load(
        _ bytes: UnsafeRawPointer, into columns: UnsafeBufferPointer<SpillTarget>, at row: Int
    ) throws(EngineError) {
        var place = bytes + (columns.count + 7) / 8
        for index in 0..<columns.count {
            let column = columns[index]
            let flags = bytes.load(fromByteOffset: index / 8, as: UInt8.self)
            if flags & 1 << UInt8(index % 8) == 0 {
                column.vector.setNull(row)
                continue
            }
            if !column.isBytes {
                (column.data + row * column.width).copyMemory(from: place, byteCount: column.width)
                place += column.width
            } else {
                let count = Int(place.loadUnaligned(as: UInt32.self))
                try column.vector.setBytes(row, UnsafeRawBufferPointer(start: place + 4, count: count))
                place += 4 + count
            }
        }
    }
}

/// Writes rows of chunks to files, and reads them back as chunks.
final class SpillBuffer {
    /// What rows are read into.
    let chunk: Chunk
    private let targets: UnsafeMutableBufferPointer<SpillTarget>
    private let sources: UnsafeMutableBufferPointer<SpillSource>
    private var scratch = ByteBuffer(capacity: 256)

    init(_ types: [SQLType]) {
        chunk = Chunk(columns: types.map { Vector($0) })
        targets = .allocate(capacity: types.count)
        sources = .allocate(capacity: types.count)
        for (index, vector) in chunk.columns.enumerated() {
            targets.initializeElement(at: index, to: SpillTarget(vector))
            sources.initializeElement(at: index, to: SpillSource(vector))
        }
    }

    deinit {
        targets.deallocate()
        sources.deallocate()
    }

    /// The columns that rows are written of, until the next call.
    func setSource(_ columns: [Vector]) {
        for index in 0..<sources.count { sources[index] = SpillSource(columns[index]) }
    }

    /// Appends row `row` of the source columns. As `SpillFile.append`.
    @inline(__always) func write(_ row: Int, to file: SpillFile) throws(EngineError) {
        scratch.removeAll()
        SpilledRow.append(UnsafeBufferPointer(sources), row, to: &scratch)
        try scratch.check()
        try file.append(scratch.bytes)
    }

    /// The file's next rows, valid until the next call; nil at its end.
    func read(_ file: SpillFile) throws(EngineError) -> Chunk? {
        for vector in chunk.columns { vector.reset() }
        var count = 0
        while count < vectorCapacity, let row = try file.next() {
            try SpilledRow.load(
                row.baseAddress.unsafelyUnwrapped, into: UnsafeBufferPointer(targets), at: count)
            count += 1
        }
        chunk.selection = Selection(count: count)
        return count == 0 ? nil : chunk
    }
}

/// Files by bits of a hash; other bits at each level, so that a file's rows can be spread again.
final class SpillPartitions {
    let files: [SpillFile]
    let level: Int
    private let shift: UInt64

    /// As many files as a share of work_mem can hold a block of each.
    init(level: Int, _ context: ExecutionContext) {
        self.level = level
        var bits = 3
        while bits < 6, TemporarySpace.blockByteCount << (bits + 1) <= context.workMemory / 4 { bits += 1 }
        shift = UInt64(64 - bits)
        files = (0..<1 << bits).map { _ in SpillFile(context) }
    }

    /// Odd multipliers make top bits that have little to do with each other, nor with those that place a row in a hash table.
    @inline(__always) func file(_ hash: UInt64) -> SpillFile {
        files[Int((hash &* (0x9E37_79B9_7F4A_7C15 &+ UInt64(level) << 33)) >> shift)]
    }

    func finish() throws(EngineError) {
        for file in files { try file.finish() }
    }

    /// Finishes the files and appends those with rows, for a pass of the next level each. Returns their bytes.
    func postpone(to passes: inout [(file: SpillFile, level: Int)]) throws(EngineError) -> Int {
        try finish()
        var byteCount = 0
        for file in files where file.rowCount > 0 {
            passes.append((file, level + 1))
            byteCount += file.byteCount
        }
        return byteCount
    }

    func close() {
        for file in files { file.close() }
    }
}
