// The Ring-0 image: boot.S calls this with the first GiB mapped and nothing else done. What the kernel's command line asks
// for: the shared suite (`selftest[=NAME,...]`) or, without it, the database.

import MetalPlatform
import Platform

let platform = MetalPlatform.start()
if let names = platform.commandLine.value("selftest") {
    platform.exit(status: SelfTest.run(platform, names: names))
}
platform.exit(status: Serving.run(platform))
