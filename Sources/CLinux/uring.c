// One io_uring per worker. Submitting and sleeping are one system call; completions are read from shared memory, and the
// kernel is entered for them only when it says that it has deferred work.
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring.h"

_Static_assert(sizeof(dbk_vector) == sizeof(struct iovec), "vectors are passed as they are");

// Tags are addresses of 8-byte aligned cells: their low bits, and the first page, are the ring's own.
enum { WAKE = 8, IGNORE = 16, FIRST_PAGE = 4096 };
enum { ACCEPT_BIT = 1, RETRY_BIT = 2, CONNECT_BIT = 4, LOW_BITS = 7 };
enum { MAX_ACCEPTS = 64, MAX_CONNECTS = 64 };

struct uring {
    dbk_ring face;
    struct io_uring io;
    int wake_event;
    int disk;
    int disk_is_fixed;
    long in_flight;
    // Nanoseconds for which a park looks for completions before it sleeps; 0: not at all.
    uint64_t spin_limit;
    // Running average of how long parks last, in nanoseconds.
    uint64_t usual_park;
    struct { uint64_t tag; int fd; } accepts[MAX_ACCEPTS];
    struct { uint64_t tag; int fd; struct sockaddr_in address; } connects[MAX_CONNECTS];
    struct __kernel_timespec retry_delay;
};

static struct io_uring_sqe *queue(struct uring *ring, uint64_t data) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);
    if (!sqe) return NULL;
    // Before the preparation that follows, which leaves user_data alone from liburing 2.2 on.
    ring->in_flight += data >= FIRST_PAGE;
    return sqe;
}

// For the ring's own requests: makes room by submitting.
static struct io_uring_sqe *queue_surely(struct uring *ring, uint64_t data) {
    struct io_uring_sqe *sqe;
    while (!(sqe = queue(ring, data))) io_uring_submit(&ring->io);
    return sqe;
}

static void arm_wake(struct uring *ring) {
    // Edge-triggered multishot poll: one completion per signal, and the counter is never read.
    struct io_uring_sqe *sqe = queue_surely(ring, WAKE);
    io_uring_prep_poll_multishot(sqe, ring->wake_event, POLLIN | EPOLLET);
    io_uring_sqe_set_data64(sqe, WAKE);
}

// Newest setup that the kernel takes: completions are posted by this thread alone, when it asks (6.1); at the next
// system call (5.19); by interruption.
static int open_ring(struct io_uring *io, unsigned entries) {
    static const unsigned setups[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int error = -EINVAL;
    for (unsigned i = 0; i < sizeof setups / sizeof *setups && error == -EINVAL; i++) {
        struct io_uring_params parameters = {.flags = setups[i] | IORING_SETUP_CQSIZE, .cq_entries = entries * 4};
        error = io_uring_queue_init_params(entries, io, &parameters);
        // Without these a batch can be dropped, or a timed wait costs two calls: such a kernel gets the fallback.
        unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
        if (!error && (parameters.features & needed) != needed) {
            io_uring_queue_exit(io);
            error = -ENOSYS;
        }
    }
    return error;
}

int dbk_uring_probe(void) {
    struct io_uring io;
    int error = open_ring(&io, 8);
    if (!error) io_uring_queue_exit(&io);
    return error;
}

static inline void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Looks for completions for a while: going to sleep and being woken cost more than the wait when it is short, above all in
// a virtual machine, where an idle CPU leaves the guest. Yields meanwhile, so that whoever wants this CPU – the client that
// the completion is to come from, perhaps – gets it. True if there is something to poll.
static int spin(struct uring *ring, uint64_t began, uint64_t limit) {
    for (;;) {
        for (int i = 0; i < 32; i++) {
            if (io_uring_cq_ready(&ring->io)) return 1;
            if (IO_URING_READ_ONCE(*ring->io.sq.kflags) & IORING_SQ_TASKRUN) {
                io_uring_get_events(&ring->io);
                if (io_uring_cq_ready(&ring->io)) return 1;
            }
            pause_cpu();
        }
        if (dbk_monotonic() - began >= limit) return 0;
        sched_yield();
    }
}

static void sleep_in_ring(struct uring *ring, int64_t timeout) {
    if (timeout < 0) {
        io_uring_submit_and_wait(&ring->io, 1);
    } else {
        struct io_uring_cqe *cqe;
        struct __kernel_timespec limit = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
        io_uring_submit_and_wait_timeout(&ring->io, &cqe, 1, &limit, NULL);
    }
}

// Spins only while parks are short, so an idle worker sleeps, and a busy machine's time is not spent on waiting.
static void uring_park(dbk_ring *face, int64_t timeout) {
    struct uring *ring = (struct uring *)face;
    if (!ring->spin_limit) {
        sleep_in_ring(ring, timeout);
        return;
    }
    uint64_t began = dbk_monotonic();
    int done = 0;
    if (ring->usual_park < 2 * ring->spin_limit) {
        uint64_t limit = ring->spin_limit;
        if (timeout >= 0 && (uint64_t)timeout < limit) limit = (uint64_t)timeout;
        if (io_uring_sq_ready(&ring->io)) io_uring_submit_and_get_events(&ring->io);
        done = spin(ring, began, limit);
        if (timeout >= 0) {
            uint64_t spent = dbk_monotonic() - began;
            timeout = (uint64_t)timeout > spent ? timeout - (int64_t)spent : 0;
        }
    }
    if (!done) sleep_in_ring(ring, timeout);
    uint64_t lasted = dbk_monotonic() - began;
    uint64_t most = 16 * ring->spin_limit;
    ring->usual_park = (7 * ring->usual_park + (lasted < most ? lasted : most)) / 8;
}

static void uring_submit(dbk_ring *face) {
    struct uring *ring = (struct uring *)face;
    if (io_uring_sq_ready(&ring->io)) io_uring_submit_and_get_events(&ring->io);
}

static int uring_block(
    dbk_ring *face, int operation, const dbk_vector *vectors, unsigned count, uint64_t offset, uint64_t tag) {
    struct uring *ring = (struct uring *)face;
    struct io_uring_sqe *sqe = queue(ring, tag);
    if (!sqe) return 0;
    int fd = ring->disk_is_fixed ? 0 : ring->disk;
    switch (operation) {
    case DBK_READ:
        if (count == 1) io_uring_prep_read(sqe, fd, vectors->base, (unsigned)vectors->byte_count, offset);
        else io_uring_prep_readv(sqe, fd, (const struct iovec *)vectors, count, offset);
        break;
    case DBK_FLUSH:
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        break;
    default:
        if (count == 1) io_uring_prep_write(sqe, fd, vectors->base, (unsigned)vectors->byte_count, offset);
        else io_uring_prep_writev(sqe, fd, (const struct iovec *)vectors, count, offset);
        if (operation == DBK_DURABLE_WRITE) sqe->rw_flags = RWF_DSYNC;
    }
    if (ring->disk_is_fixed) sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, tag);
    return 1;
}

static int queue_accept(struct uring *ring, int listener, uint64_t tag, int surely) {
    struct io_uring_sqe *sqe = surely ? queue_surely(ring, tag) : queue(ring, tag);
    if (!sqe) return 0;
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag | ACCEPT_BIT);
    return 1;
}

static int uring_accept(dbk_ring *face, int listener, uint64_t tag) {
    struct uring *ring = (struct uring *)face;
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        if (ring->accepts[i].tag) continue;
        if (!queue_accept(ring, listener, tag, 0)) return 0;
        ring->accepts[i].tag = tag;
        ring->accepts[i].fd = listener;
        return 1;
    }
    return 0;
}

static int uring_connect(dbk_ring *face, int stream, const struct sockaddr_in *address, uint64_t tag) {
    struct uring *ring = (struct uring *)face;
    for (int i = 0; i < MAX_CONNECTS; i++) {
        if (ring->connects[i].tag) continue;
        struct io_uring_sqe *sqe = queue(ring, tag);
        if (!sqe) return 0;
        ring->connects[i].tag = tag;
        ring->connects[i].fd = stream;
        ring->connects[i].address = *address;
        io_uring_prep_connect(sqe, stream, (struct sockaddr *)&ring->connects[i].address, sizeof *address);
        io_uring_sqe_set_data64(sqe, tag | CONNECT_BIT);
        return 1;
    }
    return 0;
}

static int uring_receive(dbk_ring *face, int stream, void *base, size_t byte_count, uint64_t tag) {
    struct io_uring_sqe *sqe = queue((struct uring *)face, tag);
    if (!sqe) return 0;
    io_uring_prep_recv(sqe, stream, base, byte_count, 0);
    // The client hears of the reply before it says more, so there is hardly ever anything to receive yet: wait first.
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(sqe, tag);
    return 1;
}

static int uring_send(dbk_ring *face, int stream, const void *base, size_t byte_count, uint64_t tag) {
    struct io_uring_sqe *sqe = queue((struct uring *)face, tag);
    if (!sqe) return 0;
    io_uring_prep_send(sqe, stream, base, byte_count, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, tag);
    return 1;
}

static int uring_poll_fd(dbk_ring *face, int fd, uint64_t tag) {
    struct io_uring_sqe *sqe = queue((struct uring *)face, tag);
    if (!sqe) return 0;
    io_uring_prep_poll_add(sqe, fd, POLLIN);
    io_uring_sqe_set_data64(sqe, tag);
    return 1;
}

// Never tried on the worker's own time: Linux hands every madvise to a thread.
static int uring_populate(dbk_ring *face, void *base, size_t byte_count, uint64_t tag) {
    struct io_uring_sqe *sqe = queue((struct uring *)face, tag);
    if (!sqe) return 0;
    io_uring_prep_madvise(sqe, base, (__u32)byte_count, MADV_POPULATE_WRITE);
    io_uring_sqe_set_data64(sqe, tag);
    return 1;
}

// The multishot accept with `tag` has ended with `result`. True if it goes on by another request, false if it is over.
static int accept_goes_on(struct uring *ring, uint64_t tag, int result) {
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        if (ring->accepts[i].tag != tag) continue;
        switch (-result) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: {
            // The connection stays in the backlog; look again in 50 ms.
            struct io_uring_sqe *sqe = queue_surely(ring, tag);
            ring->retry_delay = (struct __kernel_timespec){.tv_nsec = 50 * 1000 * 1000};
            io_uring_prep_timeout(sqe, &ring->retry_delay, 0, 0);
            io_uring_sqe_set_data64(sqe, tag | RETRY_BIT);
            return 1;
        }
        case ECONNABORTED:
        case EPROTO:
        case EINTR:
            return queue_accept(ring, ring->accepts[i].fd, tag, 1);
        default:
            if (result >= 0) return queue_accept(ring, ring->accepts[i].fd, tag, 1);
            ring->accepts[i].tag = 0;
            return 0;
        }
    }
    return 0;
}

// What a connect reports: the stream, or why there is none.
static int connected(struct uring *ring, uint64_t tag, int result) {
    for (int i = 0; i < MAX_CONNECTS; i++) {
        if (ring->connects[i].tag != tag) continue;
        ring->connects[i].tag = 0;
        if (result == 0) return ring->connects[i].fd;
        close(ring->connects[i].fd);
    }
    return result;
}

// Turns one completion into an event; 0 if it is the ring's own affair.
static int take(struct uring *ring, const struct io_uring_cqe *cqe, dbk_event *event) {
    uint64_t data = cqe->user_data;
    int result = cqe->res;
    int more = cqe->flags & IORING_CQE_F_MORE;
    if (data == WAKE && !more) arm_wake(ring);
    if (data < FIRST_PAGE) return 0;
    if (!more) ring->in_flight--;
    uint64_t tag = data & ~(uint64_t)LOW_BITS;
    if (data & RETRY_BIT) {
        accept_goes_on(ring, tag, 0);
        return 0;
    }
    if (data & ACCEPT_BIT) {
        int goes_on = more || accept_goes_on(ring, tag, result);
        if (result < 0 && goes_on) return 0;
        if (result >= 0) set_stream_options(result);
    }
    if (data & CONNECT_BIT) result = connected(ring, tag, result);
    event->tag = tag;
    event->result = result;
    return 1;
}

static int uring_poll(dbk_ring *face, dbk_event *events, unsigned capacity) {
    struct uring *ring = (struct uring *)face;
    unsigned stored = 0;
    unsigned count, wanted;
    do {
        struct io_uring_cqe *batch[64];
        wanted = capacity - stored < 64 ? capacity - stored : 64;
        // Enters the kernel if it has flagged deferred work and there is nothing to read.
        count = io_uring_peek_batch_cqe(&ring->io, batch, wanted);
        for (unsigned i = 0; i < count; i++) stored += (unsigned)take(ring, batch[i], &events[stored]);
        io_uring_cq_advance(&ring->io, count);
    } while (count == wanted && stored < capacity);
    return (int)stored;
}

static void uring_destroy(dbk_ring *face) {
    struct uring *ring = (struct uring *)face;
    struct io_uring_sqe *sqe = queue_surely(ring, IGNORE);
    io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, IGNORE);
    memset(ring->accepts, 0, sizeof ring->accepts);
    // Block requests end by themselves, the rest by the cancel. Bounded, lest a dead device keep the process.
    for (int turn = 0; ring->in_flight > 0 && turn < 100; turn++) {
        dbk_event events[64];
        uring_park(face, 100 * 1000 * 1000);
        while (uring_poll(face, events, 64) == 64) {}
    }
    // The kernel takes the ring apart later, on a thread of its own: the disk, and its lock, must not wait for that.
    if (ring->disk_is_fixed) io_uring_unregister_files(&ring->io);
    io_uring_queue_exit(&ring->io);
    free(ring);
}

static const struct ring_operations uring_operations = {
    .destroy = uring_destroy,
    .block = uring_block,
    .accept = uring_accept,
    .connect = uring_connect,
    .receive = uring_receive,
    .send = uring_send,
    .poll_fd = uring_poll_fd,
    .populate = uring_populate,
    .submit = uring_submit,
    .park = uring_park,
    .poll = uring_poll,
};

int uring_create(dbk_ring **out, unsigned entries, int disk, int wake_event, uint64_t spin_limit) {
    struct uring *ring = calloc(1, sizeof *ring);
    if (!ring) return -ENOMEM;
    int error = open_ring(&ring->io, entries);
    if (error) {
        free(ring);
        return error;
    }
    ring->face.operations = &uring_operations;
    ring->wake_event = wake_event;
    ring->disk = disk;
    ring->spin_limit = spin_limit;
    // Spares the kernel the look-up of the file and of the ring itself at every call; either may be refused.
    ring->disk_is_fixed = io_uring_register_files(&ring->io, &disk, 1) == 0;
    io_uring_register_ring_fd(&ring->io);
    arm_wake(ring);
    *out = &ring->face;
    return 0;
}
