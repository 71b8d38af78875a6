// The cases every platform runs.

import Platform
