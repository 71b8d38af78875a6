// Classes of block I/O and their order.

import Platform
