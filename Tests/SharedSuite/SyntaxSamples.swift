// The statements that the syntax cases go through.

import Platform
import SQLSyntax

/// An expression, how it groups, and how it does not.
let precedenceSamples: [(String, String, String)] = [
    ("a OR b AND c", "a OR (b AND c)", "(a OR b) AND c"),
    ("NOT a AND b", "(NOT a) AND b", "NOT (a AND b)"),
    ("NOT a = b", "NOT (a = b)", "(NOT a) = b"),
    ("NOT a IS NULL", "NOT (a IS NULL)", "(NOT a) IS NULL"),
    ("a = b IS NULL", "(a = b) IS NULL", "a = (b IS NULL)"),
    ("a IS DISTINCT FROM b = c", "a IS DISTINCT FROM (b = c)", "(a IS DISTINCT FROM b) = c"),
    ("a = b LIKE c", "a = (b LIKE c)", "(a = b) LIKE c"),
    ("a < b BETWEEN c AND d", "a < (b BETWEEN c AND d)", "(a < b) BETWEEN c AND d"),
    ("a BETWEEN b AND c AND d", "(a BETWEEN b AND c) AND d", "a BETWEEN b AND (c AND d)"),
    ("a LIKE b || c", "a LIKE (b || c)", "(a LIKE b) || c"),
    ("a || b + c", "a || (b + c)", "(a || b) + c"),
    ("a || b || c", "(a || b) || c", "a || (b || c)"),
    ("a <-> b <= c", "(a <-> b) <= c", "a <-> (b <= c)"),
    ("a - b - c", "(a - b) - c", "a - (b - c)"),
    ("a - b + c - d", "((a - b) + c) - d", "a - (b + c) - d"),
    ("a + b * c", "a + (b * c)", "(a + b) * c"),
    ("a * b % c / d", "((a * b) % c) / d", "a * (b % c) / d"),
    ("a * b ^ c", "a * (b ^ c)", "(a * b) ^ c"),
    ("a ^ b ^ c", "(a ^ b) ^ c", "a ^ (b ^ c)"),
    ("- a ^ b", "(- a) ^ b", "- (a ^ b)"),
    ("- a::int", "- (a::int)", "(- a)::int"),
    ("-1::int", "-(1::int)", "(-1)::int"),
    ("@ a + b", "@ (a + b)", "(@ a) + b"),
    ("@ a || b", "(@ a) || b", "@ (a || b)"),
    ("a + b COLLATE \"C\"", "a + (b COLLATE \"C\")", "(a + b) COLLATE \"C\""),
    ("a + b AT TIME ZONE c", "a + (b AT TIME ZONE c)", "(a + b) AT TIME ZONE c"),
    ("a || b::text", "a || (b::text)", "(a || b)::text"),
    ("a OPERATOR(pg_catalog.+) b * c", "a OPERATOR(pg_catalog.+) (b * c)", "(a OPERATOR(pg_catalog.+) b) * c"),
    ("a * b OPERATOR(pg_catalog.+) c", "(a * b) OPERATOR(pg_catalog.+) c", "a * (b OPERATOR(pg_catalog.+) c)"),
    ("a = ANY (b) OR c", "(a = ANY (b)) OR c", "a = ANY (b OR c)"),
    ("a + NOT b = c", "a + (NOT (b = c))", "a + ((NOT b) = c)"),
    ("a IS NULL IS NOT NULL", "(a IS NULL) IS NOT NULL", "a IS NULL"),
    ("a IN (1) = b", "(a IN (1)) = b", "a IN (1 = b)"),
]

/// Accepted, and printed so that it is accepted again.
let acceptedSamples: [String] = [
    "SELECT",
    "SELECT ALL a, t.b AS \"Of\", t.*, s.t.c, (x).y.z, (x).*, a[1], a[1:2], a[:], ($1).f, $2[3] FROM t",
    "SELECT DISTINCT ON (a, b) a b, c FROM ONLY t AS x (p, q), u* TABLESAMPLE system (10) REPEATABLE (1)",
    "SELECT a year FROM t, LATERAL (SELECT 1) s, LATERAL f(1) WITH ORDINALITY AS g (x, n)",
    "SELECT * FROM ROWS FROM (f(1), g(2) AS (a int, b text)) WITH ORDINALITY, h() AS (c int COLLATE \"C\"), k() AS r (d int)",
    "SELECT * FROM a NATURAL LEFT JOIN b JOIN (c CROSS JOIN d) AS j (x, y) USING (p, q) AS k FULL OUTER JOIN e ON true",
    "SELECT * FROM a JOIN b JOIN c ON 1 = 1 ON 2 = 2, ((SELECT 1) UNION (SELECT 2) ORDER BY 1) AS u",
    "SELECT count(*), sum(DISTINCT a ORDER BY b DESC NULLS LAST) FILTER (WHERE c), f(VARIADIC a), g(x => 1, y := 2)",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a USING >), rank() OVER w, lag(a) OVER (w ROWS 1 PRECEDING) FROM t "
        + "WINDOW w AS (PARTITION BY a ORDER BY b GROUPS BETWEEN UNBOUNDED PRECEDING AND 2 FOLLOWING EXCLUDE TIES)",
    "SELECT a FROM t GROUP BY DISTINCT a, (b, c), (), ROLLUP (a, (b)), CUBE (a), GROUPING SETS ((a), ()) HAVING grouping(a) > 0",
    "SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3 EXCEPT (SELECT 4 ORDER BY 1 LIMIT 1) ORDER BY 1 OFFSET 2 ROWS",
    "(SELECT 1 UNION SELECT 2) INTERSECT (VALUES (1), (2)) LIMIT ALL",
    "SELECT a FROM t ORDER BY a FETCH FIRST 3 ROWS WITH TIES",
    "TABLE t FOR NO KEY UPDATE OF t, s.u SKIP LOCKED FOR KEY SHARE NOWAIT",
    "WITH RECURSIVE r (n) AS NOT MATERIALIZED (VALUES (1) UNION ALL SELECT n + 1 FROM r) SEARCH DEPTH FIRST BY n SET o "
        + "CYCLE n SET c TO 1 DEFAULT 0 USING p, d AS (DELETE FROM t RETURNING *) SELECT * FROM r, d",
    "SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, CASE WHEN a THEN b END, COALESCE(a, b), NULLIF(a, b), GREATEST(a), LEAST(a, b)",
    "SELECT ARRAY[1, 2], ARRAY[[1], [2]], ARRAY[]::int[], ARRAY(SELECT 1), ROW(), ROW(1), (1, 2), ROW(1, 2).*",
    "SELECT EXISTS (SELECT), a IN (1, 2), a NOT IN (SELECT 1), a = ANY ('{1}'), a < ALL (SELECT 1), a ~~ SOME (b), a LIKE ANY (b)",
    "SELECT a IS TRUE, a IS NOT UNKNOWN, a ISNULL, a NOTNULL, a IS NFC NORMALIZED, a IS NOT DISTINCT FROM b, a IS DOCUMENT",
    "SELECT a LIKE b ESCAPE '!', a NOT ILIKE b, a SIMILAR TO b, a NOT BETWEEN SYMMETRIC b AND c, a BETWEEN (b = c) AND d",
    "SELECT EXTRACT(year FROM a), EXTRACT('epoch' FROM a), OVERLAY(a PLACING b FROM 1 FOR 2), POSITION('a' IN b)",
    "SELECT SUBSTRING(a FROM 1 FOR 2), SUBSTRING(a FOR 2), SUBSTRING(a SIMILAR b ESCAPE c), SUBSTRING(a, 1), substring(a, 1, 2)",
    "SELECT TRIM(a), TRIM(LEADING FROM a), TRIM(TRAILING 'x' FROM a), TRIM(BOTH FROM a, 'x'), NORMALIZE(a, NFKD)",
    "SELECT CURRENT_DATE, CURRENT_TIMESTAMP(3), LOCALTIME, USER, CURRENT_SCHEMA, CURRENT_CATALOG, current_schema()",
    "SELECT (a, b) OVERLAPS (c, d), COLLATION FOR (a), a AT TIME ZONE 'UTC', DATE '2020-01-01', pg_catalog.int4 '1'",
    "SELECT INTERVAL '1' DAY TO SECOND(3), INTERVAL(2) '1 s', TIMESTAMP(3) WITH TIME ZONE 'now', numeric(5, 2) '1.5', CHAR(3) 'a'",
    "SELECT a::double precision, a::bit varying(5), a::national character varying(3), a::s.t(1)[3][], CAST(a AS int ARRAY[4])",
    "SELECT left(a, 1), \"select\"(1), a.b.c(1), operator, at, over, filter, within FROM \"Table\" x",
    "SELECT a OPERATOR(pg_catalog.~) b, a !~~* b, - - a, !! a, a #>> b, a @> b, a <> b, a != b",
    "SELECT a INTO TEMPORARY TABLE x FROM t",
    "INSERT INTO t DEFAULT VALUES",
    "INSERT INTO s.t AS x (a, b.c, d[1]) OVERRIDING SYSTEM VALUE VALUES (1, DEFAULT, 2), (3, 4, 5) "
        + "ON CONFLICT (a, lower(b) COLLATE \"C\" text_ops) WHERE c DO UPDATE SET a = excluded.a, (b, c) = (1, DEFAULT) WHERE x.a > 0 RETURNING *",
    "INSERT INTO t (SELECT 1)",
    "INSERT INTO t SELECT 1 ON CONFLICT ON CONSTRAINT c DO NOTHING RETURNING a AS b",
    "WITH x AS (SELECT 1) UPDATE ONLY t AS a SET b = 1, (c, d) = (SELECT 1, 2), e[1].f = DEFAULT FROM x WHERE CURRENT OF c RETURNING 1",
    "DELETE FROM t x USING a, b JOIN c ON true WHERE x.a = b.a RETURNING x.*",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.b > 1 THEN UPDATE SET b = 2 WHEN MATCHED THEN DELETE "
        + "WHEN NOT MATCHED THEN INSERT (a) OVERRIDING USER VALUE VALUES (1) WHEN NOT MATCHED THEN DO NOTHING",
    "CREATE TABLE IF NOT EXISTS s.t (a int PRIMARY KEY, b varchar(10) COLLATE \"C\" DEFAULT 'x' || 'y' NOT NULL, "
        + "c int CONSTRAINT k CHECK (c > 0) NO INHERIT REFERENCES u (d) MATCH FULL ON DELETE SET NULL (c) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED, "
        + "d int GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT -1), e int GENERATED ALWAYS AS (a * 2) STORED, f int UNIQUE NULLS NOT DISTINCT, "
        + "UNIQUE (a, b) INCLUDE (c) WITH (fillfactor = 70) USING INDEX TABLESPACE x, CONSTRAINT p PRIMARY KEY (a), "
        + "FOREIGN KEY (a, b) REFERENCES v ON DELETE RESTRICT NOT VALID, EXCLUDE USING gist (a WITH =, b WITH &&) WHERE (a > 0), "
        + "LIKE w INCLUDING ALL EXCLUDING INDEXES) INHERITS (x, y) WITH (fillfactor = 80, toast.autovacuum_enabled = off) TABLESPACE z",
    "CREATE TEMP TABLE t () ON COMMIT DROP",
    "CREATE UNLOGGED TABLE t (a int) PARTITION BY RANGE (a, (lower(b)) text_ops)",
    "CREATE TABLE p PARTITION OF t (a DEFAULT 1, CHECK (a > 0)) FOR VALUES FROM (1, MINVALUE) TO (2, MAXVALUE)",
    "CREATE TABLE p PARTITION OF t FOR VALUES WITH (MODULUS 4, REMAINDER 1)",
    "CREATE TABLE t (a, b) WITH (fillfactor = 10) AS SELECT 1, 2 WITH NO DATA",
    "CREATE TABLE t AS EXECUTE p (1)",
    "ALTER TABLE IF EXISTS ONLY t ADD COLUMN IF NOT EXISTS a int DEFAULT 1, DROP COLUMN b CASCADE, ALTER a TYPE text USING a::text, "
        + "ALTER COLUMN a SET DEFAULT 2, ALTER a DROP NOT NULL, ALTER a SET STATISTICS -1, ALTER a SET STORAGE plain, "
        + "ADD CONSTRAINT c UNIQUE USING INDEX i, VALIDATE CONSTRAINT c, DROP CONSTRAINT IF EXISTS d, OWNER TO CURRENT_USER, "
        + "ALTER a ADD GENERATED BY DEFAULT AS IDENTITY, ALTER a SET GENERATED ALWAYS RESTART WITH 5, SET (fillfactor = 50), "
        + "ENABLE ROW LEVEL SECURITY, DISABLE TRIGGER ALL, REPLICA IDENTITY USING INDEX i, SET WITHOUT CLUSTER",
    "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1, 'a', NULL)",
    "ALTER TABLE t RENAME COLUMN a TO b",
    "ALTER INDEX i RENAME TO j",
    "ALTER VIEW v SET SCHEMA s",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY t USING btree (a DESC NULLS LAST, lower(b), (c + 1) COLLATE \"C\" text_ops (x = 1)) "
        + "INCLUDE (d) NULLS NOT DISTINCT WITH (fillfactor = 90) TABLESPACE x WHERE a > 0",
    "CREATE TEMP SEQUENCE IF NOT EXISTS s AS bigint INCREMENT BY 2 MINVALUE -5 NO MAXVALUE START 1 CACHE 10 CYCLE OWNED BY t.a",
    "ALTER SEQUENCE s RESTART OWNED BY NONE",
    "CREATE OR REPLACE TEMP VIEW v (a, b) WITH (security_barrier) AS SELECT 1, 2 WITH LOCAL CHECK OPTION",
    "CREATE RECURSIVE VIEW v (n) AS VALUES (1)",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS m AS SELECT 1 WITH NO DATA",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    "CREATE SCHEMA IF NOT EXISTS s AUTHORIZATION joe",
    "CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1",
    "CREATE DATABASE d WITH OWNER = joe ENCODING 'UTF8' TEMPLATE template0 CONNECTION LIMIT 5",
    "DROP DATABASE IF EXISTS d WITH (FORCE)",
    "CREATE TYPE e AS ENUM ('a', 'b')",
    "CREATE TYPE c AS (a int, b text COLLATE \"C\")",
    "ALTER TYPE e ADD VALUE IF NOT EXISTS 'c' BEFORE 'b'",
    "CREATE DOMAIN d AS int DEFAULT 1 NOT NULL CHECK (value > 0)",
    "CREATE OR REPLACE FUNCTION f(a int, OUT b text, INOUT c int DEFAULT 1, VARIADIC d int[]) RETURNS SETOF record LANGUAGE sql "
        + "IMMUTABLE STRICT SECURITY DEFINER PARALLEL SAFE COST 5 SET search_path TO s AS $body$SELECT ';'$body$",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
    "CREATE FUNCTION f(int) RETURNS TABLE (a int) RETURN $1 + 1",
    "CREATE EXTENSION IF NOT EXISTS x WITH SCHEMA s VERSION '1' CASCADE",
    "DROP TABLE IF EXISTS a, s.b CASCADE",
    "DROP INDEX CONCURRENTLY i",
    "DROP FUNCTION f(int, OUT text), g",
    "DROP TRIGGER x ON t",
    "TRUNCATE TABLE ONLY a, b RESTART IDENTITY CASCADE",
    "COMMENT ON COLUMN t.a IS 'it''s'",
    "COMMENT ON CONSTRAINT c ON DOMAIN d IS NULL",
    "CREATE ROLE r WITH LOGIN SUPERUSER PASSWORD 'x' CONNECTION LIMIT -1 VALID UNTIL '2030-01-01' IN ROLE a, b",
    "ALTER ROLE ALL IN DATABASE d SET work_mem TO '1MB'",
    "DROP USER IF EXISTS a, CURRENT_USER",
    "GRANT SELECT (a, b), UPDATE, ALTER SYSTEM ON TABLE t, s.u TO PUBLIC, joe WITH GRANT OPTION GRANTED BY CURRENT_USER",
    "REVOKE GRANT OPTION FOR ALL PRIVILEGES ON ALL TABLES IN SCHEMA s FROM joe CASCADE",
    "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b",
    "GRANT a, b TO c WITH ADMIN OPTION",
    "REASSIGN OWNED BY a TO b",
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY NOT DEFERRABLE",
    "START TRANSACTION READ WRITE",
    "COMMIT AND NO CHAIN",
    "END WORK",
    "ABORT",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "ROLLBACK TRANSACTION TO SAVEPOINT a",
    "RELEASE a",
    "PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
    "SET search_path = a, \"B\", 'c'",
    "SET LOCAL x.y TO -1.5",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET TRANSACTION SNAPSHOT '00000003-1'",
    "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
    "SET TIME ZONE LOCAL",
    "SET NAMES 'utf8'",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "RESET TIME ZONE",
    "SHOW TRANSACTION ISOLATION LEVEL",
    "SHOW ALL",
    "SET CONSTRAINTS a, s.b DEFERRED",
    "DISCARD TEMP",
    "PREPARE p (int, text[]) AS SELECT $1, $2",
    "EXECUTE p (1, 'a')",
    "DEALLOCATE PREPARE ALL",
    "DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
    "FETCH c",
    "FETCH BACKWARD ALL FROM c",
    "FETCH RELATIVE -5 IN c",
    "MOVE LAST c",
    "FETCH next",
    "CLOSE ALL",
    "LISTEN a",
    "NOTIFY a, 'b'",
    "UNLISTEN *",
    "EXPLAIN ANALYZE VERBOSE SELECT 1",
    "EXPLAIN (ANALYZE, BUFFERS off, FORMAT json) UPDATE t SET a = 1",
    "VACUUM FULL FREEZE VERBOSE ANALYZE t (a, b), u",
    "VACUUM (PARALLEL 2, INDEX_CLEANUP auto)",
    "ANALYZE VERBOSE t",
    "LOCK TABLE ONLY a, b IN SHARE ROW EXCLUSIVE MODE NOWAIT",
    "REINDEX (VERBOSE) TABLE CONCURRENTLY t",
    "CLUSTER VERBOSE t USING i",
    "CHECKPOINT",
    "DO LANGUAGE plpgsql $$BEGIN END$$",
    "CALL p(1, b => 2)",
    "COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER match, NULL '', FORCE_QUOTE (a), FORCE_NOT_NULL *) WHERE a > 1",
    "COPY BINARY t TO STDOUT",
    "COPY t FROM '/tmp/x' USING DELIMITERS ',' WITH NULL AS '' CSV HEADER QUOTE '\"' FORCE NOT NULL a, b",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "ALTER SYSTEM SET work_mem = '1MB'",
]

/// In the manner of psql, pgbench, pg_dump and drivers.
let clientSamples: [String] = [
    "SELECT c.oid, n.nspname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        + "WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default AND n.nspname !~ '^pg_toast' ORDER BY 2, 3;",
    "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) "
        + "FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND a.atthasdef) FROM pg_catalog.pg_attribute a WHERE a.attnum > 0",
    "SELECT true as sametable, conname, pg_catalog.pg_get_constraintdef(r.oid, true) as condef, "
        + "conrelid::pg_catalog.regclass AS ontable FROM pg_catalog.pg_constraint r WHERE r.conrelid = '16384' AND conparentid = 0",
    "SELECT pg_catalog.array_to_string(ARRAY(SELECT '\"' || x || E'\\n' FROM unnest(a) x WHERE (s & 2) <> 0), ', ')",
    "select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on "
        + "(n.oid = c.relnamespace) cross join lateral (select pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)) "
        + "as o(n) left join pg_catalog.pg_partitioned_table as p on (p.partrelid = c.oid) group by 1, 2 order by 1 asc limit 1",
    "copy pgbench_accounts from stdin with (freeze on)",
    "create table pgbench_accounts(aid int not null,bid int,abalance int,filler char(84)) with (fillfactor=100)",
    "alter table pgbench_accounts add primary key (aid)",
    "vacuum analyze pgbench_branches",
    "UPDATE pgbench_accounts SET abalance = abalance + -4646 WHERE aid = 12345;",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "PREPARE getColumnACLs(pg_catalog.oid) AS SELECT at.attname FROM pg_catalog.pg_attribute at WHERE at.attrelid = $1",
    "LOCK TABLE public.t IN ACCESS SHARE MODE",
    "WITH RECURSIVE typeinfo_tree (oid, ns) AS (SELECT ti.oid, ti.ns FROM (SELECT 1, 2) AS ti (oid, ns) WHERE ti.oid = any($1::oid[]) "
        + "UNION ALL SELECT ti.oid, ti.ns FROM typeinfo_tree tt, pg_type ti WHERE (tt.oid IS NOT NULL AND ti.oid = tt.oid)) "
        + "SELECT DISTINCT *, array_agg(x ORDER BY y) FROM typeinfo_tree",
    "SELECT (information_schema._pg_expandarray(i.indkey)).n, (current_schemas(true))[1], NULL::\"char\" FROM pg_index i",
    "DECLARE \"c1\" CURSOR FOR SELECT ctid, a FROM public.t FOR UPDATE",
    "FETCH 100 FROM c1",
    "SELECT t.oid, unnest(conkey) WITH_ FROM pg_constraint t, unnest(t.conkey) WITH ORDINALITY AS k(attnum, ord)",
]

/// A statement, and the error it ends in.
struct Refused: Sendable {
    var source: String
    var state: SQLState = .syntaxError
    var message: String
    var position: Int

    /// "syntax error at or near …".
    init(_ source: String, near text: String, _ position: Int) {
        self.source = source
        message = "syntax error at or near \"\(text)\""
        self.position = position
    }

    init(_ source: String, _ message: String, _ position: Int, state: SQLState = .syntaxError) {
        self.source = source
        self.state = state
        self.message = message
        self.position = position
    }
}

let refusedSamples: [Refused] = [
    Refused("SELEC 1", near: "SELEC", 1),
    Refused("SELECT 1 +", "syntax error at end of input", 11),
    Refused("SELECT 1 2", near: "2", 10),
    Refused("SELECT * FROM t WHERE", "syntax error at end of input", 22),
    Refused("SELECT 1; SELECT )", near: ")", 18),
    Refused("SELECT 'é' FROM FROM", near: "FROM", 17),
    Refused("SELECT a < b < c", near: "<", 14),
    Refused("SELECT a = b = c", near: "=", 14),
    Refused("SELECT a LIKE b LIKE c", near: "LIKE", 17),
    Refused("SELECT a BETWEEN 1 AND 2 BETWEEN 3 AND 4", near: "BETWEEN", 26),
    Refused("SELECT a IS DISTINCT FROM b IS NULL", near: "IS", 29),
    Refused("SELECT f(1)[1]", near: "[", 12),
    Refused("SELECT f(1).a", near: ".", 12),
    Refused("SELECT ARRAY[1][1]", near: "[", 16),
    Refused("SELECT ()", near: ")", 9),
    Refused("SELECT a FROM", "syntax error at end of input", 14),
    Refused("SELECT a over", near: "over", 10),
    Refused("SELECT int(3)", near: ")", 13),
    Refused("SELECT left FROM t", near: "FROM", 13),
    Refused("SELECT DISTINCT FROM t", near: "FROM", 17),
    Refused("SELECT 1 FROM (SELECT 1)", "subquery in FROM must have an alias", 15),
    Refused("SELECT 1 LIMIT 1, 2", "LIMIT #,# syntax is not supported", 17),
    Refused("SELECT 1 LIMIT 1 LIMIT 2", "multiple LIMIT clauses not allowed", 18),
    Refused("SELECT 'abc", "unterminated quoted string at or near \"'abc\"", 8),
    Refused("SELECT \"abc", "unterminated quoted identifier at or near \"\"abc\"", 8),
    Refused("SELECT \"\"", "zero-length delimited identifier at or near \"\"\"\"", 8),
    Refused("SELECT $a$ x $b$", "unterminated dollar-quoted string at or near \"$a$ x $b$\"", 8),
    Refused("SELECT /* /* */ 1", "unterminated /* comment at or near \"/* /* */ 1\"", 8),
    Refused("SELECT 1a", "trailing junk after numeric literal at or near \"1a\"", 8),
    Refused("SELECT $1a", "trailing junk after parameter at or near \"$1a\"", 8),
    Refused("SELECT 'a' 'b'", near: "'b'", 12),
    Refused("SELECT E'\\u12'", "invalid Unicode escape", 10, state: "22025"),
    Refused(
        "SELECT E'\\xff'", "invalid byte sequence for encoding \"UTF8\": 0xff", 0, state: .characterNotInRepertoire),
    Refused("SELECT B'12'", "\"2\" is not a valid binary digit", 8, state: .invalidTextRepresentation),
    Refused("SELECT $0", "there is no parameter $0", 8, state: .undefinedParameter),
    Refused("SELECT xmlelement(name a)", "xmlelement is not supported", 8, state: .featureNotSupported),
    Refused("INSERT INTO t VALUES", "syntax error at end of input", 21),
    Refused("UPDATE t SET", "syntax error at end of input", 13),
    Refused("DELETE t", near: "t", 8),
    Refused("CREATE TABLE t (a)", "syntax error at end of input", 19),
    Refused("CREATE TABLE t (a int,)", near: ")", 23),
    Refused("CREATE TABLE t (a int DEFAULT 1 DEFERRABLE INITIALLY)", near: ")", 53),
    Refused("CREATE INDEX ON t", "syntax error at end of input", 18),
    Refused("DROP x", near: "x", 6),
    Refused("ALTER TABLE t FOO", near: "FOO", 15),
    Refused("SET x", "syntax error at end of input", 6),
    Refused("BEGIN READ", "syntax error at end of input", 11),
    Refused("GRANT SELECT ON t", "syntax error at end of input", 18),
    Refused("EXPLAIN BEGIN", near: "BEGIN", 9),
    Refused("COPY t FROM", "syntax error at end of input", 12),
    Refused("FETCH 1.5 FROM c", near: "1.5", 7),
]

/// An expression, and its canonical spelling.
let literalSamples: [(String, String)] = [
    ("1", "1"),
    ("2147483648", "2147483648"),
    ("9223372036854775808", "9223372036854775808"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("- 5", "-5"),
    ("- - 5", "5"),
    (".5", ".5"),
    ("5.", "5."),
    ("1e10", "1e10"),
    ("1.5E-3", "1.5E-3"),
    ("'it''s'", "'it''s'"),
    ("'a\\b'", "'a\\b'"),
    ("'a'\n 'b'", "'ab'"),
    ("'a' -- comment\n 'b'", "'ab'"),
    ("E'a\\tb\\'c\\\\d'", "'a\tb''c\\d'"),
    ("e'\\101\\x42\\u0043\\U00000044'", "'ABCD'"),
    ("E'\\uD834\\uDD1E'", "'\u{1D11E}'"),
    ("U&'d\\0061t\\+000061'", "'data'"),
    ("U&'d!0061' UESCAPE '!'", "'da'"),
    ("$$it's$$", "'it''s'"),
    ("$a$x $$ y$a$", "'x $$ y'"),
    ("B'0101'", "B'0101'"),
    ("x'1F'", "X'1F'"),
    ("N'abc'", "'abc'::bpchar"),
    ("TRUE", "true"),
    ("NULL", "NULL"),
    ("1 /* a /* nested */ comment */", "1"),
    ("1--2\n", "1"),
    ("DATE '2020-01-01'", "'2020-01-01'::date"),
    ("INTERVAL '1' YEAR TO MONTH", "'1'::interval year to month"),
    ("time '1:00' at time zone 'utc'", "'1:00'::time without time zone AT TIME ZONE 'utc'"),
    ("float(24) '1'", "'1'::real"),
    ("a!=-1", "a <> -1"),
    ("a@-1", "a @- 1"),
    ("1<-1", "1 < -1"),
    ("$1::int", "$1::integer"),
]
