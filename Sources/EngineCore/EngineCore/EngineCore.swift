// The whole engine on one platform: start it, serve, stop when asked.

import Fibers
import Platform
import PostgresWire
import Runtime
import Shell

package struct ServeOptions: Sendable {
    package var engine = EngineOptions()
    package var address = "127.0.0.1:5432"
    /// Directory for a Unix-domain socket beside it, named as PostgreSQL names it, on platforms that have a file system.
    package var socketDirectory: String?
    /// Whoever reaches the address may connect as any user: said by the operator, since there are no passwords yet.
    package var trustsNetwork = false
    package init() {}
}

/// Opens the device and serves until the platform asks for an end; then stops cleanly.
package final class EngineCore: @unchecked Sendable {
    fileprivate let scheduler: Scheduler
    fileprivate let options: ServeOptions
    fileprivate var failure: EngineError?
    /// Set, by fibers of the first core, when the engine is to end; whether the machine is to start again then.
    private var isEnding = false
    private var restarts = false
    /// Bytes of a fiber's stack: the parser's and planner's depth bounds fit it.
    fileprivate static let stackByteCount = 1 << 20

    package init(platform: any Platform, options: ServeOptions) {
        self.options = options
        scheduler = Scheduler(
            platform: platform, stackByteCount: Self.stackByteCount,
            maxFibersPerWorker: options.engine.sessionLimit + 128)
    }

    /// Returns after a clean stop; true if the machine is to start again. `announce` is told each address once connections are
    /// accepted, the one of `options` first. Errors: those of opening.
    @discardableResult
    package func serve(announce: @escaping (String) -> Void) throws(EngineError) -> Bool {
        try scheduler.run { [self] in
            do throws(EngineError) {
                try serveInFiber(announce)
            } catch {
                failure = error
            }
            scheduler.stop()
        }
        if let failure { throw failure }
        return restarts
    }

    private func serveInFiber(_ announce: (String) -> Void) throws(EngineError) {
        if !options.trustsNetwork { try refuseOpenAddress(options.address) }
        let engine = try Engine.open(options.engine)
        let server = Server(engine: engine, sessionLimit: options.engine.sessionLimit)
        let bound = try server.listen(options.address)
        let socket = try options.socketDirectory.map { (directory) throws(EngineError) in
            try server.listen("\(directory)/.s.PGSQL.\(Self.port(of: bound))")
        }
        announce(bound)
        if let socket { announce(socket) }
        let main = Fiber.current
        try scheduler.spawn(on: Fiber.core, .interactive, "stop request") { [self] in
            _ = Completion.wait { tag in scheduler.platform.queueStopRequest(Fiber.core, tag: tag) }
            end(main, restarts: false)
        }
        let shell = try Shell.start(engine, server) { [self] in end(main, restarts: $0) }
        while !isEnding { Fiber.park() }
        shell?.leavePrompt()
        scheduler.platform.log("stopping")
        shell?.stop()
        server.stop()
        try engine.close()
    }

    private func end(_ main: FiberRef, restarts: Bool) {
        if isEnding { return }
        isEnding = true
        self.restarts = restarts
        Fiber.wake(main)
    }

    private static func port(of address: String) -> String {
        let bytes = Array(address.utf8)
        let start = (bytes.lastIndex(of: UInt8(ascii: ":")) ?? -1) + 1
        return String(decoding: bytes[start...], as: UTF8.self)
    }

    /// Until passwords exist, only the machine itself may connect, unless the network is trusted.
    private func refuseOpenAddress(_ address: String) throws(EngineError) {
        let bytes = Array(address.utf8)
        for local in ["127.", "localhost:"] where bytes.starts(with: Array(local.utf8)) { return }
        throw EngineError(
            .featureNotSupported, "refusing to listen on \(address): there are no passwords yet",
            hint:
                "Listen on a loopback address, such as 127.0.0.1:5432, or trust everyone on the network by auth trust.")
    }
}

extension EngineCore {
    /// The offline check; the number of problems found.
    package func check(say: @escaping (String) -> Void) throws(EngineError) -> Int {
        var count = 0
        try scheduler.run { [self] in
            do throws(EngineError) {
                count = try DatabaseCheck.run(options.engine, say: say)
            } catch {
                failure = error
            }
            scheduler.stop()
        }
        if let failure { throw failure }
        return count
    }
}
