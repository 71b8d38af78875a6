// The wish that the engine stop, from whoever has it (the power button) to the core that waits for it. One core waits at a time.
//
// `state` is who waits (core + 1, 0 for nobody) with `asked` added once the wish is there; so neither can come between the
// other's look and write, and a wish that comes before anyone waits is kept.

import Platform
import Synchronization

final class StopRequest: Sendable {
    private static let asked: UInt32 = 1 << 31
    private let state = Atomic<UInt32>(0)
    private let tag = Atomic<UInt64>(0)

    func queue(_ core: CoreIndex, tag: Tag) {
        self.tag.store(UInt64(tag), ordering: .relaxed)
        state.bitwiseOr(UInt32(core + 1), ordering: .releasing)
    }

    /// The core to wake, if one waits.
    func ask() -> CoreIndex? {
        let waiting = state.bitwiseOr(Self.asked, ordering: .acquiringAndReleasing).newValue & ~Self.asked
        return waiting == 0 ? nil : CoreIndex(waiting) - 1
    }

    /// True if `take` has the completion for this core.
    @inline(__always) func isDue(_ core: CoreIndex) -> Bool {
        state.load(ordering: .relaxed) == Self.asked | UInt32(core + 1)
    }

    func take(_ core: CoreIndex) -> CompletionEvent? {
        let (isTaken, _) = state.compareExchange(
            expected: Self.asked | UInt32(core + 1), desired: 0, ordering: .acquiringAndReleasing)
        return isTaken ? CompletionEvent(tag: Tag(tag.load(ordering: .relaxed)), result: 1) : nil
    }
}
