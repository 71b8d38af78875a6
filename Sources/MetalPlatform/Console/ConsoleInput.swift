// What is typed at the serial line, for the shell. The first core's: its interrupt ends that core's halt, and while the core is
// busy it looks now and then.

import CMetal
import Platform

final class ConsoleInput {
    private let serial: UnsafeMutablePointer<SerialPort>
    /// Bytes that nobody has taken yet; more than fit are dropped, as by a terminal whose reader sleeps.
    private var bytes: [UInt8] = []
    private var tag: Tag = 0
    private var nextLook = Nanoseconds(0)
    private static let limit = 4096
    private static let interrupt: UInt16 = 4

    /// With `lines` the port's interrupt wakes the core; where that cannot be, only looking finds what was typed.
    init(
        _ serial: UnsafeMutablePointer<SerialPort>, _ lines: InterruptLines, apicID: UInt32, say: (String) -> Void
    ) {
        self.serial = serial
        bytes.reserveCapacity(Self.limit)
        if !serial.pointee.isPresent { return }
        if lines.route(Self.interrupt, isLevelLow: false, to: LocalAPIC.noticeVector, apicID: apicID) {
            serial.pointee.interruptOnInput()
        } else {
            say("warning: no I/O APIC takes the serial line's interrupt: an idle machine is slow to hear what is typed")
        }
    }

    var isPresent: Bool { serial.pointee.isPresent }

    /// After a notice.
    func take() {
        while let byte = serial.pointee.read() {
            if bytes.count < Self.limit { bytes.append(byte) }
        }
    }

    /// In every turn of the core's loop.
    @inline(__always) func look(_ now: Nanoseconds) {
        if now < nextLook { return }
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
