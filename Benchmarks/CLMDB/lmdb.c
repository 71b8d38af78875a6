// The few declarations of lmdb.h that are used (LMDB 0.9), looked up at run time.
#include "CLMDB.h"
#include <dlfcn.h>
#include <stdlib.h>

typedef struct { size_t mv_size; void *mv_data; } value;
typedef unsigned int dbi;
enum { NOSYNC = 0x10000, WRITEMAP = 0x80000, NORDAHEAD = 0x800000, RDONLY = 0x20000, APPEND = 0x20000 };

struct dbk_lmdb {
    void *library, *env, *txn;
    dbi handle;
    int (*txn_begin)(void *, void *, unsigned, void **);
    int (*txn_commit)(void *);
    void (*txn_abort)(void *);
    void (*txn_reset)(void *);
    int (*txn_renew)(void *);
    int (*put)(void *, dbi, value *, value *, unsigned);
    int (*get)(void *, dbi, value *, value *);
    void (*env_close)(void *);
};

dbk_lmdb *dbk_lmdb_open(const char *directory, size_t map_bytes) {
    void *library = dlopen("liblmdb.so.0", RTLD_NOW);
    if (!library) return NULL;
    dbk_lmdb *db = calloc(1, sizeof *db);
    db->library = library;
    int (*env_create)(void **) = dlsym(library, "mdb_env_create");
    int (*env_set_mapsize)(void *, size_t) = dlsym(library, "mdb_env_set_mapsize");
    int (*env_open)(void *, const char *, unsigned, unsigned) = dlsym(library, "mdb_env_open");
    int (*dbi_open)(void *, const char *, unsigned, dbi *) = dlsym(library, "mdb_dbi_open");
    db->txn_begin = dlsym(library, "mdb_txn_begin");
    db->txn_commit = dlsym(library, "mdb_txn_commit");
    db->txn_abort = dlsym(library, "mdb_txn_abort");
    db->txn_reset = dlsym(library, "mdb_txn_reset");
    db->txn_renew = dlsym(library, "mdb_txn_renew");
    db->put = dlsym(library, "mdb_put");
    db->get = dlsym(library, "mdb_get");
    db->env_close = dlsym(library, "mdb_env_close");
    if (env_create(&db->env) || env_set_mapsize(db->env, map_bytes)) return NULL;
    if (env_open(db->env, directory, NOSYNC | WRITEMAP | NORDAHEAD, 0600)) return NULL;
    void *txn;
    if (db->txn_begin(db->env, NULL, 0, &txn) || dbi_open(txn, NULL, 0, &db->handle) || db->txn_commit(txn)) return NULL;
    return db;
}

void dbk_lmdb_close(dbk_lmdb *db) {
    db->env_close(db->env);
    dlclose(db->library);
    free(db);
}

int dbk_lmdb_begin(dbk_lmdb *db) { return db->txn_begin(db->env, NULL, 0, &db->txn); }
int dbk_lmdb_commit(dbk_lmdb *db) { return db->txn_commit(db->txn); }

int dbk_lmdb_put(dbk_lmdb *db, const void *key, size_t key_size, const void *data, size_t data_size, int append) {
    value k = {key_size, (void *)key}, v = {data_size, (void *)data};
    return db->put(db->txn, db->handle, &k, &v, append ? APPEND : 0);
}

int dbk_lmdb_read_begin(dbk_lmdb *db) { return db->txn_begin(db->env, NULL, RDONLY, &db->txn); }
void dbk_lmdb_read_end(dbk_lmdb *db) { db->txn_abort(db->txn); }

const void *dbk_lmdb_get(dbk_lmdb *db, const void *key, size_t key_size) {
    value k = {key_size, (void *)key}, v;
    return db->get(db->txn, db->handle, &k, &v) ? NULL : v.mv_data;
}

const void *dbk_lmdb_get_renewed(dbk_lmdb *db, const void *key, size_t key_size) {
    db->txn_reset(db->txn);
    if (db->txn_renew(db->txn)) return NULL;
    return dbk_lmdb_get(db, key, key_size);
}
