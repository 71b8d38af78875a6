// One io_uring per worker.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "CLinux.h"

_Static_assert(sizeof(dbk_vector) == sizeof(struct iovec), "vectors are passed as they are");

// Tags are addresses of 8-byte aligned cells; the low bits and the first page are free for the ring's own use.
enum { WAKE = 1, IGNORE = 2, ACCEPT_BIT = 1, RETRY_BIT = 2, LOW_BITS = 7 };
enum { MAX_ACCEPTS = 64 };

struct dbk_ring {
    struct io_uring uring;
    int wake_event;
    int disk_is_fixed;
    int disk;
    long in_flight;
    struct { uint64_t tag; int fd; } accepts[MAX_ACCEPTS];
    struct __kernel_timespec retry_delay;
};

static struct io_uring_sqe *next_sqe(dbk_ring *ring) { return io_uring_get_sqe(&ring->uring); }

static int arm_wake(dbk_ring *ring) {
    struct io_uring_sqe *sqe = next_sqe(ring);
    if (!sqe) {
        io_uring_submit(&ring->uring);
        sqe = next_sqe(ring);
    }
    // Edge-triggered multishot poll: one completion per signal, and the counter is never read.
    io_uring_prep_poll_multishot(sqe, ring->wake_event, POLLIN | EPOLLET);
    io_uring_sqe_set_data64(sqe, WAKE);
    return 0;
}

int dbk_ring_create(dbk_ring **out, unsigned entries, int disk, int wake_event) {
    static const unsigned wanted[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
        IORING_SETUP_CQSIZE,
    };
    dbk_ring *ring = calloc(1, sizeof *ring);
    if (!ring) return -ENOMEM;
    int error = -EINVAL;
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct io_uring_params parameters = {.flags = wanted[i], .cq_entries = entries * 4};
        error = io_uring_queue_init_params(entries, &ring->uring, &parameters);
        if (error != -EINVAL) break;
    }
    if (error) {
        free(ring);
        return error;
    }
    ring->wake_event = wake_event;
    ring->disk = disk;
    ring->disk_is_fixed = disk >= 0 && io_uring_register_files(&ring->uring, &disk, 1) == 0;
    io_uring_register_ring_fd(&ring->uring);
    if (wake_event >= 0) arm_wake(ring);
    *out = ring;
    return 0;
}

void dbk_ring_destroy(dbk_ring *ring) {
    struct io_uring_sqe *sqe = next_sqe(ring);
    if (!sqe) {
        io_uring_submit(&ring->uring);
        sqe = next_sqe(ring);
    }
    io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, IGNORE);
    memset(ring->accepts, 0, sizeof ring->accepts);
    // Block requests end by themselves, the rest by the cancel. Bounded, lest a dead device keep the process.
    for (int turn = 0; ring->in_flight > 0 && turn < 100; turn++) {
        dbk_event events[64];
        dbk_ring_park(ring, 100 * 1000 * 1000);
        while (dbk_ring_poll(ring, events, 64) == 64) {}
    }
    io_uring_queue_exit(&ring->uring);
    free(ring);
}

int dbk_ring_block(dbk_ring *ring, int operation, const dbk_vector *vectors, unsigned count, uint64_t offset, uint64_t tag) {
    struct io_uring_sqe *sqe = next_sqe(ring);
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
    ring->in_flight++;
    return 1;
}

static int queue_accept(dbk_ring *ring, int listener, uint64_t tag) {
    struct io_uring_sqe *sqe = next_sqe(ring);
    if (!sqe) return 0;
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag | ACCEPT_BIT);
    ring->in_flight++;
    return 1;
}

int dbk_ring_accept(dbk_ring *ring, int listener, uint64_t tag) {
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        if (ring->accepts[i].tag) continue;
        if (!queue_accept(ring, listener, tag)) return 0;
        ring->accepts[i].tag = tag;
        ring->accepts[i].fd = listener;
        return 1;
    }
    return 0;
}

int dbk_ring_receive(dbk_ring *ring, int stream, void *base, size_t byte_count, uint64_t tag) {
    struct io_uring_sqe *sqe = next_sqe(ring);
    if (!sqe) return 0;
    io_uring_prep_recv(sqe, stream, base, byte_count, 0);
    io_uring_sqe_set_data64(sqe, tag);
    ring->in_flight++;
    return 1;
}

int dbk_ring_send(dbk_ring *ring, int stream, const void *base, size_t byte_count, uint64_t tag) {
    struct io_uring_sqe *sqe = next_sqe(ring);
    if (!sqe) return 0;
    io_uring_prep_send(sqe, stream, base, byte_count, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, tag);
    ring->in_flight++;
    return 1;
}

int dbk_ring_poll_fd(dbk_ring *ring, int fd, uint64_t tag) {
    struct io_uring_sqe *sqe = next_sqe(ring);
    if (!sqe) return 0;
    io_uring_prep_poll_add(sqe, fd, POLLIN);
    io_uring_sqe_set_data64(sqe, tag);
    ring->in_flight++;
    return 1;
}

void dbk_ring_submit(dbk_ring *ring) {
    if (io_uring_sq_ready(&ring->uring)) io_uring_submit_and_get_events(&ring->uring);
}

void dbk_ring_park(dbk_ring *ring, int64_t timeout) {
    struct io_uring_cqe *cqe;
    if (timeout < 0) {
        io_uring_submit_and_wait(&ring->uring, 1);
    } else {
        struct __kernel_timespec limit = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
        io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &limit, NULL);
    }
}

// The accept with `tag` has ended with `result`. True if it goes on by another request.
static int accept_goes_on(dbk_ring *ring, uint64_t tag, int result) {
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        if (ring->accepts[i].tag != tag) continue;
        if (result >= 0) {
            if (queue_accept(ring, ring->accepts[i].fd, tag)) return 1;
        }
        if (result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM || result >= 0) {
            // Out of descriptors or memory: the connection stays in the backlog; look again in 50 ms.
            struct io_uring_sqe *sqe = next_sqe(ring);
            if (sqe) {
                ring->retry_delay = (struct __kernel_timespec){.tv_nsec = 50 * 1000 * 1000};
                io_uring_prep_timeout(sqe, &ring->retry_delay, 0, 0);
                io_uring_sqe_set_data64(sqe, tag | RETRY_BIT);
                ring->in_flight++;
                return 1;
            }
        }
        ring->accepts[i].tag = 0;
        return 0;
    }
    return 0;
}

int dbk_ring_poll(dbk_ring *ring, dbk_event *events, unsigned capacity) {
    struct io_uring_cqe *cqes[64];
    unsigned stored = 0;
    while (stored < capacity) {
        unsigned want = capacity - stored < 64 ? capacity - stored : 64;
        unsigned count = io_uring_peek_batch_cqe(&ring->uring, cqes, want);
        for (unsigned i = 0; i < count; i++) {
            uint64_t data = cqes[i]->user_data;
            int result = cqes[i]->res;
            int more = cqes[i]->flags & IORING_CQE_F_MORE;
            if (data == IGNORE) continue;
            if (data == WAKE) {
                if (!more) arm_wake(ring);
                continue;
            }
            if (!more) ring->in_flight--;
            uint64_t tag = data & ~(uint64_t)LOW_BITS;
            if (data & RETRY_BIT) {
                accept_goes_on(ring, tag, 0);
                continue;
            }
            if (data & ACCEPT_BIT) {
                int goes_on = more || accept_goes_on(ring, tag, result);
                if (result < 0 && goes_on) continue;
                if (result >= 0) {
                    int one = 1;
                    setsockopt(result, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                }
            }
            events[stored].tag = tag;
            events[stored].result = result;
            stored++;
        }
        io_uring_cq_advance(&ring->uring, count);
        if (count < want) break;
    }
    return (int)stored;
}
