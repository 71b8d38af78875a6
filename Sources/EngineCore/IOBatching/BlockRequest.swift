// One block request of one fiber, as it waits in a queue: a run of bytes in memory and where it lies on the device.
// Requests link into lists through themselves, so queueing allocates nothing. Whoever made a request keeps it where it
// is until it is done.

import Platform

package struct BlockRequest: BitwiseCopyable {
    /// Never `.flush`: a flush has no bytes and takes no place in a queue.
    package var operation: BlockOperation
    /// Aligned to the device's logical block size, as `byteCount` and `offset` are.
    package var base: UnsafeMutableRawPointer
    package var byteCount: Int
    /// Byte position on the device.
    package var offset: UInt64
    /// 0 when done, else the `PlatformErrno` it failed with. Valid once the call that was given the request returned.
    package var errno: Int = 0

    // What follows belongs to the queue that holds the request.
    package var next: UnsafeMutablePointer<BlockRequest>?
    package var queuedAt = Nanoseconds(0)
    /// Whom to tell: opaque to all but `BlockIO`.
    package var owner: UnsafeMutableRawPointer?

    @inline(__always)
    package init(_ operation: BlockOperation, base: UnsafeMutableRawPointer, byteCount: Int, offset: UInt64) {
        self.operation = operation
        self.base = base
        self.byteCount = byteCount
        self.offset = offset
    }

    package var end: UInt64 { offset + UInt64(byteCount) }
}

/// A first-in first-out list of requests, linked through `BlockRequest.next`.
package struct RequestList {
    package private(set) var first: UnsafeMutablePointer<BlockRequest>?
    private var last: UnsafeMutablePointer<BlockRequest>?

    package init() {}

    package var isEmpty: Bool { first == nil }

    package mutating func append(_ request: UnsafeMutablePointer<BlockRequest>) {
        request.pointee.next = nil
        if let last { last.pointee.next = request } else { first = request }
        last = request
    }

    package mutating func prepend(_ request: UnsafeMutablePointer<BlockRequest>) {
        request.pointee.next = first
        if first == nil { last = request }
        first = request
    }

    package mutating func removeFirst() -> UnsafeMutablePointer<BlockRequest>? {
        guard let head = first else { return nil }
        first = head.pointee.next
        if first == nil { last = nil }
        head.pointee.next = nil
        return head
    }
}
