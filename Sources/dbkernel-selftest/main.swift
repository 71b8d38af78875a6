// The Ring-0 image of the shared suite, an image of its own because it is half as large again as the database. Which cases run
// is said by `selftest=` on the command line; all without it. With `bench=READS,SECONDS` it measures the disk instead.

import MetalPlatform
import Platform

let platform = MetalPlatform.start()
if let arguments = platform.commandLine.value("bench") {
    platform.exit(status: SelfTest.measure(platform, arguments))
}
platform.exit(status: SelfTest.run(platform, names: platform.commandLine.value("selftest") ?? []))
