// Catalog, binder, planner.

import Platform
