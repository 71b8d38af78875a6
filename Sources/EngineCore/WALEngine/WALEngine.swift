// The log.

import Platform
