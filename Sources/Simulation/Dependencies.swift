// What transactions read and wrote of the rows that all sessions share, and whether that fits their isolation levels.
//
// Each write leaves a number that no other write leaves, and says which it replaced, so every read names the write it saw and the
// versions of a row form a chain. From that follow the dependencies of Adya (Weak Consistency, 1999; Adya, Liskov, O'Neil,
// Generalized Isolation Level Definitions, ICDE 2000): ww from a version's writer to the next one's, wr from the writer to who
// read it, rw from who read a version to the writer of the next. Then:
//
//   G1a, G1b   nobody reads what was rolled back, or what its writer replaced before it committed
//   G0, G1c    ww and wr have no cycle, at any level
//   lost       no version has two committed successors
//   G-single   no transaction with a snapshot reads past a write that it otherwise depends on
//   G2         among serializable transactions ww, wr and rw together have no cycle; absence of a row is version 0
//
// A record covers one life of the machine. Commits in doubt are decided by what is found after the next start.

import Platform

final class Dependencies: @unchecked Sendable {
    enum Level: Int { case readCommitted, repeatableRead, serializable }
    enum Outcome { case open, asked, committed, aborted }

    struct Access {
        let key: Int
        let version: Int
        /// Of a write: what it replaced.
        var before = 0
    }

    struct Work {
        let session: Int
        let level: Level
        var reads: [Access] = []
        var writes: [Access] = []
        var outcome = Outcome.open
    }

    private(set) var works: [Work] = []
    /// What each row was when this life began: 0 is absent.
    private var initial: [Int: Int] = [:]
    private var lastVersion = 0

    func newVersion() -> Int {
        lastVersion += 1
        return lastVersion
    }

    func begin(_ session: Int, _ level: Level) -> Int {
        works.append(Work(session: session, level: level))
        return works.count - 1
    }

    /// Notes a read; says what is wrong with it, if something is: a snapshot that changed.
    func read(_ work: Int, _ key: Int, _ version: Int) -> String? {
        if let own = works[work].writes.last(where: { $0.key == key }) {
            return own.version == version ? nil : "row \(key) is \(version), and the transaction wrote \(own.version)"
        }
        if works[work].level != .readCommitted, let earlier = works[work].reads.first(where: { $0.key == key }),
            earlier.version != version
        {
            return "row \(key) was \(earlier.version) in this snapshot, and is \(version) now"
        }
        works[work].reads.append(Access(key: key, version: version))
        return nil
    }

    func write(_ work: Int, _ key: Int, _ version: Int, before: Int) {
        works[work].writes.append(Access(key: key, version: version, before: before))
    }

    func end(_ work: Int, _ outcome: Outcome) { works[work].outcome = outcome }

    /// A new life begins with these rows, after the one recorded was judged.
    func restart(_ rows: [Int: Int]) {
        works.removeAll()
        initial = rows
    }

    // MARK: Judgement

    /// Decides what was in doubt by the rows that are there now, and says what is wrong with the history, if something is.
    func judge(_ rows: [Int: Int]) -> String? {
        var writer: [Int: Int] = [:]
        var isFinal: Set<Int> = []
        for (index, work) in works.enumerated() {
            for access in work.writes { writer[access.version] = index }
            for key in Set(work.writes.map { $0.key }).sorted() {
                if let last = work.writes.last(where: { $0.key == key }) { isFinal.insert(last.version) }
            }
        }
        decide(rows, writer)
        if let wrong = chains(rows) { return wrong }
        for (index, work) in works.enumerated() where work.outcome == .committed {
            for access in work.reads {
                guard let source = writer[access.version], source != index else { continue }
                if works[source].outcome != .committed {
                    return
                        "\(name(index)) read row \(access.key) as \(access.version), which \(name(source)) never committed"
                }
                if !isFinal.contains(access.version) {
                    return
                        "\(name(index)) read row \(access.key) as \(access.version), which \(name(source)) replaced itself"
                }
            }
        }
        return DependencyGraph(works, writer, account).anomaly()
    }

    private func name(_ index: Int) -> String {
        "transaction \(index) of session \(works[index].session) (\(works[index].level))"
    }

    /// What it read and wrote, for a failure.
    private func account(_ index: Int) -> String {
        var text = name(index)
        for access in works[index].reads { text += ", r\(access.key)=\(access.version)" }
        for access in works[index].writes { text += ", w\(access.key)=\(access.before)>\(access.version)" }
        return text
    }

    /// In doubt: what was asked to commit and not answered. It happened if something of it is there or was built upon.
    private func decide(_ rows: [Int: Int], _ writer: [Int: Int]) {
        var seen = Set(rows.values)
        for work in works where work.outcome == .committed {
            for access in work.writes { seen.insert(access.before) }
            for access in work.reads { seen.insert(access.version) }
        }
        var changed = true
        while changed {
            changed = false
            for index in works.indices where works[index].outcome == .asked {
                if works[index].writes.contains(where: { seen.contains($0.version) }) {
                    works[index].outcome = .committed
                    for access in works[index].writes { seen.insert(access.before) }
                    for access in works[index].reads { seen.insert(access.version) }
                    changed = true
                }
            }
        }
        for index in works.indices where works[index].outcome == .asked { works[index].outcome = .aborted }
    }

    /// Each row's committed versions form one chain, from what it was to what it is.
    private func chains(_ rows: [Int: Int]) -> String? {
        var next: [Int: [(before: Int, version: Int, work: Int)]] = [:]
        for (index, work) in works.enumerated() where work.outcome == .committed {
            for access in work.writes { next[access.key, default: []].append((access.before, access.version, index)) }
        }
        for key in Set(next.keys).union(rows.keys).union(initial.keys).sorted() {
            var version = initial[key] ?? 0
            var left = next[key] ?? []
            while let place = left.firstIndex(where: { $0.before == version }) {
                let step = left.remove(at: place)
                if let other = left.first(where: { $0.before == version && $0.work != step.work }) {
                    return
                        "lost update of row \(key): \(name(step.work)) and \(name(other.work)) both replaced \(version)"
                }
                version = step.version
            }
            if let stray = left.first {
                return "row \(key): \(name(stray.work)) replaced \(stray.before), which is not a version of it"
            }
            if version != rows[key] ?? 0 {
                return "row \(key) is \(rows[key] ?? 0), and its last committed version is \(version)"
            }
        }
        return nil
    }
}
