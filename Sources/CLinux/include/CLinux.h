// Thin C face of Linux: io_uring (liburing), files, sockets, threads, NUMA (libnuma). The libraries' own headers stay
// out of Swift. Functions that can fail return a negated errno; strings are NUL-terminated.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// ---- Rings --------------------------------------------------------------------------------------------------------
// Where a worker hands requests to Linux and sleeps: an io_uring, or epoll with a pool of disk threads. One per worker,
// used by that worker's thread alone.
typedef struct dbk_ring dbk_ring;
// Same layout as Platform.CompletionEvent and struct iovec.
typedef struct { uint64_t tag; int64_t result; } dbk_event;
typedef struct { void *base; size_t byte_count; } dbk_vector;
enum { DBK_READ = 0, DBK_WRITE = 1, DBK_DURABLE_WRITE = 2, DBK_FLUSH = 3 };

// 0, or why io_uring cannot be used here.
int dbk_uring_probe(void);
// A signal of `wake_event` (dbk_event_create) ends the ring's park. By the thread that will use the ring.
// Parks look for completions for up to `spin_limit` nanoseconds before they sleep, while parks are that short.
int dbk_ring_create(
    dbk_ring **ring, int fallback, unsigned entries, int disk, int wake_event, uint64_t spin_limit);
// Cancels what is in flight and waits for it: afterwards no buffer is written any more.
void dbk_ring_destroy(dbk_ring *ring);
// The queue functions return 1, or 0 if the queue is full.
int dbk_ring_block(
    dbk_ring *ring, int operation, const dbk_vector *vectors, unsigned count, uint64_t offset, uint64_t tag);
int dbk_ring_accept(dbk_ring *ring, int listener, uint64_t tag);
// -EINVAL if `host` is not a dotted quad.
int dbk_ring_connect(dbk_ring *ring, const char *host, uint16_t port, uint64_t tag);
int dbk_ring_receive(dbk_ring *ring, int stream, void *base, size_t byte_count, uint64_t tag);
int dbk_ring_send(dbk_ring *ring, int stream, const void *base, size_t byte_count, uint64_t tag);
// Completes with 1 when `fd` is readable.
int dbk_ring_poll_fd(dbk_ring *ring, int fd, uint64_t tag);
// Gives memory to a range that has none yet, on a thread of the kernel or of the fallback.
int dbk_ring_populate(dbk_ring *ring, void *base, size_t byte_count, uint64_t tag);
void dbk_ring_submit(dbk_ring *ring);
// Submits and waits for a completion or, if timeout >= 0, that many nanoseconds.
void dbk_ring_park(dbk_ring *ring, int64_t timeout);
int dbk_ring_poll(dbk_ring *ring, dbk_event *events, unsigned capacity);

// ---- Wake events --------------------------------------------------------------------------------------------------
int dbk_event_create(void);
void dbk_event_signal(int event);

// ---- Files --------------------------------------------------------------------------------------------------------
typedef struct {
    int fd;
    uint64_t byte_count;
    uint32_t logical_block_size;
    uint32_t atomic_write_byte_count;
    int has_volatile_cache;
    int is_block_device;
    int is_direct;
} dbk_disk;
// Opens (O_DIRECT where the file system can) and locks a file or block device; creates or extends a file to
// `byte_count` if `create`. -EWOULDBLOCK if another process has it.
int dbk_disk_open(const char *path, uint64_t byte_count, int create, dbk_disk *disk);
void dbk_close(int fd);

// ---- Sockets ------------------------------------------------------------------------------------------------------
// `host` is a dotted quad. Returns the listener; *port is the bound port.
int dbk_listen(const char *host, uint16_t *port, int backlog);
void dbk_shutdown(int stream);
// Also ends what is pending on the stream.
void dbk_close_stream(int stream);
// The listener at a path, for every user as PostgreSQL's is: takes the place of a socket that nobody listens on any more. The
// descriptor or -errno, -EADDRINUSE if somebody does.
int dbk_listen_unix(const char *path, int backlog);
void dbk_unlink(const char *path);

// ---- Packet devices -----------------------------------------------------------------------------------------------
// A TAP device (Documentation/networking/tuntap.rst): made if it is missing, and then gone with the descriptor. Returns the
// descriptor, which does not block; *mtu is the link's.
int dbk_tap_open(const char *name, int *mtu);
// One frame. Returns its bytes, 0 if there is none (no room for it), or -errno.
ssize_t dbk_tap_read(int tap, void *frame, size_t capacity);
ssize_t dbk_tap_write(int tap, const void *frame, size_t byte_count);

// ---- Threads ------------------------------------------------------------------------------------------------------
// The CPUs this process may use; returns how many were stored.
int dbk_allowed_cpus(int *cpus, int capacity);
// Runs body(context, index) on `count` threads, each kept to the NUMA node of cpus[index], and waits for all. -errno if one cannot start.
int dbk_run_threads(int count, const int *cpus, void (*body)(void *, int), void *context);

// ---- Memory -------------------------------------------------------------------------------------------------------
void *dbk_map(size_t byte_count, int node, int huge);
void *dbk_reserve(size_t byte_count);
void dbk_unmap(void *base, size_t byte_count);
void dbk_discard(void *base, size_t byte_count);
// Whether memory touched for the first time may come as huge pages: 0 or -errno.
int dbk_prefer_large_pages(void *base, size_t byte_count, int preferred);
// Huge pages to small ones, in memory aligned to 2 MiB.
void dbk_split_pages(void *base, size_t byte_count);
void dbk_protect(void *base, size_t byte_count);

// ---- Processes ----------------------------------------------------------------------------------------------------
// Runs this executable with the arguments (the last is NULL) in an address space laid out the same each time, without the
// environment, and with Swift's hashes seeded the same; `quietly` throws away what it prints. Its exit status, 128 + its
// signal, or -errno.
int dbk_run_alike(const char *const *arguments, int quietly);

// ---- The rest -----------------------------------------------------------------------------------------------------
uint64_t dbk_monotonic(void);
int64_t dbk_wall_clock(void);
void dbk_console_write(const void *bytes, size_t byte_count);
// 1 if somebody types at a terminal on standard input: keys then come one by one, without echo, until the process ends.
int dbk_console_open(void);
int dbk_console_read(void *bytes, size_t byte_count);
void dbk_entropy(void *bytes, size_t byte_count);
_Noreturn void dbk_exit(int status);
const char *dbk_error_text(int error);
// Blocks SIGINT, SIGTERM and SIGHUP in this thread and those it starts, ignores SIGPIPE; returns a descriptor that becomes
// readable when one of the two arrives.
int dbk_signal_descriptor(void);
// The number of the signal that came, or 0.
int dbk_signal_take(int descriptor);
// NUMA node of a CPU, and distance between nodes (10 = local).
int dbk_numa_node(int cpu);
int dbk_numa_distance(int from, int to);
