// COPY, in its present syntax (`WITH (FORMAT csv, …)`) and in those that programs have used before.

import Platform

extension Parser {
    mutating func copy() throws(SyntaxFailure) -> Copy {
        let position = token.start
        try expect(.copy)
        let subject: Copy.Subject
        var options: [Option] = []
        if token.kind == .leftParenthesis {
            try advance()
            subject = .query(try preparableStatement())
            try expect(.rightParenthesis)
        } else {
            if at(.binary) {
                let binary = token.start
                try advance()
                options.append(Option(namespace: nil, name: "format", value: .word("binary"), position: binary))
            }
            let table = try qualifiedName()
            subject = .table(table, columns: try optionalColumnNames())
        }
        var isQuery = false
        if case .query = subject { isQuery = true }
        let isFrom = isQuery ? false : at(.from)
        if isFrom { try advance() } else { try expect(.to) }
        let endpoint = try copyEndpoint()
        let copy = Copy(subject: subject, isFrom: isFrom, endpoint: endpoint, position: position)
        copy.options = options
        try oldDelimiters(copy)
        let hasWith = try accept(.with)
        if token.kind == .leftParenthesis {
            copy.options += try utilityOptions(ofCopy: true)
        } else {
            let count = copy.options.count
            while let option = try oldOption() { copy.options.append(option) }
            if hasWith && copy.options.count == count && !at(.where) && token.kind != .endOfText
                && token.kind != .semicolon
            {
                try failSyntax()
            }
        }
        if at(.where) {
            if !isFrom { try fail("WHERE clause not allowed with COPY TO") }
            copy.filter = try whereClause()
        }
        return copy
    }

    private mutating func copyEndpoint() throws(SyntaxFailure) -> Copy.Endpoint {
        if try accept(.program) { return .program(try stringValue()) }
        if try accept(.stdin) { return .client }
        if try accept(.stdout) { return .client }
        return .file(try stringValue())
    }

    /// [USING] DELIMITERS 'c', from before 7.3.
    private mutating func oldDelimiters(_ copy: Copy) throws(SyntaxFailure) {
        let position = token.start
        if try accept(.using) {
            if !at(.delimiters) { try failSyntax() }
        }
        if try !accept(.delimiters) { return }
        copy.options.append(
            Option(namespace: nil, name: "delimiter", value: .string(try stringValue()), position: position))
    }

    /// One option of the syntax without parentheses, nil if there is none.
    private mutating func oldOption() throws(SyntaxFailure) -> Option? {
        let position = token.start
        let keyword = token.keyword
        switch keyword {
        case .binary, .freeze, .delimiter, .null, .csv, .header, .quote, .escape, .force, .encoding: try advance()
        default: return nil
        }
        func option(_ name: Name, _ value: Option.Value) -> Option {
            Option(namespace: nil, name: name, value: value, position: position)
        }
        switch keyword {
        case .binary: return option("format", .word("binary"))
        case .csv: return option("format", .word("csv"))
        case .freeze: return option("freeze", .boolean(true))
        case .header: return option("header", .boolean(true))
        case .delimiter, .null, .quote, .escape:
            _ = try accept(.as)
            let value = Option.Value.string(try stringValue())
            switch keyword {
            case .delimiter: return option("delimiter", value)
            case .null: return option("null", value)
            case .quote: return option("quote", value)
            default: return option("escape", value)
            }
        case .encoding: return option("encoding", .string(try stringValue()))
        default: break
        }
        if try accept(.quote) {
            if try accept(.star) { return option("force_quote", .star) }
            return option("force_quote", .list(try columnNames()))
        }
        if try accept(.not) {
            try expect(.null)
            return option("force_not_null", .list(try columnNames()))
        }
        try expect(.null)
        return option("force_null", .list(try columnNames()))
    }
}
