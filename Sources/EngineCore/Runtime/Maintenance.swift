// VACUUM and ANALYZE.
//
// There is nothing to vacuum in the steady state: newest versions are in place, older ones in memory, and tombstones are
// purged when nobody can see behind them. VACUUM purges what a crash has left and returns when that is done.

import Fibers
import MVCC
import MultiEngine
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes

extension Session {
    func maintain(_ vacuum: Vacuum) throws(EngineError) -> CommandTag {
        if !vacuum.isAnalyzeOnly { try requireNoBlock("VACUUM") }
        let analyzes = vacuum.isAnalyzeOnly || vacuum.options.contains { $0.name.bytes == [UInt8]("analyze".utf8) }
        var tables: [TableDescriptor] = []
        if vacuum.relations.isEmpty {
            tables = try catalog.allTables()
        } else {
            for relation in vacuum.relations {
                switch try catalog.require(relation.name) {
                case .table(let table):
                    for column in relation.columns where table.column(named: column.bytes) == nil {
                        throw EngineError(
                            .undefinedColumn,
                            "column \"\(column.text)\" of relation \"\(relation.name.name.text)\" does not exist")
                    }
                    tables.append(table)
                case .system: continue
                default:
                    let name = relation.name.text
                    port.notice(
                        EngineError(
                            .wrongObjectType,
                            "skipping \"\(name)\" --- cannot vacuum non-tables or special system tables"),
                        "WARNING")
                }
            }
        }
        for table in tables {
            // The wait for the lock, and the tables before, take time in which this one may be changed or dropped.
            guard let table = try catalog.openTable(table.oid, mode: .shareUpdateExclusive) else { continue }
            if !vacuum.isAnalyzeOnly { try purge(table) }
            if analyzes { try analyze(table) }
        }
        return CommandTag(vacuum.isAnalyzeOnly ? "ANALYZE" : "VACUUM")
    }

    private func purge(_ table: TableDescriptor) throws(EngineError) {
        transaction.beginStatement()
        _ = try tables.store(table).vacuum()
    }

    /// Rows in a sample, as PostgreSQL's 300 × default_statistics_target.
    private static let sampleLimit = 30_000

    /// Reads the table once and keeps a uniform sample (Vitter's algorithm R, 1985).
    private func analyze(_ table: TableDescriptor) throws(EngineError) {
        let live = table.columns.filter { !$0.isDropped }
        if live.isEmpty { return }
        transaction.beginStatement()
        let query = planner.planScan(of: table)
        let execution = try Execution(query, tables, evaluation)
        let context = makeExecutionContext()
        prepareContext(context, [])
        try execution.open(context)
        defer { execution.close() }
        var rows: [[Datum]] = []
        var seen: UInt64 = 0
        var random = SampleRandom(seed: UInt64(truncatingIfNeeded: evaluation.statementTimestamp))
        while let chunk = try execution.next() {
            for index in 0..<chunk.count {
                seen += 1
                if rows.count < Self.sampleLimit {
                    rows.append(Self.row(chunk, index))
                } else {
                    let place = Int(random.next() % seen)
                    if place < Self.sampleLimit { rows[place] = Self.row(chunk, index) }
                }
            }
        }
        var columns: [ColumnStatistics] = []
        for (index, column) in live.enumerated() {
            columns.append(try sample(rows, index, column).statistics(rowCount: Double(seen)))
            Fiber.yieldIfDue()
        }
        let pages = try engine.pageCount(treeID: table.treeID, rootPage: table.rootPage)
        try catalog.store(
            TableStatistics(rowCount: Double(seen), pageCount: Double(pages), columns: columns), of: table)
    }

    private static func row(_ chunk: Chunk, _ index: Int) -> [Datum] {
        let row = chunk.selection[index]
        return chunk.columns.map { $0.datum(row) }
    }

    private func sample(
        _ rows: [[Datum]], _ index: Int, _ column: ColumnDescriptor
    ) throws(EngineError) -> ColumnSample {
        var sample = ColumnSample(number: column.number, type: column.type)
        var key = ByteBuffer()
        var text = ByteBuffer()
        for row in rows {
            let value = row[index]
            if value.isNull {
                sample.nullCount += 1
                continue
            }
            key.removeAll()
            text.removeAll()
            try value.withCell { (cell) throws(EngineError) in
                NormalizedKey.append(cell, ValueClass.of(column.type.oid), to: &key)
                try TypeIO.output(cell, column.type.oid, into: &text, evaluation)
            }
            sample.keys.append(key.array)
            sample.texts.append(text.array)
            sample.byteCount += column.type.physical == .bytes ? text.count : column.type.physical.width
        }
        return sample
    }
}

/// SplitMix64 (Steele et al., OOPSLA 2014): good enough to choose a sample.
struct SampleRandom {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
