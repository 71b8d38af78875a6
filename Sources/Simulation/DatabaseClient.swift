// How a session reaches the engine: by a call, or as clients do, over a network that loses frames.

import Fibers
import NetworkEngine
import Platform
import Runtime
import SharedSuite
import SimulatedPlatform

protocol DatabaseClient: AnyObject {
    /// The rows, each as text: columns parted by bars, `~` for NULL. `pieces` are what COPY FROM STDIN is sent.
    func run(_ sql: [UInt8], copying pieces: [[UInt8]]) throws(EngineError) -> [Line]
    /// Cancels the statement under way, or over a network whichever is when the request arrives; parks until it has. False if
    /// there is none.
    func cancel() -> Bool
    /// Its session, if that is at hand.
    var session: Session? { get }
    /// Takes leave.
    func end()
    /// Goes without a word, perhaps after a last statement.
    func hangUp(after sql: [UInt8]?)
}

/// In the engine's own address space.
final class DirectClient: DatabaseClient {
    private let engine: Engine
    private let open: Session
    private let port = LinePort()
    /// Who runs the statement under way.
    private var fiber: FiberRef?

    var session: Session? { open }

    init(_ engine: Engine, database: [UInt8], processID: Int32) throws(EngineError) {
        self.engine = engine
        open = try engine.openSession(
            user: Array("postgres".utf8), database: database, processID: processID, port: port, settings: [])
    }

    func run(_ sql: [UInt8], copying pieces: [[UInt8]]) throws(EngineError) -> [Line] {
        port.copyPieces = pieces
        port.lines.removeAll()
        fiber = Fiber.current
        // What has come too late is not for the next one.
        defer {
            fiber = nil
            Fiber.clearInterrupt()
        }
        do throws(EngineError) {
            try sql.withBytes { (bytes) throws(EngineError) in try open.simpleQuery(bytes) }
        } catch {
            // As a server does: what only recovery can mend ends the process.
            if error.severity == .panic { engine.panic(error) }
            open.failTransaction()
            throw error
        }
        return port.lines
    }

    /// As the engine does it for pg_cancel_backend.
    func cancel() -> Bool {
        guard let fiber else { return false }
        Fiber.interrupt(fiber)
        return true
    }

    func end() { open.end() }
    func hangUp(after sql: [UInt8]?) { open.end() }
}

/// The wire protocol's simple queries (PostgreSQL 15 manual, chapter 55) over a stream of the machine's other address.
final class WireClient: DatabaseClient {
    /// The server's, as `Server.listen` has it.
    static let address = "10.0.0.1:5432"

    private let host: SimulatedHost
    private let stream: StreamHandle
    private var input: [UInt8] = []
    /// Up to where `input` has been consumed.
    private var start = 0
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 16)
    private var isClosed = false
    /// What the server wants to see before it cancels a statement of this session.
    private var key: [UInt8] = []

    /// Connects. 08006 if that cannot be done.
    private init(_ host: SimulatedHost) throws(EngineError) {
        self.host = host
        let core = Fiber.core
        var failure: EngineError?
        let result = Completion.wait { tag in
            do throws(EngineError) {
                return try host.service.queueConnect(core, to: Self.address, tag: tag)
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        if result < 0 { throw Self.lost }
        stream = StreamHandle(rawValue: Int32(truncatingIfNeeded: result))
    }

    /// Connects and logs in. 08006 if that cannot be done, and what the server answers.
    convenience init(_ host: SimulatedHost, database: [UInt8]) throws(EngineError) {
        try self.init(host)
        var packet: [UInt8] = []
        Self.append(UInt32(3 << 16), to: &packet)
        for text in [Array("user".utf8), Array("postgres".utf8), Array("database".utf8), database] {
            packet += text + [0]
        }
        packet.append(0)
        do throws(EngineError) {
            try send(Self.opening(packet))
            _ = try answer([])
        } catch {
            close()
            throw error
        }
    }

    deinit { buffer.deallocate() }

    private static var lost: EngineError { EngineError("08006", "connection to server lost") }

    func run(_ sql: [UInt8], copying pieces: [[UInt8]]) throws(EngineError) -> [Line] {
        try send(Self.message("Q", sql + [0]))
        return try answer(pieces)
    }

    /// As libpq does it: over a connection that carries nothing else, whose end says that the server has taken notice.
    func cancel() -> Bool {
        var request: [UInt8] = []
        Self.append(UInt32(1234 << 16 | 5678), to: &request)
        request += key
        do throws(EngineError) {
            let messenger = try WireClient(host)
            defer { messenger.close() }
            try messenger.send(Self.opening(request))
            try messenger.require(.max)
        } catch {}
        return true
    }
    var session: Session? { nil }

    func end() {
        if isClosed { return }
        do throws(EngineError) { try send(Self.message("X", [])) } catch {}
        close()
    }

    func hangUp(after sql: [UInt8]?) {
        if isClosed { return }
        if let sql { do throws(EngineError) { try send(Self.message("Q", sql + [0])) } catch {} }
        close()
    }

    private func close() {
        isClosed = true
        host.service.close(stream)
    }

    // MARK: Messages

    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    private static func message(_ kind: Unicode.Scalar, _ body: [UInt8]) -> [UInt8] {
        var bytes = [UInt8(ascii: kind)]
        append(UInt32(body.count + 4), to: &bytes)
        return bytes + body
    }

    /// The first packet on a connection, which has no kind.
    private static func opening(_ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        append(UInt32(body.count + 4), to: &bytes)
        return bytes + body
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> Int { bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) } }

    /// Everything up to ReadyForQuery; then throws the error that was among it.
    private func answer(_ pieces: [[UInt8]]) throws(EngineError) -> [Line] {
        var lines: [Line] = []
        var failure: EngineError?
        while true {
            let (kind, body) = try next()
            switch kind {
            case UInt8(ascii: "Z"):
                if let failure { throw failure }
                return lines
            case UInt8(ascii: "E"):
                failure = Self.error(body)
                // A FATAL error ends the connection: nothing follows.
                if failure?.severity == .fatal { throw failure.unsafelyUnwrapped }
            case UInt8(ascii: "K"): key = Array(body)
            case UInt8(ascii: "D"): lines.append(Self.line(body))
            case UInt8(ascii: "G"):
                for piece in pieces { try send(Self.message("d", piece)) }
                try send(Self.message("c", []))
            case UInt8(ascii: "d"): lines += body.split(separator: UInt8(ascii: "\n")).map { Array($0) }
            default: break
            }
        }
    }

    private static func line(_ body: ArraySlice<UInt8>) -> Line {
        var line: Line = []
        var at = body.startIndex + 2
        while at < body.endIndex {
            if at > body.startIndex + 2 { line.append(UInt8(ascii: "|")) }
            let count = Int(Int32(truncatingIfNeeded: word(body[at...])))
            at += 4
            if count < 0 {
                line.append(UInt8(ascii: "~"))
            } else {
                line += body[at..<at + count]
                at += count
            }
        }
        return line
    }

    private static func error(_ body: ArraySlice<UInt8>) -> EngineError {
        var error = EngineError(.internalError, "")
        for field in body.split(separator: 0) {
            let text = field.dropFirst()
            switch field.first {
            case UInt8(ascii: "C"): error.state = SQLState(packed: text.reduce(0) { $0 << 8 | UInt64($1) })
            case UInt8(ascii: "M"): error.message = String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "D"): error.detail = String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "V"): if Array(text) == Array("FATAL".utf8) { error.severity = .fatal }
            default: break
            }
        }
        return error
    }

    // MARK: Bytes

    private func next() throws(EngineError) -> (kind: UInt8, body: ArraySlice<UInt8>) {
        try require(5)
        let count = Self.word(input[(start + 1)...]) + 1
        try require(count)
        defer { start += count }
        return (input[start], input[start + 5..<start + count])
    }

    private func require(_ count: Int) throws(EngineError) {
        while input.count - start < count {
            if start > 0 {
                input.removeFirst(start)
                start = 0
            }
            guard let base = buffer.baseAddress, !isClosed else { throw Self.lost }
            let (host, stream, core) = (host, stream, Fiber.core)
            let vector = IOVector(base: base, byteCount: buffer.count)
            let result = Completion.wait { host.service.queueReceive(core, stream, into: vector, tag: $0) }
            if result <= 0 { throw Self.lost }
            input += buffer[..<result]
        }
    }

    private func send(_ bytes: [UInt8]) throws(EngineError) {
        if isClosed { throw Self.lost }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        let (host, stream, core) = (host, stream, Fiber.core)
        var sent = 0
        while sent < bytes.count {
            guard let base = memory.baseAddress else { return }
            let vector = IOVector(base: base + sent, byteCount: bytes.count - sent)
            let result = Completion.wait { host.service.queueSend(core, stream, vector, tag: $0) }
            if result <= 0 { throw Self.lost }
            sent += result
        }
    }
}
