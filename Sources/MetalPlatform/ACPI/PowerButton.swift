// The power button of the fixed ACPI hardware (ACPI 6.5, 4.8.2.2 and 4.8.3.1): pressed, it raises the system control interrupt,
// which an I/O APIC brings to the first core. The handler (traps.S) only notes that it came and so
// ends the halt; `ask` then asks the hardware why and withdraws the interrupt. A level that stays up until then costs one
// more wake and no storm, because interrupts are open at a halt alone.

import CMetal
import Platform

struct PowerButton {
    private static let button: UInt16 = 1 << 8
    private static let isHandedOver: UInt16 = 1
    private let power: PowerHardware

    /// Nil, with `say` told why, if the machine has none that can be heard.
    init?(
        _ hardware: Hardware, _ lines: InterruptLines, apicID: UInt32, clock: Clock, say: (String) -> Void
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
        // ACPI says of its interrupt that it is a level, active low (5.2.15).
        guard lines.route(power.interrupt, isLevelLow: true, to: LocalAPIC.noticeVector, apicID: apicID) else {
            say("no power button: no I/O APIC takes its interrupt")
            return nil
        }
        for port in [power.eventPorts[0], power.eventPorts[1]] where port != 0 {
            dbk_out16(port, Self.button)
            let enable = port + power.eventByteCount / 2
            dbk_out16(enable, dbk_in16(enable) | Self.button)
        }
    }

    /// True if the button was pressed since the last call. On the first core, after a notice.
    func ask() -> Bool {
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
