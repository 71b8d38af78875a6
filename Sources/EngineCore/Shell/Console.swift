// The console as the shell's fiber sees it: keys one after another, or none for a while. A second fiber takes them from the
// platform meanwhile, so that Control-C is heard while a command runs.

import Fibers
import Platform

/// Both fibers are of one core, and neither is interrupted between two yields: no locks.
final class Console {
    let platform: any Platform
    private var keys: [UInt8] = []
    private var next = 0
    private var waiter: FiberRef?
    private(set) var isClosed = false
    /// Set while a command runs: Control-C interrupts this fiber then.
    var busy: FiberRef?
    /// Keys that nobody takes, at most.
    private static let limit = 64 << 10

    /// Starts to listen, on this core. Errors: 53200 without a fiber.
    init(_ platform: any Platform) throws(EngineError) {
        self.platform = platform
        try Fiber.scheduler.spawn(on: Fiber.core, .interactive, "console") { [self] in listen() }
    }

    private func listen() {
        let byteCount = 256
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
        defer { memory.deallocate() }
        let buffer = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
        while !isClosed {
            let result = Completion.wait { platform.queueConsoleInput(Fiber.core, tag: $0) }
            let count = result > 0 ? platform.readConsole(buffer) : 0
            if count <= 0 { break }
            for index in 0..<count { take(buffer[index]) }
            wakeWaiter()
        }
        close()
    }

    private func take(_ key: UInt8) {
        if key == 0x03, let busy { return Fiber.interrupt(busy) }
        if keys.count - next < Self.limit { keys.append(key) }
    }

    /// No more keys: who waits for one gets none.
    func close() {
        isClosed = true
        wakeWaiter()
    }

    private func wakeWaiter() {
        if let waiter { Fiber.wake(waiter) }
    }

    /// The next key, or nil when there will be none or at `deadline`.
    func key(until deadline: Nanoseconds = .never) -> UInt8? {
        waiter = Fiber.current
        defer { waiter = nil }
        while next == keys.count {
            if isClosed { return nil }
            if !Fiber.park(until: deadline) && next == keys.count { return nil }
        }
        let key = keys[next]
        next += 1
        if next == keys.count {
            keys.removeAll(keepingCapacity: true)
            next = 0
        }
        return key
    }

    func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { platform.consoleWrite($0) }
    }

    func write(_ text: String) { write(Array(text.utf8)) }
}
