// The control block of one fiber slot. A worker owns a table of them; a slot is reused by one fiber after another and
// keeps its stack.
//
// The state word is the whole protocol between a fiber and those who wake it:
//   generation:32 | …:29 | interrupted:1 | permit:1 | parked:1
// parked is set by the fiber itself just before it leaves the CPU and cleared by the one who takes on the duty of
// putting it into a run queue. permit remembers a wake that came while the fiber was not parked. Both are never set
// together.

import Platform
import Synchronization

struct FiberControl: ~Copyable {
    let state = Atomic<UInt64>(1 << 32)
    /// Saved stack pointer while not running.
    var stackPointer: UnsafeMutableRawPointer?
    /// Lowest address of the stack, which is its guard page; nil until the slot was used once.
    var stackBase: UnsafeMutableRawPointer?
    /// Link in the one list the slot is in: a run queue, an inbox, or the free list (there as slot + 1 in nextFree).
    var next: UnsafeMutablePointer<FiberControl>?
    let nextFree = Atomic<UInt32>(0)
    let slot: UInt32
    var fiberClass = FiberClass.interactive
    var hasEnded = false
    var timedOut = false
    /// Index in the worker's timer heap, -1 if it has no timer.
    var timerIndex = -1
    var deadline = Nanoseconds.never
    var local: UnsafeMutableRawPointer?
    var name: StaticString = ""
    var body: (() -> Void)?

    init(slot: UInt32) { self.slot = slot }
}

enum FiberState {
    static let parked: UInt64 = 1
    static let permit: UInt64 = 2
    static let interrupted: UInt64 = 4
}

typealias FiberPointer = UnsafeMutablePointer<FiberControl>
