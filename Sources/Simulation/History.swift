// A history: a database in a simulated machine, opened, worked on, and cut off by a loss of power, again and again; at the
// end stopped cleanly and checked. All of it follows from the seed.

import EngineCore
import Fibers
import Platform
import Runtime
import SharedSuite
import SimulatedPlatform

package struct HistoryReport: Sendable {
    package var seed: UInt64
    package var profile: StaticString
    package var failure: String?
    package var digest: UInt64 = 0
    package var roundCount = 0
    package var commitCount = 0
    package var abortCount = 0
    package var statementCount = 0
    package var writeCount = 0
    package var tornCount = 0
    package var droppedCount = 0
    /// Virtual nanoseconds.
    package var time: UInt64 = 0
    package var statements: [String] = []
    package var console: [String] = []
}

package final class History: @unchecked Sendable {
    private let profile: SimulationProfile
    private var random: SimulationRandom
    private let disk: SimulatedDisk
    private let verdict = Verdict()
    private let knowledge: UnsafeMutablePointer<Knowledge>
    private var report: HistoryReport
    private var time: UInt64 = 0
    private var isCreated = false

    package init(seed: UInt64, profile name: String?) throws(EngineError) {
        random = SimulationRandom(seed: seed)
        var drawn = SimulationProfile.drawn(&random)
        if let name {
            guard let named = SimulationProfile.named(name) else {
                throw EngineError(.invalidParameterValue, "there is no profile \"\(name)\"")
            }
            drawn = named
        }
        profile = drawn
        disk = SimulatedDisk(profile.disk, random.split())
        knowledge = .allocate(capacity: profile.sessionCount)
        knowledge.initialize(repeating: Knowledge(), count: profile.sessionCount)
        report = HistoryReport(seed: seed, profile: profile.name)
    }

    deinit {
        knowledge.deinitialize(count: profile.sessionCount)
        knowledge.deallocate()
    }

    package func run() -> HistoryReport {
        while verdict.failure == nil, report.roundCount < profile.roundCount { live(isLast: false) }
        if verdict.failure == nil { live(isLast: true) }
        report.failure = verdict.failure
        report.commitCount = verdict.commitCount
        report.abortCount = verdict.abortCount
        report.statementCount = verdict.statementCount
        report.statements = verdict.statements
        report.writeCount = disk.writeCount
        report.tornCount = disk.tornCount
        report.droppedCount = disk.droppedCount
        report.time = time
        var digest = disk.digest
        for number in [verdict.commitCount, verdict.abortCount, verdict.statementCount] { digest.add(UInt64(number)) }
        digest.add(time)
        report.digest = digest.value
        return report
    }

    /// From power-on to the loss of power, or for the last time to a clean stop.
    private func live(isLast: Bool) {
        report.roundCount += 1
        let platform = SimulatedPlatform(profile.machine, disk, random.split(), startingAt: time)
        if !isLast { platform.powerLossTime = time + UInt64(random.next(in: profile.life)) }
        let scheduler = Scheduler(
            platform: platform, stackByteCount: 1 << 20, maxFibersPerWorker: 128, sliceMicroseconds: 0)
        do throws(EngineError) {
            try scheduler.run { [self] in
                do throws(EngineError) {
                    if isLast { try finish() } else { try work(scheduler) }
                } catch {
                    verdict.fail("round \(report.roundCount): \(error)")
                }
                scheduler.stop()
            }
        } catch {
            verdict.fail("round \(report.roundCount): \(error)")
        }
        time = platform.time
        report.console = platform.console
        switch platform.end {
        case .stuck: verdict.fail("round \(report.roundCount): every core waits, and nothing is on its way")
        case .powerLost: platform.scrap()
        case .stopped: if !isLast { verdict.fail("round \(report.roundCount): the engine has stopped") }
        }
    }

    private var options: EngineOptions {
        var options = EngineOptions()
        options.memoryByteCount = profile.memoryByteCount
        options.logByteCount = profile.logByteCount
        options.sessionLimit = profile.sessionCount + 4
        return options
    }

    /// Opens, verifies, and keeps every session busy until the power goes or something fails.
    private func work(_ scheduler: Scheduler) throws(EngineError) {
        let engine = try Engine.open(options)
        var sessions: [SimulatedSession] = []
        for number in 0..<profile.sessionCount {
            sessions.append(
                try SimulatedSession(number, engine, random.split(), profile, verdict, knowledge + number))
        }
        if !isCreated { try create(sessions[0]) }
        for session in sessions { try session.verify() }
        for (number, session) in sessions.enumerated() {
            nonisolated(unsafe) let session = session
            try scheduler.spawn(on: number % scheduler.workerCount, .interactive, "session") { [verdict] in
                while verdict.failure == nil {
                    session.transact()
                    Fiber.yield()
                }
                scheduler.stop()
            }
        }
        while verdict.failure == nil { Fiber.sleep(.milliseconds(100)) }
    }

    /// The tables. A loss of power in between leaves them for the next round to finish: each statement is done or not.
    private func create(_ session: SimulatedSession) throws(EngineError) {
        try session.run(
            "CREATE TABLE IF NOT EXISTS kv (k int PRIMARY KEY, s int NOT NULL, v bigint NOT NULL, u int UNIQUE, note text)"
        )
        try session.run("CREATE INDEX IF NOT EXISTS kv_session ON kv (s, v)")
        try session.run("CREATE TABLE IF NOT EXISTS account (id int PRIMARY KEY, balance bigint NOT NULL)")
        if try session.run("SELECT count(*) FROM account") == [Array("0".utf8)] {
            try session.run(
                "INSERT INTO account SELECT i, \(SimulatedSession.openingBalance) "
                    + "FROM generate_series(0, \(SimulatedSession.accountCount - 1)) i")
        }
        isCreated = true
    }

    /// What `check` says of the device after the last loss of power, what the sessions find, and a clean stop.
    private func finish() throws(EngineError) {
        var said: [String] = []
        let problems = try DatabaseCheck.run(options) { said.append($0) }
        if problems > 0 {
            return verdict.fail("check: \(said.filter { $0.hasPrefix("PROBLEM") }.joined(separator: "; "))")
        }
        let engine = try Engine.open(options)
        for number in 0..<profile.sessionCount where isCreated {
            let session = try SimulatedSession(number, engine, random.split(), profile, verdict, knowledge + number)
            try session.verify()
            session.end()
        }
        try engine.close()
    }
}
