// Roles, privileges and functions as SQL.

extension Deparser {
    mutating func role(_ role: RoleSpecification) {
        switch role {
        case .named(let label):
            // "public" and "none" as names of roles must be quoted.
            if label.matches("public") || label.matches("none") {
                quoted(label.bytes, UInt8(ascii: "\""))
            } else {
                name(label)
            }
        case .currentRole: put("CURRENT_ROLE")
        case .currentUser: put("CURRENT_USER")
        case .sessionUser: put("SESSION_USER")
        case .public: put("PUBLIC")
        }
    }

    private mutating func roleList(_ roles: [RoleSpecification]) {
        for (index, item) in roles.enumerated() {
            separate(index)
            role(item)
        }
    }

    mutating func roles(_ statement: Statement) {
        switch statement {
        case .createRole(let create):
            switch create.kind {
            case .role: put("CREATE ROLE ")
            case .user: put("CREATE USER ")
            case .group: put("CREATE GROUP ")
            }
            name(create.name)
            roleOptions(create.options)
        case .alterRole(let alter):
            put("ALTER ROLE ")
            role(alter.role)
            roleOptions(alter.options)
        case .alterRoleSetting(let alter):
            put("ALTER ROLE ")
            if let role = alter.role { self.role(role) } else { put("ALL") }
            if let database = alter.database {
                put(" IN DATABASE ")
                name(database)
            }
            put(" ")
            set(alter.setting)
        case .dropRole(let drop):
            put(drop.ifExists ? "DROP ROLE IF EXISTS " : "DROP ROLE ")
            roleList(drop.roles)
        case .grant(let grant): self.grant(grant)
        case .grantRole(let grant): grantRole(grant)
        case .reassignOwned(let reassign):
            put(reassign.newOwner == nil ? "DROP OWNED BY " : "REASSIGN OWNED BY ")
            roleList(reassign.roles)
            if let owner = reassign.newOwner {
                put(" TO ")
                role(owner)
            }
            if reassign.cascade { put(" CASCADE") }
        default: break
        }
    }

    private mutating func roleOptions(_ options: [RoleOption]) {
        for option in options {
            switch option {
            case .password(let password):
                put(" PASSWORD ")
                if let password { string(password) } else { put("NULL") }
            case .superuser(let yes): put(yes ? " SUPERUSER" : " NOSUPERUSER")
            case .createDB(let yes): put(yes ? " CREATEDB" : " NOCREATEDB")
            case .createRole(let yes): put(yes ? " CREATEROLE" : " NOCREATEROLE")
            case .inherit(let yes): put(yes ? " INHERIT" : " NOINHERIT")
            case .login(let yes): put(yes ? " LOGIN" : " NOLOGIN")
            case .replication(let yes): put(yes ? " REPLICATION" : " NOREPLICATION")
            case .bypassRLS(let yes): put(yes ? " BYPASSRLS" : " NOBYPASSRLS")
            case .connectionLimit(let limit):
                put(" CONNECTION LIMIT ")
                put(limit)
            case .validUntil(let time):
                put(" VALID UNTIL ")
                string(time)
            case .inRole(let roles):
                put(" IN ROLE ")
                roleList(roles)
            case .role(let roles):
                put(" ROLE ")
                roleList(roles)
            case .admin(let roles):
                put(" ADMIN ")
                roleList(roles)
            case .sysid(let identifier):
                put(" SYSID ")
                put(identifier)
            }
        }
    }

    // MARK: Privileges

    private mutating func grant(_ grant: Grant) {
        if case .defaults(_, let roles, let schemas) = grant.target {
            put("ALTER DEFAULT PRIVILEGES ")
            if !roles.isEmpty {
                put("FOR ROLE ")
                roleList(roles)
                put(" ")
            }
            if !schemas.isEmpty {
                put("IN SCHEMA ")
                names(schemas)
                put(" ")
            }
        }
        put(grant.isGrant ? "GRANT " : "REVOKE ")
        if !grant.isGrant && grant.grantOption { put("GRANT OPTION FOR ") }
        if grant.privileges.isEmpty { put("ALL") }
        for (index, privilege) in grant.privileges.enumerated() {
            separate(index)
            put(privilege.name.bytes)
            optionalNames(privilege.columns)
        }
        put(" ON ")
        grantTarget(grant.target)
        put(grant.isGrant ? " TO " : " FROM ")
        roleList(grant.grantees)
        if grant.isGrant && grant.grantOption { put(" WITH GRANT OPTION") }
        grantedBy(grant.grantedBy)
        if grant.cascade { put(" CASCADE") }
    }

    private mutating func grantedBy(_ role: RoleSpecification?) {
        guard let role else { return }
        put(" GRANTED BY ")
        self.role(role)
    }

    private mutating func grantTarget(_ target: Grant.Target) {
        switch target {
        case .objects(let kind, let objects):
            if kind == .foreignServer { put("FOREIGN ") }
            put(Deparser.words(kind))
            put(" ")
            for (index, object) in objects.enumerated() {
                separate(index)
                reference(kind, object)
            }
        case .allInSchema(let kind, let schemas):
            put("ALL ")
            put(Deparser.words(kind))
            put("S IN SCHEMA ")
            names(schemas)
        case .defaults(let kind, _, _):
            put(Deparser.words(kind))
            put("S")
        }
    }

    private mutating func grantRole(_ grant: GrantRole) {
        put(grant.isGrant ? "GRANT " : "REVOKE ")
        if !grant.isGrant && grant.adminOption { put("ADMIN OPTION FOR ") }
        names(grant.roles)
        put(grant.isGrant ? " TO " : " FROM ")
        roleList(grant.grantees)
        if grant.isGrant && grant.adminOption { put(" WITH ADMIN OPTION") }
        grantedBy(grant.grantedBy)
        if grant.cascade { put(" CASCADE") }
    }

    // MARK: Functions

    mutating func createFunction(_ function: CreateFunction) {
        put(function.orReplace ? "CREATE OR REPLACE " : "CREATE ")
        put(function.isProcedure ? "PROCEDURE " : "FUNCTION ")
        name(function.name)
        put("(")
        parameters(function.parameters.filter { $0.mode != .table })
        put(")")
        let columns = function.parameters.filter { $0.mode == .table }
        if !columns.isEmpty {
            put(" RETURNS TABLE (")
            parameters(columns)
            put(")")
        } else if let type = function.returns {
            put(" RETURNS ")
            self.type(type)
        }
        if let language = function.language {
            put(" LANGUAGE ")
            name(language)
        }
        for option in function.options { property(option) }
        for setting in function.settings {
            put(" ")
            set(setting)
        }
        body(function.body)
    }

    private mutating func parameters(_ parameters: [CreateFunction.Parameter]) {
        for (index, parameter) in parameters.enumerated() {
            separate(index)
            switch parameter.mode {
            case .in, .table: break
            case .out: put("OUT ")
            case .inOut: put("INOUT ")
            case .variadic: put("VARIADIC ")
            }
            if let label = parameter.name {
                name(label)
                put(" ")
            }
            type(parameter.type)
            if let value = parameter.defaultValue {
                put(" DEFAULT ")
                expression(value)
            }
        }
    }

    private mutating func property(_ option: Option) {
        put(" ")
        if case .boolean(let flag) = option.value {
            if option.name.matches("strict") {
                put(flag ? "STRICT" : "CALLED ON NULL INPUT")
            } else if option.name.matches("security") {
                put(flag ? "SECURITY DEFINER" : "SECURITY INVOKER")
            } else if option.name.matches("leakproof") {
                put(flag ? "LEAKPROOF" : "NOT LEAKPROOF")
            } else {
                put(option.name.bytes)
            }
            return
        }
        if !option.name.matches("volatility") {
            put(option.name.bytes)
            put(" ")
        }
        value(option.value)
    }

    private mutating func body(_ body: CreateFunction.Body) {
        switch body {
        case .none: break
        case .text(let parts):
            put(" AS ")
            for (index, part) in parts.enumerated() {
                separate(index)
                string(part)
            }
        case .expression(let value):
            put(" RETURN ")
            expression(value)
        case .atomic(let statements):
            put(" BEGIN ATOMIC ")
            for statement in statements {
                self.statement(statement)
                put("; ")
            }
            put("END")
        }
    }
}
