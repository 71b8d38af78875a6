// Connections of one listener. The platform answers one accept request with many completions; they queue here until a fiber
// takes them.

import Platform

package final class AcceptQueue: @unchecked Sendable {
    private let cell: UnsafeMutablePointer<Completion>
    private let platform: any Platform
    private var waiting: [StreamHandle] = []
    private var taken = 0
    private var failure = 0
    private let fiber = Fiber.current
    /// Connections that may wait to be taken; more are closed at once.
    private let capacity: Int

    /// Starts accepting on the calling fiber's core. Only the calling fiber may call `next`. Keeps itself alive until the
    /// listener is closed: the platform knows its address.
    package init(_ listener: StreamHandle, capacity: Int = 1024) {
        platform = Fiber.scheduler.platform
        self.capacity = capacity
        cell = .allocate(capacity: 1)
        cell.initialize(to: Completion(handler: { acceptFinished($0) }, context: nil))
        cell.pointee.context = Unmanaged.passRetained(self).toOpaque()
        let core = Fiber.core
        while !platform.queueAccept(core, listener, tag: cell.tag) { Fiber.yield() }
    }

    deinit { cell.deallocate() }

    /// The next connection, waiting for it; nil when the listener was closed.
    package func next() -> StreamHandle? {
        while taken == waiting.count {
            if failure != 0 { return nil }
            Fiber.park()
            if Fiber.isInterrupted { return nil }
        }
        let stream = waiting[taken]
        taken += 1
        if taken == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            taken = 0
        }
        return stream
    }

    /// In the loop of the core that accepts.
    fileprivate func finished(_ result: Int) {
        if result < 0 {
            // The last completion there is: nobody knows the address any more.
            failure = result
            if let context = cell.pointee.context.take() { Unmanaged<AcceptQueue>.fromOpaque(context).release() }
        } else {
            let stream = StreamHandle(rawValue: Int32(truncatingIfNeeded: result))
            if waiting.count - taken >= capacity {
                platform.close(stream)
            } else {
                waiting.append(stream)
            }
        }
        Fiber.wake(fiber)
    }
}

private func acceptFinished(_ address: UnsafeMutableRawPointer) {
    let cell = address.assumingMemoryBound(to: Completion.self)
    guard let context = cell.pointee.context else { return }
    Unmanaged<AcceptQueue>.fromOpaque(context).takeUnretainedValue().finished(cell.pointee.result)
}
