// The dependencies between committed transactions as a graph, and the cycles that no isolation level allows.

struct DependencyGraph {
    private let works: [Dependencies.Work]
    private let name: (Int) -> String
    /// ww and wr: what happened before, for everybody.
    private var firm: [[Int]]
    /// rw: what was read was replaced by those.
    private var anti: [[Int]]

    init(_ works: [Dependencies.Work], _ writer: [Int: Int], _ name: @escaping (Int) -> String) {
        self.works = works
        self.name = name
        firm = Array(repeating: [], count: works.count)
        anti = Array(repeating: [], count: works.count)
        var successor: [Int: [Int: Int]] = [:]
        for (index, work) in works.enumerated() where work.outcome == .committed {
            for access in work.writes {
                if let before = writer[access.before], before != index { firm[before].append(index) }
                successor[access.key, default: [:]][access.before] = index
            }
        }
        for (index, work) in works.enumerated() where work.outcome == .committed {
            for access in work.reads {
                if let source = writer[access.version], source != index { firm[source].append(index) }
                if let next = successor[access.key]?[access.version], next != index { anti[index].append(next) }
            }
        }
    }

    /// The first cycle that must not be; nil if there is none.
    func anomaly() -> String? {
        let (order, cycle) = sorted(firm) { _ in true }
        if let cycle { return "cycle of ww and wr: \(text(cycle))" }
        var place = Array(repeating: 0, count: works.count)
        for (index, node) in order.enumerated() { place[node] = index }
        for node in works.indices where works[node].level != .readCommitted {
            for next in anti[node] where place[next] < place[node] && reaches(next, node, place) {
                return "\(name(node)) has not seen a write of \(name(next)), and depends on it"
            }
        }
        var all = firm
        for node in works.indices { all[node] += anti[node] }
        let (_, serial) = sorted(all) { works[$0].level == .serializable }
        if let serial { return "cycle among serializable transactions: \(text(serial))" }
        return nil
    }

    private func text(_ cycle: [Int]) -> String {
        var text = ""
        for node in cycle { text += (text.utf8.isEmpty ? "" : " → ") + name(node) }
        return text
    }

    /// True if `goal` follows from `start` by firm edges. `place` is an order that they keep.
    private func reaches(_ start: Int, _ goal: Int, _ place: [Int]) -> Bool {
        var seen: Set<Int> = [start]
        var left = [start]
        while let node = left.popLast() {
            if node == goal { return true }
            for next in firm[node] where place[next] <= place[goal] && seen.insert(next).inserted { left.append(next) }
        }
        return false
    }

    /// An order that the edges between the chosen nodes keep, or a cycle of them. Depth first, without recursion.
    private func sorted(_ edges: [[Int]], _ isChosen: (Int) -> Bool) -> (order: [Int], cycle: [Int]?) {
        // 0 not seen, 1 on the path, 2 done.
        var state = Array(repeating: UInt8(0), count: works.count)
        var order: [Int] = []
        for root in works.indices where state[root] == 0 && isChosen(root) {
            var path: [(node: Int, next: Int)] = [(root, 0)]
            state[root] = 1
            while let top = path.last {
                if top.next == edges[top.node].count {
                    state[top.node] = 2
                    order.append(top.node)
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next += 1
                let next = edges[top.node][top.next]
                if !isChosen(next) || state[next] == 2 { continue }
                if state[next] == 1 {
                    let nodes = path.map { $0.node }
                    return ([], Array(nodes[(nodes.firstIndex(of: next) ?? 0)...]) + [next])
                }
                state[next] = 1
                path.append((next, 0))
            }
        }
        return (order.reversed(), nil)
    }
}
