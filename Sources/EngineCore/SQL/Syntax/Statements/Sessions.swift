// Settings, prepared statements, cursors and notifications.

import Platform

extension Parser {
    mutating func sessionStatement() throws(SyntaxFailure) -> Statement {
        let keyword = token.keyword
        switch keyword {
        case .set: return try setStatement()
        case .prepare: return try prepareStatement()
        case .execute: return .execute(try execute())
        case .declare: return .declareCursor(try declareCursor())
        case .fetch, .move: return .fetch(try fetch())
        default: break
        }
        let position = token.start
        try advance()
        switch keyword {
        case .reset: return .set(try reset(position))
        case .show: return .show(try show())
        case .discard: return .discard(try discardTarget())
        case .deallocate:
            _ = try accept(.prepare)
            return .deallocate(try accept(.all) ? nil : try columnName())
        case .close: return .closeCursor(try accept(.all) ? nil : try columnName())
        case .listen: return .listen(try columnName())
        case .unlisten: return .unlisten(try accept(.star) ? nil : try columnName())
        case .notify:
            let channel = try columnName()
            return .notify(channel, payload: try accept(.comma) ? try stringValue() : nil)
        default: return .load(try stringValue())
        }
    }

    // MARK: SET, RESET, SHOW

    private mutating func setStatement() throws(SyntaxFailure) -> Statement {
        let position = token.start
        try expect(.set)
        if at(.constraints) { return .setConstraints(try setConstraints()) }
        return .set(try setVariable(position))
    }

    /// After SET: a setting with its scope.
    mutating func setVariable(_ position: Int32) throws(SyntaxFailure) -> SetVariable {
        var scope = SetVariable.Scope.session
        var isAfterSession = false
        let next = try peek()
        // LOCAL and SESSION may be names of settings, too.
        let isName = next.kind == .equals || next.kind == .dot || next.keyword == .to
        if !isName, try accept(.local) {
            scope = .local
        } else if !isName, try accept(.session) {
            isAfterSession = true
            if try accept(.characteristics) {
                try expect(.as)
                try expect(.transaction)
                return SetVariable(
                    name: "transaction", action: .transaction(try requiredTransactionModes(), session: true),
                    position: position)
            }
        }
        if try atTransactionModes() {
            try advance()
            if try accept(.snapshot) {
                return SetVariable(
                    scope: scope, name: "transaction_snapshot", action: .snapshot(try stringValue()), position: position
                )
            }
            return SetVariable(
                scope: scope, name: "transaction",
                action: .transaction(try requiredTransactionModes(), session: false), position: position)
        }
        if at(.authorization) && !isAfterSession { try failSyntax() }
        var setting = try setting(position)
        setting.scope = scope
        return setting
    }

    /// At TRANSACTION, unless a setting is meant that is named so.
    private mutating func atTransactionModes() throws(SyntaxFailure) -> Bool {
        if !at(.transaction) { return false }
        let next = try peek()
        return next.kind != .equals && next.keyword != .to
    }

    private mutating func requiredTransactionModes() throws(SyntaxFailure) -> TransactionModes {
        let start = token.start
        let modes = try transactionModes()
        if token.start == start { try failSyntax() }
        return modes
    }

    /// `name = …`, or one of the settings with words of their own.
    private mutating func setting(_ position: Int32) throws(SyntaxFailure) -> SetVariable {
        func make(_ name: Name, _ action: SetVariable.Action) -> SetVariable {
            SetVariable(name: name, action: action, position: position)
        }
        let next = try peek()
        switch next.kind == .equals || next.keyword == .to ? .identifier : token.keyword {
        case .time:
            if try peek().keyword == .zone {
                try advance()
                try advance()
                return make("timezone", try zoneAction())
            }
        case .schema:
            try advance()
            return make("search_path", .values([.string(try stringValue())]))
        case .names:
            try advance()
            if atString { return make("client_encoding", .values([.string(try stringValue())])) }
            _ = try accept(.default)
            return make("client_encoding", .reset(isReset: false))
        case .role:
            try advance()
            return make("role", .values([try wordOrString()]))
        case .session:
            try advance()
            try expect(.authorization)
            return make("session_authorization", try authorizationAction())
        case .authorization:
            // SET SESSION AUTHORIZATION, whose SESSION was read as a scope.
            try advance()
            return make("session_authorization", try authorizationAction())
        case .xml:
            try advance()
            try expect(.option)
            let value = try nonReservedWord()
            return make("xmloption", .values([.word(value)]))
        case .catalog: try failUnsupported("SET CATALOG")
        default: break
        }
        let name = try settingName()
        if try accept(.from) {
            try expect(.current)
            return make(name, .fromCurrent)
        }
        if try !accept(.equals) { try expect(.to) }
        if try accept(.default) { return make(name, .reset(isReset: false)) }
        var values = [try settingValue()]
        while try accept(.comma) { values.append(try settingValue()) }
        return make(name, .values(values))
    }

    /// A word or a dotted name, joined.
    mutating func settingName() throws(SyntaxFailure) -> Name {
        var bytes = try columnName().bytes
        while try accept(.dot) {
            bytes.append(UInt8(ascii: "."))
            bytes += try columnName().bytes
        }
        return Name(bytes)
    }

    private mutating func wordOrString() throws(SyntaxFailure) -> SettingValue {
        atString ? .string(try stringValue()) : .word(try nonReservedWord())
    }

    private mutating func authorizationAction() throws(SyntaxFailure) -> SetVariable.Action {
        try accept(.default) ? .reset(isReset: false) : .values([try wordOrString()])
    }

    private mutating func zoneAction() throws(SyntaxFailure) -> SetVariable.Action {
        if try accept(.default) { return .reset(isReset: false) }
        if try accept(.local) { return .reset(isReset: false) }
        if at(.interval) { return .values([.interval(try primary())]) }
        return .values([try settingValue()])
    }

    private mutating func settingValue() throws(SyntaxFailure) -> SettingValue {
        if atString { return .string(try stringValue()) }
        switch token.kind {
        case .word:
            switch token.keyword {
            case .true, .false, .on: return .word(try takeName())
            default: return .word(try nonReservedWord())
            }
        case .quotedName, .unicodeName: return .string(try takeName().bytes)
        default: break
        }
        var text: [UInt8] = []
        if token.kind == .minus { text = [UInt8(ascii: "-")] }
        if token.kind == .minus || token.kind == .plus { try advance() }
        if token.kind != .integer && token.kind != .numeric { try failSyntax() }
        let isNegative = !text.isEmpty
        text += lexer.text(token)
        let integer = token.kind == .integer ? lexer.integer(token) : nil
        try advance()
        if let integer { return .integer(isNegative ? -integer : integer) }
        return .numeric(text)
    }

    mutating func reset(_ position: Int32) throws(SyntaxFailure) -> SetVariable {
        if try accept(.all) { return SetVariable(name: "all", action: .resetAll, position: position) }
        return SetVariable(name: try shownName(), action: .reset(isReset: true), position: position)
    }

    private mutating func show() throws(SyntaxFailure) -> ShowVariable {
        try accept(.all) ? .all : .named(try shownName())
    }

    /// A setting's name, or the words that stand for one.
    private mutating func shownName() throws(SyntaxFailure) -> Name {
        if try accept(.time, .zone) { return "timezone" }
        if try accept(.transaction, .isolation) {
            try expect(.level)
            return "transaction_isolation"
        }
        if try accept(.session, .authorization) { return "session_authorization" }
        return try settingName()
    }

    private mutating func setConstraints() throws(SyntaxFailure) -> SetConstraints {
        try expect(.constraints)
        let names = try accept(.all) ? [] : try qualifiedNames()
        let deferred = at(.deferred)
        if try !accept(.deferred) { try expect(.immediate) }
        return SetConstraints(constraints: names, deferred: deferred)
    }

    private mutating func discardTarget() throws(SyntaxFailure) -> DiscardTarget {
        let target: DiscardTarget
        switch token.keyword {
        case .all: target = .all
        case .plans: target = .plans
        case .sequences: target = .sequences
        case .temp, .temporary: target = .temporary
        default: try failSyntax()
        }
        try advance()
        return target
    }

    // MARK: Prepared statements

    private mutating func prepareStatement() throws(SyntaxFailure) -> Statement {
        try expect(.prepare)
        if at(.transaction), try atStringAhead() {
            try advance()
            return .transaction(.prepare(try stringValue()))
        }
        let name = try columnName()
        var types: [TypeName] = []
        if try accept(.leftParenthesis) {
            repeat { types.append(try typeName()) } while try accept(.comma)
            try expect(.rightParenthesis)
        }
        try expect(.as)
        let start = Int(token.start)
        let statement = try preparableStatement()
        return .prepare(Prepare(name: name, types: types, statement: statement, start: start, end: consumedEnd))
    }

    private mutating func atStringAhead() throws(SyntaxFailure) -> Bool {
        switch try peek().kind {
        case .string, .escapeString, .unicodeString, .dollarString: true
        default: false
        }
    }

    mutating func execute() throws(SyntaxFailure) -> Execute {
        try expect(.execute)
        let name = try columnName()
        var arguments: [Expression] = []
        if try accept(.leftParenthesis) {
            arguments = try expressions()
            try expect(.rightParenthesis)
        }
        return Execute(name: name, arguments: arguments)
    }

    // MARK: Cursors

    mutating func declareCursor() throws(SyntaxFailure) -> DeclareCursor {
        try expect(.declare)
        let name = try columnName()
        var binary = false
        var scroll = DeclareCursor.Scroll.unspecified
        var sensitivity = DeclareCursor.Sensitivity.unspecified
        while !at(.cursor) {
            if try accept(.no) {
                try expect(.scroll)
                scroll = .noScroll
            } else if try accept(.scroll) {
                scroll = .scroll
            } else if try accept(.binary) {
                binary = true
            } else if try accept(.asensitive) {
                sensitivity = .asensitive
            } else {
                try expect(.insensitive)
                sensitivity = .insensitive
            }
        }
        try expect(.cursor)
        var hold = false
        if try accept(.with) {
            try expect(.hold)
            hold = true
        } else if try accept(.without) {
            try expect(.hold)
        }
        try expect(.for)
        return DeclareCursor(
            name: name, binary: binary, sensitivity: sensitivity, scroll: scroll, hold: hold, query: try query())
    }

    private mutating func fetch() throws(SyntaxFailure) -> Fetch {
        let isMove = at(.move)
        try advance()
        let direction = try fetchDirection()
        if try !accept(.from) { _ = try accept(.in) }
        return Fetch(direction: direction, cursor: try columnName(), isMove: isMove)
    }

    private mutating func fetchDirection() throws(SyntaxFailure) -> Fetch.Direction {
        if token.kind == .integer || token.kind == .minus || token.kind == .plus {
            return .forward(try signedInteger())
        }
        if try accept(.all) { return .forward(Int64.max) }
        switch token.keyword {
        case .next, .prior, .first, .last, .absolute, .relative, .forward, .backward: break
        default: return .forward(1)
        }
        // A cursor may have such a name: it has if nothing follows it.
        let next = try peek().kind
        if next == .endOfText || next == .semicolon { return .forward(1) }
        let keyword = token.keyword
        try advance()
        switch keyword {
        case .next: return .forward(1)
        case .prior: return .backward(1)
        case .first: return .absolute(1)
        case .last: return .absolute(-1)
        case .absolute: return .absolute(try signedInteger())
        case .relative: return .relative(try signedInteger())
        case .forward: return .forward(try fetchCount())
        default: return .backward(try fetchCount())
        }
    }

    private mutating func fetchCount() throws(SyntaxFailure) -> Int64 {
        if try accept(.all) { return Int64.max }
        switch token.kind {
        case .integer, .minus, .plus: return try signedInteger()
        default: return 1
        }
    }
}
