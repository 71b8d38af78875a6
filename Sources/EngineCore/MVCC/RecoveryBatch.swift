// Page operations on their way from the one fiber that reads the log to the worker whose page it is.
//
// The reader copies the operations of one record on one page as a group, so that the worker applies all of them under one
// latch or none: a page's LSN says that the whole record is on it. Groups fill batches; a worker gets batches in log
// order, and each page always goes to the same worker, so its changes are applied in log order.
//
// A group: u32 byte count of the whole, u32 operation count, u64 page, u64 start LSN, u64 end LSN, then per operation
// u32 opcode, u32 length, bytes padded to 8.

import BTree
import Fibers
import Platform
import Synchronization
import WALEngine

struct RedoBatch {
    let base: UnsafeMutableRawPointer
    var byteCount = 0

    static let capacity = LogRecordLayout.maxByteCount * 2 + 4096
    static let groupHeaderByteCount = 32
    static let operationHeaderByteCount = 8
    /// Sent when this full, so that a worker has something to read ahead.
    static let fullByteCount = 128 << 10

    init() { base = .allocate(byteCount: Self.capacity, alignment: 16) }

    /// Appends the operations of `record` on `page`, the `index`-th of which is the first.
    mutating func append(
        _ record: LogRecordView, _ page: PageID, first: PageOperation, rest: LogRecordView.PageOperations
    ) {
        let group = base + byteCount
        var at = Self.groupHeaderByteCount
        var count: UInt32 = 1
        at += Self.store(first, at: group + at)
        var rest = rest
        while let operation = rest.next() {
            if operation.page == page {
                at += Self.store(operation, at: group + at)
                count += 1
            }
        }
        group.setLittle(0, UInt32(at))
        group.setLittle(4, count)
        group.setLittle(8, page.rawValue)
        group.setLittle(16, record.startLSN.rawValue)
        group.setLittle(24, record.endLSN.rawValue)
        byteCount += at
        assert(byteCount <= Self.capacity)
    }

    @inline(__always) private static func store(_ operation: PageOperation, at base: UnsafeMutableRawPointer) -> Int {
        base.setLittle(0, UInt32(operation.opcode))
        base.setLittle(4, UInt32(operation.bytes.count))
        if let source = operation.bytes.baseAddress {
            (base + operationHeaderByteCount).copyMemory(from: source, byteCount: operation.bytes.count)
        }
        return operationHeaderByteCount + roundUp(operation.bytes.count, 8)
    }
}

/// One operation group inside a batch.
struct RedoGroup {
    let base: UnsafeRawPointer
    var byteCount: Int { Int(base.little(0, as: UInt32.self)) }
    var operationCount: Int { Int(base.little(4, as: UInt32.self)) }
    var page: PageID { PageID(base.little(8, as: UInt64.self)) }
    var startLSN: LSN { LSN(base.little(16, as: UInt64.self)) }
    var endLSN: LSN { LSN(base.little(24, as: UInt64.self)) }
    var firstOpcode: UInt16 { UInt16(base.little(RedoBatch.groupHeaderByteCount, as: UInt32.self)) }

    /// Calls `body` with each operation.
    @inline(__always)
    func forEach(_ body: (UInt16, UnsafeRawBufferPointer) throws(EngineError) -> Void) throws(EngineError) {
        var at = RedoBatch.groupHeaderByteCount
        for _ in 0..<operationCount {
            let length = Int(base.little(at + 4, as: UInt32.self))
            try body(
                UInt16(base.little(at, as: UInt32.self)),
                UnsafeRawBufferPointer(start: base + at + RedoBatch.operationHeaderByteCount, count: length))
            at += RedoBatch.operationHeaderByteCount + roundUp(length, 8)
        }
    }
}

/// The batches of one worker: a bounded queue between the reader and the worker's redo fiber. One producer, one consumer,
/// on different workers or the same.
final class RedoLane: @unchecked Sendable {
    static let depth = 4

    private let batches: UnsafeMutablePointer<RedoBatch>
    /// Batches sent; taken; given back.
    private let sent = Atomic<Int>(0)
    private let freed = Atomic<Int>(0)
    private let isClosed = Atomic<Bool>(false)
    private let producer: FiberRef
    private let consumer = Atomic<UInt64>(0)
    private let scheduler: Scheduler

    /// By the producer.
    init() {
        producer = Fiber.current
        scheduler = Fiber.scheduler
        batches = .allocate(capacity: Self.depth)
        for index in 0..<Self.depth { (batches + index).initialize(to: RedoBatch()) }
    }

    deinit {
        for index in 0..<Self.depth { batches[index].base.deallocate() }
        batches.deallocate()
    }

    // MARK: Producer

    /// The batch being filled. Parks while all are on their way.
    func current() -> UnsafeMutablePointer<RedoBatch> {
        while sent.load(ordering: .relaxed) - freed.load(ordering: .sequentiallyConsistent) >= Self.depth {
            Fiber.park()
        }
        return batches + sent.load(ordering: .relaxed) % Self.depth
    }

    func send() {
        sent.add(1, ordering: .sequentiallyConsistent)
        scheduler.wake(FiberRef(rawValue: consumer.load(ordering: .sequentiallyConsistent)))
    }

    /// No more will come.
    func close() {
        isClosed.store(true, ordering: .sequentiallyConsistent)
        scheduler.wake(FiberRef(rawValue: consumer.load(ordering: .sequentiallyConsistent)))
    }

    // MARK: Consumer

    func attach() { consumer.store(Fiber.current.rawValue, ordering: .sequentiallyConsistent) }

    /// Batches sent so far.
    var sentCount: Int { sent.load(ordering: .acquiring) }

    /// Batch number `index`, if it has been sent and not given back.
    func batch(_ index: Int) -> RedoBatch { batches[index % Self.depth] }

    /// Parks until batch `index` is there. False if none will come.
    func wait(for index: Int) -> Bool {
        while sent.load(ordering: .sequentiallyConsistent) <= index {
            if isClosed.load(ordering: .sequentiallyConsistent) {
                return sent.load(ordering: .sequentiallyConsistent) > index
            }
            Fiber.park()
        }
        return true
    }

    /// Gives batch `index` back for reuse; batches are given back in order.
    func free(_ index: Int) {
        batches[index % Self.depth].byteCount = 0
        freed.add(1, ordering: .sequentiallyConsistent)
        scheduler.wake(producer)
    }
}
