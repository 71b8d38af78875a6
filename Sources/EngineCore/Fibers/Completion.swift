// Where a platform request ends. Its address is the request's tag, so it must stay where it is until the request is done:
// on the stack of the fiber that waits (`Completion.with`), or in memory that outlives the request.
//
// A completion comes in on the worker that queued the request, from its loop: `handler` runs there and must not block.

import Platform

package struct Completion {
    /// What `CompletionEvent.result` says; meaningful once `isDone`.
    package var result = 0
    package var isDone = false
    /// Woken when the request is done, unless there is a handler.
    package var fiber: FiberRef
    /// Called in the worker's loop instead of waking a fiber.
    package var handler: (@convention(c) (UnsafeMutableRawPointer) -> Void)?
    /// For the handler's use.
    package var context: UnsafeMutableRawPointer?

    /// A completion that wakes the calling fiber.
    @inline(__always) package init() { fiber = Fiber.current }

    /// A completion that calls `handler` with its own address.
    package init(handler: @escaping @convention(c) (UnsafeMutableRawPointer) -> Void, context: UnsafeMutableRawPointer?)
    {
        fiber = .none
        self.handler = handler
        self.context = context
    }

    /// Ready for another request.
    @inline(__always) package mutating func prepare() { isDone = false }

    /// Runs `queue` with the tag of a completion on this stack, then parks until it is done and returns its result. If
    /// the platform's queue is full, submits and tries again after a turn of the worker's loop.
    @inline(__always)
    package static func wait(_ queue: (Tag) -> Bool) -> Int {
        var completion = Completion()
        return withUnsafeMutablePointer(to: &completion) { cell in
            while !queue(cell.tag) { Fiber.yield() }
            return cell.wait()
        }
    }
}

extension UnsafeMutablePointer where Pointee == Completion {
    @inline(__always) package var tag: Tag { Tag(bitPattern: self) }

    /// Parks until the request is done; its result. By the fiber the completion was made for.
    @inline(__always) package func wait() -> Int {
        // Read through the pointer each time: the worker's loop writes it while this fiber is parked.
        while !pointee.isDone { Fiber.park() }
        return pointee.result
    }

    /// The worker's loop ends the request.
    func finish(_ result: Int) {
        pointee.result = result
        pointee.isDone = true
        if let handler = pointee.handler {
            handler(UnsafeMutableRawPointer(self))
        } else {
            Fiber.wake(pointee.fiber)
        }
    }
}
