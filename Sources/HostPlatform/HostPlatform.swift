// Linux.

import Platform
