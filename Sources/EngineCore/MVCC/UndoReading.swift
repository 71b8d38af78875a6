// Reading undo records by address, wherever they are: in a segment that stays, in one that may be moved out at any moment, or
// in one that has been.
//
// Each worker keeps the moved segments that its fibers read last, each with the life that it was read in, so that a scan by an
// old snapshot reads a segment once and not once a row. What is handed out is a copy of one record.

import BTree
import Fibers
import Platform
import Synchronization

/// Copies of two records: that of the version last found, and that of the one before it that is being looked at. Takes memory
/// when first used.
@usableFromInline
package struct UndoCopy: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private var half = 0

    package init() {}

    // Embedded Swift wants to see the deinit of a move-only type wherever one ends.
    @inlinable deinit { release() }
    @usableFromInline func release() { memory?.deallocate() }

    /// Where the next record is copied to.
    var target: UnsafeMutableRawPointer {
        mutating get {
            let size = UndoRecord.maxByteCount
            if memory == nil { memory = .allocate(byteCount: 2 * size, alignment: 16) }
            return memory.unsafelyUnwrapped + half * size
        }
    }

    /// The record copied last stays when the next one is.
    @usableFromInline mutating func keep() { half = 1 - half }
}

/// Moved segments that the fibers of one worker have read. Only they touch it.
struct MovedUndoReader: ~Copyable {
    struct Line {
        var index: SegmentIndex = 0
        var life: UInt32 = 0
        var lastUse: UInt64 = 0
        /// Its memory, 0 before its first use.
        var memory: SegmentIndex = 0
    }
    /// Held while a segment is read.
    let mutex = FiberMutex()
    var lines: [Line]
    var uses: UInt64 = 0
    /// For purging what a retired transaction has left: one at a time. 0 before its first use.
    let purge = FiberMutex()
    var purgeBuffer: SegmentIndex = 0

    init(lineCount: Int) { lines = [Line](repeating: Line(), count: lineCount) }

    func find(_ index: SegmentIndex, _ life: UInt32) -> Int? {
        for at in 0..<lines.count where lines[at].index == index && lines[at].life == life { return at }
        return nil
    }

    var oldest: Int {
        var found = 0
        for at in 1..<lines.count where lines[at].lastUse < lines[found].lastUse { found = at }
        return found
    }
}

extension UndoArea {
    /// The record at `undo`: itself, or a copy if it may be moved. The caller's snapshot, or the caller being the
    /// transaction itself, keeps the segment's life from ending. Parks if it has been moved; hold no latch. 58030; XX001 also if
    /// there is none.
    @usableFromInline
    @inline(__always)
    func record(_ undo: UInt64, _ copy: inout UndoCopy) throws(EngineError) -> UndoRecord {
        if !canHold(undo) { throw RowHeader.strayUndo() }
        let record = undo & UndoAddress.movable == 0 ? UndoRecord(undo) : try copyRecord(undo, &copy)
        if !record.isPlausible { throw RowHeader.strayUndo() }
        return record
    }

    @inline(never)
    @usableFromInline
    func copyRecord(_ undo: UInt64, _ copy: inout UndoCopy) throws(EngineError) -> UndoRecord {
        let target = copy.target
        if !copyInMemory(undo, to: target, headerOnly: false) { try copyMoved(undo, to: target) }
        return UndoRecord(at: target)
    }

    /// Copies the record unless its segment is moved: then false.
    private func copyInMemory(_ undo: UInt64, to target: UnsafeMutableRawPointer, headerOnly: Bool) -> Bool {
        let segment = self[index(of: undo)]
        if segment.pointee.isMoved.load(ordering: .acquiring) != 0 { return false }
        let record = UndoRecord(undo)
        // Lengths may be of memory that is being discarded; what lies behind the segment is only bytes.
        let byteCount = headerOnly ? UndoRecord.headerByteCount : record.byteCount
        target.copyMemory(from: UnsafeRawPointer(record.base), byteCount: min(byteCount, UndoRecord.maxByteCount))
        // The record was loaded before the word is.
        atomicMemoryFence(ordering: .acquiring)
        return segment.pointee.isMoved.load(ordering: .relaxed) == 0
    }

    private func copyMoved(_ undo: UInt64, to target: UnsafeMutableRawPointer) throws(EngineError) {
        let index = index(of: undo)
        let reader = readers + Fiber.core
        var at = reader.pointee.find(index, self[index].pointee.life)
        if at == nil {
            reader.pointee.mutex.lock()
            defer { reader.pointee.mutex.unlock() }
            // Somebody else may have read it meanwhile.
            at = reader.pointee.find(index, self[index].pointee.life)
            if at == nil { at = try load(index, reader) }
        }
        // No other fiber of the worker runs from here to the end of the copy.
        let line = at.unsafelyUnwrapped
        reader.pointee.uses += 1
        reader.pointee.lines[line].lastUse = reader.pointee.uses
        let record = UndoRecord(at: memory(reader.pointee.lines[line].memory) + offset(of: undo))
        target.copyMemory(
            from: UnsafeRawPointer(record.base), byteCount: min(record.byteCount, UndoRecord.maxByteCount))
    }

    /// Reads a moved segment into the line not used for longest.
    private func load(
        _ index: SegmentIndex, _ reader: UnsafeMutablePointer<MovedUndoReader>
    ) throws(EngineError) -> Int {
        let at = reader.pointee.oldest
        // While it is read it is nobody's.
        reader.pointee.lines[at].index = 0
        if reader.pointee.lines[at].memory == 0 { reader.pointee.lines[at].memory = take() }
        try read(index, into: reader.pointee.lines[at].memory)
        reader.pointee.lines[at].index = index
        reader.pointee.lines[at].life = self[index].pointee.life
        return at
    }

    /// Reads a moved segment into the memory of another. Parks. 58030, XX001.
    func read(_ index: SegmentIndex, into other: SegmentIndex) throws(EngineError) {
        let segment = self[index]
        precondition(segment.pointee.isMoved.load(ordering: .acquiring) != 0, "the segment is moved")
        guard let temporary else { preconditionFailure("segments are moved to temporary space") }
        try temporary.read(segment.pointee.block, into: memory(other))
    }

    // MARK: Under a latch

    /// What can be said without reading the device about whether the change was made by a command before `command`: a
    /// command on the same side of it as that of the change; nil if nothing.
    @inline(__always)
    func commandInMemory(_ undo: UInt64, against command: UInt32) -> UInt32? {
        if !canHold(undo) { return nil }
        if undo & UndoAddress.movable == 0 { return UndoRecord(undo).command }
        return movableCommand(undo, against: command)
    }

    private func movableCommand(_ undo: UInt64, against command: UInt32) -> UInt32? {
        let segment = self[index(of: undo)]
        if segment.pointee.isMoved.load(ordering: .acquiring) == 0 {
            let found = UndoRecord(undo).command
            atomicMemoryFence(ordering: .acquiring)
            if segment.pointee.isMoved.load(ordering: .acquiring) == 0 { return found }
        }
        if segment.pointee.lastCommand < command { return segment.pointee.lastCommand }
        return segment.pointee.firstCommand >= command ? segment.pointee.firstCommand : nil
    }

    /// True if the change was made by a command before `command`. Parks; hold no latch. 58030, XX001.
    @inline(never)
    @usableFromInline
    func isBefore(_ undo: UInt64, _ command: UInt32) throws(EngineError) -> Bool {
        if let found = commandInMemory(undo, against: command) { return found < command }
        return try self.command(undo) < command
    }

    /// The command that made the change. Parks; hold no latch. 58030, XX001.
    func command(_ undo: UInt64) throws(EngineError) -> UInt32 {
        var copy = UndoCopy()
        return try record(undo, &copy).command
    }

    /// True if a change of the row's key is among those of transaction `id`, `undo` the newest of which is; nil if that
    /// cannot be said without reading the device.
    func changesKeyInMemory(_ newest: UInt64, by id: UInt64) -> Bool? {
        withUnsafeTemporaryAllocation(byteCount: UndoRecord.headerByteCount, alignment: 8) { header in
            let target = header.baseAddress.unsafelyUnwrapped
            var undo = newest
            while undo != 0 {
                if undo & UndoAddress.first != 0 { return true }
                if !canHold(undo) { return nil }
                var record = UndoRecord(undo)
                if undo & UndoAddress.movable != 0 {
                    if !copyInMemory(undo, to: target, headerOnly: true) { return nil }
                    record = UndoRecord(at: target)
                }
                if record.changesKey { return true }
                if record.isOldest(of: id) { return false }
                undo = record.oldUndo
            }
            return false
        }
    }

    /// As `changesKeyInMemory`. Parks; hold no latch. 58030, XX001.
    func changesKey(_ newest: UInt64, by id: UInt64) throws(EngineError) -> Bool {
        var copy = UndoCopy()
        var undo = newest
        while undo != 0 {
            if undo & UndoAddress.first != 0 { return true }
            let record = try record(undo, &copy)
            if record.changesKey { return true }
            if record.isOldest(of: id) { return false }
            undo = record.oldUndo
        }
        return false
    }
}

extension UndoRecord {
    /// The version before is not by the transaction.
    fileprivate func isOldest(of id: UInt64) -> Bool { oldWriter & ~RowHeader.tombstone != id | RowHeader.inDoubt }
}
