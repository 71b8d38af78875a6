// What the hot path needs of the pool, as a value that trees keep: no reference count is touched while pages are hit.
//
// Optimistic reading: take a token, read the page's bytes (which may be torn: copy them, check every length before use,
// follow no pointer out of the page), then `validate`. Only if that says true was what was read ever so on the page.

import Platform
import Synchronization

package struct PoolView: @unchecked Sendable {
    /// Page `p` lies at `base + p * pageSize` for ever.
    package let base: UnsafeMutableRawPointer
    package let states: UnsafeMutablePointer<Atomic<UInt64>>
    /// One past the last page of the device.
    package let endPage: UInt64
    // The pool outlives every tree that holds a view of it.
    package unowned(unsafe) let pool: BufferPool

    init(
        base: UnsafeMutableRawPointer, states: UnsafeMutablePointer<Atomic<UInt64>>, endPage: UInt64, pool: BufferPool
    ) {
        self.base = base
        self.states = states
        self.endPage = endPage
        self.pool = pool
    }

    @inlinable @inline(__always)
    package func pointer(_ page: PageID) -> UnsafeMutableRawPointer {
        base + Int(truncatingIfNeeded: page.rawValue &* 4096)
    }

    @inlinable @inline(__always)
    func word(_ page: PageID) -> UnsafeMutablePointer<Atomic<UInt64>> {
        states + Int(truncatingIfNeeded: page.rawValue)
    }

    /// A token for `validate`. A hit is a load and a compare; otherwise parks until the page is in memory and nobody
    /// changes it. XX001 if the page is corrupted or no data page, 58030 if it cannot be read, 53200 if no frame comes
    /// free.
    @inlinable @inline(__always)
    package func optimisticRead(_ page: PageID) throws(EngineError) -> UInt64 {
        Interleaving.point()
        if page.rawValue < endPage {
            let word = word(page).pointee.load(ordering: .acquiring)
            if PageState.isReadable(word) {
                Interleaving.point()
                return word
            }
        }
        return try pool.optimisticReadSlowly(page, isScan: false)
    }

    /// The same for a scan that will read each page once: the page is not counted as used, so that it leaves the pool
    /// before pages that are.
    @inlinable @inline(__always)
    package func optimisticScan(_ page: PageID) throws(EngineError) -> UInt64 {
        if page.rawValue < endPage {
            let word = word(page).pointee.load(ordering: .acquiring)
            if word & (PageState.resident | PageState.exclusive) == PageState.resident { return word }
        }
        return try pool.optimisticReadSlowly(page, isScan: true)
    }

    /// True if the page has not changed, and was not evicted, since the token was taken.
    @inlinable @inline(__always)
    package func validate(_ page: PageID, _ token: UInt64) -> Bool {
        Interleaving.point()
        // The page's bytes were loaded before the word is.
        atomicMemoryFence(ordering: .acquiring)
        return Mutation.isActive(.versionUnchecked)
            || PageState.isSameVersion(word(page).pointee.load(ordering: .relaxed), token)
    }

    /// Latches exclusively the page as it was when the token was taken; false if it has changed or is latched.
    @inlinable @inline(__always)
    package func tryUpgrade(_ page: PageID, _ token: UInt64) -> Bool {
        Interleaving.point()
        let word = word(page)
        var old = word.pointee.load(ordering: .relaxed)
        let isCareless = Mutation.isActive(.upgradeUnchecked) && PageState.isReadable(old)
        while isCareless || PageState.isSameVersion(old, token), !PageState.isShared(old) {
            let (done, now) = word.pointee.weakCompareExchange(
                expected: old, desired: (old & ~PageState.marked) &+ PageState.exclusive,
                successOrdering: .acquiring, failureOrdering: .relaxed)
            if done { return true }
            old = now
        }
        return false
    }

    /// Parks until the page is in memory and latched exclusively. Errors as `optimisticRead`.
    @inlinable @inline(__always)
    package func latchExclusive(_ page: PageID) throws(EngineError) {
        if page.rawValue < endPage {
            let word = word(page)
            let old = word.pointee.load(ordering: .relaxed)
            if PageState.isReadable(old) && !PageState.isShared(old)
                && word.pointee.compareExchange(
                    expected: old, desired: old &+ PageState.exclusive, successOrdering: .acquiring,
                    failureOrdering: .relaxed
                ).exchanged
            {
                return
            }
        }
        try pool.latchExclusiveSlowly(page)
    }

    /// Ends an exclusive latch. Tokens from before it are invalid.
    @inlinable @inline(__always)
    package func unlatchExclusive(_ page: PageID) {
        let old = word(page).pointee.add(PageState.exclusive, ordering: .releasing).oldValue
        assert(PageState.isExclusive(old))
        if old & PageState.waiters != 0 { pool.wakeWaiters(page) }
    }

    /// Parks until the page is in memory and latched shared: it does not change until `unlatchShared`. Prefer optimistic
    /// reading. Errors as `optimisticRead`.
    package func latchShared(_ page: PageID) throws(EngineError) { try pool.latchSharedSlowly(page) }

    package func unlatchShared(_ page: PageID) {
        let old = word(page).pointee.subtract(PageState.sharedOne, ordering: .releasing).oldValue
        assert(PageState.isShared(old))
        if old & PageState.waiters != 0 { pool.wakeWaiters(page) }
    }

    /// Notes that the exclusively latched page was changed by the log record that starts at `recLSN`. The first such
    /// record since the page was last written is remembered. Call it after the record was appended, before any fiber
    /// switch (see `BufferPool.checkpointBound`), and with `PageHeader.setPageLSN` of the record's end. A change without a
    /// log record must not mark its page: nothing would restore it if the write tore.
    @inlinable @inline(__always)
    package func markDirty(_ page: PageID, recLSN: LSN) {
        assert(PageState.isExclusive(word(page).pointee.load(ordering: .relaxed)))
        if !pool.dirty.isDirty(page) { pool.markDirtySlowly(page, recLSN) }
    }
}
