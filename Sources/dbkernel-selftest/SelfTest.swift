// `selftest[=NAME,...]`: the shared suite, or the cases whose names contain one of the names, in Ring 0, on all cores
// there are, on the machine's disk, which it destroys. Underscores in a name stand for spaces. One line per case; the
// closing line is 'N passed, N failed', with the failed ones once more before it. The status is 1 if any failed or none ran.

import MetalPlatform
import Platform
import SharedSuite

enum SelfTest {
    static func run(_ platform: MetalPlatform, names text: [UInt8]) -> Int32 {
        let names = text.map { $0 == 0x5f ? 0x20 : $0 }.split(separator: 0x2c).map { Array($0) }
        var passed = 0
        var failed: [String] = []
        for suiteCase in allCases() where names.isEmpty || names.contains(where: { suiteCase.matches($0) }) {
            write(platform, "\(suiteCase.name) [\(platform.topology.coreCount) cores] ... ")
            let start = platform.now()
            let free = platform.memory.free
            switch suiteCase.run(on: platform) {
            case .passed:
                passed += 1
                let kept = (free - platform.memory.free) >> 20
                write(
                    platform,
                    "ok (\((platform.now() - start).rawValue / 1_000_000) ms"
                        + (kept > 0 ? ", keeps \(kept) MiB)\n" : ")\n"))
            case .cannotRun(let reason):
                write(platform, "cannot run here: \(reason)\n")
            case .failed(let failures):
                var text = "\(suiteCase.name)\n"
                for failure in failures { text += "    \(failure)\n" }
                write(platform, "FAILED: \(text)")
                failed.append(text)
            }
        }
        for text in failed { write(platform, "FAILED: \(text)") }
        write(platform, "\(passed) passed, \(failed.count) failed\n")
        return !failed.isEmpty || passed == 0 ? 1 : 0
    }

    /// `bench=READS,SECONDS`: pages read from random places of the disk per second, with so many READS in flight.
    static func measure(_ platform: MetalPlatform, _ arguments: [UInt8]) -> Int32 {
        let numbers = arguments.split(separator: 0x2c).map { Int(String(decoding: $0, as: UTF8.self)) ?? 0 }
        guard numbers.count == 2, 1...1000 ~= numbers[0], 1...1000 ~= numbers[1] else {
            write(platform, "bench: READS,SECONDS, from 1 to 1000 each\n")
            return 1
        }
        do throws(EngineError) {
            let rate = try ReadBench.run(on: platform, depth: numbers[0], duration: .seconds(UInt64(numbers[1])))
            write(platform, "\(rate) reads/s\n")
            return 0
        } catch {
            write(platform, "bench: \(error.message)\n")
            return 1
        }
    }

    private static func write(_ platform: MetalPlatform, _ text: String) {
        var copy = text
        copy.withUTF8 { platform.consoleWrite(UnsafeRawBufferPointer($0)) }
    }
}
