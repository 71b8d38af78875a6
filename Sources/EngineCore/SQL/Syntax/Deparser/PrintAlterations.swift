// ALTER TABLE and its actions as SQL.

extension Deparser {
    mutating func alterTable(_ alter: AlterTable) {
        switch alter.kind {
        case .table: put("ALTER TABLE ")
        case .index: put("ALTER INDEX ")
        case .view: put("ALTER VIEW ")
        case .materializedView: put("ALTER MATERIALIZED VIEW ")
        case .sequence: put("ALTER SEQUENCE ")
        case .foreignTable: put("ALTER FOREIGN TABLE ")
        case .type: put("ALTER TYPE ")
        }
        if alter.ifExists { put("IF EXISTS ") }
        if alter.only { put("ONLY ") }
        name(alter.table)
        for (index, action) in alter.actions.enumerated() {
            put(index == 0 ? " " : ", ")
            self.action(action)
        }
    }

    private mutating func words(_ words: StaticString, _ name: Name) {
        put(words)
        self.name(name)
    }

    private mutating func words(_ words: StaticString, _ name: QualifiedName) {
        put(words)
        self.name(name)
    }

    /// ALTER COLUMN name, and what is done to it.
    private mutating func alterColumn(_ name: Name, _ what: StaticString) {
        words("ALTER COLUMN ", name)
        put(what)
    }

    private mutating func drop(_ what: StaticString, _ name: Name, _ ifExists: Bool, _ cascade: Bool) {
        put(what)
        if ifExists { put("IF EXISTS ") }
        self.name(name)
        if cascade { put(" CASCADE") }
    }

    private mutating func action(_ action: AlterTableAction) {
        switch action {
        case .addColumn(let column, let ifNotExists):
            put(ifNotExists ? "ADD COLUMN IF NOT EXISTS " : "ADD COLUMN ")
            self.column(column)
        case .dropColumn(let name, let ifExists, let cascade): drop("DROP COLUMN ", name, ifExists, cascade)
        case .addConstraint(let constraint):
            put("ADD ")
            tableConstraint(constraint)
        case .alterConstraint(let name, let timing):
            words("ALTER CONSTRAINT ", name)
            self.timing(timing)
        case .validateConstraint(let name): words("VALIDATE CONSTRAINT ", name)
        case .dropConstraint(let name, let ifExists, let cascade): drop("DROP CONSTRAINT ", name, ifExists, cascade)
        case .setOptions(let options):
            put("SET ")
            storageOptions(options)
        case .resetOptions(let options):
            put("RESET ")
            storageOptions(options)
        case .owner(let role):
            put("OWNER TO ")
            self.role(role)
        case .setTablespace(let name): words("SET TABLESPACE ", name)
        case .setAccessMethod(let name): words("SET ACCESS METHOD ", name)
        case .setPersistence(let persistence): put(persistence == .unlogged ? "SET UNLOGGED" : "SET LOGGED")
        case .clusterOn(let name): words("CLUSTER ON ", name)
        case .setWithoutCluster: put("SET WITHOUT CLUSTER")
        case .inherit(let name): words("INHERIT ", name)
        case .noInherit(let name): words("NO INHERIT ", name)
        case .attachPartition(let name, let bound):
            words("ATTACH PARTITION ", name)
            put(" ")
            partitionBound(bound)
        case .detachPartition(let name, let concurrently, let finalize):
            words("DETACH PARTITION ", name)
            put(concurrently ? " CONCURRENTLY" : finalize ? " FINALIZE" : "")
        case .attachIndex(let name): words("ATTACH PARTITION ", name)
        case .rowSecurity(let change): rowSecurity(change)
        case .replicaIdentity(let identity): replicaIdentity(identity)
        case .enableDisable(let what, let name):
            put(what)
            if let name {
                put(" ")
                if name.matches("all") || name.matches("user") { put(name.bytes) } else { self.name(name) }
            }
        case .ofType(let name): words("OF ", name)
        case .notOf: put("NOT OF")
        default: columnAction(action)
        }
    }

    private mutating func rowSecurity(_ change: AlterTableAction.RowSecurity) {
        switch change {
        case .enable: put("ENABLE ROW LEVEL SECURITY")
        case .disable: put("DISABLE ROW LEVEL SECURITY")
        case .force: put("FORCE ROW LEVEL SECURITY")
        case .noForce: put("NO FORCE ROW LEVEL SECURITY")
        }
    }

    private mutating func replicaIdentity(_ identity: AlterTableAction.ReplicaIdentity) {
        switch identity {
        case .default: put("REPLICA IDENTITY DEFAULT")
        case .full: put("REPLICA IDENTITY FULL")
        case .nothing: put("REPLICA IDENTITY NOTHING")
        case .index(let name): words("REPLICA IDENTITY USING INDEX ", name)
        }
    }

    private mutating func columnAction(_ action: AlterTableAction) {
        switch action {
        case .alterType(let name, let type, let collation, let using):
            alterColumn(name, " TYPE ")
            self.type(type)
            self.collation(collation)
            if let using {
                put(" USING ")
                expression(using)
            }
        case .setDefault(let name, let value):
            alterColumn(name, " SET DEFAULT ")
            expression(value)
        case .dropDefault(let name): alterColumn(name, " DROP DEFAULT")
        case .setNotNull(let name): alterColumn(name, " SET NOT NULL")
        case .dropNotNull(let name): alterColumn(name, " DROP NOT NULL")
        case .dropExpression(let name, let ifExists):
            alterColumn(name, ifExists ? " DROP EXPRESSION IF EXISTS" : " DROP EXPRESSION")
        case .setStatistics(let name, let value):
            alterColumn(name, " SET STATISTICS ")
            put(value)
        case .setColumnOptions(let name, let options):
            alterColumn(name, " SET ")
            storageOptions(options)
        case .resetColumnOptions(let name, let options):
            alterColumn(name, " RESET ")
            storageOptions(options)
        case .setStorage(let name, let storage):
            alterColumn(name, " SET STORAGE ")
            self.name(storage)
        case .setCompression(let name, let method):
            alterColumn(name, " SET COMPRESSION ")
            if method.matches("default") { put("DEFAULT") } else { self.name(method) }
        case .addIdentity(let name, let always, let options):
            alterColumn(
                name, always ? " ADD GENERATED ALWAYS AS IDENTITY" : " ADD GENERATED BY DEFAULT AS IDENTITY")
            identityOptions(options)
        case .alterIdentity(let name, let always, let options):
            alterColumn(name, "")
            if let always { put(always ? " SET GENERATED ALWAYS" : " SET GENERATED BY DEFAULT") }
            for option in options {
                if case .restart = option { put(" ") } else { put(" SET ") }
                sequenceOption(option)
            }
        case .dropIdentity(let name, let ifExists):
            alterColumn(name, ifExists ? " DROP IDENTITY IF EXISTS" : " DROP IDENTITY")
        default: break
        }
    }
}
