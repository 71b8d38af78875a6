// What is typed at the serial line, at the keyboard and at a virtio console, for the shell. The first core's: their interrupts end that core's halt, and
// while the core is busy it looks now and then.

import CMetal
import Platform

final class ConsoleInput {
    private let output: UnsafeMutablePointer<ConsoleOutput>
    private var keyboard: Keyboard?
    /// Bytes that nobody has taken yet; more than fit are dropped, as by a terminal whose reader sleeps.
    private var bytes: [UInt8] = []
    private var tag: Tag = 0
    private var nextLook = Nanoseconds(0)
    private static let limit = 4096
    /// The serial line's.
    private static let interrupt: UInt16 = 4

    /// With `lines` the devices' interrupts wake the core; where that cannot be, only looking finds what was typed. The keyboard
    /// is of use with a screen.
    init(
        _ output: UnsafeMutablePointer<ConsoleOutput>, _ lines: InterruptLines, apicID: UInt32, say: (String) -> Void
    ) {
        self.output = output
        bytes.reserveCapacity(Self.limit)
        func route(_ source: UInt16, _ what: String) -> Bool {
            if lines.route(source, isLevelLow: false, to: LocalAPIC.noticeVector, apicID: apicID) { return true }
            say("warning: no I/O APIC takes the \(what)'s interrupt: an idle machine is slow to hear what is typed")
            return false
        }
        if output.pointee.hasSerial, route(Self.interrupt, "serial line") {
            output.pointee.serial.interruptOnInput()
        }
        if output.pointee.hasScreen {
            let keyboard = Keyboard()
            if keyboard.isPresent {
                self.keyboard = keyboard
                _ = route(Keyboard.interrupt, "keyboard")
            }
        }
    }

    var isPresent: Bool { output.pointee.hasSerial || keyboard != nil || output.pointee.device != nil }

    /// After a notice.
    func take() {
        if output.pointee.hasSerial {
            while let byte = output.pointee.serial.read() { add(byte) }
        }
        keyboard?.read { add($0) }
        output.pointee.device?.read { add($0) }
    }

    private func add(_ byte: UInt8) {
        if bytes.count < Self.limit { bytes.append(byte) }
    }

    /// In every turn of the core's loop.
    @inline(__always) func look(_ now: Nanoseconds) {
        // A virtio console ends a halt without a notice, and is looked at without leaving the machine.
        if now < nextLook && !(output.pointee.device?.hasInput ?? false) { return }
        nextLook = now + .milliseconds(20)
        if isPresent { take() }
    }

    func queue(_ tag: Tag) { self.tag = tag }

    /// True if `completion` has one.
    var isDue: Bool { tag != 0 && !bytes.isEmpty }

    func completion() -> CompletionEvent? {
        if !isDue { return nil }
        defer { tag = 0 }
        return CompletionEvent(tag: tag, result: 1)
    }

    func read(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(target.count, bytes.count)
        for index in 0..<count { target[index] = bytes[index] }
        bytes.removeFirst(count)
        return count
    }
}
