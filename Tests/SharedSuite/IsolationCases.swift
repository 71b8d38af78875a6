// Isolation anomalies by scripted interleavings, after Martin Kleppmann's hermitage (github.com/ept/hermitage), with the
// outcomes that its PostgreSQL page records. Rows at the start: 1 → 10, 2 → 20.

import BTree
import Fibers
import MVCC
import Platform

func isolationCases() -> [SuiteCase] {
    let all: [IsolationLevel] = [.readCommitted, .repeatableRead, .serializable]
    return [
        SuiteCase("isolation: dirty writes are excluded at every level (G0)") { context throws(EngineError) in
            for level in all { try script(context, level, dirtyWrite) }
        },
        SuiteCase("isolation: aborted, intermediate and circular information is never read (G1)") {
            context throws(EngineError) in for level in all { try script(context, level, dirtyReads) }
        },
        SuiteCase("isolation: an observed transaction does not vanish (OTV)") { context throws(EngineError) in
            for level in all { try script(context, level, observedVanishes) }
        },
        SuiteCase("isolation: predicates keep their answer from REPEATABLE READ on (PMP)") {
            context throws(EngineError) in
            for level in all { try script(context, level, predicateManyPreceders) }
        },
        SuiteCase("isolation: a lost update fails from REPEATABLE READ on (P4)") { context throws(EngineError) in
            for level in all { try script(context, level, lostUpdate) }
        },
        SuiteCase("isolation: read skew is excluded from REPEATABLE READ on (G-single)") {
            context throws(EngineError) in
            for level in all { try script(context, level, readSkew) }
        },
        SuiteCase("isolation: write skew on rows fails at SERIALIZABLE only (G2-item)") { context throws(EngineError) in
            for level in all { try script(context, level, writeSkewOnRows) }
        },
        SuiteCase("isolation: write skew on predicates fails at SERIALIZABLE only (G2)") {
            context throws(EngineError) in
            for level in all { try script(context, level, writeSkewOnPredicates) }
        },
        SuiteCase("isolation: serializable transactions on different data, and readers, are left alone") {
            context throws(EngineError) in try script(context, .serializable, serializableWithoutConflict)
        },
        SuiteCase("isolation: too many predicates abort more, never less") { context throws(EngineError) in
            try script(context, .serializable, coarsePredicates)
        },
        SuiteCase("isolation: on-call doctors never go below one at SERIALIZABLE on all cores") {
            context throws(EngineError) in try withRig(context, doctors)
        },
    ]
}

struct Script {
    let context: SuiteContext
    let level: IsolationLevel
    let tree: VersionedTree
    let other: VersionedTree
    let a: Actor
    let b: Actor
    let c: Actor

    /// Runs a step that must succeed.
    func run(_ actor: Actor, line: UInt32 = #line, _ step: @escaping (Session) throws(EngineError) -> Void) {
        if let error = actor.run(step) {
            context.fail("level \(level.rawValue): step failed: \(error.message)", line: line)
        }
    }
    /// Runs a step that must fail with this state, and rolls back.
    func fails(
        _ actor: Actor, _ state: SQLState, line: UInt32 = #line, _ step: @escaping (Session) throws(EngineError) -> Void
    ) {
        let error = actor.run(step)
        context.expect(
            error?.state == state, "level \(level.rawValue): expected a failure, got \(error?.message ?? "none")",
            line: line)
        run(actor, line: line) { (s) throws(EngineError) in try s.rollback() }
    }
    func begin(_ actors: Actor...) {
        for actor in actors { run(actor) { [level] (s) throws(EngineError) in s.begin(level) } }
    }
    func commit(_ actor: Actor, line: UInt32 = #line) {
        run(actor, line: line) { (s) throws(EngineError) in try s.commit() }
    }
    func reads(_ actor: Actor, _ key: UInt64, _ value: UInt64?, line: UInt32 = #line) {
        run(actor, line: line) { [context, level, tree] (s) throws(EngineError) in
            let found = try s.get(tree, key)
            context.expect(
                found == value, "level \(level.rawValue): row \(key) reads \(found ?? 0), not \(value ?? 0)", line: line
            )
        }
    }
    func update(_ actor: Actor, _ key: UInt64, _ value: UInt64, line: UInt32 = #line) {
        run(actor, line: line) { [context, tree] (s) throws(EngineError) in
            context.expect(try s.update(tree, key, value) == .done, "update of row \(key)", line: line)
        }
    }
}

private func script(
    _ context: SuiteContext, _ level: IsolationLevel, _ body: (Script) throws(EngineError) -> Void
) throws(EngineError) {
    try withRig(context) { (context, rig, tree) throws(EngineError) in
        let setup = try rig.session()
        setup.begin()
        _ = try setup.insert(tree, 1, 10)
        _ = try setup.insert(tree, 2, 20)
        try setup.commit()
        setup.close()
        let script = Script(
            context: context, level: level, tree: tree, other: try rig.makeTree(2), a: try Actor(rig),
            b: try Actor(rig), c: try Actor(rig))
        try body(script)
        script.a.end()
        script.b.end()
        script.c.end()
    }
}

private func dirtyWrite(_ s: Script) {
    s.begin(s.a, s.b)
    s.reads(s.b, 1, 10)
    s.update(s.a, 1, 11)
    let tree = s.tree
    s.b.start { (b) throws(EngineError) in _ = try b.add(tree, 1, 100) }
    s.context.expect(s.b.isWaiting, "the second writer waits for the first")
    s.update(s.a, 2, 21)
    s.commit(s.a)
    let error = s.b.finish()
    if s.level == .readCommitted {
        s.context.expect(error == nil, "READ COMMITTED goes on with the newest version")
        s.reads(s.b, 1, 111)
        s.commit(s.b)
    } else {
        s.context.expect(error?.state == .serializationFailure, "the first updater wins")
        s.run(s.b) { (b) throws(EngineError) in try b.rollback() }
    }
    s.begin(s.c)
    s.reads(s.c, 1, s.level == .readCommitted ? 111 : 11)
    s.reads(s.c, 2, 21)
}

private func dirtyReads(_ s: Script) {
    let tree = s.tree
    s.begin(s.a, s.b)
    s.update(s.a, 1, 101)
    s.reads(s.b, 1, 10)
    s.run(s.a) { (a) throws(EngineError) in try a.rollback() }
    s.reads(s.b, 1, 10)
    s.commit(s.b)
    // intermediate
    s.begin(s.a, s.b)
    s.update(s.a, 1, 101)
    s.reads(s.b, 1, 10)
    s.update(s.a, 1, 11)
    s.commit(s.a)
    s.reads(s.b, 1, s.level == .readCommitted ? 11 : 10)
    s.commit(s.b)
    // circular
    s.begin(s.a, s.b)
    s.update(s.a, 1, 12)
    s.update(s.b, 2, 22)
    s.reads(s.a, 2, 20)
    s.reads(s.b, 1, 11)
    s.commit(s.a)
    if s.level == .serializable {
        s.fails(s.b, .serializationFailure) { (b) throws(EngineError) in try b.commit() }
    } else {
        s.commit(s.b)
    }
    s.begin(s.c)
    s.run(s.c) { [context = s.context] (c) throws(EngineError) in
        context.expect(try c.get(tree, 1) == 12, "the first to commit stays")
    }
}

private func observedVanishes(_ s: Script) {
    let tree = s.tree
    s.begin(s.a, s.b, s.c)
    s.update(s.a, 1, 11)
    s.update(s.a, 2, 19)
    s.reads(s.c, 1, 10)
    s.b.start { (b) throws(EngineError) in _ = try b.update(tree, 1, 12) }
    s.context.expect(s.b.isWaiting, "the second writer waits")
    s.commit(s.a)
    _ = s.b.finish()
    let seen: UInt64 = s.level == .readCommitted ? 11 : 10
    s.reads(s.c, 1, seen)
    s.run(s.b) { (b) throws(EngineError) in try b.rollback() }
    s.reads(s.c, 2, s.level == .readCommitted ? 19 : 20)
    s.reads(s.c, 1, seen)
}

private func predicateManyPreceders(_ s: Script) {
    let tree = s.tree
    s.begin(s.a, s.b)
    s.run(s.a) { [context = s.context] (a) throws(EngineError) in
        context.expectEqual(try a.sum(tree).count, 2, "rows")
    }
    s.run(s.b) { (b) throws(EngineError) in _ = try b.insert(tree, 3, 30) }
    s.commit(s.b)
    s.run(s.a) { [context = s.context, level = s.level] (a) throws(EngineError) in
        context.expectEqual(try a.sum(tree).count, level == .readCommitted ? 3 : 2, "rows after another's insert")
    }
    s.commit(s.a)
}

private func lostUpdate(_ s: Script) {
    let tree = s.tree
    s.begin(s.a, s.b)
    s.reads(s.a, 1, 10)
    s.reads(s.b, 1, 10)
    s.update(s.a, 1, 11)
    s.b.start { (b) throws(EngineError) in _ = try b.update(tree, 1, 11) }
    s.context.expect(s.b.isWaiting, "the second writer waits")
    s.commit(s.a)
    let error = s.b.finish()
    s.context.expect((error?.state == .serializationFailure) == (s.level != .readCommitted), "P4")
    s.run(s.b) { (b) throws(EngineError) in try b.rollback() }
}

private func readSkew(_ s: Script) {
    s.begin(s.a, s.b)
    s.reads(s.a, 1, 10)
    s.update(s.b, 1, 12)
    s.update(s.b, 2, 18)
    s.commit(s.b)
    s.reads(s.a, 2, s.level == .readCommitted ? 18 : 20)
    if s.level != .readCommitted {
        s.fails(s.a, .serializationFailure) { [tree = s.tree] (a) throws(EngineError) in _ = try a.update(tree, 2, 1) }
    } else {
        s.commit(s.a)
    }
}

private func writeSkewOnRows(_ s: Script) {
    s.begin(s.a, s.b)
    s.reads(s.a, 1, 10)
    s.reads(s.a, 2, 20)
    s.reads(s.b, 1, 10)
    s.reads(s.b, 2, 20)
    s.update(s.a, 1, 11)
    s.update(s.b, 2, 21)
    s.commit(s.a)
    if s.level == .serializable {
        s.fails(s.b, .serializationFailure) { (b) throws(EngineError) in try b.commit() }
    } else {
        s.commit(s.b)
    }
}

private func writeSkewOnPredicates(_ s: Script) {
    let tree = s.tree
    s.begin(s.a, s.b)
    for actor in [s.a, s.b] {
        s.run(actor) { (session) throws(EngineError) in _ = try session.sum(tree, from: 1, to: 100) }
    }
    s.run(s.a) { (session) throws(EngineError) in _ = try session.insert(tree, 3, 30) }
    s.run(s.b) { (session) throws(EngineError) in _ = try session.insert(tree, 4, 42) }
    s.commit(s.a)
    if s.level == .serializable {
        s.fails(s.b, .serializationFailure) { (b) throws(EngineError) in try b.commit() }
    } else {
        s.commit(s.b)
    }
}

private func serializableWithoutConflict(_ s: Script) {
    let tree = s.tree
    s.begin(s.a, s.b, s.c)
    s.run(s.c) { (session) throws(EngineError) in _ = try session.sum(tree) }
    s.reads(s.a, 1, 10)
    s.update(s.a, 1, 11)
    s.reads(s.b, 2, 20)
    s.run(s.b) { (session) throws(EngineError) in _ = try session.sum(tree, from: 2, to: 50) }
    s.run(s.b) { (session) throws(EngineError) in _ = try session.insert(tree, 7, 1) }
    s.commit(s.a)
    s.commit(s.b)
    // Reads everything that the others wrote, at its snapshot, and writes nothing: no reason to fail.
    s.run(s.c) { [context = s.context] (session) throws(EngineError) in
        context.expectEqual(try session.sum(tree).sum, 30, "the reader's snapshot")
    }
    s.commit(s.c)
}

private func coarsePredicates(_ s: Script) {
    let other = s.other
    s.begin(s.a, s.b)
    s.reads(s.a, 1, 10)
    // So many reads of another tree that the ranges are given up; that this one was read must not be forgotten.
    s.run(s.a) { (session) throws(EngineError) in
        session.transaction.beginStatement()
        for key in 100..<6000 as Range<UInt64> { _ = try session.read(other, key) }
    }
    s.update(s.a, 2, 21)
    s.update(s.b, 1, 11)
    s.commit(s.b)
    s.fails(s.a, .serializationFailure) { (session) throws(EngineError) in try session.commit() }
}

private func doctors(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let setup = try rig.session()
    setup.begin()
    for key in 1...4 as ClosedRange<UInt64> { _ = try setup.insert(tree, key, 1) }
    try setup.commit()
    let failures = Counter()
    try context.onEveryCore(3) { core, index throws(EngineError) in
        let session = try rig.session()
        var random = SuiteRandom(seed: UInt64(core * 10 + index))
        for _ in 0..<150 {
            session.begin(.serializable)
            do throws(EngineError) {
                let key = UInt64(1 + random.next(below: 4))
                let (onCall, _) = try session.sum(tree)
                context.expect(onCall >= 1, "nobody is on call")
                let mine = try session.get(tree, key)
                if mine == 1 && onCall >= 2 {
                    _ = try session.update(tree, key, 0)
                } else if mine == 0 {
                    _ = try session.update(tree, key, 1)
                }
                Fiber.yield()
                try session.commit()
            } catch {
                if error.state != .serializationFailure && error.state != .deadlockDetected { throw error }
                _ = failures.increment()
                try session.rollback()
            }
        }
        session.close()
    }
    setup.begin()
    context.expect(try setup.sum(tree).sum >= 1, "nobody is on call in the end")
    try setup.commit()
    setup.close()
}
