// Where io_uring is forbidden: streams by epoll, the disk and memory by a pool of threads with blocking calls. Slower, the same
// promises.
//
// A stream operation is tried when it is submitted and, if it would block, again each time epoll says so; interest is one
// shot, so a descriptor that was closed and came back under the same number never keeps an old registration alive.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring.h"

enum kind { RECEIVE, SEND, ACCEPT, CONNECT, POLL };

struct operation {
    uint64_t tag;  // 0: none
    void *base;
    size_t byte_count;
    enum kind kind;
    struct sockaddr_in address;
    int started;  // connect only
};

// At most one operation waits for input on a descriptor, and one for output.
struct descriptor {
    struct operation input, output;
    int is_listed;
};

struct job {
    struct job *next;
    struct fallback *ring;
    const struct iovec *vectors;
    unsigned count;
    int operation;
    // Populate only.
    struct iovec memory;
    uint64_t offset;
    dbk_event event;
};

struct fallback {
    dbk_ring face;
    int epoll;
    int disk;
    int wake_event;
    struct descriptor *descriptors;
    int descriptor_count;
    // Descriptors whose operations are to be tried at the next submit.
    int *listed;
    int listed_count, listed_capacity;
    dbk_event *ready;
    unsigned ready_count, ready_capacity, ready_taken;
    struct job *queued, *queued_last, *unused;
    long jobs_in_flight;
    _Atomic(struct job *) done;
    // Disk threads between taking a job off their hands and having signalled: the ring must not go before they have.
    atomic_int signalling;
};

// ---- Disk threads -------------------------------------------------------------------------------------------------

// Populate is one more operation beside those of the disk.
enum { DISK_THREADS = 8, MAX_JOBS = 256, POPULATE = 100 };
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t pool_condition = PTHREAD_COND_INITIALIZER;
static struct job *pool_head, *pool_last;

static void perform(struct job *job) {
    ssize_t result;
    do {
        int flags = job->operation == DBK_DURABLE_WRITE ? RWF_DSYNC : 0;
        if (job->operation == POPULATE) result = madvise(job->memory.iov_base, job->memory.iov_len, MADV_POPULATE_WRITE);
        else if (job->operation == DBK_FLUSH) result = fdatasync(job->ring->disk);
        else if (job->operation == DBK_READ) result = preadv(job->ring->disk, job->vectors, (int)job->count, (off_t)job->offset);
        else result = pwritev2(job->ring->disk, job->vectors, (int)job->count, (off_t)job->offset, flags);
    } while (result < 0 && errno == EINTR);
    job->event.result = result < 0 ? -errno : result;
}

static void *disk_thread(void *unused) {
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&pool_mutex);
        while (!pool_head) pthread_cond_wait(&pool_condition, &pool_mutex);
        struct job *job = pool_head;
        pool_head = job->next;
        pthread_mutex_unlock(&pool_mutex);
        perform(job);
        struct fallback *ring = job->ring;
        atomic_fetch_add(&ring->signalling, 1);
        job->next = atomic_load(&ring->done);
        while (!atomic_compare_exchange_weak(&ring->done, &job->next, job)) {}
        dbk_event_signal(ring->wake_event);
        atomic_fetch_sub(&ring->signalling, 1);
    }
    return NULL;
}

static void start_pool(void) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 0; i < DISK_THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, disk_thread, NULL) == 0) pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int queue_job(struct fallback *ring, struct job what) {
    if (ring->jobs_in_flight >= MAX_JOBS) return 0;
    struct job *job = ring->unused;
    if (job) ring->unused = job->next;
    else if (!(job = malloc(sizeof *job))) return 0;
    *job = what;
    job->ring = ring;
    if (ring->queued) ring->queued_last->next = job;
    else ring->queued = job;
    ring->queued_last = job;
    ring->jobs_in_flight++;
    return 1;
}

static int fallback_block(
    dbk_ring *face, int operation, const dbk_vector *vectors, unsigned count, uint64_t offset, uint64_t tag) {
    return queue_job((struct fallback *)face, (struct job){
        .vectors = (const struct iovec *)vectors, .count = count, .operation = operation, .offset = offset,
        .event = {.tag = tag}});
}

static int fallback_populate(dbk_ring *face, void *base, size_t byte_count, uint64_t tag) {
    return queue_job((struct fallback *)face, (struct job){
        .memory = {base, byte_count}, .operation = POPULATE, .event = {.tag = tag}});
}

static void submit_jobs(struct fallback *ring) {
    if (!ring->queued) return;
    pthread_once(&pool_once, start_pool);
    pthread_mutex_lock(&pool_mutex);
    if (pool_head) pool_last->next = ring->queued;
    else pool_head = ring->queued;
    pool_last = ring->queued_last;
    int several = ring->queued != ring->queued_last;
    if (several) pthread_cond_broadcast(&pool_condition);
    else pthread_cond_signal(&pool_condition);
    pthread_mutex_unlock(&pool_mutex);
    ring->queued = ring->queued_last = NULL;
}

// ---- Streams ------------------------------------------------------------------------------------------------------

static void complete(struct fallback *ring, uint64_t tag, int64_t result) {
    if (ring->ready_count == ring->ready_capacity) {
        ring->ready_capacity = ring->ready_capacity ? 2 * ring->ready_capacity : 64;
        ring->ready = realloc(ring->ready, ring->ready_capacity * sizeof *ring->ready);
        if (!ring->ready) abort();
    }
    ring->ready[ring->ready_count++] = (dbk_event){tag, result};
}

// Notes an operation. The worker asks for at most one in each direction of a descriptor.
static int note(struct fallback *ring, int fd, struct operation operation) {
    if (fd >= ring->descriptor_count) {
        int count = fd < 512 ? 1024 : 2 * fd;
        struct descriptor *larger = realloc(ring->descriptors, (size_t)count * sizeof *larger);
        if (!larger) return 0;
        memset(larger + ring->descriptor_count, 0, (size_t)(count - ring->descriptor_count) * sizeof *larger);
        ring->descriptors = larger;
        ring->descriptor_count = count;
    }
    if (ring->listed_count == ring->listed_capacity) {
        int capacity = ring->listed_capacity ? 2 * ring->listed_capacity : 64;
        int *larger = realloc(ring->listed, (size_t)capacity * sizeof *larger);
        if (!larger) return 0;
        ring->listed = larger;
        ring->listed_capacity = capacity;
    }
    struct descriptor *descriptor = &ring->descriptors[fd];
    int is_output = operation.kind == SEND || operation.kind == CONNECT;
    *(is_output ? &descriptor->output : &descriptor->input) = operation;
    if (!descriptor->is_listed) {
        descriptor->is_listed = 1;
        ring->listed[ring->listed_count++] = fd;
    }
    return 1;
}

static void set_non_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

static int fallback_accept(dbk_ring *face, int listener, uint64_t tag) {
    set_non_blocking(listener);
    // A descriptor of our own: epoll forgets one that is closed, and the end of the accept would never be seen.
    int own = fcntl(listener, F_DUPFD_CLOEXEC, 0);
    return own >= 0 && note((struct fallback *)face, own, (struct operation){.tag = tag, .kind = ACCEPT});
}

static int fallback_connect(dbk_ring *face, int stream, const struct sockaddr_in *address, uint64_t tag) {
    set_non_blocking(stream);
    return note((struct fallback *)face, stream, (struct operation){.tag = tag, .kind = CONNECT, .address = *address});
}

static int fallback_receive(dbk_ring *face, int stream, void *base, size_t byte_count, uint64_t tag) {
    return note((struct fallback *)face, stream, (struct operation){tag, base, byte_count, RECEIVE, {0}, 0});
}

static int fallback_send(dbk_ring *face, int stream, const void *base, size_t byte_count, uint64_t tag) {
    return note((struct fallback *)face, stream, (struct operation){tag, (void *)base, byte_count, SEND, {0}, 0});
}

static int fallback_poll_fd(dbk_ring *face, int fd, uint64_t tag) {
    return note((struct fallback *)face, fd, (struct operation){.tag = tag, .kind = POLL});
}

// Accepts what is there. True if the listener is done for.
static int try_accept(struct fallback *ring, int listener, uint64_t tag) {
    for (;;) {
        int stream = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (stream >= 0) {
            set_stream_options(stream);
            complete(ring, tag, stream);
            continue;
        }
        switch (errno) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
            continue;
        case EAGAIN:
            return 0;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            usleep(1000);  // the backlog stays readable: do not burn the core over it
            return 0;
        default:
            complete(ring, tag, -errno);
            close(listener);
            return 1;
        }
    }
}

static ssize_t try_connect(int stream, struct operation *operation) {
    if (!operation->started) {
        operation->started = 1;
        return connect(stream, (struct sockaddr *)&operation->address, sizeof operation->address);
    }
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(stream, SOL_SOCKET, SO_ERROR, &error, &length);
    errno = error;
    return error ? -1 : 0;
}

// Tries one operation; true if it is over.
static int try(struct fallback *ring, int fd, struct operation *operation, uint32_t events) {
    ssize_t result;
    switch (operation->kind) {
    case ACCEPT: return try_accept(ring, fd, operation->tag);
    case POLL:
        if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return 0;
        complete(ring, operation->tag, 1);
        return 1;
    case RECEIVE: result = recv(fd, operation->base, operation->byte_count, MSG_DONTWAIT); break;
    case SEND: result = send(fd, operation->base, operation->byte_count, MSG_DONTWAIT | MSG_NOSIGNAL); break;
    default: result = try_connect(fd, operation); break;
    }
    if (result < 0 && (errno == EAGAIN || errno == EINTR || errno == EINPROGRESS)) return 0;
    if (operation->kind == CONNECT) {
        int error = errno;
        if (result < 0) close(fd);
        complete(ring, operation->tag, result < 0 ? -error : fd);
    } else {
        complete(ring, operation->tag, result < 0 ? -errno : result);
    }
    return 1;
}

static void try_descriptor(struct fallback *ring, int fd, uint32_t events) {
    struct descriptor *descriptor = &ring->descriptors[fd];
    if (descriptor->input.tag && try(ring, fd, &descriptor->input, events)) descriptor->input.tag = 0;
    if (descriptor->output.tag && try(ring, fd, &descriptor->output, events)) descriptor->output.tag = 0;
    uint32_t interest = (descriptor->input.tag ? EPOLLIN | EPOLLRDHUP : 0) | (descriptor->output.tag ? EPOLLOUT : 0);
    if (!interest) return;
    struct epoll_event event = {.events = interest | EPOLLONESHOT, .data.fd = fd};
    if (epoll_ctl(ring->epoll, EPOLL_CTL_MOD, fd, &event) && errno == ENOENT)
        epoll_ctl(ring->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void submit_streams(struct fallback *ring) {
    for (int i = 0; i < ring->listed_count; i++) {
        int fd = ring->listed[i];
        ring->descriptors[fd].is_listed = 0;
        try_descriptor(ring, fd, 0);
    }
    ring->listed_count = 0;
}

// ---- The loop's side ----------------------------------------------------------------------------------------------

static void wait_events(struct fallback *ring, int64_t timeout) {
    struct epoll_event events[64];
    struct timespec limit = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
    int count = epoll_pwait2(ring->epoll, events, 64, timeout < 0 ? NULL : &limit, NULL);
    if (count < 0 && errno != EINTR) {
        int64_t milliseconds = (timeout + 999999) / 1000000;
        count = epoll_wait(ring->epoll, events, 64, timeout < 0 ? -1 : milliseconds > 60000 ? 60000 : (int)milliseconds);
    }
    for (int i = 0; i < count; i++)
        if (events[i].data.fd != ring->wake_event) try_descriptor(ring, events[i].data.fd, events[i].events);
}

static void take_done(struct fallback *ring) {
    struct job *job = atomic_exchange(&ring->done, NULL);
    while (job) {
        struct job *next = job->next;
        complete(ring, job->event.tag, job->event.result);
        ring->jobs_in_flight--;
        job->next = ring->unused;
        ring->unused = job;
        job = next;
    }
}

static void fallback_submit(dbk_ring *face) {
    struct fallback *ring = (struct fallback *)face;
    submit_jobs(ring);
    submit_streams(ring);
}

static void fallback_park(dbk_ring *face, int64_t timeout) {
    struct fallback *ring = (struct fallback *)face;
    fallback_submit(face);
    if (ring->ready_count > ring->ready_taken || atomic_load(&ring->done)) timeout = 0;
    wait_events(ring, timeout);
}

static int fallback_poll(dbk_ring *face, dbk_event *events, unsigned capacity) {
    struct fallback *ring = (struct fallback *)face;
    take_done(ring);
    if (ring->ready_count == ring->ready_taken) wait_events(ring, 0);
    unsigned count = ring->ready_count - ring->ready_taken;
    if (count > capacity) count = capacity;
    if (count) memcpy(events, ring->ready + ring->ready_taken, count * sizeof *events);
    ring->ready_taken += count;
    if (ring->ready_taken == ring->ready_count) ring->ready_taken = ring->ready_count = 0;
    return (int)count;
}

static void fallback_destroy(dbk_ring *face) {
    struct fallback *ring = (struct fallback *)face;
    submit_jobs(ring);
    while (ring->jobs_in_flight > 0) {
        wait_events(ring, 100 * 1000 * 1000);
        take_done(ring);
    }
    while (atomic_load(&ring->signalling)) usleep(10);
    while (ring->unused) {
        struct job *next = ring->unused->next;
        free(ring->unused);
        ring->unused = next;
    }
    close(ring->epoll);
    free(ring->descriptors);
    free(ring->listed);
    free(ring->ready);
    free(ring);
}

static const struct ring_operations fallback_operations = {
    .destroy = fallback_destroy,
    .block = fallback_block,
    .accept = fallback_accept,
    .connect = fallback_connect,
    .receive = fallback_receive,
    .send = fallback_send,
    .poll_fd = fallback_poll_fd,
    .populate = fallback_populate,
    .submit = fallback_submit,
    .park = fallback_park,
    .poll = fallback_poll,
};

int fallback_create(dbk_ring **out, int disk, int wake_event) {
    struct fallback *ring = calloc(1, sizeof *ring);
    if (!ring) return -ENOMEM;
    ring->face.operations = &fallback_operations;
    ring->disk = disk;
    ring->wake_event = wake_event;
    ring->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = wake_event};
    if (ring->epoll < 0 || epoll_ctl(ring->epoll, EPOLL_CTL_ADD, wake_event, &event)) {
        int error = -errno;
        if (ring->epoll >= 0) close(ring->epoll);
        free(ring);
        return error;
    }
    *out = &ring->face;
    return 0;
}
