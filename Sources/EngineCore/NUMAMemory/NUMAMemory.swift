// Which node's memory a worker uses.

import Platform
