// The shell on the machine's console: a line at a time, commands by name, SQL against any database of the engine. One fiber on the
// first core; the same in Ring 0 (serial line) and on Linux (the terminal that the process was started from).

import Fibers
import Platform
import PostgresWire
import Runtime

package final class Shell {
    let engine: Engine
    let server: Server
    let console: Console
    private var editor: LineEditor
    private var isStopping = false
    private var isRunning = true
    /// A prompt, and what was typed behind it, is on the last line.
    private var isAsking = false
    private var fiber: FiberRef?
    /// Asks for the machine's end; true to start again.
    let onEnd: (_ restarts: Bool) -> Void

    /// Starts the shell, if somebody can type. Errors: 53200 without fibers.
    package static func start(
        _ engine: Engine, _ server: Server, onEnd: @escaping (_ restarts: Bool) -> Void
    ) throws(EngineError) -> Shell? {
        if !engine.scheduler.platform.hasConsoleInput { return nil }
        let shell = try Shell(engine, server, onEnd)
        try engine.scheduler.spawn(on: Fiber.core, .interactive, "shell") { shell.run() }
        return shell
    }

    private init(
        _ engine: Engine, _ server: Server, _ onEnd: @escaping (_ restarts: Bool) -> Void
    ) throws(EngineError) {
        self.engine = engine
        self.server = server
        self.onEnd = onEnd
        console = try Console(engine.scheduler.platform)
        editor = LineEditor()
    }

    /// What the console says next begins a line of its own.
    package func leavePrompt() {
        if isAsking { console.write("\n") }
    }

    /// Ends the shell and what runs in it; returns when it has ended. By a fiber of the same core.
    package func stop() {
        isStopping = true
        console.close()
        while isRunning {
            if let fiber { Fiber.interrupt(fiber) }
            Fiber.sleep(.milliseconds(2))
        }
    }

    private func run() {
        fiber = Fiber.current
        console.write("type 'help' for the shell's commands\n")
        while !isStopping, let line = readLine("dbkernel> ") { execute(line) }
        isRunning = false
    }

    // MARK: Lines

    enum Answer {
        case line([UInt8])
        /// Control-C.
        case interrupt
        /// Control-D, or the console's end.
        case end
    }

    /// A line; nil at the console's end. Control-C starts anew, and so does Control-D.
    private func readLine(_ prompt: String) -> [UInt8]? {
        while true {
            switch ask(prompt) {
            case .line(let line): return line
            case .interrupt: continue
            case .end: if console.isClosed { return nil }
            }
        }
    }

    func ask(_ prompt: String) -> Answer {
        var output: [UInt8] = []
        editor.begin(Array(prompt.utf8), &output)
        console.write(output)
        isAsking = true
        defer { isAsking = false }
        while let key = console.key() {
            output.removeAll(keepingCapacity: true)
            let event = editor.feed(key, &output)
            console.write(output)
            switch event {
            case .none: continue
            case .line(let line): return .line(line)
            case .interrupt: return .interrupt
            case .end: return .end
            }
        }
        return .end
    }

    // MARK: Commands

    private func execute(_ line: [UInt8]) {
        let words = line.split(separator: 0x20, maxSplits: 1, omittingEmptySubsequences: true)
        guard let name = words.first else { return }
        let rest = words.count > 1 ? Array(words[1]) : []
        guard let command = ShellCommand.named(Array(name)) else {
            return console.write("\(String(decoding: name, as: UTF8.self)): no such command; type 'help'\n")
        }
        interruptibly { command.run(self, rest) }
    }

    /// Runs `body`, during which Control-C interrupts this fiber.
    func interruptibly(_ body: () -> Void) {
        Fiber.clearInterrupt()
        console.busy = Fiber.current
        body()
        console.busy = nil
        if !isStopping { Fiber.clearInterrupt() }
    }

    // MARK: SQL

    /// `sql [DATABASE]`: a prompt for statements until `\q`. Statements may take several lines.
    func sql(_ database: [UInt8]) {
        console.busy = nil
        var lines: [UInt8] = []
        let port = ShellPort(console) { [unowned(unsafe) self] in
            guard case .line(let line) = ask("") else { return nil }
            return line
        }
        do throws(EngineError) {
            let identity = try server.registry.add(Fiber.current)
            defer { server.registry.remove(identity.processID) }
            let name = database.isEmpty ? Array("postgres".utf8) : database
            let session = try engine.openSession(
                user: Array("postgres".utf8), database: name, processID: identity.processID, port: port, settings: [])
            defer { session.end() }
            let title = String(decoding: name, as: UTF8.self)
            while !isStopping {
                let mark =
                    switch session.transactionStatus {
                    case UInt8(ascii: "T"): "*"
                    case UInt8(ascii: "E"): "!"
                    default: ""
                    }
                let answer = ask(lines.isEmpty ? "\(title)=\(mark)# " : "\(title)-\(mark)# ")
                guard case .line(let line) = answer else {
                    if case .interrupt = answer {
                        lines = []
                        continue
                    }
                    return
                }
                if lines.isEmpty && Self.isQuit(line) { return }
                if !lines.isEmpty { lines.append(0x0a) }
                lines += line
                let isBlank = lines.allSatisfy { $0 <= 0x20 }
                if isBlank { lines = [] }
                if !StatementScanner.isComplete(lines) { continue }
                run(lines, session, port)
                lines = []
                if session.isTerminated { throw Session.terminated }
            }
        } catch {
            port.report(error, error.severity == .error ? "ERROR" : "FATAL")
        }
    }

    private static func isQuit(_ line: [UInt8]) -> Bool {
        let words = line.split(separator: 0x20)
        guard words.count == 1, let word = words.first else { return false }
        let text = Array(word)
        return ["\\q", "quit", "exit"].contains { (name: StaticString) in ShellCommand.matches(text, name) }
    }

    private func run(_ text: [UInt8], _ session: Session, _ port: ShellPort) {
        interruptibly {
            do throws(EngineError) {
                try text.withBytes { (bytes) throws(EngineError) in try session.simpleQuery(bytes) }
            } catch {
                if error.severity == .panic { engine.panic(error) }
                session.failTransaction()
                port.report(error, "ERROR")
            }
            session.becomeIdle()
        }
    }
}
