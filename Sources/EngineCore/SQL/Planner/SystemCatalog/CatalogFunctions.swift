// Functions over the catalog and the session, added to the registry of SQLTypes.

import Platform
import SQLTypes

func declareCatalogFunctions(_ registry: FunctionRegistry) {
}
