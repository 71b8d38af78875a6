// What all databases share, and what the running instance knows: databases, roles, settings, sessions, locks.

import Platform
import SQLTypes

private func databaseRow(_ database: DatabaseDescriptor) -> [Datum] {
    let c = Datum(text: staticBytes("C"))
    return [
        Datum(database.oid), Datum(bytes: database.name), Datum(database.owner), Datum(Int32(6)), char("c"),
        Datum(database.isTemplate), Datum(database.allowsConnections), Datum(database.connectionLimit),
        Datum(UInt32(3)), Datum(UInt32(1)), Datum(WellKnownOID.defaultTablespace), c, c, .null, .null, .null,
    ]
}

private func time(_ value: Int64?) -> Datum { value.map { Datum($0) } ?? .null }

private func activityRow(_ activity: SessionActivity) -> [Datum] {
    [
        Datum(activity.database), Datum(bytes: activity.databaseName), Datum(activity.processID), .null,
        Datum(activity.user), Datum(bytes: activity.userName), Datum(bytes: activity.applicationName), .null, .null,
        .null, Datum(activity.backendStart), time(activity.transactionStart), time(activity.queryStart),
        time(activity.stateChange), datum(activity.waitEventType), datum(activity.waitEvent),
        Datum(bytes: activity.state),
        .null, .null, .null, Datum(bytes: activity.query), Datum(text: staticBytes("client backend")),
    ]
}

private func lockModeName(_ mode: TableLockMode) -> StaticString {
    switch mode {
    case .accessShare: "AccessShareLock"
    case .rowShare: "RowShareLock"
    case .rowExclusive: "RowExclusiveLock"
    case .shareUpdateExclusive: "ShareUpdateExclusiveLock"
    case .share: "ShareLock"
    case .shareRowExclusive: "ShareRowExclusiveLock"
    case .exclusive: "ExclusiveLock"
    case .accessExclusive: "AccessExclusiveLock"
    }
}

private func settingRow(_ setting: SettingActivity) -> [Datum] {
    [
        Datum(bytes: setting.name), Datum(bytes: setting.value), datum(setting.unit), Datum(bytes: setting.category),
        Datum(bytes: setting.description), .null, Datum(bytes: setting.context), Datum(bytes: setting.type),
        Datum(bytes: setting.source), datum(setting.minimum), datum(setting.maximum), .null,
        Datum(bytes: setting.bootValue), Datum(bytes: setting.resetValue), .null, .null, .no,
    ]
}

var clusterProducers: [SystemProducer.Entry] {
    [
        .init(name: "pg_database") { (session, _, sink) throws(EngineError) in
            for database in try session.databases() { try sink.add(databaseRow(database)) }
        },
        .init(name: "pg_shdescription") { (session, _, sink) throws(EngineError) in
            for database in try session.databases() {
                guard let comment = database.comment else { continue }
                try sink.add([Datum(database.oid), Datum(UInt32(1262)), Datum(bytes: comment)])
            }
        },
        .init(name: "pg_tablespace") { (_, _, sink) throws(EngineError) in
            try sink.add([
                Datum(WellKnownOID.defaultTablespace), Datum(text: staticBytes("pg_default")),
                Datum(WellKnownOID.bootstrapRole), .null, .null,
            ])
            try sink.add([
                Datum(UInt32(1664)), Datum(text: staticBytes("pg_global")), Datum(WellKnownOID.bootstrapRole), .null,
                .null,
            ])
        },
        .init(name: "pg_authid") { (session, _, sink) throws(EngineError) in
            for role in try session.roles() {
                try sink.add([
                    Datum(role.oid), Datum(bytes: role.name), Datum(role.isSuperuser), Datum(role.inherits),
                    Datum(role.canCreateRole), Datum(role.canCreateDatabase), Datum(role.canLogin),
                    Datum(role.canReplicate), Datum(role.bypassesRowSecurity), Datum(role.connectionLimit),
                    datum(role.password), time(role.validUntil),
                ])
            }
        },
        .init(name: "pg_roles") { (session, _, sink) throws(EngineError) in
            for role in try session.roles() {
                try sink.add([
                    Datum(bytes: role.name), Datum(role.isSuperuser), Datum(role.inherits), Datum(role.canCreateRole),
                    Datum(role.canCreateDatabase), Datum(role.canLogin), Datum(role.canReplicate),
                    Datum(role.connectionLimit), Datum(text: staticBytes("********")), time(role.validUntil),
                    Datum(role.bypassesRowSecurity), .null, Datum(role.oid),
                ])
            }
        },
        .init(name: "pg_user") { (session, _, sink) throws(EngineError) in
            for role in try session.roles() where role.canLogin {
                try sink.add([
                    Datum(bytes: role.name), Datum(role.oid), Datum(role.canCreateDatabase), Datum(role.isSuperuser),
                    Datum(role.canReplicate), Datum(role.bypassesRowSecurity), Datum(text: staticBytes("********")),
                    time(role.validUntil), .null,
                ])
            }
        },
        .init(name: "pg_shadow") { (session, _, sink) throws(EngineError) in
            for role in try session.roles() where role.canLogin {
                try sink.add([
                    Datum(bytes: role.name), Datum(role.oid), Datum(role.canCreateDatabase), Datum(role.isSuperuser),
                    Datum(role.canReplicate), Datum(role.bypassesRowSecurity), datum(role.password),
                    time(role.validUntil), .null,
                ])
            }
        },
        .init(name: "pg_auth_members") { (session, _, sink) throws(EngineError) in
            for role in try session.roles() {
                for group in role.memberOf {
                    try sink.add([Datum(group), Datum(role.oid), Datum(WellKnownOID.bootstrapRole), .no])
                }
            }
        },
        .init(name: "pg_settings") { (session, _, sink) throws(EngineError) in
            for setting in session.services?.settings() ?? [] { try sink.add(settingRow(setting)) }
        },
        .init(name: "pg_stat_activity") { (session, _, sink) throws(EngineError) in
            for activity in session.services?.activities() ?? [] { try sink.add(activityRow(activity)) }
        },
        .init(name: "pg_locks") { (session, _, sink) throws(EngineError) in
            for lock in session.services?.lockActivities() ?? [] {
                try sink.add([
                    Datum(text: staticBytes("relation")), Datum(session.database), Datum(lock.relation), .null, .null,
                    .null, .null, .null, .null, .null, .null, Datum(lock.processID),
                    Datum(bytes: staticBytes(lockModeName(lock.mode))), Datum(lock.isGranted), .no, .null,
                ])
            }
        },
        .init(name: "pg_stat_database") { (session, _, sink) throws(EngineError) in
            for database in try session.databases() {
                var row = [Datum(database.oid), Datum(bytes: database.name), Datum(Int32(0))]
                for _ in 0..<11 { row.append(Datum(Int64(0))) }
                try sink.add(row)
            }
        },
    ]
}
