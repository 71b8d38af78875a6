// LMDB (Symas) as a peer in benchmarks. Loaded when used, so that nothing depends on its being installed.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct dbk_lmdb dbk_lmdb;

// Opens a fresh environment in an existing directory, of at most map_bytes. NULL if LMDB is not installed or fails.
dbk_lmdb *dbk_lmdb_open(const char *directory, size_t map_bytes);
void dbk_lmdb_close(dbk_lmdb *db);
// One write transaction: begin, put (0 on success; append: keys arrive in order), commit.
int dbk_lmdb_begin(dbk_lmdb *db);
int dbk_lmdb_put(dbk_lmdb *db, const void *key, size_t key_size, const void *value, size_t value_size, int append);
int dbk_lmdb_commit(dbk_lmdb *db);
// One read transaction for many gets. A get returns the value's address, NULL if there is none.
int dbk_lmdb_read_begin(dbk_lmdb *db);
const void *dbk_lmdb_get(dbk_lmdb *db, const void *key, size_t key_size);
// Begins and ends a snapshot of its own around the get: what a transaction per lookup costs.
const void *dbk_lmdb_get_renewed(dbk_lmdb *db, const void *key, size_t key_size);
void dbk_lmdb_read_end(dbk_lmdb *db);
