// A machine for a fuzzer: one core, virtual time, a disk in memory that never fails, and one stream that delivers given bytes.
//
// Nothing depends on anything but the bytes. A core that waits for what can never come is a finding.

import CLinux
import Fibers
import Platform

final class FuzzPlatform: Platform, @unchecked Sendable {
    /// What the next connection sends, and all that it was sent.
    var input: [UInt8] = []
    private var inputPosition = 0
    private(set) var output: [UInt8] = []

    private let disk: FuzzDisk
    /// When the engine gives up the machine.
    var onExit: () -> Void = {}
    private var pending: [CompletionEvent] = []
    private var time: UInt64 = 1_000_000_000
    private var isNotified = false
    private var memory: [UnsafeMutableRawPointer: Int] = [:]
    private var isScrapped = false
    private var entropyState: UInt64 = 1

    init(_ disk: FuzzDisk) { self.disk = disk }

    /// Takes back all that it gave out.
    func scrap() {
        for (base, byteCount) in memory { dbk_unmap(base, byteCount) }
        memory.removeAll()
        isScrapped = true
    }

    func connect(_ bytes: [UInt8]) -> StreamHandle {
        input = bytes
        inputPosition = 0
        output.removeAll(keepingCapacity: true)
        return StreamHandle(rawValue: 1)
    }

    // MARK: The core

    var topology: Topology { Topology(nodeOfCore: [0], distance: [[10]]) }
    func runWorkers(_ body: @escaping @Sendable (CoreIndex) -> Void) { body(0) }

    func park(_ core: CoreIndex, until deadline: Nanoseconds) {
        if isNotified || !pending.isEmpty {
            isNotified = false
            return
        }
        precondition(deadline != .never, "the core waits, and nothing is on its way")
        time = max(time + 1, deadline.rawValue)
    }

    func wake(_ core: CoreIndex) { isNotified = true }
    func submit(_ core: CoreIndex) {}

    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        time += 1000
        let count = min(events.count, pending.count)
        for index in 0..<count { events[index] = pending[index] }
        pending.removeFirst(count)
        return count
    }

    private func complete(_ tag: Tag, _ result: Int) -> Bool {
        pending.append(CompletionEvent(tag: tag, result: result))
        return true
    }

    // MARK: Time and memory

    func now() -> Nanoseconds { Nanoseconds(time) }
    func wallClock() -> Int64 { 1_700_000_000_000_000 + Int64(time / 1000) }

    func allocate(byteCount: Int, node: Int, huge: Bool) -> UnsafeMutableRawPointer? {
        note(dbk_map(byteCount, -1, 0), byteCount)
    }
    func reserve(byteCount: Int) -> UnsafeMutableRawPointer? { note(dbk_reserve(byteCount), byteCount) }
    private func note(_ base: UnsafeMutableRawPointer?, _ byteCount: Int) -> UnsafeMutableRawPointer? {
        if let base { memory[base] = byteCount }
        return base
    }
    func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int) {
        if isScrapped { return }
        precondition(memory.removeValue(forKey: base) == byteCount, "memory is given back that was never given out")
        dbk_unmap(base, byteCount)
    }
    func discard(_ base: UnsafeMutableRawPointer, pageCount: Int) { dbk_discard(base, pageCount * pageSize) }
    func protect(_ base: UnsafeMutableRawPointer, pageCount: Int) { dbk_protect(base, pageCount * pageSize) }

    // MARK: The disk

    var blockGeometry: BlockGeometry {
        BlockGeometry(
            byteCount: UInt64(FuzzDisk.byteCount), logicalBlockSize: 512, atomicWriteByteCount: 4096,
            hasVolatileCache: false, maxTransferByteCount: 256 << 10, queueDepth: 32)
    }

    func queueBlock(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>,
        offset: UInt64, tag: Tag
    ) -> Bool {
        var place = Int(offset)
        for vector in vectors {
            precondition(place + vector.byteCount <= FuzzDisk.byteCount, "a request goes beyond the end of the disk")
            if operation == .read {
                vector.base.copyMemory(from: disk.bytes + place, byteCount: vector.byteCount)
            } else {
                disk.noteWrite(offset: place, byteCount: vector.byteCount)
                (disk.bytes + place).copyMemory(from: vector.base, byteCount: vector.byteCount)
            }
            place += vector.byteCount
        }
        return complete(tag, place - Int(offset))
    }

    // MARK: The stream

    func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        throw .notSupported("listening in a fuzzer")
    }
    func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool { true }

    func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool {
        let count = min(buffer.byteCount, input.count - inputPosition)
        input.withUnsafeBytes { bytes in
            if count > 0, let base = bytes.baseAddress {
                buffer.base.copyMemory(from: base + inputPosition, byteCount: count)
            }
        }
        inputPosition += count
        return complete(tag, count)
    }

    func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool {
        output.append(contentsOf: UnsafeRawBufferPointer(start: buffer.base, count: buffer.byteCount))
        return complete(tag, buffer.byteCount)
    }

    func shutdown(_ stream: StreamHandle) {}
    func close(_ stream: StreamHandle) {}

    // MARK: The rest

    func consoleWrite(_ bytes: UnsafeRawBufferPointer) {}
    func entropy(_ bytes: UnsafeMutableRawBufferPointer) {
        for index in bytes.indices {
            entropyState = entropyState &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[index] = UInt8(truncatingIfNeeded: entropyState >> 56)
        }
    }
    func exit(status: Int32) -> Never {
        onExit()
        while true { Fiber.yield() }
    }
}
