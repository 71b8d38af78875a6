// What the loader hands over: Xen's `hvm_start_info` (xen/include/public/arch-x86/hvm/start_info.h), read once at the start
// and copied, because its memory is given to the frame allocator.

import CMetal
import Platform

struct MemoryRegion: BitwiseCopyable {
    var base: UInt
    var byteCount: UInt
    var end: UInt { base + byteCount }
}

struct StartInfo: ~Copyable {
    static let magic: UInt32 = 0x336e_c578
    /// Usable RAM, as the loader lists it.
    private(set) var memory = InlineArray<32, MemoryRegion>(repeating: MemoryRegion(base: 0, byteCount: 0))
    private(set) var memoryCount = 0
    /// Physical address of the RSDP; 0 if the loader gives none.
    private(set) var rootPointer: UInt = 0
    private(set) var commandLine = InlineArray<1024, UInt8>(repeating: 0)
    private(set) var commandLineByteCount = 0
    private(set) var isValid = false
    /// The first module: the image's symbols.
    private(set) var module = MemoryRegion(base: 0, byteCount: 0)

    init() {
        guard let info = UnsafeRawPointer(bitPattern: UInt(dbk_start_info_get())),
            info.little(0, as: UInt32.self) == Self.magic
        else { return }
        isValid = true
        rootPointer = info.little(32, as: UInt.self)
        if let text = UnsafeRawPointer(bitPattern: info.little(24, as: UInt.self)) {
            while commandLineByteCount < commandLine.count {
                let byte = text.load(fromByteOffset: commandLineByteCount, as: UInt8.self)
                if byte == 0 { break }
                commandLine[commandLineByteCount] = byte
                commandLineByteCount += 1
            }
        }
        if info.little(12, as: UInt32.self) > 0,
            let list = UnsafeRawPointer(bitPattern: info.little(16, as: UInt.self))
        {
            module = MemoryRegion(base: list.little(0, as: UInt.self), byteCount: list.little(8, as: UInt.self))
        }
        // The memory map came with version 1.
        guard info.little(4, as: UInt32.self) >= 1,
            let map = UnsafeRawPointer(bitPattern: info.little(40, as: UInt.self))
        else { return }
        for index in 0..<Int(info.little(48, as: UInt32.self)) {
            let entry = map + index * 24
            let isRAM = entry.little(16, as: UInt32.self) == 1
            if isRAM && memoryCount < memory.count {
                memory[memoryCount] = MemoryRegion(
                    base: entry.little(0, as: UInt.self), byteCount: entry.little(8, as: UInt.self))
                memoryCount += 1
            }
        }
    }
}
