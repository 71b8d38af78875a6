// Block I/O that parks the calling fiber.

import Platform
