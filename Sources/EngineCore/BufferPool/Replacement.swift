// Who leaves when memory is full: a second-chance clock over the frame table, 64 slots at a step. The first pass marks a
// page, a use clears the mark, the next pass evicts what is still marked. (Hit rates of such a clock and of LRU differ by
// a point or two: Leis et al., LeanStore, ICDE 2018; its cost is what matters.)
//
// The background writer of each worker keeps `reserveTarget` frames free, so a miss seldom has to evict. A worker that
// finds none free evicts clean pages itself, and only waits for the writer if there are none: it never writes.

import CPrimitives
import DirectStorage
import Fibers
import Platform
import Synchronization
import Telemetry

extension BufferPool {
    static let clockStep = 64

    /// Free frames that the background writers keep in hand.
    var reserveTarget: Int { max(8, min(frameCount / 32, 1024)) }

    /// Why no dirty page can become clean any more, if so.
    private var writeFailure: EngineError? { failure.error ?? log.currentFailure }

    /// A frame for one more page, parking until there is one. 53200 if none comes free for ten seconds: then every frame
    /// is latched, or dirty pages have no place on the device. If nothing is written any more: the error that stopped it.
    func acquireFrame() throws(EngineError) -> Int {
        if let frame = frames.pop() {
            if frames.freeCount < reserveTarget { wakeWriter() }
            return frame
        }
        let deadline = scheduler.platform.now() + .seconds(10)
        while true {
            // Two passes: one may only mark.
            var scanned = 0
            while scanned < 2 * frameCount + Self.clockStep {
                if evict(dirtyPages: nil) > 0, let frame = frames.pop() { return frame }
                scanned += Self.clockStep
                Fiber.yieldIfDue()
            }
            if let frame = frames.pop() { return frame }
            if let fatal = writeFailure { throw fatal }
            note(.pageFrameWaits)
            wakeWriter()
            let outcome = waiting.park(address: frames.address, until: deadline) { frames.freeCount == 0 }
            if let frame = frames.pop() { return frame }
            if outcome == .timedOut || scheduler.platform.now() > deadline {
                throw EngineError(
                    .outOfMemory, "out of buffer frames: all \(frameCount) are in use",
                    hint: "Give the engine more memory.")
            }
        }
    }

    func releaseFrame(_ frame: Int) {
        frames.push(frame)
        waiting.wakeOne(address: frames.address)
    }

    /// Moves the clock one step: marks, and evicts what is marked and clean. Dirty marked pages are appended to
    /// `dirtyPages` as far as it has room. Returns how many frames came free.
    func evict(dirtyPages: UnsafeMutablePointer<PageBatch>?) -> Int {
        var victims = PageBatch()
        let start = frames.advanceHand(Self.clockStep)
        for step in 0..<UInt64(Self.clockStep) {
            let slot = Int((start &+ step) % UInt64(frameCount))
            let page = frames.page(slot)
            if page == .none { continue }
            let word = word(page)
            let old = word.pointee.load(ordering: .relaxed)
            if !PageState.isResident(old) || PageState.isLatched(old) || PageState.isWriting(old) { continue }
            if !PageState.isMarked(old) {
                _ = word.pointee.compareExchange(expected: old, desired: old | PageState.marked, ordering: .relaxed)
            } else if dirty.isDirty(page) {
                if let dirtyPages, !dirtyPages.pointee.isFull { dirtyPages.pointee.append(page, slot: slot) }
            } else if latchVictim(page, slot) {
                victims.append(page, slot: slot)
            }
        }
        return discardVictims(&victims)
    }

    /// Evicts those of the batch that are clean, idle and unused since the clock found them; returns how many.
    func evictClean(_ batch: borrowing PageBatch) -> Int {
        var victims = PageBatch()
        for index in 0..<batch.count where latchVictim(batch.page(index), batch.slot(index)) {
            victims.append(batch.page(index), slot: batch.slot(index))
        }
        return discardVictims(&victims)
    }

    /// Marked, clean and idle → exclusive.
    private func latchVictim(_ page: PageID, _ slot: Int) -> Bool {
        let word = word(page)
        let old = word.pointee.load(ordering: .relaxed)
        if PageState.isLatched(old) || PageState.isWriting(old) { return false }
        if !PageState.isResident(old) || !PageState.isMarked(old) { return false }
        let result = word.pointee.compareExchange(
            expected: old, desired: (old | PageState.loading) &+ PageState.exclusive, successOrdering: .acquiring,
            failureOrdering: .relaxed)
        if !result.exchanged { return false }
        // Only the latch says whether the page is clean, and whether it still has this slot: it may have left and come
        // back into another one.
        if !dirty.isDirty(page) && frames.page(slot) == page { return true }
        word.pointee.bitwiseAnd(~PageState.loading, ordering: .relaxed)
        view.unlatchExclusive(page)
        return false
    }

    /// Gives back the memory of the latched victims, in runs, and only then lets others load them again.
    private func discardVictims(_ victims: inout PageBatch) -> Int {
        if victims.count == 0 { return 0 }
        victims.sort()
        for index in 0..<victims.count { leave(victims.page(index)) }
        var index = 0
        while index < victims.count {
            let first = victims.page(index)
            var length = 1
            while index + length < victims.count
                && victims.page(index + length).rawValue == first.rawValue + UInt64(length)
            { length += 1 }
            scheduler.platform.discard(pointer(first), pageCount: length)
            index += length
        }
        for index in 0..<victims.count {
            let page = victims.page(index)
            // Under the latch, so that a slot which names a page is that page's.
            frames.setPage(victims.slot(index), .none)
            word(page).pointee.bitwiseAnd(
                ~(PageState.resident | PageState.marked | PageState.loading), ordering: .relaxed)
            view.unlatchExclusive(page)
            releaseFrame(victims.slot(index))
        }
        note(.pageEvictions, victims.count)
        return victims.count
    }
}

/// Pages for one step of work, and the slots they were found in, if any.
struct PageBatch {
    static let capacity = 128
    /// page:32 | slot:32
    private var entries: InlineArray<128, UInt64> = .init(repeating: 0)
    private(set) var count = 0

    var isFull: Bool { count == Self.capacity }
    func page(_ index: Int) -> PageID { PageID(entries[index] >> 32) }
    func slot(_ index: Int) -> Int { Int(entries[index] & 0xffff_ffff) }

    mutating func append(_ page: PageID, slot: Int = 0) {
        assert(page.rawValue <= UInt64(UInt32.max))
        entries[count] = page.rawValue << 32 | UInt64(slot)
        count += 1
    }

    /// Into page order. Insertion sort: a batch is short and comes half sorted.
    mutating func sort() {
        for index in 1..<max(count, 1) {
            let entry = entries[index]
            var hole = index
            while hole > 0 && entries[hole - 1] > entry {
                entries[hole] = entries[hole - 1]
                hole -= 1
            }
            entries[hole] = entry
        }
    }
}
