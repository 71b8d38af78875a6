// The peers of the key-value benchmark, under the same keys and the same loop: LMDB, RocksDB, SQLite.
//
//   peers ENGINE DIRECTORY ROWS OPERATIONS DISTRIBUTION   (DISTRIBUTION: uniform or zipf)
//
// Loads ROWS 8-byte keys with 8-byte values in random order, then looks OPERATIONS of them up, one read transaction (or
// snapshot) per lookup, as the engine's benchmark does. Prints `ENGINE insert NANOSECONDS` and `ENGINE lookup
// NANOSECONDS`, per operation. Loading is not durable per row for anybody: one transaction per 10,000 rows, synced at
// the end.

#include <lmdb.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <sqlite3.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

namespace {

constexpr uint64_t kBatch = 10'000;

uint64_t big_endian(uint64_t value) { return __builtin_bswap64(value); }

// SplitMix64: a bijection, so row i has a key of its own, in random order.
uint64_t scramble(uint64_t value) {
    value += 0x9E3779B97F4A7C15ull;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

// Row numbers, uniform or Zipf with exponent 0.99 (Gray et al., SIGMOD 1994), hot rows spread over the key space.
class Chooser {
  public:
    Chooser(uint64_t rows, bool zipf) : rows_(rows), zipf_(zipf) {
        if (!zipf) return;
        for (uint64_t i = 1; i <= rows; i++) zeta_ += 1 / std::pow(double(i), kTheta);
        alpha_ = 1 / (1 - kTheta);
        double zeta2 = 1 + 1 / std::pow(2.0, kTheta);
        eta_ = (1 - std::pow(2.0 / double(rows), 1 - kTheta)) / (1 - zeta2 / zeta_);
    }
    uint64_t next() {
        uint64_t random = scramble(state_++);
        if (!zipf_) return random % rows_;
        double u = double(random >> 11) * 0x1.0p-53;
        double uz = u * zeta_;
        uint64_t rank;
        if (uz < 1) rank = 0;
        else if (uz < 1 + std::pow(0.5, kTheta)) rank = 1;
        else rank = uint64_t(double(rows_) * std::pow(eta_ * u - eta_ + 1, alpha_));
        return scramble(rank) % rows_;
    }

  private:
    static constexpr double kTheta = 0.99;
    uint64_t rows_, state_ = 42;
    bool zipf_;
    double zeta_ = 0, alpha_ = 0, eta_ = 0;
};

class Engine {
  public:
    virtual ~Engine() = default;
    virtual void begin() = 0;
    virtual void insert(uint64_t key, uint64_t value) = 0;
    virtual void commit(bool last) = 0;
    virtual uint64_t lookup(uint64_t key) = 0;
};

void check(bool ok, const char *what) {
    if (ok) return;
    std::fprintf(stderr, "failed: %s\n", what);
    std::exit(1);
}

class LMDB final : public Engine {
  public:
    explicit LMDB(const std::string &directory) {
        check(!mdb_env_create(&env_), "mdb_env_create");
        check(!mdb_env_set_mapsize(env_, 8ull << 30), "mdb_env_set_mapsize");
        check(!mdb_env_open(env_, directory.c_str(), MDB_NOSYNC, 0644), "mdb_env_open");
        begin();
        check(!mdb_dbi_open(txn_, nullptr, MDB_CREATE, &dbi_), "mdb_dbi_open");
        check(!mdb_txn_commit(txn_), "mdb_txn_commit");
        check(!mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader_), "reader");
        mdb_txn_reset(reader_);
    }
    void begin() override { check(!mdb_txn_begin(env_, nullptr, 0, &txn_), "mdb_txn_begin"); }
    void insert(uint64_t key, uint64_t value) override {
        MDB_val k{8, &key}, v{8, &value};
        check(!mdb_put(txn_, dbi_, &k, &v, 0), "mdb_put");
    }
    void commit(bool last) override {
        check(!mdb_txn_commit(txn_), "mdb_txn_commit");
        if (last) check(!mdb_env_sync(env_, 1), "mdb_env_sync");
    }
    uint64_t lookup(uint64_t key) override {
        check(!mdb_txn_renew(reader_), "mdb_txn_renew");
        MDB_val k{8, &key}, v;
        check(!mdb_get(reader_, dbi_, &k, &v), "mdb_get");
        uint64_t value;
        std::memcpy(&value, v.mv_data, 8);
        mdb_txn_reset(reader_);
        return value;
    }

  private:
    MDB_env *env_ = nullptr;
    MDB_txn *txn_ = nullptr, *reader_ = nullptr;
    MDB_dbi dbi_ = 0;
};

class RocksDB final : public Engine {
  public:
    explicit RocksDB(const std::string &directory) {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.IncreaseParallelism(2);
        options.OptimizeLevelStyleCompaction(512 << 20);
        rocksdb::BlockBasedTableOptions table;
        table.block_cache = rocksdb::NewLRUCache(1ull << 30);
        table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
        options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
        rocksdb::DB *db = nullptr;
        check(rocksdb::DB::Open(options, directory, &db).ok(), "rocksdb open");
        db_.reset(db);
    }
    void begin() override { batch_.Clear(); }
    void insert(uint64_t key, uint64_t value) override { batch_.Put(slice(key), slice(value)); }
    void commit(bool last) override {
        rocksdb::WriteOptions options;
        options.sync = last;
        check(db_->Write(options, &batch_).ok(), "rocksdb write");
        if (last) check(db_->CompactRange({}, nullptr, nullptr).ok(), "rocksdb compact");
    }
    uint64_t lookup(uint64_t key) override {
        check(db_->Get({}, db_->DefaultColumnFamily(), slice(key), &value_).ok(), "rocksdb get");
        uint64_t value;
        std::memcpy(&value, value_.data(), 8);
        value_.Reset();
        return value;
    }

  private:
    static rocksdb::Slice slice(const uint64_t &word) { return {reinterpret_cast<const char *>(&word), 8}; }
    std::unique_ptr<rocksdb::DB> db_;
    rocksdb::WriteBatch batch_;
    rocksdb::PinnableSlice value_;
};

class SQLite final : public Engine {
  public:
    explicit SQLite(const std::string &directory) {
        check(!sqlite3_open((directory + "/bench.db").c_str(), &db_), "sqlite open");
        run("PRAGMA journal_mode=WAL");
        run("PRAGMA synchronous=NORMAL");
        run("PRAGMA cache_size=-1048576");
        run("PRAGMA mmap_size=8589934592");
        run("CREATE TABLE t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID");
        check(!sqlite3_prepare_v2(db_, "INSERT INTO t VALUES (?, ?)", -1, &insert_, nullptr), "prepare");
        check(!sqlite3_prepare_v2(db_, "SELECT v FROM t WHERE k = ?", -1, &lookup_, nullptr), "prepare");
    }
    void begin() override { run("BEGIN"); }
    void insert(uint64_t key, uint64_t value) override {
        sqlite3_bind_blob(insert_, 1, &key, 8, SQLITE_STATIC);
        sqlite3_bind_blob(insert_, 2, &value, 8, SQLITE_STATIC);
        check(sqlite3_step(insert_) == SQLITE_DONE, "sqlite insert");
        sqlite3_reset(insert_);
    }
    void commit(bool last) override {
        run("COMMIT");
        if (last) run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    uint64_t lookup(uint64_t key) override {
        sqlite3_bind_blob(lookup_, 1, &key, 8, SQLITE_STATIC);
        check(sqlite3_step(lookup_) == SQLITE_ROW, "sqlite lookup");
        uint64_t value;
        std::memcpy(&value, sqlite3_column_blob(lookup_, 0), 8);
        sqlite3_reset(lookup_);
        return value;
    }

  private:
    void run(const char *sql) { check(!sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), sql); }
    sqlite3 *db_ = nullptr;
    sqlite3_stmt *insert_ = nullptr, *lookup_ = nullptr;
};

std::unique_ptr<Engine> open_engine(const std::string &name, const std::string &directory) {
    if (name == "lmdb") return std::make_unique<LMDB>(directory);
    if (name == "rocksdb") return std::make_unique<RocksDB>(directory);
    if (name == "sqlite") return std::make_unique<SQLite>(directory);
    check(false, "engine must be lmdb, rocksdb or sqlite");
    return nullptr;
}

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char **argv) {
    check(argc == 6, "usage: peers ENGINE DIRECTORY ROWS OPERATIONS uniform|zipf");
    std::string name = argv[1];
    uint64_t rows = std::strtoull(argv[3], nullptr, 10), operations = std::strtoull(argv[4], nullptr, 10);
    auto engine = open_engine(name, argv[2]);

    double start = seconds();
    for (uint64_t i = 0; i < rows; i++) {
        if (i % kBatch == 0) engine->begin();
        engine->insert(big_endian(scramble(i)), i);
        if (i % kBatch == kBatch - 1 || i == rows - 1) engine->commit(i == rows - 1);
    }
    std::printf("%s insert %.1f\n", name.c_str(), (seconds() - start) * 1e9 / double(rows));

    Chooser chooser(rows, std::string(argv[5]) == "zipf");
    for (uint64_t i = 0; i < operations / 10; i++) engine->lookup(big_endian(scramble(chooser.next())));
    uint64_t wrong = 0;
    start = seconds();
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t row = chooser.next();
        if (engine->lookup(big_endian(scramble(row))) != row) wrong++;
    }
    double elapsed = seconds() - start;
    check(wrong == 0, "a lookup returned the wrong value");
    std::printf("%s lookup %.1f\n", name.c_str(), elapsed * 1e9 / double(operations));
}
