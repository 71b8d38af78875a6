// Types, values, vectors, functions.

import Platform
