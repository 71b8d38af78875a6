// What every core and every exception handler must find without being given it. All words with constant initial values:
// nothing here is initialised lazily, so it may be read in any exception.

import CMetal
import Platform

struct Machine {
    var console: UnsafeMutablePointer<ConsoleOutput>?
    var frames: UnsafeMutablePointer<Frames>?
    var heap: UnsafeMutablePointer<Heap>?
    var tables: UnsafeMutablePointer<PageTables>?
    var space: UnsafeMutablePointer<ReservedSpace>?
    /// Ports of the fixed ACPI hardware; 0 while unknown.
    var powerPort: UInt16 = 0
    var powerPortB: UInt16 = 0
    var powerOffType: UInt16 = 0
    var powerOffTypeB: UInt16 = 0
    var resetPort: UInt16 = 0
    var resetValue: UInt8 = 0
}

nonisolated(unsafe) var machine = Machine()

/// QEMU's isa-debug-exit device as `make boot` and the tests place it.
private let debugExitPort: UInt16 = 0xf4

/// Ends the machine: status 0 by switching it off, others through QEMU's debug exit, whose exit status is
/// 2 × status + 1. Where neither works the core halts.
func machineExit(status: Int32) -> Never {
    if status == rebootStatus { machineReset() }
    if status != 0 { dbk_out32(debugExitPort, UInt32(bitPattern: status)) }
    if machine.powerPort != 0 {
        dbk_out16(machine.powerPort, machine.powerOffType << 10 | 1 << 13)
        if machine.powerPortB != 0 { dbk_out16(machine.powerPortB, machine.powerOffTypeB << 10 | 1 << 13) }
    }
    // The power goes a moment after the write: only where there is no such port may another way be tried.
    if status == 0 && machine.powerPort == 0 { dbk_out32(debugExitPort, 0) }
    if let console = machine.console { PlainText(console).text("the machine can be switched off now\n") }
    dbk_stop()
    while true {}
}

/// By the register that the tables name, the chipset's, the keyboard controller's (ACPI 6.5, 4.8.3.6; Intel ICH9 data sheet).
private func machineReset() {
    if machine.resetPort != 0 { dbk_out8(machine.resetPort, machine.resetValue) }
    dbk_out8(0xcf9, 0x06)
    dbk_out8(0x64, 0xfe)
}

// MARK: What Swift's runtime calls

/// Memory for Swift's runtime and for C. A panic if there is none: Swift uses what it is given without a look.
package func allocateObject(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
    guard let heap = machine.heap, let frames = machine.frames,
        let address = heap.pointee.allocate(byteCount, alignment: alignment, frames),
        let object = UnsafeMutableRawPointer(bitPattern: address)
    else {
        if let console = machine.console { PlainText(console).text("\nout of memory") }
        preconditionFailure("out of memory")
    }
    return object
}

package func freeObject(_ object: UnsafeMutableRawPointer) {
    guard let heap = machine.heap, let frames = machine.frames else { return }
    heap.pointee.free(UInt(bitPattern: object), frames)
}

package func putCharacter(_ character: UInt8) {
    guard let console = machine.console else { return }
    if character == 0x0a { console.pointee.put(0x0d) }
    console.pointee.put(character)
}

package func fillWithEntropy(_ bytes: UnsafeMutableRawBufferPointer) { Entropy.fill(bytes) }
