// One client: random transactions, beside a model of what they must leave behind. Every answer is held against it.
//
// What a transaction consists of is a list of steps (WorkStep.swift); what a session does outside of blocks are errands.

import Fibers
import Platform
import Runtime
import SharedSuite
import SimulatedPlatform

final class SimulatedSession {
    static let keysPerSession = 40
    static let accountCount = 12
    static let openingBalance = 1000

    let number: Int
    let world: World
    let engine: Engine
    var random: SimulationRandom
    /// The model as the transaction underway has left it.
    var model = SessionModel()
    /// The transaction underway: its level, and its place in the record of dependencies.
    private(set) var level = Dependencies.Level.readCommitted
    private(set) var work = 0
    private var client: any DatabaseClient
    private let knowledge: UnsafeMutablePointer<Knowledge>
    private(set) var commitCount = 0
    /// The statement under way and when it began.
    private var statement: (text: String, time: UInt64)?
    /// A transaction is under way that others may cancel, and somebody has; a setting may do the same.
    private var isCancellable = false
    private var isCancelled = false
    /// Requests to cancel what it is at that may still arrive.
    private var cancelsUnderWay = 0
    var isHurried = false
    /// It has its prepared statements.
    var isPrepared = false

    var profile: SimulationProfile { world.profile }

    init(
        _ number: Int, _ engine: Engine, _ random: SimulationRandom, _ world: World,
        _ knowledge: UnsafeMutablePointer<Knowledge>
    ) throws(EngineError) {
        self.number = number
        self.engine = engine
        self.random = random
        self.world = world
        self.knowledge = knowledge
        client = try Self.connect(engine, world, database: "postgres", processID: Int32(number + 1))
    }

    private static func connect(
        _ engine: Engine, _ world: World, database: String, processID: Int32
    ) throws(EngineError) -> any DatabaseClient {
        if let host = world.machine?.clients { return try WireClient(host, database: Array(database.utf8)) }
        return try DirectClient(engine, database: Array(database.utf8), processID: processID)
    }

    func end() { client.end() }

    /// Cancels its statement, if one is under way. Parks until nothing of that can arrive any more.
    func cancel() {
        if !isCancellable { return }
        let wasCancelled = isCancelled
        isCancelled = true
        cancelsUnderWay += 1
        if !client.cancel() { isCancelled = wasCancelled }
        cancelsUnderWay -= 1
    }

    /// True if the world or another session has done something that a client must expect to hear of this way.
    func isExpected(_ error: EngineError) -> Bool {
        switch error.state {
        case .queryCanceled: isCancelled || isHurried
        case .lockNotAvailable: isHurried
        default: world.isExpected(error)
        }
    }

    func fail(_ text: String) { world.verdict.fail("session \(number): \(text)") }

    // MARK: Statements

    @discardableResult
    func run(_ sql: String, copying pieces: [[UInt8]] = []) throws(EngineError) -> [Line] {
        try run(sql, copying: pieces, by: client)
    }

    private func run(
        _ sql: String, copying pieces: [[UInt8]], by client: any DatabaseClient
    ) throws(EngineError) -> [Line] {
        let now = engine.scheduler.platform.now().rawValue
        world.verdict.note(number, sql, at: now)
        statement = (sql, now)
        defer { statement = nil }
        return try client.run(Array(sql.utf8), copying: pieces)
    }

    func expect(_ sql: String, _ wanted: [String]) throws(EngineError) {
        let got = try run(sql)
        let lines = wanted.map { Array($0.utf8) }
        if !sameLines(got, lines) { fail("\(differenceOfLines(got, lines)) in: \(sql)") }
    }

    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The statement under way, for how long, and what it waits for; nil between statements.
    func account(among others: [SimulatedSession], at now: UInt64) -> String? {
        guard let statement else { return nil }
        var text = "has been at \"\(statement.text.prefix(120))\" for \((now - statement.time) / 1000) us"
        guard let session = client.session, session.waits(for: session) != nil else { return text }
        let blockers = others.filter { $0.client.session.flatMap { session.waits(for: $0) } ?? false }.map { $0.number }
        text += blockers.isEmpty ? " and waits for a transaction that is over" : " and waits for sessions \(blockers)"
        return text
    }

    // MARK: Transactions

    /// One transaction, or one errand. Errors that a client must expect end it, and are no failure.
    func transact() {
        model = knowledge.pointee.committed
        isCancelled = cancelsUnderWay > 0
        isCancellable = true
        defer { isCancellable = false }
        if random.chance(permille: 40) { return runErrand() }
        var isAsked = false
        do throws(EngineError) {
            let isolation = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
            level = [.readCommitted, .repeatableRead, .serializable][random.next(below: 3)]
            if profile.isShared { level = .serializable }
            work = world.dependencies.begin(number, level)
            try run("BEGIN ISOLATION LEVEL \(isolation[level.rawValue])")
            for _ in 0...random.next(below: 6) { try WorkStep.drawn(self).run(self) }
            if random.chance(permille: 150) {
                if world.machine?.clients != nil, random.next(below: 4) == 0 {
                    try hangUp()
                } else {
                    try run("ROLLBACK")
                }
                world.verdict.abortCount += 1
                world.dependencies.end(work, .aborted)
                return
            }
            knowledge.pointee.inDoubt = model
            world.dependencies.end(work, .asked)
            isAsked = true
            try run("COMMIT")
            settle(commits: true)
            world.dependencies.end(work, .committed)
        } catch {
            // An error of COMMIT is an answer: the transaction is rolled back.
            settle(commits: false)
            world.dependencies.end(work, .aborted)
            if !isExpected(error) { fail("\(isAsked ? "COMMIT: " : "")\(error)") }
            rollBack()
        }
    }

    private func settle(commits: Bool) {
        if commits {
            knowledge.pointee.committed = model
            commitCount += 1
            world.verdict.commitCount += 1
        } else {
            world.verdict.abortCount += 1
        }
        knowledge.pointee.inDoubt = nil
    }

    /// The client goes in the middle of a transaction, perhaps with a statement on its way, and another takes its place: what the
    /// transaction has done goes when the server hears of it.
    private func hangUp() throws(EngineError) {
        let last = random.next(below: 2) == 0 ? nil : "UPDATE account SET balance = balance - 1000000 WHERE id < 3"
        world.verdict.note(number, "hangs up after \(last ?? "nothing")", at: engine.scheduler.platform.now().rawValue)
        client.hangUp(after: last.map { Array($0.utf8) })
        client = try Self.connect(engine, world, database: "postgres", processID: Int32(number + 1))
        isPrepared = false
    }

    private func rollBack() {
        isCancellable = false
        while true {
            do throws(EngineError) { try run("ROLLBACK") } catch {
                if error.state == .queryCanceled && isCancelled { continue }
                if !world.isExpected(error) { fail("ROLLBACK: \(error)") }
            }
            return
        }
    }

    private func runErrand() {
        do throws(EngineError) { try WorkErrand.drawn(&random).run(self) } catch {
            if !isExpected(error) { fail("\(error)") }
            rollBack()
        }
    }

    /// A statement outside of a block that changes the model, as a transaction of its own.
    func commit(_ change: (inout SessionModel) -> Void, by body: () throws(EngineError) -> Void) throws(EngineError) {
        change(&model)
        knowledge.pointee.inDoubt = model
        do throws(EngineError) { try body() } catch {
            model = knowledge.pointee.committed
            settle(commits: false)
            throw error
        }
        settle(commits: true)
    }

    // MARK: A database of its own

    var tenant: String { "tenant\(number)" }

    /// Runs statements as a second session, in the session's own database.
    func inTenant(_ body: ((String) throws(EngineError) -> [Line]) throws(EngineError) -> Void) throws(EngineError) {
        let client = try Self.connect(engine, world, database: tenant, processID: Int32(number + 1001))
        defer { client.end() }
        try body { (sql) throws(EngineError) in try run(sql, copying: [], by: client) }
    }

    // MARK: Shared rows

    /// Notes what a read of shared row `key` has found.
    func noteRead(_ key: Int, _ version: Int) {
        if let wrong = world.dependencies.read(work, key, version) { fail(wrong) }
    }

    // MARK: After a start

    /// Holds what is there against what was acknowledged: it is that, or what was in doubt.
    func verify() throws(EngineError) {
        let found = try find()
        if let inDoubt = knowledge.pointee.inDoubt, found.difference(inDoubt, number) == nil {
            knowledge.pointee.committed = inDoubt
        }
        knowledge.pointee.inDoubt = nil
        model = knowledge.pointee.committed
        if let difference = found.difference(model, number) { fail("after recovery: \(difference)") }
        try WorkStep.addUp(self)
    }

    private func find() throws(EngineError) -> Findings {
        var found = Findings()
        // Sorted here: on a full device there may be no room for the engine to sort.
        found.lines = sorted(try run("SELECT k, v, note FROM kv WHERE s = \(number)"))
        found.claimLines = sorted(try run("SELECT k FROM claim WHERE who = \(number)"))
        found.crowdLines = sorted(try run("SELECT left(k, 6)::int, n FROM crowd WHERE s = \(number)"))
        if try count("pg_class WHERE relname = 'own\(number)'") > 0 {
            found.tableLines = sorted(try run("SELECT a, b, c FROM own\(number)"))
            found.isIndexed = try count("pg_class WHERE relname = 'own\(number)_c'") > 0
            found.hasColumn =
                try count("pg_attribute WHERE attrelid = 'own\(number)'::regclass AND attname = 'd'") > 0
        }
        if try count("pg_database WHERE datname = '\(tenant)'") > 0 {
            var count = 0
            try inTenant { (ask) throws(EngineError) in
                if try ask("SELECT count(*) FROM pg_class WHERE relname = 't'") == [Array("1".utf8)] {
                    count = number(of: try ask("SELECT count(*) FROM t WHERE b = 'tenant ' || a"))
                }
            }
            found.tenantRowCount = count
        }
        return found
    }

    private func count(_ what: String) throws(EngineError) -> Int {
        number(of: try run("SELECT count(*) FROM \(what)"))
    }

    /// By the number that each begins with.
    private func sorted(_ lines: [Line]) -> [Line] {
        let keys = lines.map { line in
            line.prefix { $0 != UInt8(ascii: "|") }.reduce(0) { $0 * 10 + Int($1) - 48 }
        }
        return lines.indices.sorted { keys[$0] < keys[$1] }.map { lines[$0] }
    }

    /// The one number that a query answered.
    func number(of lines: [Line]) -> Int { lines.first.flatMap { Int(text($0)) } ?? -1 }
}
