// Which node's memory a worker uses: its own node's first, then the nearest that has some.

import Platform

package struct NUMAMemory {
    private let platform: any Platform
    package let nodeCount: Int

    package init(_ platform: any Platform) {
        self.platform = platform
        nodeCount = platform.topology.distance.count
    }

    /// Zeroed memory for `core`, as near to it as there is. 53200 if no node has any.
    package func allocate(
        byteCount: Int, for core: CoreIndex, huge: Bool = false
    ) throws(EngineError) -> UnsafeMutableRawPointer {
        for node in nodesByDistance(from: platform.topology.nodeOfCore[core]) {
            if let base = platform.allocate(byteCount: byteCount, node: node, huge: huge) { return base }
        }
        throw EngineError(.outOfMemory, "out of memory", detail: "Failed on request of size \(byteCount).")
    }

    package func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int) {
        platform.deallocate(base, byteCount: byteCount)
    }

    /// Every node, nearest first; the node itself leads.
    package func nodesByDistance(from node: Int) -> [Int] {
        let distance = platform.topology.distance[node]
        var nodes = Array(0..<nodeCount)
        // Insertion sort: a handful of nodes, and ties keep their order.
        var index = 1
        while index < nodes.count {
            let candidate = nodes[index]
            let key = candidate == node ? -1 : distance[candidate]
            var place = index
            while place > 0 && (nodes[place - 1] == node ? -1 : distance[nodes[place - 1]]) > key {
                nodes[place] = nodes[place - 1]
                place -= 1
            }
            nodes[place] = candidate
            index += 1
        }
        return nodes
    }

    /// The cores of a node.
    package func cores(of node: Int) -> [CoreIndex] {
        (0..<platform.topology.coreCount).filter { platform.topology.nodeOfCore[$0] == node }
    }
}
