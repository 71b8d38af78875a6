// What follows a column's type, and constraints that stand alone.

import Platform

extension Parser {
    /// COLLATE, DEFAULT, NOT NULL, CHECK, UNIQUE, PRIMARY KEY, REFERENCES, GENERATED, in any order.
    mutating func columnQualifiers(_ column: ColumnDefinition) throws(SyntaxFailure) {
        while true {
            if try accept(.collate) {
                if column.collation != nil { try fail("multiple COLLATE clauses not allowed") }
                column.collation = try qualifiedName()
                continue
            }
            if try acceptTiming(column) { continue }
            let position = token.start
            let name = try accept(.constraint) ? try columnName() : nil
            guard let kind = try columnConstraintKind() else {
                if name != nil { try failSyntax() }
                return
            }
            column.constraints.append(
                ColumnConstraint(name: name, kind: kind, timing: ConstraintTiming(), position: position))
        }
    }

    /// DEFERRABLE and INITIALLY belong to the constraint before them.
    private mutating func acceptTiming(_ column: ColumnDefinition) throws(SyntaxFailure) -> Bool {
        var timing = ConstraintTiming()
        if try !accept(&timing) { return false }
        let last = column.constraints.count - 1
        if last < 0 { try fail("misplaced DEFERRABLE clause") }
        if column.constraints[last].timing.deferrable == false && timing.initiallyDeferred == true {
            try fail("constraint declared INITIALLY DEFERRED must be DEFERRABLE")
        }
        if let deferrable = timing.deferrable { column.constraints[last].timing.deferrable = deferrable }
        if let initially = timing.initiallyDeferred {
            column.constraints[last].timing.initiallyDeferred = initially
            if initially && column.constraints[last].timing.deferrable == nil {
                column.constraints[last].timing.deferrable = true
            }
        }
        return true
    }

    /// One of [NOT] DEFERRABLE, INITIALLY DEFERRED | IMMEDIATE.
    private mutating func accept(_ timing: inout ConstraintTiming) throws(SyntaxFailure) -> Bool {
        let start = token.start
        if try accept(.deferrable) {
            timing.deferrable = true
        } else if try accept(.not, .deferrable) {
            if timing.initiallyDeferred == true {
                try fail("constraint declared INITIALLY DEFERRED must be DEFERRABLE", at: start)
            }
            timing.deferrable = false
        } else if try accept(.initially) {
            let deferred = at(.deferred)
            if try !accept(.deferred) { try expect(.immediate) }
            if deferred && timing.deferrable == false {
                try fail("constraint declared INITIALLY DEFERRED must be DEFERRABLE", at: start)
            }
            timing.initiallyDeferred = deferred
            if deferred { timing.deferrable = true }
        } else {
            return false
        }
        return true
    }

    /// All that is written of DEFERRABLE and INITIALLY.
    mutating func constraintTiming() throws(SyntaxFailure) -> ConstraintTiming {
        var timing = ConstraintTiming()
        while try accept(&timing) {}
        return timing
    }

    private mutating func columnConstraintKind() throws(SyntaxFailure) -> ColumnConstraint.Kind? {
        switch token.keyword {
        case .not:
            try advance()
            try expect(.null)
            return .notNull
        case .null:
            try advance()
            return .null
        case .default:
            try advance()
            return .defaultValue(try restrictedExpression())
        case .check:
            let check = try check()
            return .check(check, noInherit: try accept(.no, .inherit))
        case .unique:
            try advance()
            let nullsNotDistinct = try nullsNotDistinct()
            return .unique(nullsNotDistinct: nullsNotDistinct, try indexParameters())
        case .primary:
            try advance()
            try expect(.key)
            return .primaryKey(try indexParameters())
        case .references:
            try advance()
            return .references(try foreignKey())
        case .generated: return try generated()
        default: return nil
        }
    }

    private mutating func generated() throws(SyntaxFailure) -> ColumnConstraint.Kind {
        try expect(.generated)
        let position = token.start
        let always = try accept(.always)
        if !always {
            try expect(.by)
            try expect(.default)
        }
        try expect(.as)
        if try accept(.identity) { return .identity(always: always, try parenthesisedSequenceOptions()) }
        if !always { try fail("for a generated column, GENERATED ALWAYS must be specified", at: position) }
        try expect(.leftParenthesis)
        let expression = try expression()
        try expect(.rightParenthesis)
        try expect(.stored)
        return .generated(expression)
    }

    mutating func parenthesisedSequenceOptions() throws(SyntaxFailure) -> [SequenceOption] {
        if try !accept(.leftParenthesis) { return [] }
        let options = try sequenceOptions()
        if options.isEmpty { try failSyntax() }
        try expect(.rightParenthesis)
        return options
    }

    private mutating func check() throws(SyntaxFailure) -> Expression {
        try expect(.check)
        try expect(.leftParenthesis)
        let expression = try expression()
        try expect(.rightParenthesis)
        return expression
    }

    /// INCLUDE, WITH, USING INDEX TABLESPACE.
    private mutating func indexParameters() throws(SyntaxFailure) -> IndexParameters {
        var parameters = IndexParameters()
        if try accept(.include) { parameters.include = try parenthesisedColumnNames() }
        parameters.options = try withOptions()
        if try accept(.using) {
            try expect(.index)
            try expect(.tablespace)
            parameters.tablespace = try columnName()
        }
        return parameters
    }

    // MARK: Foreign keys

    /// After REFERENCES.
    private mutating func foreignKey() throws(SyntaxFailure) -> ForeignKey {
        let table = try qualifiedName()
        var key = ForeignKey(table: table, columns: try optionalColumnNames())
        if try accept(.match) {
            switch token.keyword {
            case .full: key.match = .full
            case .partial: try failUnsupported("MATCH PARTIAL")
            case .simple: break
            default: try failSyntax()
            }
            try advance()
        }
        var hasDelete = false
        var hasUpdate = false
        while at(.on) {
            let position = token.start
            try advance()
            if !hasDelete, try accept(.delete) {
                hasDelete = true
                key.onDelete = try referentialAction()
                if key.onDelete == .setNull || key.onDelete == .setDefault {
                    key.onDeleteColumns = try optionalColumnNames()
                }
            } else {
                if hasUpdate { try failSyntax() }
                try expect(.update)
                hasUpdate = true
                key.onUpdate = try referentialAction()
                if at(.leftParenthesis) && (key.onUpdate == .setNull || key.onUpdate == .setDefault) {
                    let action = key.onUpdate == .setNull ? "SET NULL" : "SET DEFAULT"
                    try fail(
                        "a column list with \(action) is only supported for ON DELETE actions", at: position,
                        state: .featureNotSupported)
                }
            }
        }
        return key
    }

    private mutating func referentialAction() throws(SyntaxFailure) -> ForeignKey.Action {
        if try accept(.restrict) { return .restrict }
        if try accept(.cascade) { return .cascade }
        if try accept(.no) {
            try expect(.action)
            return .noAction
        }
        try expect(.set)
        if try accept(.null) { return .setNull }
        try expect(.default)
        return .setDefault
    }

    // MARK: Table constraints

    mutating func tableConstraint() throws(SyntaxFailure) -> TableConstraint {
        let position = token.start
        let name = try accept(.constraint) ? try columnName() : nil
        let kind = try tableConstraintKind()
        let constraint = TableConstraint(name: name, kind: kind, timing: ConstraintTiming(), position: position)
        while true {
            if try accept(.not, .valid) {
                constraint.isNotValid = true
            } else if case .check(let expression, _) = kind, try accept(.no, .inherit) {
                constraint.kind = .check(expression, noInherit: true)
            } else if try !accept(&constraint.timing) {
                return constraint
            }
        }
    }

    private mutating func tableConstraintKind() throws(SyntaxFailure) -> TableConstraint.Kind {
        switch token.keyword {
        case .check: return .check(try check(), noInherit: false)
        case .unique:
            try advance()
            if try accept(.using, .index) { return .usingIndex(try columnName(), primary: false) }
            let nullsNotDistinct = try nullsNotDistinct()
            let columns = try parenthesisedColumnNames()
            return .unique(columns, nullsNotDistinct: nullsNotDistinct, try indexParameters())
        case .primary:
            try advance()
            try expect(.key)
            if try accept(.using, .index) { return .usingIndex(try columnName(), primary: true) }
            let columns = try parenthesisedColumnNames()
            return .primaryKey(columns, try indexParameters())
        case .foreign:
            try advance()
            try expect(.key)
            let columns = try parenthesisedColumnNames()
            try expect(.references)
            return .foreignKey(columns, try foreignKey())
        case .exclude:
            try advance()
            let method = try accept(.using) ? try columnName() : nil
            try expect(.leftParenthesis)
            var elements: [(element: IndexElement, op: OperatorReference)] = []
            repeat {
                let element = try indexElement()
                try expect(.with)
                elements.append((element, try operatorReference()))
            } while try accept(.comma)
            try expect(.rightParenthesis)
            let parameters = try indexParameters()
            var filter: Expression?
            if try accept(.where) {
                try expect(.leftParenthesis)
                filter = try expression()
                try expect(.rightParenthesis)
            }
            return .exclude(method: method, elements, parameters, filter: filter)
        default: try failSyntax()
        }
    }
}
