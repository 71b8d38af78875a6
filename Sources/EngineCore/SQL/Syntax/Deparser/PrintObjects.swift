// Schemas, databases, types, functions, and the statements that name objects of any kind, as SQL.

extension Deparser {
    mutating func objects(_ statement: Statement) {
        switch statement {
        case .createSchema(let schema): createSchema(schema)
        case .createDatabase(let database):
            put("CREATE DATABASE ")
            name(database.name)
            databaseOptions(database.options)
        case .alterDatabase(let alter): alterDatabase(alter)
        case .dropDatabase(let drop):
            put(drop.ifExists ? "DROP DATABASE IF EXISTS " : "DROP DATABASE ")
            name(drop.name)
            if drop.force { put(" WITH (FORCE)") }
        case .createType(let type): createType(type)
        case .alterType(let alter): alterType(alter)
        case .createDomain(let domain):
            put("CREATE DOMAIN ")
            name(domain.name)
            put(" AS ")
            type(domain.type)
            collation(domain.collation)
            for constraint in domain.constraints { columnConstraint(constraint) }
        case .createExtension(let item):
            put(item.ifNotExists ? "CREATE EXTENSION IF NOT EXISTS " : "CREATE EXTENSION ")
            name(item.name)
            for option in item.options {
                put(" ")
                put(option.name.bytes)
                if case .boolean = option.value { continue }
                put(" ")
                value(option.value)
            }
        case .createFunction(let function): createFunction(function)
        default: anyKind(statement)
        }
    }

    private mutating func anyKind(_ statement: Statement) {
        switch statement {
        case .drop(let drop):
            put("DROP ")
            put(Deparser.words(drop.kind))
            put(drop.concurrently ? " CONCURRENTLY " : " ")
            if drop.ifExists { put("IF EXISTS ") }
            for (index, object) in drop.objects.enumerated() {
                separate(index)
                reference(drop.kind, object)
            }
            if drop.cascade { put(" CASCADE") }
        case .rename(let rename): self.rename(rename)
        case .setSchema(let set):
            alter(set.kind, set.object, set.ifExists)
            put(" SET SCHEMA ")
            name(set.schema)
        case .setOwner(let set):
            alter(set.kind, set.object, false)
            put(" OWNER TO ")
            role(set.owner)
        case .comment(let comment):
            put("COMMENT ON ")
            put(Deparser.words(comment.kind))
            put(" ")
            reference(comment.kind, comment.object)
            put(" IS ")
            if let text = comment.text { string(text) } else { put("NULL") }
        default: break
        }
    }

    private mutating func alter(_ kind: ObjectKind, _ object: ObjectReference, _ ifExists: Bool) {
        put("ALTER ")
        put(Deparser.words(kind))
        put(ifExists ? " IF EXISTS " : " ")
        reference(kind, object)
    }

    private mutating func rename(_ rename: Rename) {
        alter(rename.kind, rename.object, rename.ifExists)
        put(" RENAME ")
        var cascade = false
        switch rename.part {
        case .object: break
        case .column(let column):
            put("COLUMN ")
            name(column)
            put(" ")
        case .constraint(let constraint):
            put("CONSTRAINT ")
            name(constraint)
            put(" ")
        case .attribute(let attribute, let cascades):
            put("ATTRIBUTE ")
            name(attribute)
            put(" ")
            cascade = cascades
        }
        put("TO ")
        name(rename.newName)
        if cascade { put(" CASCADE") }
    }

    // MARK: References

    mutating func reference(_ kind: ObjectKind, _ object: ObjectReference) {
        switch kind {
        case .cast:
            put("(")
            types(object.arguments ?? [], " AS ")
            put(")")
            return
        case .transform:
            put("FOR ")
            types(object.arguments ?? [], ", ")
            put(" LANGUAGE ")
            name(object.name)
            return
        case .operator:
            let parts = object.name.parts
            for part in parts.dropLast() {
                name(part)
                put(".")
            }
            put(object.name.name.bytes)
            put(" (")
            types(object.arguments ?? [], ", ")
            put(")")
            return
        case .largeObject:
            put(object.name.name.bytes)
            return
        case .type, .domain:
            if let types = object.arguments {
                self.types(types, ", ")
            } else {
                builtinOrName(object.name)
            }
            return
        default: name(object.name)
        }
        if let arguments = object.arguments {
            put("(")
            if kind == .aggregate && arguments.isEmpty { put("*") } else { types(arguments, ", ") }
            put(")")
        }
        if let method = object.method {
            put(" USING ")
            name(method)
        }
        if let table = object.table {
            put(kind == .domainConstraint ? " ON DOMAIN " : " ON ")
            name(table)
        }
    }

    private mutating func builtinOrName(_ name: QualifiedName) { type(TypeName(name)) }

    private mutating func types(_ types: [TypeName?], _ separator: StaticString) {
        for (index, item) in types.enumerated() {
            if index > 0 { put(separator) }
            if let item { type(item) } else { put("NONE") }
        }
    }

    static func words(_ kind: ObjectKind) -> StaticString {
        switch kind {
        case .table: "TABLE"
        case .index: "INDEX"
        case .sequence: "SEQUENCE"
        case .view: "VIEW"
        case .materializedView: "MATERIALIZED VIEW"
        case .foreignTable: "FOREIGN TABLE"
        case .schema: "SCHEMA"
        case .database: "DATABASE"
        case .type: "TYPE"
        case .domain: "DOMAIN"
        case .column: "COLUMN"
        case .constraint, .domainConstraint: "CONSTRAINT"
        case .function: "FUNCTION"
        case .procedure: "PROCEDURE"
        case .routine: "ROUTINE"
        case .aggregate: "AGGREGATE"
        case .operator: "OPERATOR"
        case .operatorClass: "OPERATOR CLASS"
        case .operatorFamily: "OPERATOR FAMILY"
        case .cast: "CAST"
        case .collation: "COLLATION"
        case .conversion: "CONVERSION"
        case .trigger: "TRIGGER"
        case .rule: "RULE"
        case .policy: "POLICY"
        case .extension: "EXTENSION"
        case .language: "LANGUAGE"
        case .role: "ROLE"
        case .tablespace: "TABLESPACE"
        case .largeObject: "LARGE OBJECT"
        case .foreignDataWrapper: "FOREIGN DATA WRAPPER"
        case .foreignServer: "SERVER"
        case .userMapping: "USER MAPPING"
        case .accessMethod: "ACCESS METHOD"
        case .publication: "PUBLICATION"
        case .subscription: "SUBSCRIPTION"
        case .eventTrigger: "EVENT TRIGGER"
        case .textSearchParser: "TEXT SEARCH PARSER"
        case .textSearchDictionary: "TEXT SEARCH DICTIONARY"
        case .textSearchTemplate: "TEXT SEARCH TEMPLATE"
        case .textSearchConfiguration: "TEXT SEARCH CONFIGURATION"
        case .transform: "TRANSFORM"
        case .statistics: "STATISTICS"
        case .attribute: "ATTRIBUTE"
        case .parameter: "PARAMETER"
        }
    }

    // MARK: Schemas, databases, types

    private mutating func createSchema(_ schema: CreateSchema) {
        put(schema.ifNotExists ? "CREATE SCHEMA IF NOT EXISTS" : "CREATE SCHEMA")
        if let label = schema.name {
            put(" ")
            name(label)
        }
        if let role = schema.authorization {
            put(" AUTHORIZATION ")
            self.role(role)
        }
        for element in schema.elements {
            put(" ")
            statement(element)
        }
    }

    private mutating func databaseOptions(_ options: [Option]) {
        for option in options {
            put(" ")
            if option.name.matches("connection_limit") { put("CONNECTION LIMIT") } else { put(option.name.bytes) }
            put(" = ")
            if case .none = option.value { put("DEFAULT") } else { value(option.value) }
        }
    }

    private mutating func alterDatabase(_ alter: AlterDatabase) {
        put("ALTER DATABASE ")
        name(alter.name)
        switch alter.action {
        case .options(let options): databaseOptions(options)
        case .set(let setting):
            put(" ")
            set(setting)
        case .refreshCollation: put(" REFRESH COLLATION VERSION")
        }
    }

    private mutating func createType(_ type: CreateType) {
        put("CREATE TYPE ")
        name(type.name)
        switch type.definition {
        case .enumeration(let labels):
            put(" AS ENUM (")
            for (index, label) in labels.enumerated() {
                separate(index)
                string(label)
            }
            put(")")
        case .composite(let list):
            put(" AS ")
            columns(list)
        case .range(let options):
            put(" AS RANGE ")
            storageOptions(options)
        case .base(let options):
            if options.isEmpty { return }
            put(" ")
            storageOptions(options)
        }
    }

    private mutating func alterType(_ alter: AlterType) {
        put("ALTER TYPE ")
        name(alter.name)
        switch alter.action {
        case .addValue(let value, let ifNotExists, let neighbour, let after):
            put(ifNotExists ? " ADD VALUE IF NOT EXISTS " : " ADD VALUE ")
            string(value)
            if let neighbour {
                put(after ? " AFTER " : " BEFORE ")
                string(neighbour)
            }
        case .renameValue(let old, let new):
            put(" RENAME VALUE ")
            string(old)
            put(" TO ")
            string(new)
        }
    }
}
