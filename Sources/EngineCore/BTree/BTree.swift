// B+-tree on slotted pages.

import Platform
