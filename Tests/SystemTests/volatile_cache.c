// A disk with a volatile cache beneath a real process, to be preloaded. What a write replaces is kept in a journal until a flush
// makes the write durable; `volatile_cache.py` takes such writes back, which is a loss of power. Told to lie, it keeps everything.
//
// A record is {offset, byte count, kind}. CACHED: a write, with what was there before; appended before the write is carried out,
// so that a process killed between the two leaves a record that takes nothing back. DURABLE: a write that was forced to the
// medium. FLUSHED: all records up to the offset in the journal are durable. Writes and the journal are under one mutex; a flush
// takes 20 ms, in which more is written that it does not cover. Of the calls that the engine makes, all that write are here: with
// --fallback it uses no other.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CACHED = 0, DURABLE = 1, FLUSHED = 2, FLUSH_MICROSECONDS = 20000 };
struct record {
    uint64_t offset, byte_count, kind;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1, reader = -1;
static int lies;
static struct stat disk;

static void fail(const char *what) {
    perror(what);
    abort();
}

// Under the mutex. The environment names the disk, which must be there before the first write to it.
static int is_disk(int fd) {
    struct stat status;
    const char *path = getenv("VOLATILE_DISK");
    if (!path || fstat(fd, &status)) return 0;
    if (journal < 0) {
        if (stat(path, &disk)) return 0;
        lies = getenv("VOLATILE_LIES") != NULL;
        journal = open(getenv("VOLATILE_JOURNAL"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        reader = open(path, O_RDONLY | O_CLOEXEC);
        if (journal < 0 || reader < 0) fail("volatile cache");
    }
    return status.st_dev == disk.st_dev && status.st_ino == disk.st_ino;
}

static void append(uint64_t offset, uint64_t byte_count, uint64_t kind) {
    uint64_t kept = kind == CACHED ? byte_count : 0;
    char *bytes = calloc(1, sizeof(struct record) + kept);
    if (!bytes) fail("volatile cache");
    memcpy(bytes, &(struct record){offset, byte_count, kind}, sizeof(struct record));
    // Beyond the end of a file there were zeros.
    if (kept && pread(reader, bytes + sizeof(struct record), kept, (off_t)offset) < 0) fail("volatile cache");
    if (write(journal, bytes, sizeof(struct record) + kept) < 0) fail("volatile cache");
    free(bytes);
}

ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    static ssize_t (*real)(int, const struct iovec *, int, off_t, int);
    pthread_mutex_lock(&mutex);
    if (!real) real = (ssize_t(*)(int, const struct iovec *, int, off_t, int))dlsym(RTLD_NEXT, "pwritev2");
    ssize_t result;
    if (is_disk(fd)) {
        uint64_t total = 0;
        for (int i = 0; i < count; i++) total += vectors[i].iov_len;
        int durable = (flags & RWF_DSYNC) && !lies;
        if (!durable) append((uint64_t)offset, total, CACHED);
        result = real(fd, vectors, count, offset, flags & ~RWF_DSYNC);
        if (durable && result > 0) append((uint64_t)offset, (uint64_t)result, DURABLE);
    } else {
        result = real(fd, vectors, count, offset, flags);
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

static int flush(int fd, const char *name) {
    pthread_mutex_lock(&mutex);
    int is_ours = is_disk(fd);
    off_t covered = is_ours ? lseek(journal, 0, SEEK_END) : 0;
    pthread_mutex_unlock(&mutex);
    if (!is_ours) return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
    usleep(FLUSH_MICROSECONDS);
    pthread_mutex_lock(&mutex);
    if (!lies) append((uint64_t)covered, 0, FLUSHED);
    pthread_mutex_unlock(&mutex);
    return 0;
}

int fdatasync(int fd) { return flush(fd, "fdatasync"); }
int fsync(int fd) { return flush(fd, "fsync"); }
