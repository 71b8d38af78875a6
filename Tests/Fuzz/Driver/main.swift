// `dbkernel-fuzz TARGET [libFuzzer's options and corpus folders]`: feeds a target with bytes that coverage guides.
//
// libFuzzer's driver runs where the target wants it: for SQL and wire messages in a fiber of a machine whose database stays up;
// for disks and packets outside, with a new machine for every input.

import CFuzzer
import Glibc

guard CommandLine.argc >= 2, let name = CommandLine.unsafeArgv[1], let target = FuzzTarget(String(cString: name)) else {
    print("usage: dbkernel-fuzz \(FuzzTarget.names) [options of libFuzzer] [corpus]")
    exit(2)
}
// The driver takes the place of the program's name.
let argumentCount = CommandLine.argc - 1
nonisolated(unsafe) let arguments = UnsafePointer(CommandLine.unsafeArgv + 1)

switch target {
case .sql: SQLFuzzer.run(argumentCount, arguments)
case .wire: WireFuzzer.run(argumentCount, arguments)
case .packets:
    exit(fuzz_run(argumentCount, arguments) { PacketFuzzer.take(UnsafeRawBufferPointer(start: $0, count: $1)) })
case .log, .pages, .superblocks:
    DiskFuzzer.prepare(target)
    exit(fuzz_run(argumentCount, arguments) { DiskFuzzer.take(UnsafeRawBufferPointer(start: $0, count: $1)) })
}
