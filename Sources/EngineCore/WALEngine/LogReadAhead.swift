// Reads the log zone in large pieces ahead of whoever parses it: a fiber on the reader's worker keeps the device busy
// while the reader checks and applies.
//
// Reader and fiber are on one worker, so the pieces need no lock. It does not know where the log ends: it reads past it
// until it is stopped.

import AsyncIO
import Fibers
import Platform

final class LogReadAhead {
    /// A run of blocks, contiguous on the device.
    struct Piece {
        var base: UnsafeMutableRawPointer
        var firstNumber: UInt64 = 0
        var blockCount = 0
        var isFull = false
    }

    static let pieceByteCount = 1 << 20
    static let pieceCount = 4
    static let firstByteCount = 64 << 10

    private let io: BlockIO
    private let zone: LogZone
    private let scheduler: Scheduler
    private let memory: UnsafeMutableRawPointer
    private var pieces: [Piece]
    /// Index of the piece that the reader takes next; that the fiber fills next.
    private var takeIndex = 0
    private var fillIndex = 0
    private var nextNumber: UInt64
    /// Blocks that the device did not return, and what it said; in their places are zeros.
    private var unreadable: [(number: UInt64, error: EngineError)] = []
    private var isStopped = false
    private var hasEnded = false
    private let reader = Fiber.current
    private var filler = FiberRef.none

    /// 53200 without memory. Not bounded by the log's end: stop it.
    init(io: BlockIO, zone: LogZone, from number: UInt64) throws(EngineError) {
        self.io = io
        self.zone = zone
        scheduler = Fiber.scheduler
        nextNumber = number
        let byteCount = Self.pieceByteCount * Self.pieceCount
        guard let memory = scheduler.platform.allocate(byteCount: byteCount, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "out of memory", detail: "There is no memory to read the log.")
        }
        self.memory = memory
        pieces = []
        for index in 0..<Self.pieceCount { pieces.append(Piece(base: memory + index * Self.pieceByteCount)) }
        filler = try scheduler.spawn(on: Fiber.core, .interactive, "log read-ahead") { self.fill() }
    }

    deinit { scheduler.platform.deallocate(memory, byteCount: Self.pieceByteCount * Self.pieceCount) }

    /// The next piece; the one before it is given back. Parks until it is read.
    func take() -> Piece {
        let index = takeIndex % Self.pieceCount
        while !pieces[index].isFull {
            Fiber.park()
        }
        takeIndex += 1
        if takeIndex > 1 {
            pieces[(takeIndex - 2) % Self.pieceCount].isFull = false
            scheduler.wake(filler)
        }
        return pieces[index]
    }

    /// What the device said of a block that it did not return. It is for the reader to find out whether the log goes that far.
    func failure(of number: UInt64) -> EngineError? {
        for block in unreadable where block.number == number { return block.error }
        return nil
    }

    /// Memory for other use once reading has stopped.
    var buffer: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory, count: Self.pieceByteCount)
    }

    /// Ends the fiber; returns when no read is under way. Pieces stay valid.
    func stop() {
        isStopped = true
        scheduler.wake(filler)
        while !hasEnded { Fiber.park() }
    }

    private func fill() {
        while !isStopped {
            let index = fillIndex % Self.pieceCount
            if pieces[index].isFull {
                Fiber.park()
                continue
            }
            // A short one first: after an orderly shutdown there is nothing behind it.
            let byteCount = fillIndex == 0 ? Self.firstByteCount : Self.pieceByteCount
            let count = min(UInt64(byteCount / LogBlock.byteCount), zone.slotCount - zone.slot(nextNumber))
            zone.read(nextNumber, count: Int(count), into: pieces[index].base, io, isWanted: { !isStopped }) {
                unreadable.append(($0, $1))
            }
            pieces[index].firstNumber = nextNumber
            pieces[index].blockCount = Int(count)
            pieces[index].isFull = true
            nextNumber += count
            fillIndex += 1
            scheduler.wake(reader)
        }
        hasEnded = true
        scheduler.wake(reader)
    }
}
