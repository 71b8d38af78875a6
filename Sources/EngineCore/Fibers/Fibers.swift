// Stackful fibers, one scheduler per worker.

import Platform
