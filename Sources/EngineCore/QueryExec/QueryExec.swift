// Vectorised operators.

import Platform
