// Superblock, page header, checksums.

import Platform
