// Function calls as SQL: plain ones, and those that SQL spells in its own way.

extension Deparser {
    mutating func function(_ call: FunctionCall) {
        if call.syntax == .call { plainCall(call) } else { specialCall(call) }
        if call.withinGroup {
            put(" WITHIN GROUP (")
            orderBy(call.orderBy)
            put(")")
        }
        if let filter = call.filter {
            put(" FILTER (WHERE ")
            expression(filter)
            put(")")
        }
        switch call.over {
        case .named(let window):
            put(" OVER ")
            name(window)
        case .definition(let window):
            put(" OVER ")
            self.window(window)
        case nil: break
        }
    }

    private mutating func plainCall(_ call: FunctionCall) {
        name(call.name)
        put("(")
        if call.isStar { put("*") }
        if call.distinct { put("DISTINCT ") }
        for (index, argument) in call.arguments.enumerated() {
            separate(index)
            if call.variadic && index == call.arguments.count - 1 { put("VARIADIC ") }
            if let label = argument.name {
                name(label)
                put(" => ")
            }
            expression(argument.value)
        }
        if !call.withinGroup && !call.orderBy.isEmpty {
            put(" ")
            orderBy(call.orderBy)
        }
        put(")")
    }

    private mutating func specialCall(_ call: FunctionCall) {
        let arguments = call.arguments.map { $0.value }
        switch call.syntax {
        case .call: break
        case .extract:
            put("EXTRACT(")
            expression(arguments[0])
            put(" FROM ")
            expression(arguments[1])
        case .atTimeZone:
            print(arguments[1], .at)
            put(" AT TIME ZONE ")
            print(arguments[0], .collate)
            return
        case .overlay: clauses("OVERLAY(", arguments, [" PLACING ", " FROM ", " FOR "])
        case .position:
            put("POSITION(")
            restricted(arguments[1])
            put(" IN ")
            restricted(arguments[0])
        case .substring: clauses("SUBSTRING(", arguments, [" FROM ", " FOR "])
        case .substringSimilar: clauses("SUBSTRING(", arguments, [" SIMILAR ", " ESCAPE "])
        case .trimBoth: trim("TRIM(BOTH ", arguments)
        case .trimLeading: trim("TRIM(LEADING ", arguments)
        case .trimTrailing: trim("TRIM(TRAILING ", arguments)
        case .normalize:
            put("NORMALIZE(")
            expression(arguments[0])
            if arguments.count > 1, case .literal(.string(let form)) = arguments[1].kind {
                put(", ")
                put(form)
            }
        case .overlaps:
            put("(")
            expressions([arguments[0], arguments[1]])
            put(") OVERLAPS (")
            expressions([arguments[2], arguments[3]])
        case .collationFor:
            put("COLLATION FOR (")
            expression(arguments[0])
        }
        put(")")
    }

    /// The first argument, then each other one after its word. Arguments that are operators get parentheses: SIMILAR and FOR
    /// could be taken for theirs.
    private mutating func clauses(_ opening: StaticString, _ arguments: [Expression], _ words: [StaticString]) {
        put(opening)
        for (index, argument) in arguments.enumerated() {
            if index > 0 { put(words[index - 1]) }
            print(argument, .symbol)
        }
    }

    /// `TRIM(side characters FROM text)`; the text is the first argument of the call, the characters its last.
    private mutating func trim(_ opening: StaticString, _ arguments: [Expression]) {
        put(opening)
        if arguments.count == 2 {
            expression(arguments[1])
            put(" FROM ")
            expression(arguments[0])
        } else {
            put("FROM ")
            expressions(arguments)
        }
    }

    // MARK: Windows and order

    mutating func window(_ window: WindowDefinition) {
        put("(")
        var isFirst = true
        func space(_ deparser: inout Deparser) {
            if !isFirst { deparser.put(" ") }
            isFirst = false
        }
        if let base = window.base {
            space(&self)
            name(base)
        }
        if !window.partitionBy.isEmpty {
            space(&self)
            put("PARTITION BY ")
            expressions(window.partitionBy)
        }
        if !window.orderBy.isEmpty {
            space(&self)
            orderBy(window.orderBy)
        }
        if let frame = window.frame {
            space(&self)
            self.frame(frame)
        }
        put(")")
    }

    private mutating func frame(_ frame: WindowFrame) {
        switch frame.mode {
        case .range: put("RANGE ")
        case .rows: put("ROWS ")
        case .groups: put("GROUPS ")
        }
        if let end = frame.end {
            put("BETWEEN ")
            bound(frame.start)
            put(" AND ")
            bound(end)
        } else {
            bound(frame.start)
        }
        switch frame.exclusion {
        case .noOthers: break
        case .currentRow: put(" EXCLUDE CURRENT ROW")
        case .group: put(" EXCLUDE GROUP")
        case .ties: put(" EXCLUDE TIES")
        }
    }

    private mutating func bound(_ bound: WindowFrame.Bound) {
        switch bound {
        case .unboundedPreceding: put("UNBOUNDED PRECEDING")
        case .unboundedFollowing: put("UNBOUNDED FOLLOWING")
        case .currentRow: put("CURRENT ROW")
        case .preceding(let distance):
            print(distance, .symbol)
            put(" PRECEDING")
        case .following(let distance):
            print(distance, .symbol)
            put(" FOLLOWING")
        }
    }

    /// ORDER BY …, nothing for an empty list.
    mutating func orderBy(_ items: [SortItem]) {
        if items.isEmpty { return }
        put("ORDER BY ")
        for (index, item) in items.enumerated() {
            separate(index)
            expression(item.expression)
            direction(item.direction)
            if let using = item.using {
                put(" USING ")
                op(using)
            }
            nulls(item.nulls)
        }
    }

    mutating func direction(_ direction: SortItem.Direction) {
        switch direction {
        case .ascending: put(" ASC")
        case .descending: put(" DESC")
        case .unspecified, .using: break
        }
    }

    mutating func nulls(_ nulls: SortItem.Nulls) {
        switch nulls {
        case .first: put(" NULLS FIRST")
        case .last: put(" NULLS LAST")
        case .unspecified: break
        }
    }
}
