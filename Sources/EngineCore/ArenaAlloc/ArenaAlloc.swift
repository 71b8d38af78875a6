// Arenas and slabs for database objects, with budgets.

import Platform
