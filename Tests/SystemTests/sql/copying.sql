-- COPY both ways, EXPLAIN, psql's listings.
CREATE TABLE c (a int, b text, d date);
COPY c FROM STDIN;
1	one	2024-01-01
2	\N	\N
3	back\\slash	2024-12-31
4	tab\there	\N
\.
SELECT * FROM c ORDER BY a;
COPY c TO STDOUT;
COPY c (b, a) TO STDOUT WITH (DELIMITER '|', NULL 'nil');
COPY c TO STDOUT WITH CSV HEADER;
COPY (SELECT a, b FROM c WHERE a > 1 ORDER BY a DESC) TO STDOUT (FORMAT csv, FORCE_QUOTE *);
COPY c FROM STDIN WITH (FORMAT csv, HEADER);
a,b,d
5,"quoted ""text"", with comma",2024-02-02
6,,
7,"",
\.
SELECT a, b, b IS NULL FROM c WHERE a >= 5 ORDER BY a;
COPY c (a) FROM STDIN;
8
\.
COPY c FROM STDIN;
x	bad	\N
\.
COPY c FROM STDIN;
9	short
\.
COPY c FROM STDIN;
9	long	2024-01-01	more
\.
\.
COPY c FROM STDIN WHERE a % 2 = 0;
20	even	\N
21	odd	\N
\.
SELECT a FROM c WHERE a >= 20;
COPY nosuch TO STDOUT;
COPY c (nosuch) TO STDOUT;
COPY c TO STDOUT (FORMAT nosuch);
COPY c TO STDOUT (DELIMITER 'ab');
CREATE TABLE k (id int PRIMARY KEY, n int NOT NULL DEFAULT 5, CHECK (n > 0));
-- Which line a constraint refuses is not told yet.
\set SHOW_CONTEXT never
COPY k FROM STDIN;
1	1
1	2
\.
COPY k (id) FROM STDIN;
1
2
\.
COPY k FROM STDIN;
3	\N
\.
COPY k FROM STDIN;
3	-1
\.
\set SHOW_CONTEXT errors
SELECT * FROM k ORDER BY id;
COPY k TO STDOUT (FORMAT csv, HEADER, DELIMITER ';');
-- EXPLAIN
EXPLAIN (COSTS OFF) SELECT * FROM k WHERE id = 1;
EXPLAIN (COSTS OFF) SELECT * FROM c WHERE a = 1;
EXPLAIN (COSTS OFF) SELECT * FROM c WHERE b IS NULL AND a > 1;
EXPLAIN (COSTS OFF) INSERT INTO k VALUES (9, 9);
EXPLAIN (COSTS OFF) SELECT 1;
EXPLAIN (COSTS OFF) SELECT a FROM c LIMIT 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM c;
EXPLAIN (COSTS OFF) VALUES (1), (2);
EXPLAIN (COSTS OFF) SELECT * FROM generate_series(1, 3) g WHERE g > 1;
EXPLAIN (COSTS OFF) SELECT a FROM c UNION ALL SELECT id FROM k;
EXPLAIN (COSTS OFF) SELECT a FROM c ORDER BY a;
EXPLAIN (COSTS OFF) SELECT * FROM c WHERE false;
EXPLAIN (NOSUCH) SELECT 1;
EXPLAIN SELECT * FROM nosuch;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM k WHERE id = 2;
-- Listings
CREATE VIEW cv AS SELECT a, b FROM c WHERE a > 2 ORDER BY a;
CREATE SEQUENCE sq;
CREATE INDEX c_b ON c (b, a DESC);
\d
\dt
\di
\dv
\ds
\d c
\d k
\d cv
\d sq
\d c_b
\d nosuch
\dn
\df nosuch
\dT nosuch
\l nosuch
\du
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'public' AND table_name IN ('c', 'k') ORDER BY 1, ordinal_position;
SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1;
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'k'::regclass ORDER BY 1;
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
SELECT relname, relkind, relnatts FROM pg_class WHERE relname IN ('c', 'k', 'k_pkey', 'cv', 'sq', 'c_b') ORDER BY 1;
SELECT attname, atttypid::regtype, attnotnull, atthasdef FROM pg_attribute WHERE attrelid = 'k'::regclass AND attnum > 0 ORDER BY attnum;
SELECT relname, n_live_tup >= 0 FROM pg_stat_user_tables ORDER BY 1;
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 'k'::regclass AND a.attnum > 0 ORDER BY a.attnum;
