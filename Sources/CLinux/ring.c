// Dispatch to io_uring or the fallback.
#define _GNU_SOURCE
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

int dbk_ring_create(
    dbk_ring **ring, int fallback, unsigned entries, int disk, int wake_event, uint64_t spin_limit) {
    if (fallback) return fallback_create(ring, disk, wake_event);
    return uring_create(ring, entries, disk, wake_event, spin_limit);
}

void dbk_ring_destroy(dbk_ring *ring) { ring->operations->destroy(ring); }

int dbk_ring_block(
    dbk_ring *ring, int operation, const dbk_vector *vectors, unsigned count, uint64_t offset, uint64_t tag) {
    return ring->operations->block(ring, operation, vectors, count, offset, tag);
}

int dbk_ring_accept(dbk_ring *ring, int listener, uint64_t tag) { return ring->operations->accept(ring, listener, tag); }

int dbk_ring_connect(dbk_ring *ring, const char *host, uint16_t port, uint64_t tag) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return -EINVAL;
    int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream < 0) return -errno;
    set_stream_options(stream);
    int queued = ring->operations->connect(ring, stream, &address, tag);
    if (queued != 1) close(stream);
    return queued;
}

int dbk_ring_receive(dbk_ring *ring, int stream, void *base, size_t byte_count, uint64_t tag) {
    return ring->operations->receive(ring, stream, base, byte_count, tag);
}

int dbk_ring_send(dbk_ring *ring, int stream, const void *base, size_t byte_count, uint64_t tag) {
    return ring->operations->send(ring, stream, base, byte_count, tag);
}

int dbk_ring_poll_fd(dbk_ring *ring, int fd, uint64_t tag) { return ring->operations->poll_fd(ring, fd, tag); }
int dbk_ring_populate(dbk_ring *ring, void *base, size_t byte_count, uint64_t tag) {
    return ring->operations->populate(ring, base, byte_count, tag);
}

void dbk_ring_submit(dbk_ring *ring) { ring->operations->submit(ring); }
void dbk_ring_park(dbk_ring *ring, int64_t timeout) { ring->operations->park(ring, timeout); }

int dbk_ring_poll(dbk_ring *ring, dbk_event *events, unsigned capacity) {
    return ring->operations->poll(ring, events, capacity);
}

void set_stream_options(int stream) {
    int one = 1;
    setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(stream, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    // Within the machine there is no congestion to control: the simplest algorithm costs least, and does not pace.
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    if (!getpeername(stream, (struct sockaddr *)&peer, &length) && peer.sin_family == AF_INET &&
        ntohl(peer.sin_addr.s_addr) >> 24 == 127)
        setsockopt(stream, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}
