// TAP: Ethernet frames between this process and Linux's network stack.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CLinux.h"

static int read_mtu(const char *name) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) return -errno;
    int result = ioctl(socket_fd, SIOCGIFMTU, &request) ? -errno : request.ifr_mtu;
    close(socket_fd);
    return result;
}

int dbk_tap_open(const char *name, int *mtu) {
    if (strlen(name) == 0 || strlen(name) >= IFNAMSIZ) return -EINVAL;
    int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap < 0) return -errno;
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int error = ioctl(tap, TUNSETIFF, &request) ? -errno : 0;
    if (!error) {
        *mtu = read_mtu(name);
        if (*mtu < 0) error = *mtu;
    }
    if (!error) return tap;
    close(tap);
    return error;
}

static ssize_t result_of(ssize_t result) {
    if (result >= 0) return result;
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
}

ssize_t dbk_tap_read(int tap, void *frame, size_t capacity) { return result_of(read(tap, frame, capacity)); }

ssize_t dbk_tap_write(int tap, const void *frame, size_t byte_count) { return result_of(write(tap, frame, byte_count)); }
