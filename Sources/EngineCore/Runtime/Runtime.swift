// Instances: create, open, stop, drop, recover.

import Platform
