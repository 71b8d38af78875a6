// Protocol 3.0.

import Platform
