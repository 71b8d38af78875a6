// Prints trees back as SQL that parses to the same tree.

extension Expression {
    /// As SQL text.
    package var sql: [UInt8] { [] }
}
extension TypeName {
    package var sql: [UInt8] { [] }
}
extension Query {
    package var sql: [UInt8] { [] }
}
extension Statement {
    package var sql: [UInt8] { [] }
}
