"""psql as people use it: commands, listings, mistakes."""

import pytest


@pytest.fixture(scope="module")
def shop(module_server):
    result = module_server.psql(
        "CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL, email varchar(80) UNIQUE, joined date DEFAULT '2024-01-01')",
        "CREATE TABLE purchase (id bigint PRIMARY KEY, customer_id int, amount numeric(10,2) CHECK (amount > 0.0), note text)",
        "CREATE INDEX purchase_customer ON purchase (customer_id, id DESC)",
        "INSERT INTO customer (name, email) VALUES ('Ada', 'ada@example.org'), ('Grace', 'grace@example.org'), ('Edsger', NULL)",
        "INSERT INTO purchase VALUES (1, 1, 9.99, NULL), (2, 1, 100, 'a b'), (3, 2, 0.01, 'x')",
    )
    assert result.returncode == 0, result.stderr
    return module_server


def rows(server, query: str) -> list[str]:
    result = server.client("psql", "-X", "-A", "-t", "-c", query)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_listings(shop):
    for command, words in {
        r"\l": ["postgres", "UTF8"],
        r"\dt": ["public", "customer", "purchase", "table"],
        r"\di": ["customer_pkey", "purchase_customer", "customer_email_key"],
        r"\d": ["customer_id_seq", "sequence", "customer"],
        r"\dn": ["public"],
        r"\du": ["postgres"],
    }.items():
        result = shop.psql(command)
        assert result.returncode == 0, f"{command}: {result.stderr}"
        for word in words:
            assert word in result.stdout, f"{command} does not show {word}:\n{result.stdout}"


def test_describe_table_is_what_postgresql_prints(shop):
    result = shop.psql(r"\d purchase")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        '                   Table "public.purchase"',
        "   Column    |     Type      | Collation | Nullable | Default ",
        "-------------+---------------+-----------+----------+---------",
        " id          | bigint        |           | not null | ",
        " customer_id | integer       |           |          | ",
        " amount      | numeric(10,2) |           |          | ",
        " note        | text          |           |          | ",
        "Indexes:",
        '    "purchase_pkey" PRIMARY KEY, btree (id)',
        '    "purchase_customer" btree (customer_id, id DESC)',
        "Check constraints:",
        '    "purchase_amount_check" CHECK (amount > 0.0)',
        "",
    ]


def test_joins_and_aggregates(shop):
    assert rows(shop, "SELECT c.name, count(p.id), coalesce(sum(p.amount), 0) FROM customer c LEFT JOIN purchase p"
                      " ON p.customer_id = c.id GROUP BY c.name ORDER BY 3 DESC, 1") == [
        "Ada|2|109.99", "Grace|1|0.01", "Edsger|0|0"]
    assert rows(shop, "SELECT name FROM customer c WHERE NOT EXISTS (SELECT 1 FROM purchase p WHERE p.customer_id = c.id)") == ["Edsger"]
    assert rows(shop, "SELECT c.name, top.amount FROM customer c, LATERAL (SELECT amount FROM purchase p WHERE"
                      " p.customer_id = c.id ORDER BY amount DESC LIMIT 1) top ORDER BY 1") == ["Ada|100.00", "Grace|0.01"]


@pytest.mark.parametrize("query, state, words", [
    ("SELEKT 1", "42601", 'syntax error at or near "SELEKT"'),
    ("SELECT * FROM nowhere", "42P01", 'relation "nowhere" does not exist'),
    ("SELECT nothing FROM customer", "42703", 'column "nothing" does not exist'),
    ("SELECT 1/0", "22012", "division by zero"),
    ("SELECT 2147483647 + 1", "22003", "integer out of range"),
    ("SELECT 'x'::int", "22P02", 'invalid input syntax for type integer: "x"'),
    ("INSERT INTO customer (id, name) VALUES (1, 'again')", "23505", 'duplicate key value violates unique constraint "customer_pkey"'),
    ("INSERT INTO customer (name) VALUES (NULL)", "23502", 'null value in column "name"'),
    ("INSERT INTO purchase VALUES (9, 1, -1)", "23514", 'violates check constraint "purchase_amount_check"'),
    ("SELECT name, count(*) FROM customer", "42803", "must appear in the GROUP BY clause"),
    ("CREATE TABLE customer (id int)", "42P07", 'relation "customer" already exists'),
    ("DROP TABLE missing", "42P01", 'table "missing" does not exist'),
    ("SELECT count(*) OVER (PARTITION BY)", "42601", "syntax error"),
])
def test_mistakes_get_postgresqls_errors(shop, query, state, words):
    result = shop.client("psql", "-X", "-v", "VERBOSITY=verbose", "-c", query)
    assert result.returncode == 1
    assert f"ERROR:  {state}: " in result.stderr, result.stderr
    assert words in result.stderr


def test_transactional_ddl(shop):
    result = shop.psql("BEGIN", "CREATE TABLE fleeting (id int)", "INSERT INTO fleeting VALUES (1)", "ROLLBACK")
    assert result.returncode == 0, result.stderr
    assert "does not exist" in shop.client("psql", "-X", "-c", "SELECT * FROM fleeting").stderr


def test_databases_are_separate(shop):
    assert shop.psql("CREATE DATABASE other").returncode == 0
    result = shop.client("psql", "-X", "-d", "other", "-c", "CREATE TABLE customer (only_here int)", "-c", r"\d customer")
    assert result.returncode == 0, result.stderr
    assert "only_here" in result.stdout
    assert "only_here" not in shop.psql(r"\d customer").stdout
    assert shop.psql("DROP DATABASE other").returncode == 0
    result = shop.client("psql", "-X", "-d", "other", "-c", "SELECT 1")
    assert 'database "other" does not exist' in result.stderr


def test_copy_both_ways(shop):
    result = shop.client("psql", "-X", "-c", "CREATE TABLE loaded (a int, b text)", "-c", "COPY loaded FROM STDIN",
                         input="1\tone\n2\t\\N\n3\ttab\\there\n\\.\n")
    assert result.returncode == 0, result.stderr
    result = shop.client("psql", "-X", "-c", "COPY loaded TO STDOUT")
    assert result.stdout == "1\tone\n2\t\\N\n3\ttab\\there\n"
    result = shop.client("psql", "-X", "-c", "COPY (SELECT a, b FROM loaded ORDER BY a DESC) TO STDOUT WITH (FORMAT csv, HEADER)")
    assert result.stdout == 'a,b\n3,tab\there\n2,\n1,one\n'
    result = shop.client("psql", "-X", "-c", "COPY loaded FROM STDIN", input="not a number\tx\n\\.\n")
    assert 'invalid input syntax for type integer: "not a number"' in result.stderr
    assert rows(shop, "SELECT count(*) FROM loaded") == ["3"]


def test_explain_shows_the_index(shop):
    plan = "\n".join(rows(shop, "EXPLAIN SELECT * FROM purchase WHERE id = 2"))
    assert "Index Scan using purchase_pkey on purchase" in plan
    assert "Index Cond: (id = 2)" in plan
