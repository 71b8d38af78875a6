// The only cache: page tables as translation.

import Platform
