// What a session says to its client. The wire protocol and the console shell implement it.

import Platform
import QueryExec
import SQL
import SQLTypes

/// What CommandComplete says: words, and a row count if there is one (`SELECT 5`).
package struct CommandTag {
    package let words: StaticString
    package let count: Int64?
    /// Instead of `words`, where they were put together.
    package let composed: [UInt8]?

    init(_ words: StaticString, _ count: Int64? = nil) {
        self.words = words
        self.count = count
        composed = nil
    }
    init(composed: [UInt8]) {
        words = ""
        count = nil
        self.composed = composed
    }

    /// As it is written: `INSERT 0 5`.
    package var text: [UInt8] {
        let start = composed ?? Array(UnsafeBufferPointer(start: words.utf8Start, count: words.utf8CodeUnitCount))
        return count.map { start + Array(" \($0)".utf8) } ?? start
    }
}

package protocol ClientPort: AnyObject {
    /// Announces rows. `formats`: true is binary; nil is text for all.
    func rowDescription(_ columns: [OutputColumn], _ formats: [Bool]?)
    /// Rows `range` of the chunk's selection. May wait for the client to take them. Errors: 08006, and those of output
    /// conversion.
    func rows(
        _ chunk: Chunk, _ range: Range<Int>, _ columns: [OutputColumn], _ formats: [Bool], _ context: EvaluationContext
    ) throws(EngineError)
    /// A row of values that are text already.
    func textRow(_ values: [[UInt8]?]) throws(EngineError)
    func commandComplete(_ tag: CommandTag)
    func emptyQuery()
    func portalSuspended()
    func notice(_ notice: EngineError, _ severity: StaticString)
    func parameterChanged(_ name: [UInt8], _ value: [UInt8])

    func beginCopy(isFrom: Bool, columnCount: Int, isBinary: Bool) throws(EngineError)
    /// The next piece of a copy stream, valid until the next call; nil at its end. Errors: 57014 when the client gives up.
    func receiveCopyData() throws(EngineError) -> UnsafeRawBufferPointer?
    func copyData(_ bytes: UnsafeRawBufferPointer) throws(EngineError)
    func endCopyOut()
}
