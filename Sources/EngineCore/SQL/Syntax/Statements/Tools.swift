// EXPLAIN, VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, LOCK, DO, CALL.

import Platform

extension Parser {
    mutating func toolStatement() throws(SyntaxFailure) -> Statement {
        switch token.keyword {
        case .explain: return .explain(try explain())
        case .vacuum: return .vacuum(try vacuum())
        case .analyze, .analyse: return .vacuum(try analyze())
        case .reindex: return .reindex(try reindex())
        case .cluster: return .cluster(try cluster())
        case .lock: return .lockTable(try lockTable())
        case .do: return .doBlock(try doBlock())
        case .call:
            try advance()
            let position = token.start
            let name = try qualifiedName()
            return .call(try application(QualifiedName(name.parts, position: position)))
        default:
            try advance()
            return .checkpoint
        }
    }

    private func flag(_ name: Name, _ position: Int32) -> Option {
        Option(namespace: nil, name: name, value: .none, position: position)
    }

    private mutating func explain() throws(SyntaxFailure) -> Explain {
        try expect(.explain)
        var options: [Option] = []
        if token.kind == .leftParenthesis, try !atQueryInParentheses() {
            options = try utilityOptions()
        } else {
            let position = token.start
            if at(.analyze) || at(.analyse) {
                try advance()
                options.append(flag("analyze", position))
            }
            if try accept(.verbose) { options.append(flag("verbose", position)) }
        }
        return Explain(options: options, statement: try explainable())
    }

    /// At `(`: whether a query opens after any number of parentheses.
    private mutating func atQueryInParentheses() throws(SyntaxFailure) -> Bool {
        let place = mark()
        while token.kind == .leftParenthesis { try advance() }
        let isQuery = try atQuery()
        rewind(place)
        return isQuery
    }

    private mutating func explainable() throws(SyntaxFailure) -> Statement {
        switch token.keyword {
        case .declare: return .declareCursor(try declareCursor())
        case .execute: return .execute(try execute())
        case .create:
            let place = token
            let statement = try createStatement()
            switch statement {
            case .createTableAs: return statement
            default: try lexer.fail("syntax error", Int(place.start), Int(place.end))
            }
        case .refresh: return .refreshMaterializedView(try refreshMaterializedView())
        default: return try preparableStatement()
        }
    }

    private mutating func vacuum() throws(SyntaxFailure) -> Vacuum {
        try expect(.vacuum)
        var options: [Option] = []
        if token.kind == .leftParenthesis {
            options = try utilityOptions()
        } else {
            let position = token.start
            if try accept(.full) { options.append(flag("full", position)) }
            if try accept(.freeze) { options.append(flag("freeze", position)) }
            if try accept(.verbose) { options.append(flag("verbose", position)) }
            if at(.analyze) || at(.analyse) {
                try advance()
                options.append(flag("analyze", position))
            }
        }
        return Vacuum(isAnalyzeOnly: false, options: options, relations: try vacuumRelations())
    }

    private mutating func analyze() throws(SyntaxFailure) -> Vacuum {
        try advance()
        var options: [Option] = []
        let position = token.start
        if token.kind == .leftParenthesis {
            options = try utilityOptions()
        } else if try accept(.verbose) {
            options = [flag("verbose", position)]
        }
        return Vacuum(isAnalyzeOnly: true, options: options, relations: try vacuumRelations())
    }

    private mutating func vacuumRelations() throws(SyntaxFailure) -> [Vacuum.Relation] {
        if !atColumnName { return [] }
        var relations: [Vacuum.Relation] = []
        repeat {
            let name = try qualifiedName()
            relations.append(Vacuum.Relation(name: name, columns: try optionalColumnNames()))
        } while try accept(.comma)
        return relations
    }

    private mutating func reindex() throws(SyntaxFailure) -> Reindex {
        try expect(.reindex)
        let options = token.kind == .leftParenthesis ? try utilityOptions() : []
        let keyword = token.keyword
        switch keyword {
        case .index, .table, .schema, .database, .system: try advance()
        default: try failSyntax()
        }
        let concurrently = try accept(.concurrently)
        let target: Reindex.Target
        switch keyword {
        case .index: target = .index(try qualifiedName())
        case .table: target = .table(try qualifiedName())
        case .schema: target = .schema(try columnName())
        case .database: target = .database(try columnName())
        default: target = .system(try columnName())
        }
        return Reindex(target: target, concurrently: concurrently, options: options)
    }

    private mutating func cluster() throws(SyntaxFailure) -> Cluster {
        try expect(.cluster)
        var cluster = Cluster(table: nil, index: nil, options: [])
        let position = token.start
        if token.kind == .leftParenthesis {
            cluster.options = try utilityOptions()
        } else if try accept(.verbose) {
            cluster.options = [flag("verbose", position)]
        }
        if !atColumnName { return cluster }
        let name = try qualifiedName()
        if try accept(.on) {
            // The old order: CLUSTER index ON table.
            cluster.index = name.name
            cluster.table = try qualifiedName()
        } else {
            cluster.table = name
            if try accept(.using) { cluster.index = try columnName() }
        }
        return cluster
    }

    private mutating func lockTable() throws(SyntaxFailure) -> LockTable {
        try expect(.lock)
        _ = try accept(.table)
        var tables = [try relation()]
        while try accept(.comma) { tables.append(try relation()) }
        var mode = LockTable.Mode.accessExclusive
        if try accept(.in) {
            mode = try lockMode()
            try expect(.mode)
        }
        return LockTable(tables: tables, mode: mode, noWait: try accept(.nowait))
    }

    private mutating func lockMode() throws(SyntaxFailure) -> LockTable.Mode {
        if try accept(.access) {
            if try accept(.share) { return .accessShare }
            try expect(.exclusive)
            return .accessExclusive
        }
        if try accept(.row) {
            if try accept(.share) { return .rowShare }
            try expect(.exclusive)
            return .rowExclusive
        }
        if try accept(.share) {
            if try accept(.update) {
                try expect(.exclusive)
                return .shareUpdateExclusive
            }
            if try accept(.row) {
                try expect(.exclusive)
                return .shareRowExclusive
            }
            return .share
        }
        try expect(.exclusive)
        return .exclusive
    }

    private mutating func doBlock() throws(SyntaxFailure) -> DoBlock {
        try expect(.do)
        var block = DoBlock(language: nil, body: [])
        var hasBody = false
        if !at(.language) && !atString { try failSyntax() }
        while true {
            if try accept(.language) {
                block.language = Name(atString ? try stringValue() : try nonReservedWord().bytes)
            } else if atString {
                block.body = try stringValue()
                hasBody = true
            } else {
                break
            }
        }
        if !hasBody { try fail("no inline code specified", at: -1) }
        return block
    }
}
