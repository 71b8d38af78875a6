// Roles and privileges.

import Platform

extension Parser {
    // MARK: Names of roles

    /// A role's name, CURRENT_USER and its kin, or PUBLIC.
    mutating func roleSpecification() throws(SyntaxFailure) -> RoleSpecification {
        switch token.keyword {
        case .currentRole:
            try advance()
            return .currentRole
        case .currentUser:
            try advance()
            return .currentUser
        case .sessionUser:
            try advance()
            return .sessionUser
        default: break
        }
        let isQuoted = token.kind != .word
        let position = token.start
        let name = try nonReservedWord()
        if isQuoted { return .named(name) }
        if name.matches("public") { return .public }
        if name.matches("none") {
            try fail("role name \"none\" is reserved", at: position, state: "42939")
        }
        return .named(name)
    }

    /// The name of a role that is to be: none of the words that stand for roles.
    private mutating func roleName() throws(SyntaxFailure) -> Name {
        switch token.keyword {
        case .currentRole, .currentUser, .sessionUser:
            var word = [UInt8](lexer.text(token))
            for index in 0..<word.count where word[index] >= UInt8(ascii: "a") && word[index] <= UInt8(ascii: "z") {
                word[index] &= 0xDF
            }
            try fail(
                String(decoding: word, as: UTF8.self) + " cannot be used as a role name here", state: "42939")
        default: break
        }
        let position = token.start
        switch try roleSpecification() {
        case .named(let name): return name
        default: try fail("role name \"public\" is reserved", at: position, state: "42939")
        }
    }

    mutating func roleSpecifications() throws(SyntaxFailure) -> [RoleSpecification] {
        var roles = [try roleSpecification()]
        while try accept(.comma) { roles.append(try roleSpecification()) }
        return roles
    }

    // MARK: CREATE ROLE, ALTER ROLE

    mutating func createRole() throws(SyntaxFailure) -> CreateRole {
        let kind: CreateRole.Kind = at(.role) ? .role : at(.user) ? .user : .group
        try advance()
        let name = try roleName()
        _ = try accept(.with)
        return CreateRole(kind: kind, name: name, options: try roleOptions())
    }

    mutating func alterRole() throws(SyntaxFailure) -> Statement {
        let isGroup = at(.group)
        try advance()
        let role: RoleSpecification? = try accept(.all) ? nil : try roleSpecification()
        if let role, case .named(let name) = role, at(.rename) {
            try advance()
            try expect(.to)
            return .rename(
                Rename(
                    kind: .role, object: ObjectReference(name: QualifiedName(name)), part: .object,
                    newName: try roleName(), ifExists: false))
        }
        var database: Name?
        if try accept(.in) {
            try expect(.database)
            database = try columnName()
        }
        let position = token.start
        if try accept(.set) {
            return .alterRoleSetting(
                AlterRoleSetting(role: role, database: database, setting: try setVariable(position)))
        }
        if try accept(.reset) {
            return .alterRoleSetting(AlterRoleSetting(role: role, database: database, setting: try reset(position)))
        }
        guard let role, database == nil else { try failSyntax() }
        if isGroup { return try groupMembers(role) }
        _ = try accept(.with)
        return .alterRole(AlterRole(role: role, options: try roleOptions()))
    }

    /// ALTER GROUP g ADD | DROP USER …, which are GRANT and REVOKE.
    private mutating func groupMembers(_ group: RoleSpecification) throws(SyntaxFailure) -> Statement {
        let isGrant = try accept(.add)
        if !isGrant { try expect(.drop) }
        try expect(.user)
        guard case .named(let name) = group else { try failSyntax() }
        return .grantRole(
            GrantRole(
                isGrant: isGrant, roles: [name], grantees: try roleSpecifications(), adminOption: false, grantedBy: nil,
                cascade: false))
    }

    private mutating func roleOptions() throws(SyntaxFailure) -> [RoleOption] {
        var options: [RoleOption] = []
        while let option = try roleOption() { options.append(option) }
        return options
    }

    private mutating func roleOption() throws(SyntaxFailure) -> RoleOption? {
        switch token.keyword {
        case .password, .encrypted:
            if try accept(.encrypted), !at(.password) { try failSyntax() }
            try advance()
            return .password(try accept(.null) ? nil : try stringValue())
        case .inherit:
            try advance()
            return .inherit(true)
        case .connection:
            try advance()
            try expect(.limit)
            return .connectionLimit(try signedInteger())
        case .valid:
            try advance()
            try expect(.until)
            return .validUntil(try stringValue())
        case .in:
            try advance()
            if try !accept(.group) { try expect(.role) }
            return .inRole(try roleSpecifications())
        case .role, .user:
            try advance()
            return .role(try roleSpecifications())
        case .admin:
            try advance()
            return .admin(try roleSpecifications())
        case .sysid:
            try advance()
            return .sysid(try unsignedInteger())
        case .identifier where token.kind == .word: return try roleAttribute()
        default: return nil
        }
    }

    /// SUPERUSER and the other attributes that are no keywords.
    private mutating func roleAttribute() throws(SyntaxFailure) -> RoleOption {
        let name = try lexer.name(token)
        let option: RoleOption
        if name.matches("superuser") {
            option = .superuser(true)
        } else if name.matches("nosuperuser") {
            option = .superuser(false)
        } else if name.matches("createrole") {
            option = .createRole(true)
        } else if name.matches("nocreaterole") {
            option = .createRole(false)
        } else if name.matches("createdb") {
            option = .createDB(true)
        } else if name.matches("nocreatedb") {
            option = .createDB(false)
        } else if name.matches("login") {
            option = .login(true)
        } else if name.matches("nologin") {
            option = .login(false)
        } else if name.matches("replication") {
            option = .replication(true)
        } else if name.matches("noreplication") {
            option = .replication(false)
        } else if name.matches("bypassrls") {
            option = .bypassRLS(true)
        } else if name.matches("nobypassrls") {
            option = .bypassRLS(false)
        } else if name.matches("noinherit") {
            option = .inherit(false)
        } else {
            try fail("unrecognized role option \"" + name.text + "\"")
        }
        try advance()
        return option
    }

    mutating func reassignOwned() throws(SyntaxFailure) -> ReassignOwned {
        try expect(.reassign)
        try expect(.owned)
        try expect(.by)
        let roles = try roleSpecifications()
        try expect(.to)
        return ReassignOwned(roles: roles, newOwner: try roleSpecification(), cascade: false)
    }

    // MARK: GRANT, REVOKE

    mutating func grantStatement(isGrant: Bool) throws(SyntaxFailure) -> Statement {
        try advance()
        var optionOnly: Name?
        if !isGrant {
            if try accept(.grant, .option) {
                try expect(.for)
                optionOnly = "grant"
            } else if try accept(.admin, .option) {
                try expect(.for)
                optionOnly = "admin"
            }
        }
        let privileges = try privileges()
        if try accept(.on) {
            let grant = Grant(isGrant: isGrant, target: try grantTarget())
            grant.privileges = privileges
            grant.grantOption = optionOnly != nil
            try grantees(grant)
            return .grant(grant)
        }
        var roles: [Name] = []
        for privilege in privileges {
            if !privilege.columns.isEmpty { try fail("column names must not be included in GRANT/REVOKE ROLE") }
            roles.append(privilege.name)
        }
        if roles.isEmpty { try failSyntax() }
        if isGrant { try expect(.to) } else { try expect(.from) }
        var grant = GrantRole(
            isGrant: isGrant, roles: roles, grantees: try roleSpecifications(), adminOption: optionOnly != nil,
            grantedBy: nil, cascade: false)
        if isGrant, try accept(.with) {
            try expect(.admin)
            try expect(.option)
            grant.adminOption = true
        }
        grant.grantedBy = try grantedBy()
        if !isGrant { grant.cascade = try acceptCascade() }
        return .grantRole(grant)
    }

    private mutating func grantees(_ grant: Grant) throws(SyntaxFailure) {
        if grant.isGrant { try expect(.to) } else { try expect(.from) }
        repeat {
            _ = try accept(.group)
            grant.grantees.append(try roleSpecification())
        } while try accept(.comma)
        if grant.isGrant, try accept(.with) {
            try expect(.grant)
            try expect(.option)
            grant.grantOption = true
        }
        grant.grantedBy = try grantedBy()
        if !grant.isGrant { grant.cascade = try acceptCascade() }
    }

    private mutating func grantedBy() throws(SyntaxFailure) -> RoleSpecification? {
        if try !accept(.granted) { return nil }
        try expect(.by)
        return try roleSpecification()
    }

    /// ALL [PRIVILEGES] [(columns)] comes back empty, or as one nameless privilege if it has columns.
    private mutating func privileges() throws(SyntaxFailure) -> [Grant.Privilege] {
        if try accept(.all) {
            _ = try accept(.privileges)
            let columns = try optionalColumnNames()
            return columns.isEmpty ? [] : [Grant.Privilege(name: "all", columns: columns)]
        }
        var list: [Grant.Privilege] = []
        repeat {
            let name: Name
            switch token.keyword {
            case .select, .references, .create: name = try takeName()
            case .alter:
                try advance()
                try expect(.system)
                name = "alter system"
            default: name = try columnName()
            }
            list.append(Grant.Privilege(name: name, columns: try optionalColumnNames()))
        } while try accept(.comma)
        return list
    }

    private mutating func grantTarget() throws(SyntaxFailure) -> Grant.Target {
        switch token.keyword {
        case .all: return try allInSchema()
        case .sequence: return try namedTarget(.sequence)
        case .database: return try namedTarget(.database)
        case .schema: return try namedTarget(.schema)
        case .domain: return try namedTarget(.domain)
        case .type: return try namedTarget(.type)
        case .language: return try namedTarget(.language)
        case .tablespace: return try namedTarget(.tablespace)
        case .parameter: return try namedTarget(.parameter)
        case .table: return try namedTarget(.table)
        case .function: return try routineTarget(.function)
        case .procedure: return try routineTarget(.procedure)
        case .routine: return try routineTarget(.routine)
        case .large:
            try advance()
            try expect(.object)
            var objects: [ObjectReference] = []
            repeat {
                objects.append(ObjectReference(name: QualifiedName(Name(lexer.text(token)), position: token.start)))
                _ = try unsignedInteger()
            } while try accept(.comma)
            return .objects(.largeObject, objects)
        case .foreign:
            try advance()
            if at(.server) { return try namedTarget(.foreignServer) }
            try expect(.data)
            return try namedTarget(.foreignDataWrapper)
        default: return .objects(.table, try qualifiedNames().map { ObjectReference(name: $0) })
        }
    }

    /// The kind's last word, then names.
    private mutating func namedTarget(_ kind: ObjectKind) throws(SyntaxFailure) -> Grant.Target {
        try advance()
        return .objects(kind, try qualifiedNames().map { ObjectReference(name: $0) })
    }

    private mutating func routineTarget(_ kind: ObjectKind) throws(SyntaxFailure) -> Grant.Target {
        try advance()
        var objects: [ObjectReference] = []
        repeat { objects.append(try routineReference()) } while try accept(.comma)
        return .objects(kind, objects)
    }

    private mutating func allInSchema() throws(SyntaxFailure) -> Grant.Target {
        try expect(.all)
        let kind = try pluralKind()
        try expect(.in)
        try expect(.schema)
        return .allInSchema(kind, try columnNames())
    }

    private mutating func pluralKind() throws(SyntaxFailure) -> ObjectKind {
        let kind: ObjectKind
        switch token.keyword {
        case .tables: kind = .table
        case .sequences: kind = .sequence
        case .functions: kind = .function
        case .procedures: kind = .procedure
        case .routines: kind = .routine
        case .types: kind = .type
        case .schemas: kind = .schema
        default: try failSyntax()
        }
        try advance()
        return kind
    }

    /// After ALTER DEFAULT.
    mutating func alterDefaultPrivileges() throws(SyntaxFailure) -> Statement {
        try expect(.privileges)
        var roles: [RoleSpecification] = []
        var schemas: [Name] = []
        while true {
            if try accept(.for) {
                if try !accept(.role) { try expect(.user) }
                roles += try roleSpecifications()
            } else if try accept(.in) {
                try expect(.schema)
                schemas += try columnNames()
            } else {
                break
            }
        }
        let isGrant = try accept(.grant)
        if !isGrant { try expect(.revoke) }
        var grantOption = false
        if !isGrant, try accept(.grant, .option) {
            try expect(.for)
            grantOption = true
        }
        let privileges = try privileges()
        try expect(.on)
        let kind = try pluralKind()
        let grant = Grant(isGrant: isGrant, target: .defaults(kind, forRoles: roles, schemas: schemas))
        grant.privileges = privileges
        grant.grantOption = grantOption
        try grantees(grant)
        return .grant(grant)
    }
}
