// DROP, COMMENT ON, and how they name objects of every kind.

import Platform

extension Parser {
    mutating func dropStatement() throws(SyntaxFailure) -> Statement {
        try expect(.drop)
        switch token.keyword {
        case .database: return .dropDatabase(try dropDatabase())
        case .role, .group: return .dropRole(try dropRole())
        case .user:
            if try peek().keyword == .mapping { return try unsupported("DROP USER MAPPING") }
            return .dropRole(try dropRole())
        case .owned:
            try advance()
            try expect(.by)
            let roles = try roleSpecifications()
            return .reassignOwned(ReassignOwned(roles: roles, newOwner: nil, cascade: try acceptCascade()))
        default: break
        }
        let kind = try objectKind()
        let concurrently = kind == .index ? try accept(.concurrently) : false
        let ifExists = try acceptIfExists()
        var objects = [try objectReference(kind)]
        if !kind.isDroppedSingly {
            while try accept(.comma) { objects.append(try objectReference(kind)) }
        }
        return .drop(
            Drop(
                kind: kind, objects: objects, ifExists: ifExists, cascade: try acceptCascade(),
                concurrently: concurrently))
    }

    private mutating func dropDatabase() throws(SyntaxFailure) -> DropDatabase {
        try expect(.database)
        let ifExists = try acceptIfExists()
        let name = try columnName()
        var force = false
        let hasWith = try accept(.with)
        if hasWith || token.kind == .leftParenthesis {
            try expect(.leftParenthesis)
            repeat { try expect(.force) } while try accept(.comma)
            try expect(.rightParenthesis)
            force = true
        }
        return DropDatabase(name: name, ifExists: ifExists, force: force)
    }

    private mutating func dropRole() throws(SyntaxFailure) -> DropRole {
        try advance()
        let ifExists = try acceptIfExists()
        return DropRole(roles: try roleSpecifications(), ifExists: ifExists)
    }

    // MARK: COMMENT

    mutating func comment() throws(SyntaxFailure) -> Comment {
        try expect(.comment)
        try expect(.on)
        let kind: ObjectKind
        if try accept(.column) {
            kind = .column
        } else if try accept(.constraint) {
            kind = .constraint
        } else if try accept(.large) {
            try expect(.object)
            kind = .largeObject
        } else if at(.database) || at(.role) {
            kind = at(.database) ? .database : .role
            try advance()
        } else {
            kind = try objectKind()
        }
        var object: ObjectReference
        var finalKind = kind
        if kind == .largeObject {
            object = ObjectReference(name: QualifiedName(Name(lexer.text(token)), position: token.start))
            _ = try unsignedInteger()
        } else if kind == .constraint {
            let position = token.start
            let name = try columnName()
            object = ObjectReference(name: QualifiedName(name, position: position))
            try expect(.on)
            if try accept(.domain) { finalKind = .domainConstraint }
            object.table = try qualifiedName()
        } else {
            object = try objectReference(kind)
        }
        try expect(.is)
        let text: [UInt8]? = try accept(.null) ? nil : try stringValue()
        return Comment(kind: finalKind, object: object, text: text)
    }

    // MARK: Objects of every kind

    /// The words for a kind of object.
    private mutating func objectKind() throws(SyntaxFailure) -> ObjectKind {
        let keyword = token.keyword
        let isWord = token.kind == .word
        if !isWord { try failSyntax() }
        let place = token
        try advance()
        switch keyword {
        case .table: return .table
        case .index: return .index
        case .sequence: return .sequence
        case .view: return .view
        case .materialized:
            try expect(.view)
            return .materializedView
        case .schema: return .schema
        case .type: return .type
        case .domain: return .domain
        case .function: return .function
        case .procedure: return .procedure
        case .routine: return .routine
        case .aggregate: return .aggregate
        case .extension: return .extension
        case .collation: return .collation
        case .conversion: return .conversion
        case .trigger: return .trigger
        case .rule: return .rule
        case .policy: return .policy
        case .language: return .language
        case .procedural:
            try expect(.language)
            return .language
        case .tablespace: return .tablespace
        case .server: return .foreignServer
        case .publication: return .publication
        case .subscription: return .subscription
        case .statistics: return .statistics
        case .cast: return .cast
        case .transform: return .transform
        case .access:
            try expect(.method)
            return .accessMethod
        case .event:
            try expect(.trigger)
            return .eventTrigger
        case .foreign:
            if try accept(.table) { return .foreignTable }
            try expect(.data)
            try expect(.wrapper)
            return .foreignDataWrapper
        case .operator:
            if try accept(.class) { return .operatorClass }
            return try accept(.family) ? .operatorFamily : .operator
        case .text:
            try expect(.search)
            return try textSearchKind()
        default: try lexer.fail("syntax error", Int(place.start), Int(place.end))
        }
    }

    private mutating func textSearchKind() throws(SyntaxFailure) -> ObjectKind {
        if try accept(.parser) { return .textSearchParser }
        if try accept(.dictionary) { return .textSearchDictionary }
        if try accept(.template) { return .textSearchTemplate }
        try expect(.configuration)
        return .textSearchConfiguration
    }

    /// A name with what its kind needs to be found.
    private mutating func objectReference(_ kind: ObjectKind) throws(SyntaxFailure) -> ObjectReference {
        switch kind {
        case .function, .procedure, .routine: return try routineReference()
        case .aggregate:
            let object = try routineReference()
            if object.arguments == nil { try failSyntax() }
            return object
        case .trigger, .rule, .policy:
            let position = token.start
            var object = ObjectReference(name: QualifiedName(try columnName(), position: position))
            try expect(.on)
            object.table = try qualifiedName()
            return object
        case .operatorClass, .operatorFamily:
            var object = ObjectReference(name: try qualifiedName())
            try expect(.using)
            object.method = try columnName()
            return object
        case .operator: return try operatorObject()
        case .cast: return try castObject()
        case .transform:
            try expect(.for)
            let type = try typeName()
            try expect(.language)
            return ObjectReference(name: QualifiedName(try columnName()), arguments: [type])
        case .type, .domain:
            let type = try typeName()
            return ObjectReference(name: type.name, arguments: type.arrayBounds.isEmpty ? nil : [type])
        default: return ObjectReference(name: try qualifiedName())
        }
    }

    /// `name [(types)]`; a type may have a mode and a name before it.
    mutating func routineReference() throws(SyntaxFailure) -> ObjectReference {
        let position = token.start
        let isName = token.kind == .word ? !token.keyword.isReserved : atQuotedName
        if !isName { try failSyntax() }
        let first = try takeName()
        var object = ObjectReference(name: try qualifiedName(after: first, position))
        if try !accept(.leftParenthesis) { return object }
        var types: [TypeName?] = []
        // `*`: an aggregate over nothing.
        if try !accept(.star) {
            if token.kind != .rightParenthesis && !at(.order) {
                repeat { types.append(try functionParameter(isDefinition: false).type) } while try accept(.comma)
            }
            // The arguments of an ordered-set aggregate are named together with the direct ones.
            if try accept(.order) {
                try expect(.by)
                repeat { types.append(try functionParameter(isDefinition: false).type) } while try accept(.comma)
            }
        }
        try expect(.rightParenthesis)
        object.arguments = types
        return object
    }

    /// `[schema.]symbol (left, right)`, where a missing side is NONE.
    private mutating func operatorObject() throws(SyntaxFailure) -> ObjectReference {
        let position = token.start
        var parts: [Name] = []
        while atColumnName {
            parts.append(try takeName())
            try expect(.dot)
        }
        parts.append(Name(try operatorName().bytes))
        try expect(.leftParenthesis)
        let left: TypeName? = try accept(.none) ? nil : try typeName()
        if at(.rightParenthesis) {
            try fail("missing argument", hint: "Use NONE to denote the missing argument of a unary operator.")
        }
        try expect(.comma)
        let right: TypeName? = try accept(.none) ? nil : try typeName()
        try expect(.rightParenthesis)
        return ObjectReference(name: QualifiedName(parts, position: position), arguments: [left, right])
    }

    private mutating func castObject() throws(SyntaxFailure) -> ObjectReference {
        try expect(.leftParenthesis)
        let source = try typeName()
        try expect(.as)
        let target = try typeName()
        try expect(.rightParenthesis)
        return ObjectReference(name: source.name, arguments: [source, target])
    }
}

extension ObjectKind {
    /// Kinds of which DROP takes only one.
    fileprivate var isDroppedSingly: Bool {
        switch self {
        case .trigger, .rule, .policy, .operatorClass, .operatorFamily, .cast, .transform, .subscription: true
        default: false
        }
    }
}
