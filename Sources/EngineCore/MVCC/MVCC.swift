// Transactions, snapshots, undo, locks, recovery.

import Platform
