// Coalesces adjacent block requests.

import Platform
