// The peers of the key-value benchmark, under the same keys and the same loop: LMDB, RocksDB, SQLite.
//
//   peers ENGINE DIRECTORY ROWS OPERATIONS DISTRIBUTION…   (DISTRIBUTION: uniform or zipf)
//
// Loads ROWS 8-byte keys with 8-byte values in random order, 1,000 to a transaction. The last five hundredths are timed one by
// one, by the clock, with every commit durable: LMDB with its default fsync, RocksDB with a synced write batch, SQLite's write-ahead
// log with synchronous=FULL. What comes before is not synced, for it would take LMDB and SQLite hours. Then looks
// OPERATIONS of them up, 1,000 to a read transaction or snapshot, timed by the CPU time of the thread. `dbkernel-sim bench
// keys` does the same, durable from the first row on. Prints `ENGINE insert NANOSECONDS` five times and, for each distribution,
// `ENGINE lookup NANOSECONDS`, per operation.

#include <lmdb.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ctime>
#include <string>

namespace {

constexpr uint64_t kBatch = 1'000;

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
    virtual void commit() = 0;
    /// From here on every commit is durable, and everything before it is, too.
    virtual void be_durable() = 0;
    /// After the load: what the engine needs to be at its best for lookups.
    virtual void settle() {}
    virtual void begin_read() = 0;
    virtual uint64_t lookup(uint64_t key) = 0;
    virtual void end_read() = 0;
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
    void commit() override { check(!mdb_txn_commit(txn_), "mdb_txn_commit"); }
    void be_durable() override {
        check(!mdb_env_set_flags(env_, MDB_NOSYNC, 0), "mdb_env_set_flags");
        check(!mdb_env_sync(env_, 1), "mdb_env_sync");
    }
    void begin_read() override { check(!mdb_txn_renew(reader_), "mdb_txn_renew"); }
    void end_read() override { mdb_txn_reset(reader_); }
    uint64_t lookup(uint64_t key) override {
        MDB_val k{8, &key}, v;
        check(!mdb_get(reader_, dbi_, &k, &v), "mdb_get");
        uint64_t value;
        std::memcpy(&value, v.mv_data, 8);
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
    void commit() override {
        rocksdb::WriteOptions options;
        options.sync = is_durable_;
        check(db_->Write(options, &batch_).ok(), "rocksdb write");
    }
    void be_durable() override {
        is_durable_ = true;
        check(db_->SyncWAL().ok(), "rocksdb sync");
    }
    void settle() override { check(db_->CompactRange({}, nullptr, nullptr).ok(), "rocksdb compact"); }
    void begin_read() override { read_.snapshot = db_->GetSnapshot(); }
    void end_read() override { db_->ReleaseSnapshot(read_.snapshot); }
    uint64_t lookup(uint64_t key) override {
        check(db_->Get(read_, db_->DefaultColumnFamily(), slice(key), &value_).ok(), "rocksdb get");
        uint64_t value;
        std::memcpy(&value, value_.data(), 8);
        value_.Reset();
        return value;
    }

  private:
    static rocksdb::Slice slice(const uint64_t &word) { return {reinterpret_cast<const char *>(&word), 8}; }
    std::unique_ptr<rocksdb::DB> db_;
    rocksdb::WriteBatch batch_;
    rocksdb::ReadOptions read_;
    bool is_durable_ = false;
    rocksdb::PinnableSlice value_;
};

class SQLite final : public Engine {
  public:
    explicit SQLite(const std::string &directory) {
        check(!sqlite3_open((directory + "/bench.db").c_str(), &db_), "sqlite open");
        run("PRAGMA journal_mode=WAL");
        run("PRAGMA synchronous=OFF");
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
    void commit() override { run("COMMIT"); }
    void be_durable() override {
        run("PRAGMA wal_checkpoint(TRUNCATE)");
        run("PRAGMA synchronous=FULL");
    }
    void settle() override { run("PRAGMA wal_checkpoint(TRUNCATE)"); }
    void begin_read() override { run("BEGIN"); }
    void end_read() override { run("COMMIT"); }
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

double seconds(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

// Seconds spent in the transactions; row numbers are drawn outside of them.
double look_up(Engine &engine, Chooser &chooser, uint64_t operations) {
    uint64_t rows[kBatch], wrong = 0;
    double spent = 0;
    for (uint64_t done = 0; done < operations;) {
        uint64_t size = std::min(kBatch, operations - done);
        for (uint64_t i = 0; i < size; i++) rows[i] = chooser.next();
        double start = seconds(CLOCK_THREAD_CPUTIME_ID);
        engine.begin_read();
        for (uint64_t i = 0; i < size; i++) wrong += engine.lookup(big_endian(scramble(rows[i]))) != rows[i];
        engine.end_read();
        spent += seconds(CLOCK_THREAD_CPUTIME_ID) - start;
        done += size;
    }
    check(wrong == 0, "a lookup returned the wrong value");
    return spent;
}

}  // namespace

int main(int argc, char **argv) {
    check(argc >= 6, "usage: peers ENGINE DIRECTORY ROWS OPERATIONS uniform|zipf…");
    std::string name = argv[1];
    uint64_t rows = std::strtoull(argv[3], nullptr, 10), operations = std::strtoull(argv[4], nullptr, 10);
    check(rows >= 100 * kBatch && rows % kBatch == 0, "ROWS: 100,000 or more, a multiple of 1,000");
    auto engine = open_engine(name, argv[2]);

    uint64_t slice = rows / 100 / kBatch * kBatch, timed_from = rows - 5 * slice;
    double start = 0;
    for (uint64_t i = 0; i < rows; i++) {
        if (i == timed_from) {
            engine->be_durable();
            start = seconds(CLOCK_MONOTONIC);
        }
        if (i % kBatch == 0) engine->begin();
        engine->insert(big_endian(scramble(i)), i);
        if (i % kBatch == kBatch - 1 || i == rows - 1) engine->commit();
        if (i >= timed_from && (i + 1 - timed_from) % slice == 0) {
            double now = seconds(CLOCK_MONOTONIC);
            std::printf("%s insert %.1f\n", name.c_str(), (now - start) * 1e9 / double(slice));
            start = now;
        }
    }
    engine->settle();
    for (int i = 5; i < argc; i++) {
        Chooser chooser(rows, std::string(argv[i]) == "zipf");
        look_up(*engine, chooser, operations / 10);
        double spent = look_up(*engine, chooser, operations);
        std::printf("%s lookup %.1f\n", name.c_str(), spent * 1e9 / double(operations));
        std::fflush(stdout);
    }
}
