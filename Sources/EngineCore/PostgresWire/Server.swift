// Accepts connections and gives each a fiber, in turn over the workers. Knows who is connected, for cancel requests and
// for the end.

import Fibers
import Platform
import Runtime
import Synchronization

/// A session's public number and the secret that proves a cancel request.
package struct SessionIdentity: Sendable {
    package let processID: Int32
    package let secret: Int32
}

/// Who is connected. Shared by all workers.
package final class SessionRegistry: @unchecked Sendable {
    private struct Entry {
        var fiber: FiberRef
        var secret: Int32
    }
    private var entries: [Int32: Entry] = [:]
    private var nextProcessID: Int32 = 1
    private let mutex = FiberMutex()
    private let platform: any Platform
    private let limit: Int

    init(platform: any Platform, limit: Int) {
        self.platform = platform
        self.limit = limit
    }

    /// Errors: 53300 when too many are connected.
    package func add(_ fiber: FiberRef) throws(EngineError) -> SessionIdentity {
        mutex.lock()
        defer { mutex.unlock() }
        guard entries.count < limit else {
            throw EngineError(.tooManyConnections, "sorry, too many clients already", severity: .fatal)
        }
        while entries[nextProcessID] != nil || nextProcessID <= 0 {
            nextProcessID = nextProcessID == Int32.max ? 1 : nextProcessID + 1
        }
        var secret: Int32 = 0
        withUnsafeMutableBytes(of: &secret) { platform.entropy($0) }
        let identity = SessionIdentity(processID: nextProcessID, secret: secret)
        entries[nextProcessID] = Entry(fiber: fiber, secret: secret)
        nextProcessID = nextProcessID == Int32.max ? 1 : nextProcessID + 1
        return identity
    }

    package func remove(_ processID: Int32) {
        mutex.lock()
        entries[processID] = nil
        mutex.unlock()
    }

    /// A wrong secret does nothing, and the asker learns nothing.
    func cancel(_ processID: Int32, _ secret: Int32) {
        mutex.lock()
        if let entry = entries[processID], entry.secret == secret { Fiber.interrupt(entry.fiber) }
        mutex.unlock()
    }

    func interruptAll() {
        mutex.lock()
        for entry in entries.values { Fiber.interrupt(entry.fiber) }
        mutex.unlock()
    }

    var count: Int {
        mutex.lock()
        defer { mutex.unlock() }
        return entries.count
    }
}

/// Set once, when the server begins to stop. Read by every connection.
package final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    package init() {}
    package var isSet: Bool { flag.load(ordering: .acquiring) }
    package func set() { flag.store(true, ordering: .releasing) }
}

package final class Server: @unchecked Sendable {
    package let engine: Engine
    package let registry: SessionRegistry
    package let stopFlag = StopFlag()
    private let scheduler: Scheduler
    private var listeners: [(stream: StreamHandle, cell: UnsafeMutablePointer<Completion>)] = []
    private var nextCore: CoreIndex = 0
    private let connectionCount = Atomic<Int>(0)

    /// `sessionLimit`: connections at a time.
    package init(engine: Engine, sessionLimit: Int) {
        self.engine = engine
        scheduler = Fiber.scheduler
        registry = SessionRegistry(platform: scheduler.platform, limit: sessionLimit)
    }

    deinit { for listener in listeners { listener.cell.deallocate() } }

    /// Starts to accept connections; returns the address bound. By a fiber of core 0, which then owns the listener. May be
    /// called again for further addresses.
    package func listen(_ address: String) throws(EngineError) -> String {
        let (listener, bound) = try scheduler.platform.listen(address: address)
        let cell = UnsafeMutablePointer<Completion>.allocate(capacity: 1)
        listeners.append((listener, cell))
        cell.initialize(
            to: Completion(
                handler: { cell in
                    let completion = cell.assumingMemoryBound(to: Completion.self)
                    guard let context = completion.pointee.context else { return }
                    let server = Unmanaged<Server>.fromOpaque(context).takeUnretainedValue()
                    server.accepted(completion.pointee.result)
                }, context: Unmanaged.passUnretained(self).toOpaque()))
        guard scheduler.platform.queueAccept(Fiber.core, listener, tag: cell.tag) else {
            throw EngineError(.ioError, "could not wait for connections: the submission queue is full")
        }
        return bound
    }

    /// In the loop of the worker that listens: gives the connection to the next core.
    private func accepted(_ result: Int) {
        guard result >= 0 else { return }
        let stream = StreamHandle(rawValue: Int32(truncatingIfNeeded: result))
        guard !stopFlag.isSet else { return scheduler.platform.close(stream) }
        let core = nextCore
        nextCore = (nextCore + 1) % scheduler.workerCount
        connectionCount.add(1, ordering: .relaxed)
        do throws(EngineError) {
            try scheduler.spawn(on: core, .interactive, "session") { [unowned(unsafe) self] in
                Connection(stream, server: self).run()
                connectionCount.subtract(1, ordering: .releasing)
            }
        } catch {
            // No fiber, no words: the client sees the connection closed.
            connectionCount.subtract(1, ordering: .releasing)
            scheduler.platform.close(stream)
        }
    }

    /// Ends every session: running statements are cancelled, transactions rolled back. Returns when all have ended.
    package func stop() {
        stopFlag.set()
        for listener in listeners { scheduler.platform.close(listener.stream) }
        while connectionCount.load(ordering: .acquiring) > 0 {
            registry.interruptAll()
            Fiber.sleep(.milliseconds(5))
        }
    }
}
