// The power button of the fixed ACPI hardware (ACPI 6.5, 4.8.2.2 and 4.8.3.1): pressed, it raises the system control interrupt,
// which an I/O APIC (Intel 82093AA data sheet) brings to the first core. The handler (traps.S) only notes that it came and so
// ends the halt; `take` then asks the hardware why and withdraws the interrupt. A level that stays up until then costs one
// more wake and no storm, because interrupts are open at a halt alone.

import CMetal
import Platform

struct PowerButton {
    private static let button: UInt16 = 1 << 8
    private static let isHandedOver: UInt16 = 1
    private let power: PowerHardware

    /// Nil, with `say` told why, if the machine has none that can be heard.
    init?(
        _ hardware: Hardware, apicID: UInt32, tables: UnsafeMutablePointer<PageTables>, clock: Clock,
        say: (String) -> Void
    ) {
        power = hardware.power
        guard power.hasButton, power.eventPorts[0] != 0, power.eventByteCount >= 4, power.controlPort != 0 else {
            say("no power button: the machine describes none of the fixed kind")
            return nil
        }
        if dbk_in16(power.controlPort) & Self.isHandedOver == 0 && power.commandPort != 0 {
            dbk_out8(power.commandPort, power.enableValue)
            let end = clock.now + .milliseconds(100)
            while dbk_in16(power.controlPort) & Self.isHandedOver == 0 && clock.now < end {}
        }
        guard dbk_in16(power.controlPort) & Self.isHandedOver != 0 else {
            say("no power button: the firmware does not hand over power management")
            return nil
        }
        // ACPI says of its interrupt that it is a level, active low, unless an override says otherwise (5.2.15).
        var line = UInt32(power.interrupt)
        var isLow = true
        var isLevel = true
        for override in hardware.overrides where UInt16(override.source) == power.interrupt {
            line = override.line
            if override.flags & 3 == 1 { isLow = false }
            if override.flags >> 2 & 3 == 1 { isLevel = false }
        }
        var controller: InterruptController?
        for candidate in hardware.interruptControllers where candidate.firstLine <= line {
            if (controller?.firstLine ?? 0) <= candidate.firstLine { controller = candidate }
        }
        guard let controller, tables.pointee.mapDevice(controller.base, byteCount: pageSize) else {
            say("no power button: no I/O APIC takes its interrupt")
            return nil
        }
        let entry = 0x10 + 2 * (line - controller.firstLine)
        Self.write(controller.base, entry + 1, apicID << 24)
        Self.write(
            controller.base, entry, LocalAPIC.noticeVector | (isLow ? 1 << 13 : 0) | (isLevel ? 1 << 15 : 0))
        for port in [power.eventPorts[0], power.eventPorts[1]] where port != 0 {
            dbk_out16(port, Self.button)
            let enable = port + power.eventByteCount / 2
            dbk_out16(enable, dbk_in16(enable) | Self.button)
        }
    }

    private static func write(_ base: UInt, _ register: UInt32, _ value: UInt32) {
        dbk_write32(base, register)
        dbk_write32(base + 0x10, value)
    }

    /// True if the button was pressed since the last call. On the first core, often: a load, unless the interrupt came.
    @inline(__always) func take() -> Bool {
        if dbk_notice_get() == 0 { return false }
        return ask()
    }

    @inline(never) private func ask() -> Bool {
        dbk_notice_clear()
        var isPressed = false
        for index in 0..<2 where power.eventPorts[index] != 0 {
            // Ones clear what they say. All of it, since whatever stays set keeps the interrupt up.
            let status = dbk_in16(power.eventPorts[index])
            dbk_out16(power.eventPorts[index], status)
            if status & Self.button != 0 { isPressed = true }
        }
        return isPressed
    }
}
