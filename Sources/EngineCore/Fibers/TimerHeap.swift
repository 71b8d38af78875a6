// Timers of one worker: a binary heap of fibers by deadline. Each fiber has at most one timer and knows its place in
// the heap, so cancelling is O(log n) and the heap never outgrows the fiber table.

import Platform

struct TimerHeap {
    private var entries: UnsafeMutablePointer<FiberPointer>
    private(set) var count = 0

    init(capacity: Int) { entries = .allocate(capacity: capacity) }
    func deallocate() { entries.deallocate() }

    /// Earliest deadline, or never.
    @inline(__always) var nearest: Nanoseconds { count == 0 ? .never : entries[0].pointee.deadline }
    @inline(__always) var first: FiberPointer { entries[0] }

    mutating func insert(_ fiber: FiberPointer, _ deadline: Nanoseconds) {
        precondition(fiber.pointee.timerIndex < 0, "a fiber has one timer")
        fiber.pointee.deadline = deadline
        count += 1
        siftUp(fiber, from: count - 1)
    }

    mutating func remove(_ fiber: FiberPointer) {
        let index = fiber.pointee.timerIndex
        precondition(index >= 0 && entries[index] == fiber, "timer heap is inconsistent")
        fiber.pointee.timerIndex = -1
        count -= 1
        if index == count { return }
        let moved = entries[count]
        if index > 0 && moved.pointee.deadline < entries[(index - 1) / 2].pointee.deadline {
            siftUp(moved, from: index)
        } else {
            siftDown(moved, from: index)
        }
    }

    private func place(_ fiber: FiberPointer, at index: Int) {
        entries[index] = fiber
        fiber.pointee.timerIndex = index
    }

    private func siftUp(_ fiber: FiberPointer, from start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            if !(fiber.pointee.deadline < entries[parent].pointee.deadline) { break }
            place(entries[parent], at: index)
            index = parent
        }
        place(fiber, at: index)
    }

    private func siftDown(_ fiber: FiberPointer, from start: Int) {
        var index = start
        while true {
            var child = 2 * index + 1
            if child >= count { break }
            if child + 1 < count && entries[child + 1].pointee.deadline < entries[child].pointee.deadline { child += 1 }
            if !(entries[child].pointee.deadline < fiber.pointee.deadline) { break }
            place(entries[child], at: index)
            index = child
        }
        place(fiber, at: index)
    }
}
