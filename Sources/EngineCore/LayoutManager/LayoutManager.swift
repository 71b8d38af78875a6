// Where bytes live: WAL zone, double-write zone, extents.

import Platform
