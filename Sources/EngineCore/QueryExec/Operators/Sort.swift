// ORDER BY: see RowSorter.swift.

import Platform
import SQL
import SQLTypes

final class SortOperator: Operator {
    private let child: Operator
    private let sorter: RowSorter
    /// Set by a Limit right above: only the first rows are wanted.
    var rowLimit: Int?

    init(_ child: Operator, _ keys: [CompiledSortKey], _ types: [SQLType], _ instance: Instance) {
        self.child = child
        sorter = RowSorter(keys, types, instance)
        super.init(instance)
    }

    override func open() throws(EngineError) {
        sorter.begin()
        sorter.rowLimit = rowLimit
        try child.start()
        while let chunk = try child.pull() {
            try sorter.add(chunk)
            try instance.context.checkpoint()
        }
        child.close()
        try sorter.finish()
        counters?.note(.sort, held: sorter.peakByteCount, spilled: sorter.spilledByteCount)
    }

    override func next() throws(EngineError) -> Chunk? {
        try instance.context.checkpoint()
        return try sorter.next()
    }

    override func close() {
        child.close()
        sorter.clear()
    }
}
