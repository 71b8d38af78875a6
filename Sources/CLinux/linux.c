// Files, sockets, threads, memory and the small rest.
#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

// ---- Wake events --------------------------------------------------------------------------------------------------

int dbk_event_create(void) {
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return event < 0 ? -errno : event;
}

void dbk_event_signal(int event) {
    uint64_t one = 1;
    ssize_t written = write(event, &one, sizeof one);
    (void)written;  // full only after 2^64 - 2 signals
}

// ---- Files --------------------------------------------------------------------------------------------------------

static int open_disk(const char *path, int flags, dbk_disk *disk) {
    disk->is_direct = 1;
    disk->fd = open(path, flags | O_DIRECT, 0600);
    if (disk->fd < 0 && errno == EINVAL) {
        disk->is_direct = 0;
        disk->fd = open(path, flags, 0600);
    }
    return disk->fd < 0 ? -errno : 0;
}

// First line of a block queue's attribute, of the whole disk if `device` is a partition; 0 if there is none.
static int queue_attribute(dev_t device, const char *name, char *line, int capacity) {
    static const char *const places[] = {"queue", "../queue"};
    for (int i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s/%s", major(device), minor(device), places[i], name);
        FILE *file = fopen(path, "re");
        if (!file) continue;
        char *got = fgets(line, capacity, file);
        fclose(file);
        return got != NULL;
    }
    return 0;
}

static uint32_t queue_number(dev_t device, const char *name) {
    char line[64];
    return queue_attribute(device, name, line, sizeof line) ? (uint32_t)strtoul(line, NULL, 10) : 0;
}

// What the device below promises; the cautious answer where it says nothing.
static void describe_device(dev_t device, dbk_disk *disk) {
    disk->logical_block_size = queue_number(device, "logical_block_size");
    if (!disk->logical_block_size) disk->logical_block_size = 512;
    uint32_t unit = queue_number(device, "atomic_write_unit_max_bytes");
    disk->atomic_write_byte_count = unit > disk->logical_block_size ? unit : disk->logical_block_size;
    char line[64];
    disk->has_volatile_cache = !queue_attribute(device, "write_cache", line, sizeof line)
        || strncmp(line, "write through", 13) != 0;
}

// The entry of a new file must survive, too.
static int sync_directory(const char *path) {
    char directory[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + (slash == path) : 1;
    if (length >= sizeof directory) return -ENAMETOOLONG;
    memcpy(directory, slash ? path : ".", length);
    directory[length] = 0;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int error = fsync(fd) ? -errno : 0;
    close(fd);
    return error;
}

static int extend_file(const char *path, uint64_t byte_count, uint64_t old, dbk_disk *disk) {
    // Asked beforehand, so that a disk that cannot hold the file is not filled to the brim first.
    struct statvfs space;
    if (fstatvfs(disk->fd, &space) == 0 && (byte_count - old) / space.f_frsize > space.f_bavail) return -ENOSPC;
    // Blocks are allocated now: running out of space shows here and not at a commit.
    int error = posix_fallocate(disk->fd, 0, (off_t)byte_count);
    if (error) {
        int truncated = ftruncate(disk->fd, (off_t)old);
        (void)truncated;
        return -error;
    }
    if (fsync(disk->fd)) return -errno;
    disk->byte_count = byte_count;
    return old == 0 ? sync_directory(path) : 0;
}

// Whether a file begins as one does that was never written: it may be given its size. Any other is taken as it is.
static int is_unwritten(int fd) {
    static _Alignas(4096) char begin[16 << 10];  // direct I/O wants it aligned
    ssize_t got = pread(fd, begin, sizeof begin, 0);
    if (got < 0) return -errno;
    for (ssize_t index = 0; index < got; index++)
        if (begin[index]) return 0;
    return 1;
}

static int size_disk(const char *path, uint64_t byte_count, int create, dbk_disk *disk) {
    struct stat status;
    if (fstat(disk->fd, &status)) return -errno;
    disk->is_block_device = S_ISBLK(status.st_mode);
    if (disk->is_block_device) {
        describe_device(status.st_rdev, disk);
        return ioctl(disk->fd, BLKGETSIZE64, &disk->byte_count) ? -errno : 0;
    }
    if (!S_ISREG(status.st_mode)) return -ENOTBLK;
    describe_device(status.st_dev, disk);
    disk->byte_count = (uint64_t)status.st_size;
    if (!create || disk->byte_count >= byte_count) return 0;
    int unwritten = is_unwritten(disk->fd);
    return unwritten == 1 ? extend_file(path, byte_count, disk->byte_count, disk) : unwritten;
}

// Opens and locks. A device is locked by O_EXCL, which mounted file systems hold, too (its flock is udev's at times), a
// file by flock.
static int open_locked(const char *path, int is_device, int create, dbk_disk *disk) {
    int error = open_disk(path, O_RDWR | O_CLOEXEC | (is_device ? O_EXCL : create ? O_CREAT : 0), disk);
    if (error) return error == -EBUSY ? -EWOULDBLOCK : error;
    if (!is_device && flock(disk->fd, LOCK_EX | LOCK_NB)) {
        error = -errno;
        close(disk->fd);
    }
    return error;
}

int dbk_disk_open(const char *path, uint64_t byte_count, int create, dbk_disk *disk) {
    struct stat status;
    int existed = stat(path, &status) == 0;
    int is_device = existed && S_ISBLK(status.st_mode);
    int error = open_locked(path, is_device, create, disk);
    // The kernel may still be closing the rings of a process that was killed a moment ago: they hold the file.
    for (int turn = 0; error == -EWOULDBLOCK && turn < 100; turn++) {
        usleep(20 * 1000);
        error = open_locked(path, is_device, create, disk);
    }
    if (error) return error;
    error = size_disk(path, byte_count, create, disk);
    if (error) {
        if (!existed) unlink(path);
        close(disk->fd);
    }
    return error;
}

void dbk_close(int fd) { close(fd); }

// ---- Sockets ------------------------------------------------------------------------------------------------------

int dbk_listen(const char *host, uint16_t *port, int backlog) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return -EINVAL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // inherited by what is accepted
    socklen_t length = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, backlog)
        || getsockname(fd, (struct sockaddr *)&address, &length)) {
        int error = -errno;
        close(fd);
        return error;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static int bind_unix(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) == 0) return fd;
    int error = -errno;
    close(fd);
    return error;
}

// What a server leaves behind that was killed: a socket that refuses connections.
static int is_abandoned(const struct sockaddr_un *address) {
    struct stat status;
    if (lstat(address->sun_path, &status) || !S_ISSOCK(status.st_mode)) return 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return 0;
    int refused = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

int dbk_listen_unix(const char *path, int backlog) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = bind_unix(&address);
    if (fd == -EADDRINUSE && is_abandoned(&address) && unlink(path) == 0) fd = bind_unix(&address);
    if (fd < 0) return fd;
    if (chmod(path, 0777) || listen(fd, backlog)) {
        int error = -errno;
        unlink(path);
        close(fd);
        return error;
    }
    return fd;
}

void dbk_unlink(const char *path) { unlink(path); }

void dbk_shutdown(int stream) { shutdown(stream, SHUT_RDWR); }

void dbk_close_stream(int stream) {
    // A pending request holds on to the socket: it must see the end.
    shutdown(stream, SHUT_RDWR);
    close(stream);
}

// ---- Threads ------------------------------------------------------------------------------------------------------

int dbk_allowed_cpus(int *cpus, int capacity) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set)) return -errno;
    int count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < capacity; cpu++)
        if (CPU_ISSET(cpu, &set)) cpus[count++] = cpu;
    return count;
}

struct start {
    void (*body)(void *, int);
    void *context;
    int index;
    int cpu;
};

// The CPUs of a CPU's NUMA node that this process may run on.
static void node_cpus(int cpu, cpu_set_t *set) {
    cpu_set_t allowed;
    CPU_ZERO(set);
    CPU_SET(cpu, set);
    if (sched_getaffinity(getpid(), sizeof allowed, &allowed)) return;
    int node = dbk_numa_node(cpu);
    for (int other = 0; other < CPU_SETSIZE; other++)
        if (CPU_ISSET(other, &allowed) && dbk_numa_node(other) == node) CPU_SET(other, set);
}

static void *start_thread(void *argument) {
    struct start *start = argument;
    cpu_set_t set;
    node_cpus(start->cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    char name[16];
    snprintf(name, sizeof name, "worker %d", start->index);
    pthread_setname_np(pthread_self(), name);
    prctl(PR_SET_TIMERSLACK, 1000ul);  // a timed park ends within a microsecond or so, not fifty
    start->body(start->context, start->index);
    return NULL;
}

int dbk_run_threads(int count, const int *cpus, void (*body)(void *, int), void *context) {
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    struct start *starts = calloc((size_t)count, sizeof *starts);
    int error = threads && starts ? 0 : ENOMEM;
    int started = 0;
    for (; started < count && !error; started++) {
        starts[started] = (struct start){body, context, started, cpus[started]};
        error = pthread_create(&threads[started], NULL, start_thread, &starts[started]);
        if (error) break;
    }
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(threads);
    free(starts);
    return -error;
}

// ---- Memory -------------------------------------------------------------------------------------------------------

void *dbk_reserve(size_t byte_count) {
    size_t const large = 2 << 20;
    size_t length = byte_count < large ? byte_count : byte_count + large;
    char *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return NULL;
    if (length > byte_count) {
        char *aligned = (char *)(((uintptr_t)base + large - 1) & ~(large - 1));
        size_t end = (byte_count + 4095) & ~(size_t)4095;
        if (aligned > base) munmap(base, (size_t)(aligned - base));
        if (aligned + end < base + length) munmap(aligned + end, (size_t)(base + length - aligned - end));
        base = aligned;
    }
    // Where huge pages come unasked, touching one page would take the memory of 512.
    madvise(base, byte_count, MADV_NOHUGEPAGE);
    return base;
}

int dbk_prefer_large_pages(void *base, size_t byte_count, int preferred) {
    return madvise(base, byte_count, preferred ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) ? -errno : 0;
}

void dbk_split_pages(void *base, size_t byte_count) {
    // Advice about a part of a huge page splits it, and this one does nothing else to speak of. Without the split, parts
    // that are given back would stay allocated until the whole is.
    for (size_t at = 0; at < byte_count; at += 2 << 20) madvise((char *)base + at, 4096, MADV_COLD);
}

void *dbk_map(size_t byte_count, int node, int huge) {
    size_t const large = 2 << 20;
    size_t length = huge ? byte_count + large : byte_count;
    char *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    if (huge) {
        char *aligned = (char *)(((uintptr_t)base + large - 1) & ~(large - 1));
        size_t end = (byte_count + 4095) & ~(size_t)4095;
        if (aligned > base) munmap(base, (size_t)(aligned - base));
        if (aligned + end < base + length) munmap(aligned + end, (size_t)(base + length - aligned - end));
        base = aligned;
        madvise(base, byte_count, MADV_HUGEPAGE);
    }
    if (node > 0 || (node == 0 && numa_available() >= 0 && numa_max_node() > 0)) numa_tonode_memory(base, byte_count, node);
    return base;
}

void dbk_unmap(void *base, size_t byte_count) { munmap(base, byte_count); }
void dbk_discard(void *base, size_t byte_count) { madvise(base, byte_count, MADV_DONTNEED); }
void dbk_protect(void *base, size_t byte_count) { mprotect(base, byte_count, PROT_NONE); }

// ---- Processes ----------------------------------------------------------------------------------------------------

int dbk_run_alike(const char *const *arguments, int quietly) {
    pid_t child = fork();
    if (child < 0) return -errno;
    if (child == 0) {
        // Addresses may reach the simulated disk, in blocks that nobody reads after a crash. They follow from where the
        // program and its heap begin, the sizes of its arguments and environment, and where the stack's limit puts mappings.
        personality(ADDR_NO_RANDOMIZE);
        struct rlimit stack;
        if (getrlimit(RLIMIT_STACK, &stack) == 0) {
            stack.rlim_cur = 8 << 20;
            setrlimit(RLIMIT_STACK, &stack);
        }
        char *const environment[] = {"SWIFT_DETERMINISTIC_HASHING=1", NULL};
        if (quietly) {
            int null = open("/dev/null", O_WRONLY);
            dup2(null, 1);
            dup2(null, 2);
        }
        execve("/proc/self/exe", (char *const *)arguments, environment);
        _exit(127);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// ---- The rest -----------------------------------------------------------------------------------------------------

uint64_t dbk_monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t dbk_wall_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void dbk_console_write(const void *bytes, size_t byte_count) {
    while (byte_count > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, byte_count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        bytes = (const char *)bytes + written;
        byte_count -= (size_t)written;
    }
}

static struct termios console_settings;

static void console_restore(void) { tcsetattr(STDIN_FILENO, TCSANOW, &console_settings); }

int dbk_console_open(void) {
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) return 0;
    // In the background it may neither read nor change the terminal.
    if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &console_settings) < 0) return 0;
    struct termios keys = console_settings;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &keys) < 0) return 0;
    atexit(console_restore);
    return 1;
}

int dbk_console_read(void *bytes, size_t byte_count) {
    ssize_t got;
    do got = read(STDIN_FILENO, bytes, byte_count);
    while (got < 0 && errno == EINTR);
    return (int)got;
}

void dbk_entropy(void *bytes, size_t byte_count) {
    while (byte_count > 0) {
        ssize_t got = getrandom(bytes, byte_count < 256 ? byte_count : 256, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) abort();
        bytes = (char *)bytes + got;
        byte_count -= (size_t)got;
    }
}

_Noreturn void dbk_exit(int status) { exit(status); }

const char *dbk_error_text(int error) { return strerrordesc_np(error); }

int dbk_signal_descriptor(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    // The terminal went away; not where nohup has said that it does not matter.
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int dbk_signal_take(int descriptor) {
    struct signalfd_siginfo info;
    return read(descriptor, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

int dbk_numa_node(int cpu) {
    if (numa_available() < 0) return 0;
    int node = numa_node_of_cpu(cpu);
    return node < 0 ? 0 : node;
}

int dbk_numa_distance(int from, int to) {
    if (numa_available() < 0) return 10;
    int distance = numa_distance(from, to);
    return distance > 0 ? distance : from == to ? 10 : 20;
}
