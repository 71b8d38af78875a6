// The entry to the module: a parsed statement in, a plan out.

import Platform
import SQLSyntax
import SQLTypes

package struct Planner {
    package let session: CatalogSession
    package init(_ session: CatalogSession) { self.session = session }

    /// Binds and plans one statement. Takes the locks that it needs on relations before it trusts their descriptors.
    /// `text` is the whole query text (error positions count characters of it); `parameterTypes` are the types that the
    /// client declared for $1…, `.none` where it leaves them to inference. Errors: PostgreSQL's, with positions.
    package func plan(
        _ statement: Statement, text: [UInt8], parameterTypes: [TypeOID] = []
    ) throws(EngineError) -> PlannedStatement {
        switch statement {
        case .query, .insert, .update, .delete, .copy, .explain, .declareCursor:
            throw EngineError.notSupported("planning")
        case .vacuum(let vacuum): return .maintenance(vacuum)
        default: return .session(statement)
        }
    }
}
