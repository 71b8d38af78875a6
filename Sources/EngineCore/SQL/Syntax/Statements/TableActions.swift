// The actions of ALTER TABLE.

import Platform

extension Parser {
    mutating func alterTableAction(_ kind: AlterTable.ObjectKind) throws(SyntaxFailure) -> AlterTableAction {
        let keyword = token.keyword
        try advance()
        switch keyword {
        case .add: return try addition()
        case .drop: return try removal()
        case .alter: return try columnAction()
        case .validate:
            try expect(.constraint)
            return .validateConstraint(try columnName())
        case .set: return try settingAction()
        case .reset: return .resetOptions(try storageOptions())
        case .owner:
            try expect(.to)
            return .owner(try roleSpecification())
        case .cluster:
            try expect(.on)
            return .clusterOn(try columnName())
        case .inherit: return .inherit(try qualifiedName())
        case .no:
            if try accept(.force) {
                try expectRowSecurity()
                return .rowSecurity(.noForce)
            }
            try expect(.inherit)
            return .noInherit(try qualifiedName())
        case .force:
            try expectRowSecurity()
            return .rowSecurity(.force)
        case .attach:
            try expect(.partition)
            let name = try qualifiedName()
            return kind == .index ? .attachIndex(name) : .attachPartition(name, try partitionBound())
        case .detach:
            try expect(.partition)
            let name = try qualifiedName()
            let concurrently = try accept(.concurrently)
            let finalize = concurrently ? false : try accept(.finalize)
            return .detachPartition(name, concurrently: concurrently, finalize: finalize)
        case .replica: return try replicaIdentity()
        case .enable: return try enabling()
        case .disable: return try disabling()
        case .of: return .ofType(try qualifiedName())
        case .not:
            try expect(.of)
            return .notOf
        case .options where kind == .foreignTable: try failUnsupported("ALTER FOREIGN TABLE OPTIONS")
        default: try failSyntaxBefore()
        }
    }

    /// A syntax error at the word just consumed.
    private mutating func failSyntaxBefore() throws(SyntaxFailure) -> Never {
        var start = consumedEnd
        while start > 0 && isLetterOrDigit(lexer.base[start - 1]) { start -= 1 }
        if start == consumedEnd { start -= 1 }
        try lexer.fail("syntax error", start, consumedEnd)
    }

    private mutating func expectRowSecurity() throws(SyntaxFailure) {
        try expect(.row)
        try expect(.level)
        try expect(.security)
    }

    private mutating func addition() throws(SyntaxFailure) -> AlterTableAction {
        switch token.keyword {
        case .constraint, .check, .unique, .primary, .foreign: return .addConstraint(try tableConstraint())
        case .exclude:
            let next = try peek()
            if next.kind == .leftParenthesis || next.keyword == .using { return .addConstraint(try tableConstraint()) }
        default: break
        }
        _ = try accept(.column)
        let ifNotExists = try acceptIfNotExists()
        return .addColumn(try columnDefinition(), ifNotExists: ifNotExists)
    }

    private mutating func removal() throws(SyntaxFailure) -> AlterTableAction {
        if try accept(.constraint) {
            let ifExists = try acceptIfExists()
            let name = try columnName()
            return .dropConstraint(name, ifExists: ifExists, cascade: try acceptCascade())
        }
        _ = try accept(.column)
        let ifExists = try acceptIfExists()
        let name = try columnName()
        return .dropColumn(name, ifExists: ifExists, cascade: try acceptCascade())
    }

    /// ALTER [COLUMN] name …, ALTER CONSTRAINT name ….
    private mutating func columnAction() throws(SyntaxFailure) -> AlterTableAction {
        if try accept(.constraint) {
            let name = try columnName()
            return .alterConstraint(name, try constraintTiming())
        }
        _ = try accept(.column)
        if token.kind == .integer { try failUnsupported("ALTER of an index column by number") }
        let name = try columnName()
        let keyword = token.keyword
        try advance()
        switch keyword {
        case .type: return try typeChange(name)
        case .set: return try columnSetting(name)
        case .reset: return .resetColumnOptions(name, try storageOptions())
        case .restart:
            return .alterIdentity(name, always: nil, [.restart(try restartValue())] + (try identityOptions()).options)
        case .options: try failUnsupported("OPTIONS of a column")
        case .drop:
            if try accept(.default) { return .dropDefault(name) }
            if try accept(.not) {
                try expect(.null)
                return .dropNotNull(name)
            }
            if try accept(.expression) { return .dropExpression(name, ifExists: try acceptIfExists()) }
            try expect(.identity)
            return .dropIdentity(name, ifExists: try acceptIfExists())
        case .add:
            try expect(.generated)
            let always = try generatedWhen()
            try expect(.as)
            try expect(.identity)
            return .addIdentity(name, always: always, try parenthesisedSequenceOptions())
        default: try failSyntaxBefore()
        }
    }

    private mutating func restartValue() throws(SyntaxFailure) -> Int64? {
        if try accept(.with) { return try signedInteger() }
        switch token.kind {
        case .integer, .minus, .plus: return try signedInteger()
        default: return nil
        }
    }

    private mutating func generatedWhen() throws(SyntaxFailure) -> Bool {
        if try accept(.always) { return true }
        try expect(.by)
        try expect(.default)
        return false
    }

    private mutating func typeChange(_ name: Name) throws(SyntaxFailure) -> AlterTableAction {
        let type = try typeName()
        let collation = try accept(.collate) ? try qualifiedName() : nil
        let using = try accept(.using) ? try expression() : nil
        return .alterType(name, type, collation: collation, using: using)
    }

    /// After ALTER COLUMN name SET.
    private mutating func columnSetting(_ name: Name) throws(SyntaxFailure) -> AlterTableAction {
        switch token.keyword {
        case .data:
            try advance()
            try expect(.type)
            return try typeChange(name)
        case .default:
            try advance()
            return .setDefault(name, try expression())
        case .not:
            try advance()
            try expect(.null)
            return .setNotNull(name)
        case .statistics:
            try advance()
            return .setStatistics(name, try signedInteger())
        case .storage:
            try advance()
            return .setStorage(name, try columnName())
        case .compression:
            try advance()
            return .setCompression(name, try accept(.default) ? "default" : try columnName())
        case .generated:
            try advance()
            let always = try generatedWhen()
            let rest = try identityOptions()
            return .alterIdentity(name, always: rest.always ?? always, rest.options)
        default: break
        }
        if token.kind == .leftParenthesis { return .setColumnOptions(name, try storageOptions()) }
        guard let option = try sequenceOption() else { try failSyntax() }
        let rest = try identityOptions()
        return .alterIdentity(name, always: rest.always, [option] + rest.options)
    }

    /// SET option, SET GENERATED …, RESTART …, repeated.
    private mutating func identityOptions() throws(SyntaxFailure) -> (always: Bool?, options: [SequenceOption]) {
        var always: Bool?
        var options: [SequenceOption] = []
        while true {
            if try accept(.set) {
                if try accept(.generated) {
                    always = try generatedWhen()
                } else if let option = try sequenceOption() {
                    options.append(option)
                } else {
                    try failSyntax()
                }
            } else if try accept(.restart) {
                options.append(.restart(try restartValue()))
            } else {
                return (always, options)
            }
        }
    }

    /// After SET.
    private mutating func settingAction() throws(SyntaxFailure) -> AlterTableAction {
        switch token.keyword {
        case .tablespace:
            try advance()
            let name = try columnName()
            _ = try accept(.nowait)
            return .setTablespace(name)
        case .access:
            try advance()
            try expect(.method)
            return .setAccessMethod(try columnName())
        case .logged:
            try advance()
            return .setPersistence(.permanent)
        case .unlogged:
            try advance()
            return .setPersistence(.unlogged)
        case .without:
            try advance()
            if try accept(.oids) { try failUnsupported("SET WITHOUT OIDS") }
            try expect(.cluster)
            return .setWithoutCluster
        default: return .setOptions(try storageOptions())
        }
    }

    private mutating func replicaIdentity() throws(SyntaxFailure) -> AlterTableAction {
        try expect(.identity)
        if try accept(.nothing) { return .replicaIdentity(.nothing) }
        if try accept(.full) { return .replicaIdentity(.full) }
        if try accept(.default) { return .replicaIdentity(.default) }
        try expect(.using)
        try expect(.index)
        return .replicaIdentity(.index(try columnName()))
    }

    private mutating func enabling() throws(SyntaxFailure) -> AlterTableAction {
        if at(.row) {
            try expectRowSecurity()
            return .rowSecurity(.enable)
        }
        if try accept(.trigger) { return .enableDisable("ENABLE TRIGGER", try triggerName()) }
        if try accept(.rule) { return .enableDisable("ENABLE RULE", try columnName()) }
        if try accept(.always) {
            if try accept(.trigger) { return .enableDisable("ENABLE ALWAYS TRIGGER", try columnName()) }
            try expect(.rule)
            return .enableDisable("ENABLE ALWAYS RULE", try columnName())
        }
        try expect(.replica)
        if try accept(.trigger) { return .enableDisable("ENABLE REPLICA TRIGGER", try columnName()) }
        try expect(.rule)
        return .enableDisable("ENABLE REPLICA RULE", try columnName())
    }

    private mutating func disabling() throws(SyntaxFailure) -> AlterTableAction {
        if at(.row) {
            try expectRowSecurity()
            return .rowSecurity(.disable)
        }
        if try accept(.trigger) { return .enableDisable("DISABLE TRIGGER", try triggerName()) }
        try expect(.rule)
        return .enableDisable("DISABLE RULE", try columnName())
    }

    /// A trigger's name, or ALL or USER.
    private mutating func triggerName() throws(SyntaxFailure) -> Name {
        at(.all) || at(.user) ? try takeName() : try columnName()
    }
}
