// The Linux executable.

import Platform
