// The Ring-0 image of the database: boot.S calls this with the first GiB mapped and nothing else done.

import MetalPlatform
import Platform

let platform = MetalPlatform.start()
platform.exit(status: Serving.run(platform))
