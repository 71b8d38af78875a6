// Expressions as SQL. Each is printed with the least precedence that its place takes bare; what binds looser gets parentheses.

extension Deparser {
    package mutating func expression(_ expression: Expression) { print(expression, .or) }

    mutating func expressions(_ list: [Expression]) {
        for (index, item) in list.enumerated() {
            separate(index)
            expression(item)
        }
    }

    /// `expression`, in parentheses if it binds looser than `minimum`.
    mutating func print(_ expression: Expression, _ minimum: Precedence) {
        if !mayDescend() { return }
        if Deparser.level(expression).rawValue >= minimum.rawValue {
            bare(expression)
        } else {
            put("(")
            bare(expression)
            put(")")
        }
    }

    /// How tight the outermost operator of `expression` binds; `.typecast` for what needs no parentheses anywhere.
    static func level(_ expression: Expression) -> Precedence {
        switch expression.kind {
        case .or: .or
        case .and: .and
        case .not: .not
        case .isTest, .isDistinct: .is
        case .like, .between, .inList, .inSubquery: .membership
        case .infix(let op, _, _), .quantifiedArray(let op, _, _, _), .quantifiedSubquery(let op, _, _, _): level(op)
        case .chain(_, let links): level(links[0].op)
        case .prefix(let op, _): op.schema.isEmpty && (op.name == "-" || op.name == "+") ? .sign : .symbol
        case .collate: .collate
        case .function(let call): call.syntax == .atTimeZone ? .at : .typecast
        case .literal(let literal): isNegative(literal) ? .sign : .typecast
        default: .typecast
        }
    }

    static func level(_ op: OperatorReference) -> Precedence {
        if !op.schema.isEmpty { return .symbol }
        switch op.name {
        case "=", "<", ">", "<=", ">=", "<>": return .comparison
        case "+", "-": return .additive
        case "*", "/", "%": return .multiplicative
        case "^": return .power
        default: return .symbol
        }
    }

    private static func isNegative(_ literal: Literal) -> Bool {
        switch literal {
        case .integer(let value): value < 0
        case .numeric(let text): text[0] == UInt8(ascii: "-")
        default: false
        }
    }

    private mutating func bare(_ expression: Expression) {
        switch expression.kind {
        case .literal(let value): literal(value)
        case .parameter(let number):
            put("$")
            put(Int64(number))
        case .column(let parts): dotted(parts)
        case .star(let qualifier):
            dotted(qualifier)
            put(qualifier.isEmpty ? "*" : ".*")
        case .defaultValue: put("DEFAULT")
        case .sqlValue(let function, let precision): sqlValue(function, precision)
        case .currentOf(let cursor):
            put("CURRENT OF ")
            name(cursor)
        case .prefix, .infix, .chain, .and, .or, .not, .quantifiedArray, .quantifiedSubquery: operators(expression)
        case .like, .between, .inList, .inSubquery, .isTest, .isDistinct: predicates(expression)
        case .cast(let value, let type):
            print(value, .typecast)
            put("::")
            self.type(type)
        case .collate(let value, let collation):
            print(value, .collate)
            put(" COLLATE ")
            name(collation)
        case .indirection(let base, let steps): indirection(base, steps)
        default: constructors(expression)
        }
    }

    // MARK: Leaves

    mutating func literal(_ literal: Literal) {
        switch literal {
        case .null: put("NULL")
        case .boolean(let value): put(value ? "true" : "false")
        case .integer(let value): put(value)
        case .numeric(let text): put(text)
        case .string(let bytes): string(bytes)
        case .bits(let digits):
            put("B")
            string(digits)
        case .hexBits(let digits):
            put("X")
            string(digits)
        }
    }

    private mutating func sqlValue(_ function: SQLValueFunction, _ precision: Int32) {
        switch function {
        case .currentDate: put("CURRENT_DATE")
        case .currentTime: put("CURRENT_TIME")
        case .currentTimestamp: put("CURRENT_TIMESTAMP")
        case .localTime: put("LOCALTIME")
        case .localTimestamp: put("LOCALTIMESTAMP")
        case .currentRole: put("CURRENT_ROLE")
        case .currentUser: put("CURRENT_USER")
        case .user: put("USER")
        case .sessionUser: put("SESSION_USER")
        case .currentCatalog: put("CURRENT_CATALOG")
        case .currentSchema: put("CURRENT_SCHEMA")
        }
        if precision < 0 { return }
        put("(")
        put(Int64(precision))
        put(")")
    }

    private mutating func indirection(_ base: Expression, _ steps: [Indirection]) {
        var isBare = false
        switch base.kind {
        case .parameter, .scalarSubquery: isBare = true
        case .column:
            switch steps[0] {
            case .element, .slice: isBare = true
            default: break
            }
        default: break
        }
        if !isBare { put("(") }
        bare(base)
        if !isBare { put(")") }
        indirection(steps)
    }

    mutating func indirection(_ steps: [Indirection]) {
        for step in steps {
            switch step {
            case .field(let field):
                put(".")
                name(field)
            case .star: put(".*")
            case .element(let index):
                put("[")
                expression(index)
                put("]")
            case .slice(let lower, let upper):
                put("[")
                if let lower { expression(lower) }
                // Apart, since `a :b` and `::` read otherwise.
                put(" : ")
                if let upper { expression(upper) }
                put("]")
            }
        }
    }

    // MARK: Operators

    private mutating func operators(_ expression: Expression) {
        switch expression.kind {
        case .prefix(let op, let operand):
            self.op(op)
            put(" ")
            print(operand, Deparser.level(expression) == .sign ? .sign : .additive)
        case .infix(let op, let left, let right):
            let level = Deparser.level(op)
            print(left, level == .comparison ? level.next : level)
            link(op)
            print(right, level.next)
        case .chain(let first, let links):
            let level = Deparser.level(links[0].op)
            print(first, level)
            for item in links {
                link(item.op)
                print(item.operand, level.next)
            }
        case .and(let list): joined(list, " AND ", .not)
        case .or(let list): joined(list, " OR ", .and)
        case .not(let operand):
            put("NOT ")
            print(operand, .not)
        case .quantifiedArray(let op, let left, let quantifier, let array):
            quantified(op, left, quantifier)
            self.expression(array)
            put(")")
        case .quantifiedSubquery(let op, let left, let quantifier, let query):
            quantified(op, left, quantifier)
            self.query(query)
            put(")")
        default: break
        }
    }

    private mutating func link(_ op: OperatorReference) {
        put(" ")
        self.op(op)
        put(" ")
    }

    private mutating func joined(_ list: [Expression], _ word: StaticString, _ minimum: Precedence) {
        for (index, item) in list.enumerated() {
            if index > 0 { put(word) }
            print(item, minimum)
        }
    }

    private mutating func quantified(_ op: OperatorReference, _ left: Expression, _ quantifier: Quantifier) {
        let level = Deparser.level(op)
        print(left, level == .comparison ? level.next : level)
        link(op)
        put(quantifier == .any ? "ANY (" : "ALL (")
    }

    // MARK: Predicates

    private mutating func predicates(_ expression: Expression) {
        switch expression.kind {
        case .like(let like):
            print(like.value, .symbol)
            if like.negated { put(" NOT") }
            switch like.kind {
            case .like: put(" LIKE ")
            case .ilike: put(" ILIKE ")
            case .similar: put(" SIMILAR TO ")
            }
            print(like.pattern, .symbol)
            if let escape = like.escape {
                put(" ESCAPE ")
                print(escape, .symbol)
            }
        case .between(let between):
            print(between.value, .symbol)
            put(between.negated ? " NOT BETWEEN " : " BETWEEN ")
            if between.symmetric { put("SYMMETRIC ") }
            restricted(between.low)
            put(" AND ")
            print(between.high, .symbol)
        case .inList(let value, let list, let negated):
            print(value, .symbol)
            put(negated ? " NOT IN (" : " IN (")
            expressions(list)
            put(")")
        case .inSubquery(let value, let query, let negated):
            print(value, .symbol)
            put(negated ? " NOT IN (" : " IN (")
            self.query(query)
            put(")")
        case .isTest(let value, let test, let negated):
            print(value, .comparison)
            put(negated ? " IS NOT " : " IS ")
            put(Deparser.word(test))
        case .isDistinct(let left, let right, let negated):
            print(left, .comparison)
            put(negated ? " IS NOT DISTINCT FROM " : " IS DISTINCT FROM ")
            print(right, .comparison)
        default: break
        }
    }

    /// Where only a restricted expression may stand.
    mutating func restricted(_ expression: Expression) { print(expression, .sign) }

    private static func word(_ test: IsTest) -> StaticString {
        switch test {
        case .null: "NULL"
        case .true: "TRUE"
        case .false: "FALSE"
        case .unknown: "UNKNOWN"
        case .document: "DOCUMENT"
        case .normalized: "NORMALIZED"
        case .nfc: "NFC NORMALIZED"
        case .nfd: "NFD NORMALIZED"
        case .nfkc: "NFKC NORMALIZED"
        case .nfkd: "NFKD NORMALIZED"
        }
    }

    // MARK: Constructors

    private mutating func constructors(_ expression: Expression) {
        switch expression.kind {
        case .caseWhen(let item): caseWhen(item)
        case .coalesce(let list): call("COALESCE(", list)
        case .greatest(let list): call("GREATEST(", list)
        case .least(let list): call("LEAST(", list)
        case .grouping(let list): call("GROUPING(", list)
        case .nullIf(let first, let second): call("NULLIF(", [first, second])
        case .row(let list, let explicit): call(explicit ? "ROW(" : "(", list)
        case .array(let list):
            put("ARRAY[")
            expressions(list)
            put("]")
        case .arraySubquery(let query):
            put("ARRAY(")
            self.query(query)
            put(")")
        case .exists(let query):
            put("EXISTS (")
            self.query(query)
            put(")")
        case .scalarSubquery(let query):
            put("(")
            self.query(query)
            put(")")
        case .function(let call): function(call)
        default: break
        }
    }

    private mutating func call(_ opening: StaticString, _ list: [Expression]) {
        put(opening)
        expressions(list)
        put(")")
    }

    private mutating func caseWhen(_ item: CaseExpression) {
        put("CASE")
        if let operand = item.operand {
            put(" ")
            expression(operand)
        }
        for when in item.whens {
            put(" WHEN ")
            expression(when.condition)
            put(" THEN ")
            expression(when.result)
        }
        if let otherwise = item.otherwise {
            put(" ELSE ")
            expression(otherwise)
        }
        put(" END")
    }
}
