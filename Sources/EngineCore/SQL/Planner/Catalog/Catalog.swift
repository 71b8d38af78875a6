// The catalog of one engine: what all sessions share. Descriptors themselves live in storage and in session caches.

import Platform
import SQLTypes
import Synchronization

package final class Catalog: @unchecked Sendable {
    /// Grows when a transaction with DDL commits, before it releases its locks. A session whose cache or plan bears
    /// another value discards it: so whoever gets a relation's lock after a DDL on it sees the new descriptor.
    package let version = Atomic<UInt64>(1)
    /// Sealed: functions, operators, casts of SQLTypes plus this module's catalog functions.
    package let functions: FunctionRegistry
    package let systemRelations: SystemRelations
    let operators: OperatorFacts

    package init() {
        let registry = FunctionRegistry()
        declareCatalogFunctions(registry)
        registry.seal()
        functions = registry
        systemRelations = SystemRelations()
        operators = OperatorFacts(registry)
    }

    package func bumpVersion() { version.add(1, ordering: .acquiringAndReleasing) }
}
