// A history: a database in a simulated machine, opened, worked on, and cut off by a loss of power, again and again; at the
// end without faults, checked, and stopped cleanly. All of it follows from the seed.

import EngineCore
import Fibers
import Platform
import PostgresWire
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
    /// Reads that met damage, requests that failed, requests for memory that were refused.
    package var metCount = 0
    package var failedCount = 0
    package var refusedCount = 0
    /// Frames that were sent, and of them those that were lost, late, or came twice.
    package var frameCount = 0
    package var harmedFrameCount = 0
    /// Virtual nanoseconds.
    package var time: UInt64 = 0
    /// Of a failure, what happened before it, oldest first.
    package var statements: [String] = []
    package var requests: [String] = []
    package var records: [String] = []
    package var console: [String] = []
    /// What happened to the page that was asked about.
    package var watched: [String] = []
}

package final class History: @unchecked Sendable {
    let profile: SimulationProfile
    let world: World
    let disk: SimulatedDisk
    private let network: SimulatedNetwork?
    var random: SimulationRandom
    let knowledge: UnsafeMutablePointer<Knowledge>
    var report: HistoryReport
    var inspection = Inspection()
    private var time: UInt64 = 0
    var isCreated = false

    /// What a life is for.
    enum Purpose {
        /// Work until the power goes.
        case work
        /// No faults any more: check, verify, show progress, stop cleanly.
        case finish
        /// A check of a device that chance has damaged while nothing ran.
        case examine
        /// The same device, mended: which of the damaged pages are in use.
        case compare
        /// After a failure: read the end of the log.
        case autopsy
    }

    package init(seed: UInt64, profile name: String?, watching page: Int? = nil) throws(EngineError) {
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
        network = profile.network.isThere ? SimulatedNetwork(profile.network, random.split()) : nil
        world = World(profile, disk)
        knowledge = .allocate(capacity: profile.sessionCount)
        knowledge.initialize(repeating: Knowledge(), count: profile.sessionCount)
        report = HistoryReport(seed: seed, profile: profile.name)
        disk.watchedPage = page
    }

    deinit {
        knowledge.deinitialize(count: profile.sessionCount)
        knowledge.deallocate()
    }

    package func run() -> HistoryReport {
        let verdict = world.verdict
        disk.protect(log: logPages, quorum: superblockPages)
        while verdict.failure == nil, report.roundCount < profile.roundCount { live(.work) }
        if verdict.failure == nil { live(.finish) }
        if verdict.failure == nil, profile.disk.damages { examine() }
        report.failure = verdict.failure
        if verdict.failure != nil { trace() }
        report.commitCount = verdict.commitCount
        report.abortCount = verdict.abortCount
        report.statementCount = verdict.statementCount
        report.writeCount = disk.writeCount
        report.tornCount = disk.tornCount
        report.droppedCount = disk.droppedCount
        report.metCount = disk.metCount
        report.failedCount = disk.failedCount
        if let network {
            report.frameCount = network.sentCount
            report.harmedFrameCount = network.lostCount + network.lateCount + network.doubledCount
        }
        report.watched = disk.watched
        report.time = time
        var digest = disk.digest
        for number in [
            verdict.commitCount, verdict.abortCount, verdict.statementCount, report.frameCount, report.harmedFrameCount,
        ] {
            digest.add(UInt64(number))
        }
        digest.add(time)
        report.digest = digest.value
        return report
    }

    // MARK: Lives

    /// From power-on to the loss of power, or to a clean stop.
    func live(_ purpose: Purpose) {
        if purpose == .work || purpose == .finish { report.roundCount += 1 }
        let round = report.roundCount
        let verdict = world.verdict
        let platform = SimulatedPlatform(profile.machine, disk, network, random.split(), startingAt: time)
        world.machine = platform
        platform.isCalm = purpose != .work
        network?.isCalm = purpose != .work
        disk.disarm()
        if purpose == .work {
            // Short lives are as good as long ones at the end, and there can be more of them.
            let span = profile.life.upperBound - profile.life.lowerBound
            platform.keepsPower = random.next(below: 5) == 0
            let shortness = random.next(below: 2) == 0 ? 4 : 1
            let end = time + UInt64(profile.life.lowerBound + random.next(below: span / shortness))
            // The power goes in the middle of everything, soon after a certain request to the disk, or once everybody has come to an
            // end, which they then must.
            let moment = random.next(below: 12)
            if moment < 2 { platform.drainTime = end } else { platform.powerLossTime = end }
            disk.trap =
                switch moment {
                case 2, 3: DiskTrap(pages: logPages, left: 1 + random.next(below: 8))
                case 6... where profile.diesAtLog: DiskTrap(pages: logPages, left: 1 + random.next(below: 8))
                case 4, 5: DiskTrap(pages: superblockPages, left: 1 + random.next(below: 16))
                default: nil
                }
            platform.patience = Self.patience
            platform.interruptionPermille = [0, 5, 50, 200][random.next(below: 4)]
        } else {
            platform.deadline = time + Self.patience
        }
        MemoryFaults.refuses = profile.machine.outOfMemoryPermille > 0 ? { platform.refusesMemory() } : nil
        let scheduler = Scheduler(
            platform: platform, stackByteCount: 1 << 20, maxFibersPerWorker: 128, sliceMicroseconds: 0)
        do throws(EngineError) {
            try scheduler.run { [self] in
                do throws(EngineError) {
                    try pursue(purpose, scheduler)
                } catch {
                    if !world.isExcused(error) { verdict.fail("round \(round): \(error)") }
                }
                scheduler.stop()
            }
        } catch {
            if !world.isExcused(error) { verdict.fail("round \(round): \(error)") }
        }
        time = platform.time
        report.refusedCount += platform.refusedCount
        if purpose != .autopsy { report.console = platform.console }
        switch platform.end {
        case .stuck: verdict.fail("round \(round): every core waits, and nothing is on its way")
        case .late: verdict.fail("round \(round): no progress: \(world.account)")
        case .powerLost: break
        case .exited:
            if !world.hasHadFaults && !profile.isTight { verdict.fail("round \(round): the process has ended") }
        case .stopped:
            if purpose == .work, !world.hasHadFaults, !profile.isTight {
                verdict.fail("round \(round): the engine has stopped")
            }
        }
        if purpose == .work {
            platform.scrap()
            disk.isCalm = false
            // Damage may outlive a start or two, so that recovery meets it.
            if platform.end != .powerLost || random.next(below: 2) == 0 { disk.mend() }
        }
        world.sessions = []
        world.machine = nil
    }

    /// How long everything under way may take to end where nothing fails, and how long the end of a history may take: many times what
    /// was ever seen. Virtual nanoseconds.
    private static let patience: UInt64 = 10_000_000_000

    private func pursue(_ purpose: Purpose, _ scheduler: Scheduler) throws(EngineError) {
        switch purpose {
        case .work: try work(scheduler)
        case .finish: try finish(scheduler)
        case .examine: try inspect()
        case .compare: try compareInspection(scheduler)
        case .autopsy: try readLog()
        }
    }

    var options: EngineOptions {
        var options = EngineOptions()
        options.memoryByteCount = profile.memoryByteCount
        options.cachePageLimit = profile.cachePageCount
        options.logByteCount = profile.logByteCount
        options.doubleWriteByteCount = profile.doubleWriteByteCount
        options.sessionLimit = 2 * profile.sessionCount + 4
        return options
    }

    /// Opens, verifies, and keeps every session busy until the power goes or something fails.
    private func work(_ scheduler: Scheduler) throws(EngineError) {
        let verdict = world.verdict
        if isCreated, !profile.disk.damages, !profile.disk.fails, profile.machine.outOfMemoryPermille == 0,
            random.next(below: 5) == 0
        {
            try check()
        }
        let engine = try Engine.open(options)
        // Fibers of it may run until the machine stops, also when this one has ended by an error.
        _ = Unmanaged.passRetained(engine)
        try serve(engine)
        if !isCreated { try create(engine) }
        let sessions = try openSessions(engine, scheduler)
        world.sessions = sessions
        try verify(sessions, scheduler)
        nonisolated(unsafe) var left = sessions.count
        for (number, session) in sessions.enumerated() {
            nonisolated(unsafe) let session = session
            try scheduler.spawn(on: number % scheduler.workerCount, .interactive, "session") { [world] in
                while verdict.failure == nil, !world.isDraining {
                    session.transact()
                    Fiber.yield()
                }
                if verdict.failure != nil { return scheduler.stop() }
                left -= 1
                if left == 0 { world.machine?.powerLossTime = world.machine?.time }
            }
        }
        while verdict.failure == nil { Fiber.sleep(.milliseconds(100)) }
    }

    /// Lets clients in by the network, if there is one.
    @discardableResult
    func serve(_ engine: Engine) throws(EngineError) -> Server? {
        if network == nil { return nil }
        let server = Server(engine: engine, sessionLimit: options.sessionLimit)
        _ = try server.listen(WireClient.address)
        // As the engine, it may be in use until the machine stops.
        _ = Unmanaged.passRetained(server)
        return server
    }

    /// A session stays on the core where it was opened.
    func openSessions(_ engine: Engine, _ scheduler: Scheduler) throws(EngineError) -> [SimulatedSession] {
        var sessions = [SimulatedSession?](repeating: nil, count: profile.sessionCount)
        let randoms = sessions.map { _ in random.split() }
        try onEach(scheduler) { [self] (number) throws(EngineError) in
            sessions[number] = try SimulatedSession(number, engine, randoms[number], world, knowledge + number)
        }
        return sessions.compactMap { $0 }
    }

    /// Does it for each session on the session's core, all at once; throws what one of them threw.
    func onEach(
        _ scheduler: Scheduler, _ body: @escaping (Int) throws(EngineError) -> Void
    ) throws(EngineError) {
        let waiting = Waiting(profile.sessionCount)
        for number in 0..<profile.sessionCount {
            try scheduler.spawn(on: number % scheduler.workerCount, .interactive, "session") {
                do throws(EngineError) { try body(number) } catch { waiting.failure = error }
                waiting.done()
            }
        }
        waiting.wait()
        if let failure = waiting.failure { throw failure }
    }

    /// The tables. A loss of power in between leaves them for the next round to finish: each statement is done or not.
    private func create(_ engine: Engine) throws(EngineError) {
        let session = try SimulatedSession(0, engine, random.split(), world, knowledge)
        defer { session.end() }
        try session.run(
            "CREATE TABLE IF NOT EXISTS kv (k int PRIMARY KEY, s int NOT NULL, v bigint NOT NULL, u int UNIQUE, note text)"
        )
        try session.run("CREATE INDEX IF NOT EXISTS kv_session ON kv (s, v)")
        try session.run("CREATE TABLE IF NOT EXISTS ledger (id bigserial PRIMARY KEY, who int NOT NULL)")
        try session.run("CREATE TABLE IF NOT EXISTS reg (k int PRIMARY KEY, cur bigint NOT NULL, prev bigint NOT NULL)")
        if try session.run("SELECT count(*) FROM reg") == [Array("0".utf8)] {
            try session.run(
                "INSERT INTO reg SELECT i, \(world.dependencies.newVersion()), 0 "
                    + "FROM generate_series(0, \(WorkStep.sharedKeyCount - 1)) i")
        }
        world.dependencies.restart(try sharedRows(session))
        try session.run("CREATE TABLE IF NOT EXISTS claim (k int PRIMARY KEY, who int NOT NULL)")
        try session.run("CREATE TABLE IF NOT EXISTS crowd (k text PRIMARY KEY, s int NOT NULL, n int NOT NULL)")
        try session.run("CREATE TABLE IF NOT EXISTS account (id int PRIMARY KEY, balance bigint NOT NULL)")
        if try session.run("SELECT count(*) FROM account") == [Array("0".utf8)] {
            try session.run(
                "INSERT INTO account SELECT i, \(SimulatedSession.openingBalance) "
                    + "FROM generate_series(0, \(SimulatedSession.accountCount - 1)) i")
        }
        isCreated = true
    }

    private func sharedRows(_ session: SimulatedSession) throws(EngineError) -> [Int: Int] {
        var rows: [Int: Int] = [:]
        for line in try session.run("SELECT k, cur FROM reg") {
            let fields = line.split(separator: UInt8(ascii: "|"))
            if fields.count == 2, let key = Int(session.text(Array(fields[0]))) {
                rows[key] = Int(session.text(Array(fields[1])))
            }
        }
        return rows
    }

    /// What every session knows is there, and what they did to the shared rows in the life before was allowed.
    func verify(_ sessions: [SimulatedSession], _ scheduler: Scheduler) throws(EngineError) {
        try onEach(scheduler) { (number) throws(EngineError) in try sessions[number].verify() }
        let rows = try sharedRows(sessions[0])
        if let wrong = world.dependencies.judge(rows) { world.verdict.fail("isolation: \(wrong)") }
        world.dependencies.restart(rows)
    }

    private func check() throws(EngineError) {
        var said: [String] = []
        if try DatabaseCheck.run(options, say: { said.append($0) }) > 0 {
            world.verdict.fail("check: \(said.filter { $0.hasPrefix("PROBLEM") }.joined(separator: "; "))")
        }
    }

    // MARK: The end

    /// Faults are over. What `check` says of the device after the last loss of power, what the sessions find, whether they make
    /// progress, what they leave behind, and a clean stop.
    private func finish(_ scheduler: Scheduler) throws(EngineError) {
        world.becomeCalm()
        let fiberCount = scheduler.livingFibers().count
        do throws(EngineError) {
            // If the power always went before there was a database, this is the first start.
            if isCreated { try check() }
            let engine = try Engine.open(options)
            let server = try serve(engine)
            if isCreated {
                let sessions = try openSessions(engine, scheduler)
                world.sessions = sessions
                try verify(sessions, scheduler)
                try progress(sessions, scheduler)
                try onEach(scheduler) { sessions[$0].end() }
            }
            server?.stop()
            // Reading ahead may be at it still.
            var leaks = engine.leaks()
            for _ in 0..<20 where !leaks.isEmpty {
                Fiber.sleep(.milliseconds(50))
                leaks = engine.leaks()
            }
            if !leaks.isEmpty { world.verdict.fail("leaks: \(leaks.joined(separator: ", "))") }
            try engine.close()
            // A fiber that has been told to end may have a last word.
            for _ in 0..<20 where scheduler.livingFibers().count > fiberCount { Fiber.sleep(.milliseconds(50)) }
            let fibers = scheduler.livingFibers()
            if fibers.count > fiberCount {
                let names = fibers.map { "\($0)" }.joined(separator: ", ")
                world.verdict.fail("leaks: \(fibers.count - fiberCount) of the fibers \(names)")
            }
        } catch {
            world.verdict.fail("without faults: \(error)")
        }
    }

    /// Without faults every session commits something before long.
    private func progress(_ sessions: [SimulatedSession], _ scheduler: Scheduler) throws(EngineError) {
        let before = sessions.map { $0.commitCount }
        try onEach(scheduler) { [world] number in
            for _ in 0..<50 where world.verdict.failure == nil && sessions[number].commitCount == before[number] {
                sessions[number].transact()
                Fiber.yield()
            }
        }
        for (number, session) in sessions.enumerated() where session.commitCount == before[number] {
            world.verdict.fail("session \(number) has committed nothing in fifty tries without faults")
        }
    }
}

/// Waits for fibers; in a simulated machine only one core runs at a time.
private final class Waiting: @unchecked Sendable {
    private var left: Int
    private let waiter = Fiber.current
    private let scheduler = Fiber.scheduler
    var failure: EngineError?
    init(_ count: Int) { left = count }
    func done() {
        left -= 1
        if left == 0 { scheduler.wake(waiter) }
    }
    func wait() { while left > 0 { Fiber.park() } }
}
