// The two kinds of ring behind one face.
#pragma once
#include <netinet/in.h>

#include "CLinux.h"

struct ring_operations {
    void (*destroy)(dbk_ring *);
    int (*block)(dbk_ring *, int, const dbk_vector *, unsigned, uint64_t, uint64_t);
    int (*accept)(dbk_ring *, int, uint64_t);
    int (*connect)(dbk_ring *, int, const struct sockaddr_in *, uint64_t);
    int (*receive)(dbk_ring *, int, void *, size_t, uint64_t);
    int (*send)(dbk_ring *, int, const void *, size_t, uint64_t);
    int (*poll_fd)(dbk_ring *, int, uint64_t);
    int (*populate)(dbk_ring *, void *, size_t, uint64_t);
    void (*submit)(dbk_ring *);
    void (*park)(dbk_ring *, int64_t);
    int (*poll)(dbk_ring *, dbk_event *, unsigned);
};

// First member of either kind.
struct dbk_ring {
    const struct ring_operations *operations;
};

int uring_create(dbk_ring **ring, unsigned entries, int disk, int wake_event, uint64_t spin_limit);
int fallback_create(dbk_ring **ring, int disk, int wake_event);
// Options of every stream of ours.
void set_stream_options(int stream);
