// Puts the modules together.

import Platform
