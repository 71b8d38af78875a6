// What an engine without sessions still holds: nothing, or something has leaked.

import ArenaAlloc
import BTree
import BufferPool
import MVCC
import MultiEngine
import Platform

extension Engine {
    /// What is in use though nobody can be using it; empty if all is well. To be asked once all sessions have ended and before
    /// `close`. Looks at every page of the cache.
    package func leaks() -> [String] {
        var found: [String] = []
        func expectNone(_ count: Int, _ what: String) { if count != 0 { found.append("\(count) \(what)") } }
        expectNone(queryMemory.used, "bytes of query memory")
        expectNone(pool.latchedPageCount, "latched pages")
        expectNone(storage.temporary.blockCount, "blocks of temporary space")
        expectNone(activities().count, "sessions")
        return found
    }

    /// True if a page of the data zone holds something: a tree has it, or it is a page of the map.
    package func isPageInUse(_ page: UInt64) -> Bool {
        !allocator.geometry.contains(PageID(page)) || allocator.isInUse(PageID(page))
    }
}

extension Session {
    /// Nil unless its transaction waits for a lock or for another's end; then whether it waits for that session's. For diagnosis, while
    /// nothing moves.
    package func waits(for other: Session) -> Bool? {
        transaction.blockers.map { $0.contains { $0 === other.transaction } }
    }
}
