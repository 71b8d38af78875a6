// One client: random transactions, beside a model of what they must leave behind. Every answer is held against it.

import Fibers
import Platform
import Runtime
import SharedSuite
import SimulatedPlatform

final class SimulatedSession {
    static let keysPerSession = 40
    static let accountCount = 12
    static let openingBalance = 1000

    private let number: Int
    private let session: Session
    private let port = LinePort()
    private var random: SimulationRandom
    private let profile: SimulationProfile
    private let verdict: Verdict
    private let knowledge: UnsafeMutablePointer<Knowledge>
    /// The model as the transaction underway has left it.
    private var model = SessionModel()

    init(
        _ number: Int, _ engine: Engine, _ random: SimulationRandom, _ profile: SimulationProfile, _ verdict: Verdict,
        _ knowledge: UnsafeMutablePointer<Knowledge>
    ) throws(EngineError) {
        self.number = number
        self.random = random
        self.profile = profile
        self.verdict = verdict
        self.knowledge = knowledge
        session = try engine.openSession(
            user: Array("postgres".utf8), database: Array("postgres".utf8), processID: Int32(number + 1), port: port,
            settings: [])
    }

    func end() { session.end() }

    @discardableResult
    func run(_ sql: String) throws(EngineError) -> [Line] {
        port.lines.removeAll()
        verdict.note(number, sql)
        let text = Array(sql.utf8)
        do throws(EngineError) {
            try text.withBytes { (bytes) throws(EngineError) in try session.simpleQuery(bytes) }
        } catch {
            session.failTransaction()
            throw error
        }
        return port.lines
    }

    // MARK: Transactions

    /// One transaction. Errors that a client must expect (conflicts, no memory, no room) end it, and are no failure.
    func transact() {
        model = knowledge.pointee.committed
        do throws(EngineError) {
            let isolation = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"][random.next(below: 3)]
            try run("BEGIN ISOLATION LEVEL \(isolation)")
            for _ in 0...random.next(below: 6) { try step(isSnapshot: isolation.utf8.count != 14) }
            if random.chance(permille: 150) {
                try run("ROLLBACK")
                verdict.abortCount += 1
                return
            }
            knowledge.pointee.inDoubt = model
            try run("COMMIT")
            knowledge.pointee.committed = model
            knowledge.pointee.inDoubt = nil
            verdict.commitCount += 1
        } catch {
            // An error of COMMIT is an answer: the transaction is rolled back.
            knowledge.pointee.inDoubt = nil
            verdict.abortCount += 1
            if !isExpected(error) { verdict.fail("session \(number): \(error)") }
            rollBack()
        }
    }

    private func rollBack() {
        do throws(EngineError) { try run("ROLLBACK") } catch { verdict.fail("session \(number): ROLLBACK: \(error)") }
    }

    private func isExpected(_ error: EngineError) -> Bool {
        let expected: [SQLState] = [.serializationFailure, .deadlockDetected, .outOfMemory, .diskFull]
        return expected.contains { $0 == error.state }
    }

    private func step(isSnapshot: Bool) throws(EngineError) {
        switch random.next(below: 100) {
        case 0..<50: try change()
        case 50..<65: try transfer()
        case 65..<75: try compare()
        case 75..<85: try addUp(isSnapshot: isSnapshot)
        case 85..<92: try savepoint()
        case 92..<96: try define()
        default: try offend()
        }
    }

    // MARK: Steps

    private var anyKey: Int { number * 1000 + random.next(below: Self.keysPerSession) }

    private func note() -> [UInt8] {
        let count =
            random.chance(permille: profile.longNotePermille) ? random.next(in: 3000...30_000) : random.next(below: 200)
        let letter = UInt8(ascii: "a") + UInt8(random.next(below: 26))
        return Array(repeating: letter, count: count)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// An insert, update or delete of a row of its own.
    private func change() throws(EngineError) {
        let key = anyKey
        let value = random.next(below: 1_000_000)
        guard let old = model.row(key) else {
            let note = note()
            try run("INSERT INTO kv VALUES (\(key), \(number), \(value), \(key) * 7, '\(text(note))')")
            model.set(key, SessionModel.Row(value: value, note: note))
            return
        }
        switch random.next(below: 4) {
        case 0:
            try expect("DELETE FROM kv WHERE k = \(key) RETURNING v", ["\(old.value)"])
            model.set(key, nil)
        case 1:
            let note = note()
            try run("UPDATE kv SET note = '\(text(note))', v = \(value) WHERE k = \(key)")
            model.set(key, SessionModel.Row(value: value, note: note))
        default:
            try expect("UPDATE kv SET v = v + 1 WHERE k = \(key) RETURNING v", ["\(old.value + 1)"])
            model.set(key, SessionModel.Row(value: old.value + 1, note: old.note))
        }
    }

    private func transfer() throws(EngineError) {
        let (from, to) = (random.next(below: Self.accountCount), random.next(below: Self.accountCount))
        let amount = random.next(below: 50)
        try run("UPDATE account SET balance = balance - \(amount) WHERE id = \(from)")
        try run("UPDATE account SET balance = balance + \(amount) WHERE id = \(to)")
    }

    /// Its own rows, by the table, by the secondary index, and one by the unique one.
    private func compare() throws(EngineError) {
        try expectModel()
        let key = anyKey
        let row = model.row(key)
        try expect("SELECT v FROM kv WHERE u = \(key * 7)", row.map { ["\($0.value)"] } ?? [])
        let low = random.next(below: 1_000_000)
        let count = model.rows.filter { $0.row.value >= low }.count
        try expect("SELECT count(*) FROM kv WHERE s = \(number) AND v >= \(low)", ["\(count)"])
        if let count = model.tableRowCount { try expect("SELECT count(*) FROM own\(number)", ["\(count)"]) }
    }

    private func expectModel() throws(EngineError) {
        let sql = "SELECT k, v, note FROM kv WHERE s = \(number) ORDER BY k"
        let got = try run(sql)
        let wanted = model.lines
        if got != wanted { verdict.fail("session \(number): \(difference(got, wanted)) in: \(sql)") }
    }

    /// Money moves, and none is made.
    private func addUp(isSnapshot: Bool) throws(EngineError) {
        let sum = "\(Self.accountCount * Self.openingBalance)|\(Self.accountCount)"
        try expect("SELECT sum(balance), count(*) FROM account", [sum])
        if !isSnapshot { return }
        // A snapshot is the same however often it is looked at.
        let first = try run("SELECT id, balance FROM account ORDER BY id")
        Fiber.yield()
        let second = try run("SELECT id, balance FROM account ORDER BY id")
        if first != second { verdict.fail("session \(number): a snapshot changed: \(difference(second, first))") }
    }

    private func savepoint() throws(EngineError) {
        try run("SAVEPOINT s")
        let before = model
        for _ in 0...random.next(below: 3) { try change() }
        if random.next(below: 2) == 0 {
            try run("ROLLBACK TO s")
            model = before
        } else {
            try run("RELEASE s")
        }
    }

    private func define() throws(EngineError) {
        if model.tableRowCount != nil {
            try run("DROP TABLE own\(number)")
            model.tableRowCount = nil
        } else {
            let count = random.next(below: 300)
            try run("CREATE TABLE own\(number) (a int PRIMARY KEY, b text)")
            try run("INSERT INTO own\(number) SELECT i, 'row ' || i FROM generate_series(1, \(count)) i")
            model.tableRowCount = count
        }
    }

    /// A statement that must fail in the middle and leave nothing behind.
    private func offend() throws(EngineError) {
        let keys = (number * 1000)..<(number * 1000 + Self.keysPerSession)
        guard let taken = model.rows.last?.key, let free = keys.first(where: { model.row($0) == nil }) else { return }
        try run("SAVEPOINT o")
        do throws(EngineError) {
            try run("INSERT INTO kv SELECT i, \(number), 0, i * 7, '' FROM (VALUES (\(free)), (\(taken))) f (i)")
            verdict.fail("session \(number): a key was taken twice")
        } catch {
            guard error.state == .uniqueViolation else { throw error }
        }
        try run("ROLLBACK TO o")
    }

    // MARK: Answers

    private func expect(_ sql: String, _ wanted: [String]) throws(EngineError) {
        let got = try run(sql)
        let lines = wanted.map { Array($0.utf8) }
        if got != lines { verdict.fail("session \(number): \(difference(got, lines)) in: \(sql)") }
    }

    private func difference(_ got: [Line], _ wanted: [Line]) -> String {
        var place = 0
        while place < got.count, place < wanted.count, got[place] == wanted[place] { place += 1 }
        func show(_ list: [Line]) -> String {
            place < list.count ? "'\(text(Array(list[place].prefix(80))))'" : "the end"
        }
        return "\(got.count) rows, not \(wanted.count); row \(place) is \(show(got)), not \(show(wanted))"
    }

    // MARK: After a start

    /// Holds what is there against what was acknowledged: it is that, or what was in doubt.
    func verify() throws(EngineError) {
        let got = try run("SELECT k, v, note FROM kv WHERE s = \(number) ORDER BY k")
        let hasTable = try run("SELECT count(*) FROM pg_class WHERE relname = 'own\(number)'") == [Array("1".utf8)]
        let tableRowCount = hasTable ? try run("SELECT count(*) FROM own\(number)") : []
        func agrees(_ model: SessionModel) -> Bool {
            got == model.lines && tableRowCount == (model.tableRowCount.map { [Array("\($0)".utf8)] } ?? [])
        }
        if let inDoubt = knowledge.pointee.inDoubt, agrees(inDoubt) { knowledge.pointee.committed = inDoubt }
        knowledge.pointee.inDoubt = nil
        if !agrees(knowledge.pointee.committed) {
            verdict.fail(
                "session \(number) after recovery: \(difference(got, knowledge.pointee.committed.lines)); own table "
                    + "\(tableRowCount.first.map { text($0) } ?? "absent"), not "
                    + "\(knowledge.pointee.committed.tableRowCount.map { "\($0)" } ?? "absent")")
        }
        model = knowledge.pointee.committed
        try addUp(isSnapshot: false)
    }
}
