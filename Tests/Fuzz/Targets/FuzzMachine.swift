// A machine for a fuzzer, which runs a piece at a time: what its fibers wait for goes on in the next piece.

import Fibers
import Platform

final class FuzzMachine {
    let platform: FuzzPlatform
    private let scheduler: Scheduler

    init(_ disk: FuzzDisk) {
        platform = FuzzPlatform(disk)
        // Time goes by at every yield: slices are as short as can be. The stacks are as large as the engine's.
        scheduler = Scheduler(
            platform: platform, stackByteCount: 1 << 20, maxFibersPerWorker: 128, sliceMicroseconds: 0)
    }

    /// Nothing of it may be touched any more.
    func scrap() { platform.scrap() }

    /// Runs `main` in a fiber until it returns or the engine gives up the machine; then nothing may run on it again.
    func run(_ main: @escaping () throws(EngineError) -> Void) -> Outcome {
        var outcome = Outcome.gaveUp
        let scheduler = scheduler
        platform.onExit = { scheduler.stop() }
        do throws(EngineError) {
            try scheduler.run {
                do throws(EngineError) {
                    try main()
                    outcome = .returned
                } catch {
                    outcome = .threw(error)
                }
                scheduler.stop()
            }
        } catch {
            outcome = .threw(error)
        }
        platform.onExit = {}
        return outcome
    }

    enum Outcome {
        case returned
        case threw(EngineError)
        /// As after a panic.
        case gaveUp

        /// Why it is not as it should be.
        var finding: String? {
            switch self {
            case .returned: nil
            case .threw(let error): "\(error)"
            case .gaveUp: "the engine gives up"
            }
        }
    }
}
