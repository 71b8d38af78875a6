// The keywords of PostgreSQL 15 and their classes (SQL standard reserved or not plays no part; PostgreSQL's four classes do).
// Written by scripts/keywords.py from pg_get_keywords(); the lookup is KeywordLookup.swift.

/// A keyword, or `.identifier`. Ordered by class, so that a class is a range of raw values.
package enum Keyword: UInt16, Sendable {
    /// No keyword.
    case identifier

    // Reserved: never a name, save after AS and as a label.
    case all, analyse, analyze, and, any, array, `as`, asc, asymmetric, both, `case`, cast, check, collate, column
    case constraint, create, currentCatalog, currentDate, currentRole, currentTime, currentTimestamp, currentUser
    case `default`, deferrable, desc, distinct, `do`, `else`, end, except, `false`, fetch, `for`, foreign, from
    case grant, group, having, `in`, initially, intersect, into, lateral, leading, limit, localtime, localtimestamp
    case not, null, offset, on, only, or, order, placing, primary, references, returning, select, sessionUser, some
    case symmetric, table, then, to, trailing, `true`, union, unique, user, using, variadic, when, `where`, window
    case with

    // Names of types and functions, not of columns and tables.
    case authorization, binary, collation, concurrently, cross, currentSchema, freeze, full, ilike, inner, `is`
    case isnull, join, left, like, natural, notnull, outer, overlaps, right, similar, tablesample, verbose

    // Names of columns and tables, not of types and functions.
    case between, bigint, bit, boolean, char, character, coalesce, dec, decimal, exists, extract, float, greatest
    case grouping, `inout`, int, integer, interval, least, national, nchar, none, normalize, nullif, numeric, out
    case overlay, position, precision, real, row, setof, smallint, substring, time, timestamp, treat, trim, values
    case varchar, xmlattributes, xmlconcat, xmlelement, xmlexists, xmlforest, xmlnamespaces, xmlparse, xmlpi
    case xmlroot, xmlserialize, xmltable

    // Unreserved.
    case abort, absolute, access, action, add, admin, after, aggregate, also, alter, always, asensitive, assertion
    case assignment, at, atomic, attach, attribute, backward, before, begin, breadth, by, cache, call, called
    case cascade, cascaded, catalog, chain, characteristics, checkpoint, `class`, close, cluster, columns, comment
    case comments, commit, committed, compression, configuration, conflict, connection, constraints, content
    case `continue`, conversion, copy, cost, csv, cube, current, cursor, cycle, data, database, day, deallocate
    case declare, defaults, deferred, definer, delete, delimiter, delimiters, depends, depth, detach, dictionary
    case disable, discard, document, domain, double, drop, each, enable, encoding, encrypted, `enum`, escape, event
    case exclude, excluding, exclusive, execute, explain, expression, `extension`, external, family, filter
    case finalize, first, following, force, forward, function, functions, generated, global, granted, groups
    case handler, header, hold, hour, identity, `if`, immediate, immutable, implicit, `import`, include, including
    case increment, index, indexes, inherit, inherits, inline, input, insensitive, insert, instead, invoker
    case isolation, key, label, language, large, last, leakproof, level, listen, load, local, location, lock, locked
    case logged, mapping, match, matched, materialized, maxvalue, merge, method, minute, minvalue, mode, month, move
    case name, names, new, next, nfc, nfd, nfkc, nfkd, no, normalized, nothing, notify, nowait, nulls, object, of
    case off, oids, old, `operator`, option, options, ordinality, others, over, overriding, owned, owner, parallel
    case parameter, parser, partial, partition, passing, password, plans, policy, preceding, prepare, prepared
    case preserve, prior, privileges, procedural, procedure, procedures, program, publication, quote, range, read
    case reassign, recheck, recursive, ref, referencing, refresh, reindex, relative, release, rename, repeatable
    case replace, replica, reset, restart, restrict, `return`, returns, revoke, role, rollback, rollup, routine
    case routines, rows, rule, savepoint, schema, schemas, scroll, search, second, security, sequence, sequences
    case serializable, server, session, set, sets, share, show, simple, skip, snapshot, sql, stable, standalone
    case start, statement, statistics, stdin, stdout, storage, stored, strict, strip, subscription, support, sysid
    case system, tables, tablespace, temp, template, temporary, text, ties, transaction, transform, trigger
    case truncate, trusted, type, types, uescape, unbounded, uncommitted, unencrypted, unknown, unlisten, unlogged
    case until, update, vacuum, valid, validate, validator, value, varying, version, view, views, volatile
    case whitespace, within, without, work, wrapper, write, xml, year, yes, zone
}

extension Keyword {
    package var isReserved: Bool { rawValue >= Keyword.all.rawValue && rawValue <= Keyword.with.rawValue }

    /// May name a column, table or other object (ColId).
    @inline(__always) package var isColumnName: Bool {
        self == .identifier || rawValue >= Keyword.between.rawValue
    }

    /// May name a function or type (type_function_name).
    @inline(__always) package var isTypeOrFunctionName: Bool {
        self == .identifier || rawValue >= Keyword.abort.rawValue
            || (rawValue >= Keyword.authorization.rawValue && rawValue <= Keyword.verbose.rawValue)
    }

    /// Unreserved: printable without quotes anywhere.
    package var isUnreserved: Bool { rawValue >= Keyword.abort.rawValue }

    /// May label a result column without AS (BareColLabel).
    package var isBareLabel: Bool {
        switch self {
        case .array, .as, .char, .character, .create, .day, .except, .fetch, .filter, .for, .from, .grant, .group,
            .having, .hour, .intersect, .into, .isnull, .limit, .minute, .month, .notnull, .offset, .on, .order,
            .over, .overlaps, .precision, .returning, .second, .to, .union, .varying, .where, .window, .with,
            .within, .without, .year:
            false
        default: true
        }
    }
}
