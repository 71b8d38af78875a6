// Interrupts that come by wire and not as a message: the I/O APICs (Intel 82093AA data sheet) bring them to a core. What wire a
// legacy device's interrupt takes, and how it is driven, is in MADT's overrides (ACPI 6.5, 5.2.12.5).

import CMetal
import Platform

struct InterruptLines {
    private let controllers: [InterruptController]
    private let overrides: [InterruptOverride]
    private let tables: UnsafeMutablePointer<PageTables>

    init(_ hardware: Hardware, tables: UnsafeMutablePointer<PageTables>) {
        controllers = hardware.interruptControllers
        overrides = hardware.overrides
        self.tables = tables
    }

    /// Brings legacy interrupt `source` to `vector` of a core. `isLevelLow`: a level that is active low, where no override says
    /// otherwise; else an edge, active high, as on ISA. False if no I/O APIC takes it.
    func route(_ source: UInt16, isLevelLow: Bool, to vector: UInt32, apicID: UInt32) -> Bool {
        var line = UInt32(source)
        var isLow = isLevelLow
        var isLevel = isLevelLow
        for override in overrides where UInt16(override.source) == source {
            line = override.line
            // 0 is the bus's own way.
            if override.flags & 3 != 0 { isLow = override.flags & 3 == 3 }
            if override.flags >> 2 & 3 != 0 { isLevel = override.flags >> 2 & 3 == 3 }
        }
        var controller: InterruptController?
        for candidate in controllers where candidate.firstLine <= line {
            if (controller?.firstLine ?? 0) <= candidate.firstLine { controller = candidate }
        }
        guard let controller, tables.pointee.mapDevice(controller.base, byteCount: pageSize) else { return false }
        let entry = 0x10 + 2 * (line - controller.firstLine)
        write(controller.base, entry + 1, apicID << 24)
        write(controller.base, entry, vector | (isLow ? 1 << 13 : 0) | (isLevel ? 1 << 15 : 0))
        return true
    }

    private func write(_ base: UInt, _ register: UInt32, _ value: UInt32) {
        dbk_write32(base, register)
        dbk_write32(base + 0x10, value)
    }
}
