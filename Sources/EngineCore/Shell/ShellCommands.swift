// The shell's commands but for SQL: what they are called, what they show.

import Fibers
import Platform
import Runtime
import SQL

struct ShellCommand: Sendable {
    let name: StaticString
    let arguments: StaticString
    let summary: StaticString
    let run: @Sendable (Shell, [UInt8]) -> Void

    static let all: [ShellCommand] = [
        ShellCommand(name: "help", arguments: "", summary: "this list") { shell, _ in shell.help() },
        ShellCommand(name: "sql", arguments: "[DATABASE]", summary: "SQL statements, until \\q") { $0.sql($1) },
        ShellCommand(name: "top", arguments: "", summary: "sessions and rates, every second until a key is pressed") {
            shell, _ in shell.top()
        },
        ShellCommand(name: "io", arguments: "", summary: "requests to the disk, and how long they take") {
            shell, _ in shell.io()
        },
        ShellCommand(name: "log", arguments: "", summary: "the write-ahead log") { shell, _ in shell.log() },
        ShellCommand(name: "nvme", arguments: "", summary: "the disk") { shell, _ in shell.part(.disk) },
        ShellCommand(name: "net", arguments: "", summary: "the network") { shell, _ in shell.part(.network) },
        ShellCommand(name: "numa", arguments: "", summary: "cores and memory") { shell, _ in shell.numa() },
        ShellCommand(name: "reboot", arguments: "", summary: "stop cleanly and start the machine again") { shell, _ in
            if shell.engine.scheduler.platform.canReboot {
                shell.onEnd(true)
            } else {
                shell.console.write("reboot: this is a process: poweroff ends it\n")
            }
        },
        ShellCommand(name: "poweroff", arguments: "", summary: "stop cleanly and switch off") { shell, _ in
            shell.onEnd(false)
        },
    ]

    static func named(_ name: [UInt8]) -> ShellCommand? { all.first { matches(name, $0.name) } }

    static func matches(_ text: [UInt8], _ name: StaticString) -> Bool {
        if text.count != name.utf8CodeUnitCount { return false }
        for index in 0..<text.count where text[index] != name.utf8Start[index] { return false }
        return true
    }
}

extension Shell {
    func help() {
        for command in ShellCommand.all {
            let left = "\(command.name) \(command.arguments)"
            console.write("  \(Text.padded(left, 18))\(command.summary)\n")
        }
        console.write(
            "Keys: arrows, Control-A/E/K/U/W/Y, history by Up and Down; Control-C gives up a line or a statement.\n")
    }

    func part(_ part: MachinePart) {
        let lines = engine.scheduler.platform.describe(part)
        if lines.isEmpty { console.write("it is the operating system's here\n") }
        for line in lines { console.write(line + "\n") }
    }

    func numa() {
        let topology = engine.scheduler.platform.topology
        for node in 0..<topology.distance.count {
            let cores = topology.nodeOfCore.indices.filter { topology.nodeOfCore[$0] == node }
            var line = "node \(node): cores"
            for core in cores { line += " \(core)" }
            line += "; distances"
            for distance in topology.distance[node] { line += " \(distance)" }
            console.write(line + "\n")
        }
        for line in engine.scheduler.platform.describe(.memory) { console.write(line + "\n") }
    }

    func log() {
        let figures = engine.figures()
        console.write(
            """
            written  \(figures.logEnd) bytes, durable up to \(figures.logDurable)
            zone     \(Text.bytes(figures.logUsedBytes)) of \(Text.bytes(figures.logCapacityBytes)) in use
            flushes  \(figures.blockFlushes)

            """)
    }

    func io() {
        let figures = engine.figures()
        console.write(
            """
            reads    \(figures.blockReads), \(Text.bytes(figures.blockReadBytes))
            writes   \(figures.blockWrites), \(Text.bytes(figures.blockWriteBytes))
            flushes  \(figures.blockFlushes)
            cache    \(Text.bytes(UInt64(figures.cacheBytes))), \(Text.bytes(UInt64(figures.cacheFreeBytes))) free; \
            \(figures.pageMisses) misses, \(figures.pageReadAheads) read ahead, \(figures.pageEvictions) evicted, \
            \(figures.pageWriteBacks) written back

            """)
        var output: [UInt8] = []
        var table = ResultTable(
            ["class", "requests", "median us", "99 % us", "99.9 % us"].enumerated().map {
                ResultTable.Column(Array($1.utf8), isRight: $0 > 0)
            })
        for latency in engine.latencies() {
            var row = [Array("\(latency.name)".utf8), Array("\(latency.count)".utf8)]
            for value in [latency.median, latency.percentile99, latency.percentile999] {
                row.append(Array("\(value / 1000)".utf8))
            }
            table.add(row, &output)
        }
        table.end(&output)
        console.write(output)
    }

    // MARK: top

    func top() {
        console.busy = nil
        var last = engine.figures()
        repeat {
            let next = engine.figures()
            showTop(last, next)
            last = next
        } while console.key(until: Fiber.now() + .seconds(1)) == nil && !console.isClosed
        console.write("\n")
    }

    private func showTop(_ last: EngineFigures, _ next: EngineFigures) {
        let elapsed = max(1, (next.now - last.now).rawValue / 1000)
        func rate(_ value: (EngineFigures) -> UInt64) -> UInt64 {
            (value(next) &- value(last)).multipliedReportingOverflow(by: 1_000_000).partialValue / elapsed
        }
        let sessions = engine.activities()
        let active = sessions.filter { ShellCommand.matches($0.state, "active") }.count
        var text = "\u{1b}[H\u{1b}[2J"
        text += "up \(Text.duration(next.upSeconds)), "
        text += "\(engine.scheduler.platform.topology.coreCount) cores, \(sessions.count) sessions, \(active) active\n"
        text += "statements \(rate { $0.statements })/s, commits \(rate { $0.commits })/s, "
        text += "rollbacks \(rate { $0.rollbacks })/s\n"
        text += "reads \(rate { $0.blockReads })/s \(Text.bytes(rate { $0.blockReadBytes }))/s, "
        text += "writes \(rate { $0.blockWrites })/s \(Text.bytes(rate { $0.blockWriteBytes }))/s, "
        text += "flushes \(rate { $0.blockFlushes })/s, log \(Text.bytes(rate { $0.logEnd }))/s\n"
        text += "cache \(Text.bytes(UInt64(next.cacheBytes))), \(Text.bytes(UInt64(next.cacheFreeBytes))) free, "
        text += "misses \(rate { $0.pageMisses })/s; "
        text += "queries \(Text.bytes(UInt64(max(0, next.queryMemoryBytes)))) of "
        text += "\(Text.bytes(UInt64(next.queryMemoryLimit)))\n\n"
        var output = Array(text.utf8)
        var table = ResultTable([
            ResultTable.Column(Array("pid".utf8), isRight: true), ResultTable.Column(Array("user".utf8)),
            ResultTable.Column(Array("database".utf8)), ResultTable.Column(Array("state".utf8)),
            ResultTable.Column(Array("application".utf8)),
        ])
        for session in sessions.prefix(16) {
            table.add(
                [
                    Array("\(session.processID)".utf8), session.userName, session.databaseName, session.state,
                    session.applicationName,
                ], &output)
        }
        table.end(&output)
        console.write(output)
    }
}

/// Numbers for people.
enum Text {
    static func padded(_ text: String, _ width: Int) -> String {
        var bytes = Array(text.utf8)
        while bytes.count < width { bytes.append(0x20) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// With one decimal: 1.5 MiB.
    static func bytes(_ count: UInt64) -> String {
        var unit = 0
        var value = count
        var tenths: UInt64 = 0
        while value >= 1024 && unit < 4 {
            tenths = (value % 1024) * 10 / 1024
            value /= 1024
            unit += 1
        }
        let names: [StaticString] = ["bytes", "KiB", "MiB", "GiB", "TiB"]
        return unit == 0 ? "\(value) bytes" : "\(value).\(tenths) \(names[unit])"
    }

    static func duration(_ seconds: UInt64) -> String {
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60)
        func two(_ value: UInt64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return (days > 0 ? "\(days) d " : "") + "\(two(hours)):\(two(minutes)):\(two(seconds % 60))"
    }
}
