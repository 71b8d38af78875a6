// One heap of connections by deadline. A connection is in it at most once, under a deadline that may be earlier than its
// earliest timer but never later: moving a timer back, as every acknowledgement does, costs nothing here.

import Platform

struct ConnectionTimers {
    private let entries: UnsafeMutablePointer<Int32>
    private(set) var count = 0

    init(_ entries: UnsafeMutablePointer<Int32>) { self.entries = entries }

    func nearest(_ connections: UnsafeMutablePointer<Connection>) -> Nanoseconds {
        count == 0 ? .never : connections[Int(entries[0])].heapDeadline
    }
    var first: Int32 { count == 0 ? -1 : entries[0] }

    /// Brings the connection's entry forward if its earliest timer is before it.
    @inline(__always) mutating func update(_ c: ConnectionPointer, _ connections: UnsafeMutablePointer<Connection>) {
        let deadline = c.pointee.nearestDeadline
        if deadline < c.pointee.heapDeadline { moveForward(c, deadline, connections) }
    }

    private mutating func moveForward(
        _ c: ConnectionPointer, _ deadline: Nanoseconds, _ connections: UnsafeMutablePointer<Connection>
    ) {
        c.pointee.heapDeadline = deadline
        if c.pointee.heapIndex < 0 {
            c.pointee.heapIndex = Int32(count)
            entries[count] = c.pointee.index
            count += 1
        }
        siftUp(Int(c.pointee.heapIndex), connections)
    }

    /// Puts the connection where its earliest timer belongs; out of the heap if it has none.
    mutating func replace(_ c: ConnectionPointer, _ connections: UnsafeMutablePointer<Connection>) {
        remove(c, connections)
        update(c, connections)
    }

    mutating func remove(_ c: ConnectionPointer, _ connections: UnsafeMutablePointer<Connection>) {
        let index = Int(c.pointee.heapIndex)
        c.pointee.heapIndex = -1
        c.pointee.heapDeadline = .never
        if index < 0 { return }
        count -= 1
        if index == count { return }
        place(entries[count], index, connections)
        siftUp(index, connections)
        siftDown(Int(connections[Int(entries[index])].heapIndex), connections)
    }

    private func place(_ entry: Int32, _ index: Int, _ connections: UnsafeMutablePointer<Connection>) {
        entries[index] = entry
        connections[Int(entry)].heapIndex = Int32(index)
    }

    private func deadline(_ index: Int, _ connections: UnsafeMutablePointer<Connection>) -> Nanoseconds {
        connections[Int(entries[index])].heapDeadline
    }

    private func siftUp(_ start: Int, _ connections: UnsafeMutablePointer<Connection>) {
        let entry = entries[start]
        let own = connections[Int(entry)].heapDeadline
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            if !(own < deadline(parent, connections)) { break }
            place(entries[parent], index, connections)
            index = parent
        }
        place(entry, index, connections)
    }

    private func siftDown(_ start: Int, _ connections: UnsafeMutablePointer<Connection>) {
        let entry = entries[start]
        let own = connections[Int(entry)].heapDeadline
        var index = start
        while 2 * index + 1 < count {
            var child = 2 * index + 1
            if child + 1 < count && deadline(child + 1, connections) < deadline(child, connections) { child += 1 }
            if !(deadline(child, connections) < own) { break }
            place(entries[child], index, connections)
            index = child
        }
        place(entry, index, connections)
    }
}
