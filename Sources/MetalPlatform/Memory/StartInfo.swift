// What the loader hands over: Xen's `hvm_start_info` (xen/include/public/arch-x86/hvm/start_info.h) or Multiboot2's boot
// information, read once at the start and copied, because its memory is given to the frame allocator.

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
        guard let info = UnsafeRawPointer(bitPattern: UInt(dbk_start_info_get())) else { return }
        if dbk_is_multiboot_get() != 0 { readMultiboot(info) } else { readPVH(info) }
    }

    private mutating func readPVH(_ info: UnsafeRawPointer) {
        guard info.little(0, as: UInt32.self) == Self.magic else { return }
        isValid = true
        rootPointer = info.little(32, as: UInt.self)
        if let text = UnsafeRawPointer(bitPattern: info.little(24, as: UInt.self)) { readCommandLine(text) }
        if info.little(12, as: UInt32.self) > 0,
            let list = UnsafeRawPointer(bitPattern: info.little(16, as: UInt.self))
        {
            module = MemoryRegion(base: list.little(0, as: UInt.self), byteCount: list.little(8, as: UInt.self))
        }
        // The memory map came with version 1.
        guard info.little(4, as: UInt32.self) >= 1,
            let map = UnsafeRawPointer(bitPattern: info.little(40, as: UInt.self))
        else { return }
        for index in 0..<Int(info.little(48, as: UInt32.self)) { addMemory(map + index * 24) }
    }

    /// Tags of a type and a length each, on boundaries of 8 bytes (Multiboot2 Specification 2.0, 3.4 to 3.6).
    private mutating func readMultiboot(_ info: UnsafeRawPointer) {
        isValid = true
        let end = Int(info.little(0, as: UInt32.self))
        var at = 8
        while at + 8 <= end {
            let tag = info + at
            let byteCount = Int(tag.little(4, as: UInt32.self))
            switch tag.little(0, as: UInt32.self) {
            case 1: readCommandLine(tag + 8)
            case 3 where module.byteCount == 0:
                let base = UInt(tag.little(8, as: UInt32.self))
                module = MemoryRegion(base: base, byteCount: UInt(tag.little(12, as: UInt32.self)) - base)
            case 6:
                let stride = max(24, Int(tag.little(8, as: UInt32.self)))
                var entry = 16
                while entry + stride <= byteCount {
                    addMemory(tag + entry)
                    entry += stride
                }
            case 14 where rootPointer == 0, 15:
                // The newer one comes second, or alone.
                rootPointer = dbk_symbol_root_pointer()
                UnsafeMutableRawPointer(bitPattern: rootPointer).unsafelyUnwrapped.copyMemory(
                    from: tag + 8, byteCount: min(64, byteCount - 8))
            default: break
            }
            at += max(8, (byteCount + 7) & ~7)
        }
    }

    private mutating func readCommandLine(_ text: UnsafeRawPointer) {
        while commandLineByteCount < commandLine.count {
            let byte = text.load(fromByteOffset: commandLineByteCount, as: UInt8.self)
            if byte == 0 { break }
            commandLine[commandLineByteCount] = byte
            commandLineByteCount += 1
        }
    }

    /// An entry: address, length, type, of which 1 is RAM. Both loaders have this form.
    private mutating func addMemory(_ entry: UnsafeRawPointer) {
        if entry.little(16, as: UInt32.self) != 1 || memoryCount == memory.count { return }
        memory[memoryCount] = MemoryRegion(
            base: entry.little(0, as: UInt.self), byteCount: entry.little(8, as: UInt.self))
        memoryCount += 1
    }
}
