// One client: start-up, then messages in, replies out, until either side ends it. Runs as one fiber.
//
// Source: PostgreSQL 15 manual, 55.2 "Message Flow". After an error in the extended protocol everything up to Sync is
// skipped; after one in COPY the rest of the copy stream is skipped by the main loop.

import Fibers
import Platform
import Runtime
import SQL
import SQLTypes

package final class Connection {
    let transport: Transport
    unowned(unsafe) let server: Server
    /// Nil until start-up has succeeded.
    private var session: Session?
    private var identity: SessionIdentity?
    /// In the extended protocol after an error, until Sync.
    private var skipsToSync = false

    package init(_ stream: StreamHandle, server: Server) {
        transport = Transport(stream, stopFlag: server.stopFlag)
        self.server = server
    }

    /// The whole life of the connection.
    package func run() {
        do throws(EngineError) {
            if try startUp() { try serve() }
        } catch {
            // A stopping server has told an idle client so already.
            if !transport.hasSaidGoodbye { transport.output.appendError(error) }
        }
        transport.session = nil
        session?.end()
        if let identity { server.registry.remove(identity.processID) }
        transport.close()
    }

    // MARK: Start-up

    /// False if the connection was only a cancel request, or the client went away.
    private func startUp() throws(EngineError) -> Bool {
        var declined: [Int32] = []
        while true {
            guard let packet = try transport.startupPacket() else { return false }
            switch try StartupPacket.parse(packet) {
            case .encryptionRequest(let code):
                if declined.contains(code) { throw StartupPacket.unsupported(code) }
                declined.append(code)
                transport.output.append(UInt8(ascii: "N"))
            case .cancel(let processID, let secret):
                server.registry.cancel(processID, secret)
                return false
            case .startup(let minorVersion, let parameters):
                do throws(EngineError) {
                    try authenticate(minorVersion, parameters)
                } catch {
                    var fatal = error
                    if fatal.severity == .error { fatal.severity = .fatal }
                    throw fatal
                }
                return true
            }
        }
    }

    private func authenticate(
        _ minorVersion: Int32, _ parameters: [(name: [UInt8], value: [UInt8])]
    ) throws(EngineError) {
        var user: [UInt8] = []
        var database: [UInt8] = []
        var settings: [(name: [UInt8], value: [UInt8])] = []
        var unknownOptions: [[UInt8]] = []
        for (name, value) in parameters {
            if name == Array("user".utf8) {
                user = value
            } else if name == Array("database".utf8) {
                database = value
            } else if name == Array("options".utf8) {
                settings += try StartupPacket.options(value)
            } else if name == Array("replication".utf8) {
                guard Settings.boolean(value) == false else { throw .notSupported("the replication protocol") }
            } else if name.starts(with: Array("_pq_.".utf8)) {
                unknownOptions.append(name)
            } else {
                settings.append((name, value))
            }
        }
        guard !user.isEmpty else {
            throw EngineError("28000", "no PostgreSQL user name specified in startup packet", severity: .fatal)
        }
        if minorVersion > 0 || !unknownOptions.isEmpty { negotiate(unknownOptions) }
        let identity = try server.registry.add(Fiber.current)
        self.identity = identity
        let session = try server.engine.openSession(
            user: user, database: database.isEmpty ? user : database, processID: identity.processID, port: self,
            settings: settings)
        self.session = session
        transport.session = session
        greet(session, identity)
    }

    private func negotiate(_ unknownOptions: [[UInt8]]) {
        let start = transport.output.beginMessage(.negotiateProtocolVersion)
        transport.output.appendBig(StartupPacket.newestVersion)
        transport.output.appendBig(Int32(unknownOptions.count))
        for name in unknownOptions { transport.output.appendString(name) }
        transport.output.endMessage(start)
    }

    private func greet(_ session: Session, _ identity: SessionIdentity) {
        var start = transport.output.beginMessage(.authentication)
        transport.output.appendBig(Int32(0))
        transport.output.endMessage(start)
        for (index, definition) in SettingDefinition.all.enumerated() where definition.isReported {
            parameterChanged(definition.nameBytes, session.parameters.values[index])
        }
        session.parameters.onReport = { [unowned(unsafe) self] name, value in parameterChanged(name, value) }
        start = transport.output.beginMessage(.backendKeyData)
        transport.output.appendBig(identity.processID)
        transport.output.appendBig(identity.secret)
        transport.output.endMessage(start)
        readyForQuery(session)
    }

    // MARK: Messages

    private func serve() throws(EngineError) {
        guard let session else { return }
        while true {
            if transport.mustEnd { throw Session.terminated }
            guard let (type, body) = try transport.nextMessage() else { return }
            if type == .terminate { return }
            if skipsToSync, type != .sync { continue }
            do throws(EngineError) {
                try handle(type, MessageBody(body), session)
            } catch {
                guard error.severity == .error else {
                    if error.severity == .panic { server.engine.panic(error) }
                    throw error
                }
                // The statement was interrupted for the session's end.
                if transport.mustEnd { throw Session.terminated }
                fail(error, type, session)
            }
            try transport.flushIfLong()
        }
    }

    private func fail(_ error: EngineError, _ type: FrontendMessage, _ session: Session) {
        session.failTransaction()
        transport.output.appendError(error)
        if type == .query || type == .functionCall {
            readyForQuery(session)
        } else if type != .sync {
            skipsToSync = true
        }
    }

    private func handle(
        _ type: FrontendMessage, _ message: MessageBody, _ session: Session
    ) throws(EngineError) {
        var body = message
        switch type {
        case .query:
            let text = try body.string()
            try body.end()
            try session.simpleQuery(text)
            readyForQuery(session)
        case .parse: try parse(&body, session)
        case .bind: try bind(&body, session)
        case .describe: try describe(&body, session)
        case .execute: try execute(&body, session)
        case .close: try close(&body, session)
        case .sync:
            skipsToSync = false
            do throws(EngineError) {
                try session.sync()
            } catch {
                guard error.severity == .error else { throw error }
                session.failTransaction()
                transport.output.appendError(error)
            }
            readyForQuery(session)
        case .flush:
            try transport.flush()
        case .functionCall:
            throw .notSupported("the function call protocol")
        case .copyData, .copyDone, .copyFail:
            break  // the rest of a copy that has failed
        case .password:
            throw EngineError(.protocolViolation, "unexpected password message", severity: .fatal)
        case .terminate:
            break
        }
    }

    private func readyForQuery(_ session: Session) {
        session.becomeIdle()
        let start = transport.output.beginMessage(.readyForQuery)
        transport.output.append(session.transactionStatus)
        transport.output.endMessage(start)
    }
}
