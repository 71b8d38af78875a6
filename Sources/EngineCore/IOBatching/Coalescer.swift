// Joins requests that lie side by side on the device into one vectored request, as a disk elevator does.
//
// Invariant: a joined request covers a contiguous byte range, has one operation, at most `maxByteCount` bytes and at most
// `maxVectorCount` pieces, and each of its requests is one piece, in order. So the outcome of each request can be told
// from the byte count of the whole.

import Platform

package struct Coalescer: Sendable {
    package let maxByteCount: Int
    package let maxVectorCount: Int

    package init(maxByteCount: Int, maxVectorCount: Int) {
        precondition(maxByteCount >= pageSize)
        precondition(maxVectorCount >= 1)
        self.maxByteCount = maxByteCount
        self.maxVectorCount = maxVectorCount
    }

    /// Takes from the front of `queue` the longest run of requests that can go as one, and writes its pieces into
    /// `vectors`. Nil if the queue is empty.
    package func takeRun(
        from queue: inout RequestList, vectors: UnsafeMutablePointer<IOVector>
    ) -> CoalescedRun? {
        guard let head = queue.removeFirst() else { return nil }
        vectors[0] = IOVector(base: head.pointee.base, byteCount: head.pointee.byteCount)
        var run = CoalescedRun(
            operation: head.pointee.operation, offset: head.pointee.offset, byteCount: head.pointee.byteCount,
            vectorCount: 1)
        run.requests.append(head)
        while let next = queue.first, run.vectorCount < maxVectorCount,
            next.pointee.operation == run.operation,
            next.pointee.offset == run.offset + UInt64(run.byteCount),
            run.byteCount + next.pointee.byteCount <= maxByteCount
        {
            _ = queue.removeFirst()
            vectors[run.vectorCount] = IOVector(base: next.pointee.base, byteCount: next.pointee.byteCount)
            run.vectorCount += 1
            run.byteCount += next.pointee.byteCount
            run.requests.append(next)
        }
        return run
    }

    /// Sorts the requests of one batch by device position, so that neighbours meet. Most batches come sorted, which is
    /// found out first.
    package static func sort(_ requests: UnsafeMutableBufferPointer<BlockRequest>) {
        var isSorted = true
        for index in 1..<max(requests.count, 1) where requests[index].offset < requests[index - 1].offset {
            isSorted = false
            break
        }
        if isSorted { return }
        var sorted = requests
        sorted.sort { $0.offset < $1.offset }
    }
}

/// Requests that go to the device as one.
package struct CoalescedRun {
    package var operation: BlockOperation
    package var offset: UInt64
    package var byteCount: Int
    package var vectorCount: Int
    package var requests = RequestList()

    package init(operation: BlockOperation, offset: UInt64, byteCount: Int, vectorCount: Int) {
        self.operation = operation
        self.offset = offset
        self.byteCount = byteCount
        self.vectorCount = vectorCount
    }
}
