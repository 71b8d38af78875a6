// PCI configuration space (PCI Local Bus 3.0, PCI Express Base 5.0 section 7.2): through the memory window that MCFG names,
// or by ports 0xCF8 and 0xCFC where there is none, which reach the first 256 bytes.

import CMetal
import Platform

struct PCIAddress: BitwiseCopyable {
    var bus: Int
    var device: Int
    var function: Int
}

final class PCIBus {
    private let tables: UnsafeMutablePointer<PageTables>
    private let window: UInt
    private let firstBus: Int
    private let lastBus: Int

    init(tables: UnsafeMutablePointer<PageTables>, hardware: Hardware) {
        self.tables = tables
        firstBus = hardware.firstBus
        lastBus = hardware.configurationBase == 0 ? 255 : hardware.lastBus
        window = hardware.configurationBase
    }

    // MARK: Registers

    private func location(_ at: PCIAddress, _ offset: Int) -> UInt {
        window + UInt((at.bus - firstBus) << 20 | at.device << 15 | at.function << 12 | offset)
    }

    func read32(_ at: PCIAddress, _ offset: Int) -> UInt32 {
        if window != 0 { return dbk_read32(location(at, offset & ~3)) }
        dbk_out32(0xcf8, selector(at, offset))
        return dbk_in32(0xcfc)
    }

    func write32(_ at: PCIAddress, _ offset: Int, _ value: UInt32) {
        if window != 0 { return dbk_write32(location(at, offset & ~3), value) }
        dbk_out32(0xcf8, selector(at, offset))
        dbk_out32(0xcfc, value)
    }

    func read16(_ at: PCIAddress, _ offset: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: read32(at, offset) >> (UInt32(offset & 2) * 8))
    }
    func read8(_ at: PCIAddress, _ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: read32(at, offset) >> (UInt32(offset & 3) * 8))
    }
    func write16(_ at: PCIAddress, _ offset: Int, _ value: UInt16) {
        let shift = UInt32(offset & 2) * 8
        write32(at, offset, read32(at, offset) & ~(0xffff << shift) | UInt32(value) << shift)
    }

    private func selector(_ at: PCIAddress, _ offset: Int) -> UInt32 {
        0x8000_0000 | UInt32(at.bus << 16 | at.device << 11 | at.function << 8 | offset & 0xfc)
    }

    // MARK: Enumeration

    /// Every function of bus 0 and of the buses behind bridges.
    func enumerate(_ body: (PCIFunction) -> Void) { enumerate(bus: firstBus, depth: 0, body) }

    private func enumerate(bus: Int, depth: Int, _ body: (PCIFunction) -> Void) {
        if bus < firstBus || bus > lastBus || depth > 8 { return }
        if window != 0
            && !tables.pointee.mapDevice(location(PCIAddress(bus: bus, device: 0, function: 0), 0), byteCount: 1 << 20)
        {
            return
        }
        for device in 0..<32 {
            for function in 0..<8 {
                let at = PCIAddress(bus: bus, device: device, function: function)
                let identity = read32(at, 0)
                if identity & 0xffff == 0xffff {
                    if function == 0 { break }
                    continue
                }
                let header = read8(at, 0x0e)
                if header & 0x7f == 1 {
                    let secondary = Int(read8(at, 0x19))
                    if secondary > bus { enumerate(bus: secondary, depth: depth + 1, body) }
                } else {
                    body(PCIFunction(bus: self, address: at, tables: tables))
                }
                if function == 0 && header & 0x80 == 0 { break }
            }
        }
    }
}

/// One function of a device.
struct PCIFunction {
    let bus: PCIBus
    let address: PCIAddress
    let tables: UnsafeMutablePointer<PageTables>

    var vendor: UInt16 { bus.read16(address, 0) }
    var device: UInt16 { bus.read16(address, 2) }
    /// Class, subclass and programming interface in the low 24 bits.
    var classCode: UInt32 { bus.read32(address, 8) >> 8 }

    /// Memory decoding and bus mastering on, legacy interrupts off.
    func enable() { bus.write16(address, 4, bus.read16(address, 4) & ~1 | 0x406) }

    /// Physical address of a memory BAR, 0 if it has none or is a port BAR.
    func barAddress(_ index: Int) -> UInt {
        let low = bus.read32(address, 0x10 + index * 4)
        if low & 1 != 0 { return 0 }
        var base = UInt(low & ~15)
        if low & 6 == 4 && index < 5 { base |= UInt(bus.read32(address, 0x14 + index * 4)) << 32 }
        return base
    }

    /// Maps `byteCount` bytes at `offset` of a BAR, uncached; 0 if that cannot be.
    func map(bar: Int, offset: Int, byteCount: Int) -> UInt {
        if bar > 5 { return 0 }
        let base = barAddress(bar)
        if base == 0 || base + UInt(offset + byteCount) > reservedBase { return 0 }
        return tables.pointee.mapDevice(base + UInt(offset), byteCount: byteCount) ? base + UInt(offset) : 0
    }

    /// Offsets of the capabilities with this number, in the order of the list.
    func capabilities(_ number: UInt8) -> [Int] {
        var found: [Int] = []
        if bus.read16(address, 6) & 0x10 == 0 { return found }
        var at = Int(bus.read8(address, 0x34)) & ~3
        var patience = 48
        while at >= 0x40 && patience > 0 {
            if bus.read8(address, at) == number { found.append(at) }
            at = Int(bus.read8(address, at + 1)) & ~3
            patience -= 1
        }
        return found
    }
}

/// MSI-X (PCI Express Base 5.0, section 7.7.2): a message per vector, each to one core.
struct MessageInterrupts {
    private let table: UInt
    /// Vectors that the device has.
    let count: Int

    /// Nil if the function has no MSI-X. All vectors begin masked.
    init?(_ function: PCIFunction) {
        guard let capability = function.capabilities(0x11).first else { return nil }
        let control = function.bus.read16(function.address, capability + 2)
        count = Int(control & 0x7ff) + 1
        let place = function.bus.read32(function.address, capability + 4)
        table = function.map(bar: Int(place & 7), offset: Int(place & ~7), byteCount: count * 16)
        if table == 0 { return nil }
        for vector in 0..<count { dbk_write32(table + UInt(vector * 16 + 12), 1) }
        function.bus.write16(function.address, capability + 2, control & ~0x4000 | 0x8000)
    }

    /// From now on `vector` ends a halt of the core with this APIC number.
    func route(_ vector: Int, to apicID: UInt32) {
        let at = table + UInt(vector * 16)
        dbk_write32(at, 0xfee0_0000 | apicID << 12)
        dbk_write32(at + 4, 0)
        dbk_write32(at + 8, LocalAPIC.wakeVector)
        dbk_write32(at + 12, 0)
    }
}
