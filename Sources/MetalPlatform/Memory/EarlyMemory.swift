// The first allocations, before there is an allocator: one block of RAM behind the image holds the allocators' own state.

import CMetal
import Platform

enum EarlyMemory {
    private static let stateByteCount = 16 << 10

    /// Makes the frame allocator, heap, page tables and console. False if there is no place for them.
    static func setUp(_ start: borrowing StartInfo) -> Bool {
        var limit: UInt = 0
        for index in 0..<start.memoryCount { limit = max(limit, start.memory[index].end) }
        let wordByteCount = Int(limit / Frames.byteCount) * 8
        let byteCount = roundUp(stateByteCount + roundUp(Heap.memoryByteCount, 16) + wordByteCount, pageSize)
        guard let base = place(byteCount, start) else { return false }
        clear(base, byteCount: byteCount)
        let memory = UnsafeMutableRawPointer(bitPattern: base).unsafelyUnwrapped
        var at = 0
        let console = place(ConsoleOutput.self, memory, &at)
        let cells = (memory + at).bindMemory(to: UInt16.self, capacity: TextScreen.cellCount)
        at += TextScreen.cellCount * 2
        console.initialize(to: ConsoleOutput(cells: cells))
        machine.console = console
        let words = (memory + stateByteCount + roundUp(Heap.memoryByteCount, 16))
            .bindMemory(to: UInt64.self, capacity: wordByteCount / 8)
        let frames = place(Frames.self, memory, &at)
        frames.initialize(to: Frames(words: words, limit: limit))
        let heap = place(Heap.self, memory, &at)
        heap.initialize(to: Heap(memory: memory + stateByteCount))
        let tables = place(PageTables.self, memory, &at)
        addMemory(from: 1 << 20, below: 1 << 30, except: base, byteCount, start, frames)
        tables.initialize(to: PageTables(frames: frames))
        precondition(at <= stateByteCount, "the allocators' state has its place")
        machine.frames = frames
        machine.heap = heap
        machine.tables = tables
        for index in 0..<start.memoryCount {
            let region = start.memory[index]
            if region.end <= 1 << 30 { continue }
            let from = max(region.base, 1 << 30)
            if !tables.pointee.mapMemory(MemoryRegion(base: from, byteCount: region.end - from)) { return false }
            let end = region.end & ~UInt(largePageByteCount - 1)
            let module = start.module
            if module.byteCount > 0 && module.base < end && module.end > from {
                frames.pointee.add(from: roundUp(from, UInt(largePageByteCount)), to: module.base)
                frames.pointee.add(from: roundUp(module.end, Frames.byteCount), to: end)
            } else {
                frames.pointee.add(from: roundUp(from, UInt(largePageByteCount)), to: end)
            }
        }
        // It may lie in the part of a large page that is not memory's.
        return start.module.byteCount == 0
            || tables.pointee.mapDevice(start.module.base, byteCount: Int(start.module.byteCount))
    }

    /// Room for one value. Not a closure, which might allocate what it captures.
    private static func place<T: ~Copyable>(_ type: T.Type, _ memory: UnsafeMutableRawPointer, _ at: inout Int)
        -> UnsafeMutablePointer<T>
    {
        at = roundUp(at, max(64, MemoryLayout<T>.alignment))
        let pointer = (memory + at).bindMemory(to: type, capacity: 1)
        at += MemoryLayout<T>.size
        precondition(at <= stateByteCount, "too little early memory")
        return pointer
    }

    /// Behind the image, in the first GiB, clear of the module: before it or after.
    private static func place(_ byteCount: Int, _ start: borrowing StartInfo) -> UInt? {
        for index in 0..<start.memoryCount {
            let region = start.memory[index]
            var from = roundUp(max(region.base, dbk_symbol_image_end()), UInt(pageSize))
            let end = min(region.end, 1 << 30)
            if start.module.byteCount > 0 && start.module.base < from + UInt(byteCount) && start.module.end > from {
                from = roundUp(start.module.end, UInt(pageSize))
            }
            if from + UInt(byteCount) <= end { return from }
        }
        return nil
    }

    /// Gives RAM of [from, below) to the allocator, without the image, the module and the early block. Nothing below
    /// 1 MiB: the start of other cores and the firmware's tables are there.
    private static func addMemory(
        from: UInt, below: UInt, except early: UInt, _ earlyByteCount: Int, _ start: borrowing StartInfo,
        _ frames: UnsafeMutablePointer<Frames>
    ) {
        let taken: [3 of MemoryRegion] = [
            MemoryRegion(
                base: dbk_symbol_image_start(), byteCount: dbk_symbol_image_end() - dbk_symbol_image_start()),
            MemoryRegion(base: early, byteCount: UInt(earlyByteCount)), start.module,
        ]
        for index in 0..<start.memoryCount {
            let end = min(start.memory[index].end, below)
            var at = max(start.memory[index].base, from)
            while at < end {
                // The first taken region at or after `at` ends the stretch; inside one, skip it.
                var stop = end
                var next = end
                for which in 0..<3 where taken[which].byteCount > 0 && taken[which].end > at && taken[which].base < stop
                {
                    stop = max(taken[which].base, at)
                    next = taken[which].end
                }
                // The module's last page belongs to it whole.
                frames.pointee.add(from: at, to: stop & ~(Frames.byteCount - 1))
                at = stop == end ? end : roundUp(next, Frames.byteCount)
            }
        }
    }
}
