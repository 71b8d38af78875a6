// The ACPI tables that matter here (ACPI 6.5, chapter 5): cores from MADT, their nodes from SRAT, distances from SLIT,
// configuration space from MCFG, timer, power button and power-off from FADT. Checksums are verified; a bad table is as good as none.

import CMetal
import Platform

struct ProcessorEntry: BitwiseCopyable {
    var apicID: UInt32
    var node: Int
}

/// An I/O APIC: its registers and the first of the lines that it takes.
struct InterruptController: BitwiseCopyable {
    var base: UInt
    var firstLine: UInt32
}

/// A legacy interrupt that arrives by another line, or in another manner, than ISA's.
struct InterruptOverride: BitwiseCopyable {
    var source: UInt8
    var line: UInt32
    /// Polarity in bits 0 and 1, trigger in bits 2 and 3; 0 is the bus's own way.
    var flags: UInt16
}

/// The fixed power-management registers, as ports; 0 for what there is not.
struct PowerHardware: BitwiseCopyable {
    /// Status, and enable bits behind it, of both register groups.
    var eventPorts: [2 of UInt16] = [0, 0]
    var eventByteCount: UInt16 = 0
    var controlPort: UInt16 = 0
    /// The system control interrupt, a legacy number.
    var interrupt: UInt16 = 0
    /// Where firmware is asked to hand over, and by what value.
    var commandPort: UInt16 = 0
    var enableValue: UInt8 = 0
    /// False where the button is a device described in the tables' code.
    var hasButton = false
}

/// What the tables say.
struct Hardware {
    var processors: [ProcessorEntry] = []
    var localAPIC: UInt = 0xfee0_0000
    /// Configuration space of segment 0 and the first and last bus it covers; 0 if there is none.
    var configurationBase: UInt = 0
    var firstBus = 0
    var lastBus = 0
    var powerTimer: UInt16 = 0
    var power = PowerHardware()
    var interruptControllers: [InterruptController] = []
    var overrides: [InterruptOverride] = []
    /// What memory belongs to which node; empty without SRAT.
    var memory: [NodeMemory] = []
    /// Rows and columns by node; empty without SLIT.
    var distance: [[Int]] = []
}

struct ACPITables {
    private let tables: UnsafeMutablePointer<PageTables>

    init(tables: UnsafeMutablePointer<PageTables>) { self.tables = tables }

    func read(rootPointer: UInt) -> Hardware {
        var hardware = Hardware()
        let root = rootPointer != 0 ? rootPointer : searchRootPointer()
        guard root != 0, let pointer = memory(root, 36) else { return hardware }
        let revision = pointer.load(fromByteOffset: 15, as: UInt8.self)
        let extended = revision >= 2 ? pointer.little(24, as: UInt.self) : 0
        let list = extended != 0 ? extended : UInt(pointer.little(16, as: UInt32.self))
        guard let (table, count) = table(at: list) else { return hardware }
        let width = extended != 0 ? 8 : 4
        var affinity: (UnsafeRawPointer, Int)?
        for offset in stride(from: 36, to: count, by: width) {
            if offset + width > count { break }
            let address =
                width == 8 ? table.little(offset, as: UInt.self) : UInt(table.little(offset, as: UInt32.self))
            guard let (entry, entryCount) = self.table(at: address) else { continue }
            switch entry.little(0, as: UInt32.self) {
            case Self.signature("APIC"): readProcessors(entry, entryCount, &hardware)
            case Self.signature("FACP"): readFixed(entry, entryCount, &hardware)
            case Self.signature("MCFG"): readConfiguration(entry, entryCount, &hardware)
            case Self.signature("SRAT"): affinity = (entry, entryCount)
            case Self.signature("SLIT"): readDistances(entry, entryCount, &hardware)
            default: break
            }
        }
        if let (entry, entryCount) = affinity { readAffinity(entry, entryCount, &hardware) }
        return hardware
    }

    // MARK: Finding tables

    private static func signature(_ text: StaticString) -> UInt32 {
        UnsafeRawPointer(text.utf8Start).little(0, as: UInt32.self)
    }

    /// Tables may lie outside the RAM that was mapped.
    private func memory(_ address: UInt, _ byteCount: Int) -> UnsafeRawPointer? {
        if address == 0 || !tables.pointee.mapDevice(address, byteCount: byteCount) { return nil }
        return UnsafeRawPointer(bitPattern: address)
    }

    private func table(at address: UInt) -> (UnsafeRawPointer, Int)? {
        guard let header = memory(address, 36) else { return nil }
        let count = Int(header.little(4, as: UInt32.self))
        guard count >= 36, count < 1 << 20, let table = memory(address, count) else { return nil }
        var sum: UInt8 = 0
        for at in 0..<count { sum &+= table.load(fromByteOffset: at, as: UInt8.self) }
        return sum == 0 ? (table, count) : nil
    }

    /// The BIOS area, where the RSDP lies on a 16-byte boundary (ACPI 6.5, 5.2.5.1).
    private func searchRootPointer() -> UInt {
        for address in stride(from: UInt(0xe0000), to: 0x100000, by: 16) {
            guard let at = UnsafeRawPointer(bitPattern: address) else { continue }
            if at.little(0, as: UInt32.self) == Self.signature("RSD ")
                && at.little(4, as: UInt32.self) == Self.signature("PTR ")
            {
                return address
            }
        }
        return 0
    }

    // MARK: Reading them

    private func readProcessors(_ table: UnsafeRawPointer, _ count: Int, _ hardware: inout Hardware) {
        hardware.localAPIC = UInt(table.little(36, as: UInt32.self))
        var at = 44
        while at + 2 <= count {
            let byteCount = Int(table.load(fromByteOffset: at + 1, as: UInt8.self))
            if byteCount < 2 || at + byteCount > count { break }
            switch table.load(fromByteOffset: at, as: UInt8.self) {
            case 0 where byteCount >= 8 && table.little(at + 4, as: UInt32.self) & 1 != 0:
                hardware.processors.append(
                    ProcessorEntry(apicID: UInt32(table.load(fromByteOffset: at + 3, as: UInt8.self)), node: 0))
            case 1 where byteCount >= 12:
                hardware.interruptControllers.append(
                    InterruptController(
                        base: UInt(table.little(at + 4, as: UInt32.self)),
                        firstLine: table.little(at + 8, as: UInt32.self)))
            case 2 where byteCount >= 10:
                hardware.overrides.append(
                    InterruptOverride(
                        source: table.load(fromByteOffset: at + 3, as: UInt8.self),
                        line: table.little(at + 4, as: UInt32.self), flags: table.little(at + 8, as: UInt16.self)))
            case 5 where byteCount >= 12: hardware.localAPIC = table.little(at + 4, as: UInt.self)
            default: break
            }
            at += byteCount
        }
    }

    private func readConfiguration(_ table: UnsafeRawPointer, _ count: Int, _ hardware: inout Hardware) {
        for at in stride(from: 44, to: count - 15, by: 16) where table.little(at + 8, as: UInt16.self) == 0 {
            hardware.configurationBase = table.little(at, as: UInt.self)
            hardware.firstBus = Int(table.load(fromByteOffset: at + 10, as: UInt8.self))
            hardware.lastBus = Int(table.load(fromByteOffset: at + 11, as: UInt8.self))
        }
    }

    private func readAffinity(_ table: UnsafeRawPointer, _ count: Int, _ hardware: inout Hardware) {
        var at = 48
        while at + 2 <= count {
            let byteCount = Int(table.load(fromByteOffset: at + 1, as: UInt8.self))
            if byteCount < 2 || at + byteCount > count { break }
            let kind = table.load(fromByteOffset: at, as: UInt8.self)
            if kind == 1 && byteCount >= 40 && table.little(at + 28, as: UInt32.self) & 1 != 0 {
                let base = table.little(at + 8, as: UInt.self)
                let (end, isBeyond) = base.addingReportingOverflow(table.little(at + 16, as: UInt.self))
                if !isBeyond && end > base {
                    hardware.memory.append(
                        NodeMemory(base: base, end: end, node: Int(min(table.little(at + 2, as: UInt32.self), 63))))
                }
            }
            if kind == 0 && byteCount >= 16
                && table.little(at + 4, as: UInt32.self) & 1 != 0
            {
                let id = UInt32(table.load(fromByteOffset: at + 3, as: UInt8.self))
                let domain =
                    UInt32(table.load(fromByteOffset: at + 2, as: UInt8.self))
                    | table.little(at + 8, as: UInt32.self) & 0xffff_ff00
                for index in hardware.processors.indices where hardware.processors[index].apicID == id {
                    hardware.processors[index].node = Int(min(domain, 63))
                }
            }
            at += byteCount
        }
    }

    private func readDistances(_ table: UnsafeRawPointer, _ count: Int, _ hardware: inout Hardware) {
        let nodes = Int(min(table.little(36, as: UInt64.self), 64))
        if 44 + nodes * nodes > count { return }
        hardware.distance = (0..<nodes).map { from in
            (0..<nodes).map { Int(table.load(fromByteOffset: 44 + from * nodes + $0, as: UInt8.self)) }
        }
    }

    private func readFixed(_ table: UnsafeRawPointer, _ count: Int, _ hardware: inout Hardware) {
        if count < 116 { return }
        hardware.powerTimer = UInt16(truncatingIfNeeded: table.little(76, as: UInt32.self))
        func port(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: table.little(offset, as: UInt32.self)) }
        hardware.power = PowerHardware(
            eventPorts: [port(56), port(60)], eventByteCount: UInt16(table.load(fromByteOffset: 88, as: UInt8.self)),
            controlPort: port(64), interrupt: table.little(46, as: UInt16.self), commandPort: port(48),
            enableValue: table.load(fromByteOffset: 52, as: UInt8.self),
            hasButton: table.little(112, as: UInt32.self) & 1 << 4 == 0)
        machine.powerPortB = UInt16(truncatingIfNeeded: table.little(68, as: UInt32.self))
        if count >= 129 && table.little(112, as: UInt32.self) & 1 << 10 != 0
            && table.load(fromByteOffset: 116, as: UInt8.self) == 1
        {
            machine.resetPort = UInt16(truncatingIfNeeded: table.little(120, as: UInt64.self))
            machine.resetValue = table.load(fromByteOffset: 128, as: UInt8.self)
        }
        guard let (code, codeCount) = self.table(at: UInt(table.little(40, as: UInt32.self))) else { return }
        if readSleepTypes(code, codeCount) {
            machine.powerPort = UInt16(truncatingIfNeeded: table.little(64, as: UInt32.self))
        }
    }

    /// \_S5 in the DSDT: NameOp, "_S5_", PackageOp, length, element count, then the two sleep types as bytes or small
    /// constants (ACPI 6.5, 7.4.2.6 and 20.2). Only the literal form is read, which is the one there is in practice.
    private func readSleepTypes(_ code: UnsafeRawPointer, _ count: Int) -> Bool {
        for at in 36..<max(36, count - 16)
        where code.little(at, as: UInt32.self) == Self.signature("_S5_")
            && code.load(fromByteOffset: at + 4, as: UInt8.self) == 0x12
        {
            var next = at + 5
            next += Int(code.load(fromByteOffset: next, as: UInt8.self) >> 6) + 2
            machine.powerOffType = constant(code, &next)
            machine.powerOffTypeB = constant(code, &next)
            return true
        }
        return false
    }

    private func constant(_ code: UnsafeRawPointer, _ at: inout Int) -> UInt16 {
        let byte = code.load(fromByteOffset: at, as: UInt8.self)
        at += 1
        if byte != 0x0a { return UInt16(byte) }
        at += 1
        return UInt16(code.load(fromByteOffset: at - 1, as: UInt8.self))
    }
}
