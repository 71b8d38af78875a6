// Segments, task state and interrupt vectors of each core (SDM volume 3, chapters 3, 6 and 8). Every exception runs on a stack
// of its own through the interrupt stack table: the one it came on may be the reason for it.

import CMetal
import Platform

/// One core's tables and exception stacks, in one block of frames.
struct CoreDescriptors {
    /// Double fault, NMI, machine check, page fault, everything else.
    private static let stackCount = 5
    private static let stackByteCount = 32 << 10
    private static let taskByteCount = 104
    /// Page 0 holds GDT (0), TSS (128), pointers (256); the stacks follow.
    private static let byteCount = pageSize + stackCount * stackByteCount

    static let codeSelector: UInt16 = 8
    private static let taskSelector: UInt16 = 24

    let base: UInt

    /// Nil if there is no memory.
    init?(frames: UnsafeMutablePointer<Frames>) {
        guard let base = frames.pointee.allocateRun(Self.byteCount / pageSize) else { return nil }
        self.base = base
        clear(base, byteCount: Self.byteCount)
        let memory = UnsafeMutableRawPointer(bitPattern: base).unsafelyUnwrapped
        let task = base + 128
        for stack in 0..<Self.stackCount {
            let top = base + UInt(pageSize + (stack + 1) * Self.stackByteCount)
            // IST 1 lies at offset 36.
            memory.storeBytes(of: UInt64(top), toByteOffset: 128 + 36 + stack * 8, as: UInt64.self)
        }
        memory.storeBytes(of: UInt16(Self.taskByteCount), toByteOffset: 128 + 102, as: UInt16.self)
        let entries: [5 of UInt64] = [
            0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff,
            UInt64(Self.taskByteCount - 1) | UInt64(task & 0xff_ffff) << 16 | 0x89 << 40
                | UInt64(task >> 24 & 0xff) << 56,
            UInt64(task >> 32),
        ]
        for index in 0..<5 { memory.storeBytes(of: entries[index], toByteOffset: index * 8, as: UInt64.self) }
        memory.storeBytes(of: UInt16(5 * 8 - 1), toByteOffset: 256, as: UInt16.self)
        memory.storeBytes(of: UInt64(base), toByteOffset: 258, as: UInt64.self)
    }

    /// On the core itself.
    func load(vectors: InterruptTable) {
        let memory = UnsafeRawPointer(bitPattern: base).unsafelyUnwrapped
        dbk_load_gdt(memory + 256)
        dbk_load_task(Self.taskSelector)
        vectors.load()
    }
}

/// The 256 gates, the same for every core.
struct InterruptTable {
    private let base: UInt

    init?(frames: UnsafeMutablePointer<Frames>) {
        guard let base = frames.pointee.allocateRun(2) else { return nil }
        self.base = base
        clear(base, byteCount: 2 * pageSize)
        let memory = UnsafeMutableRawPointer(bitPattern: base).unsafelyUnwrapped
        for vector in 0..<256 {
            let entry = UInt64(dbk_symbol_vectors()) + UInt64(vector * 16)
            let stack: UInt64 =
                switch vector {
                case 8: 1
                case 2: 2
                case 18: 3
                case 14: 4
                default: vector < 32 ? 5 : 0
                }
            let low = entry & 0xffff | UInt64(CoreDescriptors.codeSelector) << 16 | stack << 32 | 0x8e << 40
            memory.storeBytes(of: low | (entry >> 16 & 0xffff) << 48, toByteOffset: vector * 16, as: UInt64.self)
            memory.storeBytes(of: entry >> 32, toByteOffset: vector * 16 + 8, as: UInt64.self)
        }
        memory.storeBytes(of: UInt16(4095), toByteOffset: pageSize, as: UInt16.self)
        memory.storeBytes(of: UInt64(base), toByteOffset: pageSize + 2, as: UInt64.self)
    }

    func load() { dbk_load_idt(UnsafeRawPointer(bitPattern: base + UInt(pageSize))) }
}
