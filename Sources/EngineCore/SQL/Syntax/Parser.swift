// The entry points of the parser: a query text, an expression, a type name.

import Platform

/// Reads the SQL text given to it once, from front to end. The text must stay alive and unchanged while the parser does;
/// the trees it returns hold no reference to it. It must be valid UTF-8 (see `UTF8Validation`).
package struct Parser: ~Copyable {
    let source: UnsafeRawBufferPointer

    package init(utf8 source: UnsafeRawBufferPointer) { self.source = source }

    /// Every statement of the text, empty ones left out.
    /// Errors: 42601 with position, 54001 for nesting beyond the bound, 22021, 22P02, … for malformed literals.
    package mutating func statements() throws(EngineError) -> [ParsedStatement] { [] }

    /// The whole text as one scalar expression: stored column defaults and check constraints.
    package mutating func wholeExpression() throws(EngineError) -> Expression { Expression(.literal(.null)) }

    /// The whole text as one type name: `regtype` input and its kin.
    package mutating func wholeTypeName() throws(EngineError) -> TypeName { TypeName(builtin: "unknown") }
}
