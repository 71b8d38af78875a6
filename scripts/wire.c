// A wire of given quality between two network devices: each frame that comes in at one end goes out at the other after a delay,
// at a rate, through a queue that overflows, unless it is lost. For kernels without netem.
//
//   wire END END DELAY_MS LOSS_PERCENT RATE_MBIT QUEUE_KB      END: tap:NAME (made here) or packet:NAME (an existing device)
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>

enum { SLOTS = 16384, FRAME = 2048 };
struct queue { uint8_t *frames; int length[SLOTS]; uint64_t due[SLOTS]; unsigned head, tail; uint64_t free_at; };

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) { perror(what); exit(1); }

static int open_end(const char *end) {
    const char *name = strchr(end, ':') + 1;
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (!strncmp(end, "tap:", 4)) {
        int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
        request.ifr_flags = IFF_TAP | IFF_NO_PI;
        if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) die(end);
        return fd;
    }
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    int size = 16 << 20, one = 1;
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address)) die(end);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
    return fd;
}

int main(int count, char **arguments) {
    if (count != 7) return fprintf(stderr, "usage: wire END END DELAY_MS LOSS_PERCENT RATE_MBIT QUEUE_KB\n"), 2;
    int ends[2] = {open_end(arguments[1]), open_end(arguments[2])};
    uint64_t delay = (uint64_t)(atof(arguments[3]) * 1e6);
    double loss = atof(arguments[4]) / 100, ns_per_byte = 8e3 / atof(arguments[5]);
    uint64_t most = (uint64_t)(atof(arguments[6]) * 1024 * ns_per_byte);
    static struct queue queues[2];
    for (int i = 0; i < 2; i++) queues[i].frames = malloc((size_t)SLOTS * FRAME);
    srand48(7);
    prctl(PR_SET_TIMERSLACK, 1000ul);
    for (;;) {
        uint64_t time = now(), next = time + 1000000000u;
        for (int i = 0; i < 2; i++) {
            struct queue *q = &queues[i];
            for (int batch = 0; batch < 64 && q->tail - q->head < SLOTS; batch++) {
                unsigned slot = q->tail % SLOTS;
                ssize_t got = read(ends[i], q->frames + (size_t)slot * FRAME, FRAME);
                if (got <= 0) break;
                uint64_t begin = q->free_at > time ? q->free_at : time;
                if (drand48() < loss || begin - time > most) continue;
                q->free_at = begin + (uint64_t)((double)got * ns_per_byte);
                q->due[slot] = q->free_at + delay;
                q->length[slot] = (int)got;
                q->tail++;
            }
            time = now();
            while (q->head != q->tail && q->due[q->head % SLOTS] <= time) {
                unsigned slot = q->head++ % SLOTS;
                ssize_t put = write(ends[1 - i], q->frames + (size_t)slot * FRAME, (size_t)q->length[slot]);
                (void)put;
            }
            if (q->head != q->tail && q->due[q->head % SLOTS] < next) next = q->due[q->head % SLOTS];
        }
        struct pollfd polls[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
        time = now();
        struct timespec wait = {.tv_nsec = next > time ? (long)(next - time) % 1000000000 : 0};
        ppoll(polls, 2, &wait, NULL);
    }
}
