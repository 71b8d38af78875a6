// Shared structures without locks: epoch reclamation, MPMC queue, skip list, optimistic latch.

import Platform
