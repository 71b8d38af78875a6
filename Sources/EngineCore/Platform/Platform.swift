// What differs between Linux, bare metal and the simulated world, and nothing else.
//
// The engine holds it as one class-bound existential. Its calls are per batch (poll, submit, park) or rare (memory at
// start, console), so a witness-table call costs nothing that can be measured, and the engine above is compiled once
// instead of once per platform (docs/decisions/0001-platform-is-class-bound.md). What must be fast needs no call: pages
// are at `pool base + number * pageSize`, time is the TSC where the platform allows it.

/// Index of a core that runs a worker, from 0.
package typealias CoreIndex = Int

/// Cores, their NUMA nodes and the nodes' distances (10 is local, as in ACPI SLIT).
package struct Topology: Sendable {
    package var nodeOfCore: [Int]
    package var distance: [[Int]]
    package var coreCount: Int { nodeOfCore.count }
    package init(nodeOfCore: [Int], distance: [[Int]]) {
        self.nodeOfCore = nodeOfCore
        self.distance = distance
    }
}

/// What the block device promises.
package struct BlockGeometry: Sendable {
    /// Size of the device in bytes, a multiple of `pageSize`.
    package var byteCount: UInt64
    /// Smallest addressable unit in bytes: 512 or 4096.
    package var logicalBlockSize: Int
    /// Bytes that are written all or not at all across power loss. 4096 or more: pages need no double write.
    package var atomicWriteByteCount: Int
    /// True if a completed write may be lost at power loss until a flush completes.
    package var hasVolatileCache: Bool
    /// Most bytes in one request.
    package var maxTransferByteCount: Int
    /// Requests in flight per core that the device can use.
    package var queueDepth: Int
    package init(
        byteCount: UInt64, logicalBlockSize: Int, atomicWriteByteCount: Int, hasVolatileCache: Bool,
        maxTransferByteCount: Int, queueDepth: Int
    ) {
        self.byteCount = byteCount
        self.logicalBlockSize = logicalBlockSize
        self.atomicWriteByteCount = atomicWriteByteCount
        self.hasVolatileCache = hasVolatileCache
        self.maxTransferByteCount = maxTransferByteCount
        self.queueDepth = queueDepth
    }
}

/// Names a request from submission to completion: the address of the requester's `Completion` cell (see `Fibers`).
package typealias Tag = UInt

/// A finished request. `result` is the byte count (or the new stream's handle for accept); negative for an error: the
/// negated `PlatformErrno`.
package struct CompletionEvent: BitwiseCopyable, Sendable {
    package var tag: Tag
    package var result: Int
    @inline(__always) package init(tag: Tag, result: Int) {
        self.tag = tag
        self.result = result
    }
}

/// The few failures that the engine tells apart. Values follow Linux's errno where one exists.
package enum PlatformErrno {
    package static let io = 5
    package static let noSpace = 28
    package static let canceled = 125
    package static let connectionReset = 104
    package static let notSupported = 95
}

/// One piece of a vectored request. `base` of block requests is aligned to the logical block size.
package struct IOVector: BitwiseCopyable {
    package var base: UnsafeMutableRawPointer
    package var byteCount: Int
    @inline(__always) package init(base: UnsafeMutableRawPointer, byteCount: Int) {
        self.base = base
        self.byteCount = byteCount
    }
}

package enum BlockOperation: UInt8, BitwiseCopyable, Sendable {
    case read
    case write
    /// Write that is durable when it completes (FUA; RWF_DSYNC on Linux).
    case durableWrite
    /// Makes every write that completed before this was queued durable. Takes no vectors.
    case flush
}

/// A connected byte stream or a listener.
package struct StreamHandle: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    package var rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    @inline(__always) package static func == (a: StreamHandle, b: StreamHandle) -> Bool { a.rawValue == b.rawValue }
}

/// Every `queue…` call is made by the worker of `core` and only notes the request; `submit` (or `park`) hands all noted
/// ones over in one batch. Buffers and vectors must stay where they are until the completion. A `queue…` call returns
/// false, having done nothing, if the queue is full: submit, poll, and try again.
package protocol Platform: AnyObject {
    // Cores
    var topology: Topology { get }
    /// Runs `body` on every core's worker thread at once; returns when all have returned.
    func runWorkers(_ body: @escaping @Sendable (CoreIndex) -> Void)
    /// Submits what is queued and waits until a completion is there, `wake(core)` was called since the last park, or
    /// `deadline` has passed. May return early for no reason.
    func park(_ core: CoreIndex, until deadline: Nanoseconds)
    /// Ends that core's park, or its next one if it is not parked. Callable from any worker. Costs a system call or an
    /// interprocessor interrupt only if the core is parked.
    func wake(_ core: CoreIndex)
    func submit(_ core: CoreIndex)
    /// Moves up to `events.count` completions into `events`; returns how many. Never waits.
    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int

    // Time
    /// Monotonic.
    func now() -> Nanoseconds
    /// Microseconds since 1970-01-01 00:00 UTC.
    func wallClock() -> Int64

    // Memory
    /// Zeroed memory on a NUMA node, aligned to 4 KiB (2 MiB if `huge`, which is a wish). Nil when there is none.
    func allocate(byteCount: Int, node: Int, huge: Bool) -> UnsafeMutableRawPointer?
    func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int)
    /// Address space without memory, 4 KiB-aligned, from `largePageByteCount` on aligned to that. Touching a page of it gives the page zeroed memory.
    func reserve(byteCount: Int) -> UnsafeMutableRawPointer?
    /// Gives back the memory of `count` pages starting at `base`, inside a reserved range. They read as zeros after.
    func discard(_ base: UnsafeMutableRawPointer, pageCount: Int)
    /// To be called, by the core that then writes them first, before pages are used again that may have been discarded: where no
    /// core tells the others of a page that it takes away, a core may still find the page where it was, and write there without
    /// anybody noticing. They are zeros then.
    func restore(_ base: UnsafeMutableRawPointer, pageCount: Int)
    /// Whether touching memory of a reserved range for the first time may bring a whole large page, where one is free. False if
    /// the platform has none. What is in memory stays as it is. Reserved ranges begin without.
    @discardableResult
    func preferLargePages(_ base: UnsafeMutableRawPointer, byteCount: Int, _ isPreferred: Bool) -> Bool
    /// Puts large pages on small ones; contents stay. Before some of one is discarded, which would free none of it.
    func splitPages(_ base: UnsafeMutableRawPointer, byteCount: Int)
    /// Gives pages of a reserved range their memory before anyone touches them, beside the worker and not on its time.
    /// Contents stay. Completes when it is done, with 0 or an error; then the touch that follows costs what it would have.
    /// False, too, where the platform has nothing of the kind.
    func queuePopulate(_ core: CoreIndex, _ base: UnsafeMutableRawPointer, byteCount: Int, tag: Tag) -> Bool
    /// Makes the page at `base` fault on any access: a stack guard.
    func protect(_ base: UnsafeMutableRawPointer, pageCount: Int)

    // Block device
    var blockGeometry: BlockGeometry { get }
    /// `offset` and lengths are multiples of the logical block size.
    func queueBlock(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>,
        offset: UInt64, tag: Tag
    ) -> Bool

    // Streams
    /// `address` as text, `A.B.C.D:PORT`; port 0 picks one. The bound address is returned. Where there is a file system, a path
    /// that begins with a slash is a Unix-domain socket.
    func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String)
    /// One completion per connection, result = its handle, until the listener is closed.
    func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool
    /// Connects to `A.B.C.D:PORT`; completes with the stream's handle or an error. 0A000 where there is no such thing.
    func queueConnect(_ core: CoreIndex, to address: String, tag: Tag) throws(EngineError) -> Bool
    /// Completes with at least one byte, 0 at the peer's end, or an error.
    func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool
    /// Completes when something was sent; the result may be less than asked.
    func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool
    /// Ends both directions at once: pending receives and sends complete.
    func shutdown(_ stream: StreamHandle)
    /// `shutdown`, and the handle is free for reuse. Do it once nobody will queue more on the stream.
    func close(_ stream: StreamHandle)

    // The rest
    /// Writes text and a newline to the console. A requirement because the engine calls it through `any Platform`, for which
    /// unoptimised Embedded Swift has no code of an extension's own methods.
    func log(_ text: String)
    /// Bytes to the console, for people: start-up messages, panics.
    func consoleWrite(_ bytes: UnsafeRawBufferPointer)
    /// True if somebody may type at the console.
    var hasConsoleInput: Bool { get }
    /// Completes with a positive result when something was typed at the console, and with 0 or less when nothing more will be.
    /// One request at a time.
    func queueConsoleInput(_ core: CoreIndex, tag: Tag) -> Bool
    /// Moves what was typed into `bytes`; how many. Never waits after a completion of `queueConsoleInput`; 0 is the end.
    func readConsole(_ bytes: UnsafeMutableRawBufferPointer) -> Int
    /// What there is to say about a part of the machine, line by line; empty if it is somebody else's (Linux's).
    func describe(_ part: MachinePart) -> [String]
    /// True if `exit` can start the machine again.
    var canReboot: Bool { get }
    func entropy(_ bytes: UnsafeMutableRawBufferPointer)
    /// Completes when the world asks the engine to stop (SIGINT, SIGTERM, SIGHUP, a power button), once per asking; the result is
    /// positive. Where nobody asks it never completes.
    func queueStopRequest(_ core: CoreIndex, tag: Tag) -> Bool
    /// Ends the machine or process.
    func exit(status: Int32) -> Never
}

package enum MachinePart: Sendable { case disk, network, memory }

/// An exit status that starts the machine again, where `canReboot`.
package let rebootStatus: Int32 = -1

package let largePageByteCount = 2 << 20

extension Platform {
    package func preferLargePages(_ base: UnsafeMutableRawPointer, byteCount: Int, _ isPreferred: Bool) -> Bool {
        false
    }
    package func restore(_ base: UnsafeMutableRawPointer, pageCount: Int) {}
    package func splitPages(_ base: UnsafeMutableRawPointer, byteCount: Int) {}
    package func queuePopulate(_ core: CoreIndex, _ base: UnsafeMutableRawPointer, byteCount: Int, tag: Tag) -> Bool {
        false
    }
    package func queueStopRequest(_ core: CoreIndex, tag: Tag) -> Bool { true }
    package var hasConsoleInput: Bool { false }
    package func queueConsoleInput(_ core: CoreIndex, tag: Tag) -> Bool { true }
    package func readConsole(_ bytes: UnsafeMutableRawBufferPointer) -> Int { 0 }
    package func describe(_ part: MachinePart) -> [String] { [] }
    package var canReboot: Bool { false }
    package func queueConnect(_ core: CoreIndex, to address: String, tag: Tag) throws(EngineError) -> Bool {
        throw .notSupported("an outgoing connection on this platform")
    }

    package func log(_ text: String) {
        var copy = text + "\n"
        copy.withUTF8 { consoleWrite(UnsafeRawBufferPointer($0)) }
    }
}
