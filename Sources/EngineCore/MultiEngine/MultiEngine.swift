// Tables and indexes over versioned trees.

import Platform
