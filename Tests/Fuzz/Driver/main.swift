// `FUZZ_TARGET=name dbkernel-fuzz [libFuzzer's options and corpus folders]`: feeds a target with bytes that coverage guides. The name comes
// by the environment because libFuzzer has the arguments to itself: it hands them on when it merges corpora.

import CFuzzer
import FuzzTargets
import Glibc

guard let name = getenv("FUZZ_TARGET"), let target = FuzzTarget(rawValue: String(cString: name)) else {
    print(
        "usage: FUZZ_TARGET=\(FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")) dbkernel-fuzz [options] [corpus]"
    )
    exit(2)
}
nonisolated(unsafe) let fuzzer = target.makeFuzzer()
var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
let status = LLVMFuzzerRunDriver(&argumentCount, &arguments) { bytes, count in
    if let finding = fuzzer.take(UnsafeRawBufferPointer(start: bytes, count: count)) { fatalError(finding) }
    return 0
}
exit(status)
