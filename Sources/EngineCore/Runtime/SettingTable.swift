// The run-time parameters that PostgreSQL 15's clients set and read, as data: one line each. What the engine does not use
// is kept and shown, since drivers set it and read it back.

import Platform

/// How a parameter's text is checked and normalised.
package enum SettingKind: Sendable {
    case bool
    /// Bounds in the parameter's unit.
    case integer(min: Int64, max: Int64, unit: SettingUnit)
    case real
    case string
    case oneOf([StaticString])
}

/// The unit an integer is stored in; input may carry another of the same family.
package enum SettingUnit: UInt8, Sendable { case none, milliseconds, seconds, kilobytes }

/// Who may change a parameter.
package enum SettingContext: UInt8, Sendable {
    /// Nobody: it states a fact.
    case constant
    /// At start of the session only.
    case sessionStart
    case user
}

package struct SettingDefinition: Sendable {
    package let name: StaticString
    package let kind: SettingKind
    package let defaultValue: StaticString
    package let context: SettingContext
    /// The client is told the value at start and at each change (ParameterStatus).
    package let isReported: Bool
    package let category: StaticString
    package let summary: StaticString

    init(
        _ name: StaticString, _ kind: SettingKind, _ defaultValue: StaticString, _ context: SettingContext,
        reported: Bool = false, _ category: StaticString, _ summary: StaticString
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.context = context
        isReported = reported
        self.category = category
        self.summary = summary
    }

    /// A parameter that anybody may set.
    init(
        _ name: StaticString, _ kind: SettingKind, _ defaultValue: StaticString, reported: Bool = false,
        _ category: StaticString, _ summary: StaticString
    ) {
        self.init(name, kind, defaultValue, .user, reported: reported, category, summary)
    }

    /// The name's bytes as written here (DateStyle keeps its capitals).
    package var nameBytes: [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    }
}

/// Places of parameters that the engine reads, in `SettingDefinition.all`.
package enum SettingIndex {
    package static let applicationName = 0
    package static let clientEncoding = 1
    package static let dateStyle = 2
    package static let defaultReadOnly = 3
    package static let intervalStyle = 6
    package static let standardConformingStrings = 11
    package static let timeZone = 12
    package static let defaultIsolation = 13
    package static let transactionIsolation = 14
    package static let transactionReadOnly = 15
    package static let searchPath = 16
    package static let extraFloatDigits = 17
    package static let byteaOutput = 18
    package static let statementTimeout = 19
    package static let lockTimeout = 20
    package static let idleInTransactionTimeout = 21
    package static let clientMinMessages = 22
    package static let sessionAuthorization = 10
    package static let role = 23
    package static let workMemory = Settings.index(of: Array("work_mem".utf8)) ?? 0
}

private let anyCount = SettingKind.integer(min: 0, max: 2_147_483_647, unit: .none)
private let duration = SettingKind.integer(min: 0, max: 2_147_483_647, unit: .milliseconds)
private let memory = SettingKind.integer(min: 64, max: 2_147_483_647, unit: .kilobytes)
private let isolationLevels = SettingKind.oneOf([
    "serializable", "repeatable read", "read committed", "read uncommitted",
])
private let messageLevels = SettingKind.oneOf([
    "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
])
private let client: StaticString = "Client Connection Defaults"
private let preset: StaticString = "Preset Options"
private let tuning: StaticString = "Query Tuning"

extension SettingDefinition {
    /// The first thirteen are those a client is told at start, in the order in which it is told.
    package static let all: [SettingDefinition] = [
        .init(
            "application_name", .string, "", reported: true, "Reporting and Logging", "Name the client gives itself."),
        .init(
            "client_encoding", .string, "UTF8", reported: true, client,
            "Encoding of text sent to and by the client: UTF8."),
        .init("DateStyle", .string, "ISO, MDY", reported: true, client, "Format of dates and order of their fields."),
        .init(
            "default_transaction_read_only", .bool, "off", reported: true, client,
            "Whether new transactions are read-only."),
        .init("in_hot_standby", .bool, "off", .constant, reported: true, preset, "Whether the server is a replica."),
        .init("integer_datetimes", .bool, "on", .constant, reported: true, preset, "Timestamps are 64-bit integers."),
        .init(
            "IntervalStyle", .oneOf(["postgres", "postgres_verbose", "sql_standard", "iso_8601"]), "postgres",
            reported: true, client, "Format of intervals."),
        .init(
            "is_superuser", .bool, "on", .constant, reported: true, preset, "Whether the current user is a superuser."),
        .init("server_encoding", .string, "UTF8", .constant, reported: true, preset, "Encoding of stored text."),
        .init("server_version", .string, "15.15", .constant, reported: true, preset, "PostgreSQL version spoken."),
        .init("session_authorization", .string, "postgres", reported: true, preset, "User of the session."),
        .init(
            "standard_conforming_strings", .bool, "on", reported: true, "Compatibility",
            "'…' takes backslashes literally: on."),
        .init("TimeZone", .string, "UTC", reported: true, client, "Zone in which timestamps are shown and read."),
        .init(
            "default_transaction_isolation", isolationLevels, "read committed", client, "Isolation of new transactions."
        ),
        .init(
            "transaction_isolation", isolationLevels, "read committed", client, "Isolation of the current transaction."),
        .init("transaction_read_only", .bool, "off", client, "Whether the current transaction is read-only."),
        .init("search_path", .string, "\"$user\", public", client, "Schemas in which unqualified names are looked up."),
        .init(
            "extra_float_digits", .integer(min: -15, max: 3, unit: .none), "1", client,
            "Digits of floating-point output."),
        .init("bytea_output", .oneOf(["escape", "hex"]), "hex", client, "Format of bytea output."),
        .init("statement_timeout", duration, "0", client, "Longest time a statement may run; 0 is no limit."),
        .init("lock_timeout", duration, "0", client, "Longest wait for a lock; 0 is no limit."),
        .init("idle_in_transaction_session_timeout", duration, "0", client, "Longest idle time in a transaction."),
        .init("client_min_messages", messageLevels, "notice", client, "Least severity sent to the client."),
        .init("role", .string, "none", client, "Current role."),
        .init(
            "server_version_num", .integer(min: 0, max: 2_147_483_647, unit: .none), "150015", .constant, preset,
            "PostgreSQL version as a number."),
        .init("block_size", anyCount, "4096", .constant, preset, "Bytes in a page."),
        .init("max_identifier_length", anyCount, "63", .constant, preset, "Bytes in an identifier."),
        .init("max_index_keys", anyCount, "32", .constant, preset, "Columns in an index."),
        .init("max_connections", anyCount, "1000", .constant, "Connections and Authentication", "Sessions at a time."),
        .init("data_checksums", .bool, "on", .constant, preset, "Pages carry checksums."),
        .init("fsync", .bool, "on", .constant, "Write-Ahead Log", "Commits reach stable storage."),
        .init("full_page_writes", .bool, "on", .constant, "Write-Ahead Log", "Torn pages are repaired."),
        .init(
            "wal_level", .oneOf(["minimal", "replica", "logical"]), "replica", .constant, "Write-Ahead Log",
            "What the log holds."),
        .init(
            "synchronous_commit", .oneOf(["on", "remote_apply", "remote_write", "local"]), "on", "Write-Ahead Log",
            "A commit waits for its log record: always."),
        .init("lc_collate", .string, "C", .constant, client, "Order of text."),
        .init("lc_ctype", .string, "C.UTF-8", .constant, client, "Classes of characters."),
        .init("lc_messages", .string, "C", client, "Language of messages."),
        .init("lc_monetary", .string, "C", client, "Format of money."),
        .init("lc_numeric", .string, "C", client, "Format of numbers."),
        .init("lc_time", .string, "C", client, "Names of days and months."),
        .init("timezone_abbreviations", .string, "Default", client, "Known zone abbreviations."),
        .init("default_tablespace", .string, "", client, "Tablespace of new tables."),
        .init("temp_tablespaces", .string, "", client, "Tablespaces of temporary tables."),
        .init("default_table_access_method", .string, "heap", client, "Storage of new tables."),
        .init(
            "default_toast_compression", .oneOf(["pglz", "lz4"]), "pglz", client,
            "Compression of long values: none is done."),
        .init("default_transaction_deferrable", .bool, "off", client, "Whether new transactions are deferrable."),
        .init("transaction_deferrable", .bool, "off", client, "Whether the current transaction is deferrable."),
        .init("row_security", .bool, "on", client, "Row security: there is none."),
        .init("check_function_bodies", .bool, "on", client, "Bodies are checked at creation."),
        .init("xmloption", .oneOf(["content", "document"]), "content", client, "XML parsing."),
        .init("escape_string_warning", .bool, "on", "Compatibility", "Warn of backslashes in '…'."),
        .init(
            "backslash_quote", .oneOf(["safe_encoding", "on", "off"]), "safe_encoding", "Compatibility",
            "Whether \\' is a quote."),
        .init("quote_all_identifiers", .bool, "off", "Compatibility", "Quote every identifier in output."),
        .init("synchronize_seqscans", .bool, "on", "Compatibility", "Concurrent scans share their start."),
        .init("transform_null_equals", .bool, "off", "Compatibility", "x = NULL means x IS NULL."),
        .init("array_nulls", .bool, "on", "Compatibility", "NULL in array input is a null."),
        .init("jit", .bool, "off", tuning, "Compile expressions: there is no compiler."),
        .init(
            "work_mem", memory, "4096", "Resource Usage",
            "Memory of one sort or hash table before it goes to the device; the default goes by the engine's memory."),
        .init("maintenance_work_mem", memory, "65536", "Resource Usage", "Memory of index builds."),
        .init(
            "default_statistics_target", .integer(min: 1, max: 10_000, unit: .none), "100", tuning,
            "Detail of statistics."),
        .init(
            "plan_cache_mode", .oneOf(["auto", "force_generic_plan", "force_custom_plan"]), "auto", tuning,
            "Choice between plans."),
        .init("enable_seqscan", .bool, "on", tuning, "Prefer others to full scans if off."),
        .init("enable_indexscan", .bool, "on", tuning, "Prefer others to index scans if off."),
        .init("enable_indexonlyscan", .bool, "on", tuning, "Prefer others to index-only scans if off."),
        .init("enable_bitmapscan", .bool, "on", tuning, "There is no bitmap scan."),
        .init("enable_hashjoin", .bool, "on", tuning, "Prefer others to hash joins if off."),
        .init("enable_mergejoin", .bool, "on", tuning, "Prefer others to merge joins if off."),
        .init("enable_nestloop", .bool, "on", tuning, "Prefer others to nested loops if off."),
        .init("enable_sort", .bool, "on", tuning, "Prefer others to sorts if off."),
        .init("enable_hashagg", .bool, "on", tuning, "Prefer others to hash aggregation if off."),
        .init("enable_material", .bool, "on", tuning, "Keep inner results."),
        .init("random_page_cost", .real, "4", tuning, "Planner's cost of a random page."),
        .init("seq_page_cost", .real, "1", tuning, "Planner's cost of the next page."),
        .init("cpu_tuple_cost", .real, "0.01", tuning, "Planner's cost of a row."),
        .init("geqo", .bool, "on", tuning, "There is no genetic optimiser."),
        .init("from_collapse_limit", anyCount, "8", tuning, "Subqueries merged."),
        .init("join_collapse_limit", anyCount, "8", tuning, "Joins reordered."),
        .init(
            "constraint_exclusion", .oneOf(["partition", "on", "off"]), "partition", tuning,
            "Use constraints in planning."),
        .init("max_parallel_workers_per_gather", anyCount, "2", "Resource Usage", "Workers of a parallel plan."),
        .init("commit_delay", anyCount, "0", "Write-Ahead Log", "Group commit needs no delay."),
        .init("restrict_nonsystem_relation_kind", .string, "", client, "Relations that may not be read."),
        .init("session_replication_role", .oneOf(["origin", "replica", "local"]), "origin", client, "Triggers' role."),
        .init("ssl", .bool, "off", .constant, "Connections and Authentication", "TLS connections."),
        .init(
            "password_encryption", .oneOf(["md5", "scram-sha-256"]), "scram-sha-256", "Connections and Authentication",
            "Hash of new passwords."),
        .init(
            "log_statement", .oneOf(["none", "ddl", "mod", "all"]), "none", "Reporting and Logging",
            "Statements logged."),
        .init(
            "log_min_duration_statement", .integer(min: -1, max: 2_147_483_647, unit: .milliseconds), "-1",
            "Reporting and Logging", "Slow statements logged."),
    ]
}
