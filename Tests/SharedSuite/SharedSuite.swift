// The cases that every platform runs: swift-testing on Linux, `dbkernel-sim selftest`, the kernel itself under QEMU.
//
// To add cases: a file `<Module>Cases.swift` with a function that returns them, and a line in `allCases`.

import Fibers
import Platform
import Synchronization

/// Every case there is, grouped by module.
package func allCases() -> [SuiteCase] {
    var cases: [SuiteCase] = []
    cases += fiberCases()
    cases += waitingCases()
    cases += groundCases()
    cases += platformCases()
    cases += asyncIOCases()
    cases += directStorageCases()
    cases += bufferPoolCases()
    cases += largePageCases()
    cases += storageFaultCases()
    cases += walEngineCases()
    cases += groupCommitCases()
    cases += btreePageCases()
    cases += btreeCases()
    cases += temporarySpaceCases()
    cases += mvccCases()
    cases += undoMovingCases()
    cases += isolationCases()
    cases += lockCases()
    cases += multiEngineCases()
    cases += indexBuildCases()
    cases += recoveryCases()
    cases += logOverflowCases()
    cases += rowRunCases()
    cases += typesCases()
    cases += syntaxCases()
    cases += sqlCases()
    cases += queryExecCases()
    cases += spillCases()
    cases += shellCases()
    cases += networkCases()
    cases += networkScriptCases()
    cases += networkFaultCases()
    return cases
}

/// One property of the engine. `name` is "module: sentence".
package struct SuiteCase: Sendable {
    package let name: StaticString
    let runsInFiber: Bool
    let body: @Sendable (SuiteContext) throws(EngineError) -> Void

    /// `body` runs as a fiber on core 0 of a fresh scheduler (`context.scheduler`).
    package init(_ name: StaticString, _ body: @escaping @Sendable (SuiteContext) throws(EngineError) -> Void) {
        self.name = name
        runsInFiber = true
        self.body = body
    }

    /// `body` runs on the caller's thread; no worker runs unless it starts them.
    package init(bare name: StaticString, _ body: @escaping @Sendable (SuiteContext) throws(EngineError) -> Void) {
        self.name = name
        runsInFiber = false
        self.body = body
    }

    /// Runs the case on a platform that no worker runs on.
    package func run(on platform: any Platform) -> SuiteVerdict {
        let context = SuiteContext(platform: platform)
        if runsInFiber {
            let scheduler = context.makeScheduler()
            context.currentScheduler = scheduler
            do throws(EngineError) {
                try scheduler.run {
                    self.runBody(context)
                    scheduler.stop()
                }
            } catch {
                context.fail("could not start: \(error.message)")
            }
        } else {
            runBody(context)
        }
        return context.verdict
    }

    private func runBody(_ context: SuiteContext) {
        do throws(EngineError) {
            try body(context)
        } catch {
            context.fail("threw \(String(decoding: error.state.bytes, as: UTF8.self)): \(error.message)")
        }
    }

    /// True if the name contains `text` (as bytes); every name contains the empty text.
    package func matches(_ text: [UInt8]) -> Bool {
        let count = name.utf8CodeUnitCount
        if text.count > count { return false }
        for start in 0...(count - text.count) {
            var index = 0
            while index < text.count && name.utf8Start[start + index] == text[index] { index += 1 }
            if index == text.count { return true }
        }
        return false
    }
}

package enum SuiteVerdict: Sendable {
    case passed
    /// The platform lacks what the case is about.
    case cannotRun(reason: String)
    case failed([String])
}

/// What a case works with. Its disk (the platform's block device) is at least 64 MiB, is the case's alone, and holds
/// anything at the start.
package final class SuiteContext: @unchecked Sendable {
    package let platform: any Platform
    var currentScheduler: Scheduler?
    private let lock = Atomic<Bool>(false)
    private var messages: [String] = []
    private var reasonNotToRun: String?

    init(platform: any Platform) { self.platform = platform }

    /// The scheduler that runs the case (not for bare cases).
    package var scheduler: Scheduler { currentScheduler! }
    package var coreCount: Int { platform.topology.coreCount }

    /// A scheduler with stacks large enough for unoptimised code.
    package func makeScheduler() -> Scheduler {
        Scheduler(platform: platform, stackByteCount: 512 << 10, maxFibersPerWorker: 1024)
    }

    // MARK: Verdicts; from any fiber

    package func fail(_ message: String, line: UInt32 = #line) {
        while lock.exchange(true, ordering: .acquiring) {}
        if messages.count < 20 { messages.append("line \(line): \(message)") }
        lock.store(false, ordering: .releasing)
    }

    @discardableResult
    package func expect(_ condition: Bool, _ message: @autoclosure () -> String, line: UInt32 = #line) -> Bool {
        if !condition { fail(message(), line: line) }
        return condition
    }

    package func expectEqual<T: FixedWidthInteger>(_ a: T, _ b: T, _ what: StaticString, line: UInt32 = #line) {
        if a != b { fail("\(what): \(a) is not \(b)", line: line) }
    }

    /// `body` must throw an error with this SQLSTATE.
    package func expectError(_ state: SQLState, line: UInt32 = #line, _ body: () throws(EngineError) -> Void) {
        do throws(EngineError) {
            try body()
            fail("expected SQLSTATE \(String(decoding: state.bytes, as: UTF8.self)), nothing was thrown", line: line)
        } catch {
            if error.state != state {
                fail(
                    "expected SQLSTATE \(String(decoding: state.bytes, as: UTF8.self)), got "
                        + "\(String(decoding: error.state.bytes, as: UTF8.self)): \(error.message)", line: line)
            }
        }
    }

    /// Says why this platform cannot run the case, which then ends. Whatever failed before still counts.
    package func cannotRun(_ reason: String) {
        while lock.exchange(true, ordering: .acquiring) {}
        reasonNotToRun = reason
        lock.store(false, ordering: .releasing)
    }

    var verdict: SuiteVerdict {
        if !messages.isEmpty { return .failed(messages) }
        if let reasonNotToRun { return .cannotRun(reason: reasonNotToRun) }
        return .passed
    }

    // MARK: Helpers for cases in fibers

    /// Runs `count` fibers on each core and returns when all have ended.
    package func onEveryCore(
        _ count: Int = 1, class fiberClass: FiberClass = .interactive,
        _ body: @escaping (_ core: CoreIndex, _ index: Int) throws(EngineError) -> Void
    ) throws(EngineError) {
        let group = FiberGroup(count: coreCount * count)
        for core in 0..<coreCount {
            for index in 0..<count {
                try scheduler.spawn(on: core, fiberClass, "case") {
                    do throws(EngineError) {
                        try body(core, index)
                    } catch {
                        self.fail("fiber threw: \(error.message)")
                    }
                    group.done()
                }
            }
        }
        group.wait()
    }
}

/// Counts fibers down; one fiber waits for zero.
package final class FiberGroup: @unchecked Sendable {
    private let remaining: Atomic<Int>
    private let waiter = Fiber.current
    private let scheduler = Fiber.scheduler

    /// `wait` is for the fiber that makes the group.
    package init(count: Int) { remaining = Atomic(count) }
    package func done() {
        if remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { scheduler.wake(waiter) }
    }
    package func wait() {
        while remaining.load(ordering: .acquiring) > 0 { Fiber.park() }
    }
}

/// An atomic word that closures share: Embedded Swift lets none capture an `Atomic` itself.
package final class SharedWord<Value: AtomicRepresentable>: @unchecked Sendable {
    package let word: Atomic<Value>
    package init(_ value: consuming Value) { word = Atomic(value) }
}

/// SplitMix64 (Steele et al., OOPSLA 2014): the same numbers everywhere from one seed.
package struct SuiteRandom {
    private var state: UInt64
    package init(seed: UInt64) { state = seed }
    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    /// Below `bound`.
    package mutating func next(below bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
