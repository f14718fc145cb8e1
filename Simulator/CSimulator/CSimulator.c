#define _GNU_SOURCE
#include "CSimulator.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int connection = -1;
static pid_t owner = 0;
static _Thread_local uint32_t current_device = SIM_NONE;

uint32_t sim_current_device(void) { return current_device; }
void sim_set_current_device(uint32_t device) { current_device = device; }

static int address_of(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

// A process with GPUSIM_SOCKET set runs on the host. In a container the hook mounts the socket at the default path.
int sim_is_visible(uint32_t gpu) {
    const char *path = getenv("GPUSIM_SOCKET");
    if ((path && *path) || access("/dev/nvidiactl", F_OK) != 0) return 1;
    char file[32];
    snprintf(file, sizeof file, "/dev/nvidia%u", gpu);
    return access(file, F_OK) == 0;
}

uint32_t sim_visible_gpus(uint32_t count) {
    uint32_t shown = 0;
    for (uint32_t gpu = 0; gpu < count; gpu++) shown += sim_is_visible(gpu) ? 1 : 0;
    return shown;
}

uint32_t sim_index(uint32_t gpu) { return sim_visible_gpus(gpu); }

uint32_t sim_gpu_at(uint32_t index, uint32_t count) {
    for (uint32_t gpu = 0; gpu < count; gpu++) {
        if (sim_is_visible(gpu) && index-- == 0) return gpu;
    }
    return SIM_NONE;
}

static int exchange(const struct sim_request *request, void *reply, size_t reply_size) {
    if (send(connection, request, sizeof *request, MSG_NOSIGNAL) != (ssize_t)sizeof *request) return -1;
    ssize_t got;
    do got = recv(connection, reply, reply_size, 0);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        if (got == 0) errno = ECONNRESET;
        return -1;
    }
    memset((char *)reply + got, 0, reply_size - (size_t)got);
    return 0;
}

// The connection corresponds to the process's open driver device. When the process ends for any reason, the kernel
// closes the connection and gpusimd frees what the process held. A forked child gets its own connection, for its own
// PID.
static int connect_to_daemon(void) {
    const char *path = getenv("GPUSIM_SOCKET");
    struct sockaddr_un address;
    if (address_of(path && *path ? path : "/run/gpusim/socket", &address) < 0) return -1;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    if (connection >= 0) close(connection);
    connection = fd;
    owner = getpid();
    struct sim_request hello = {.operation = SIM_HELLO, .bytes = sim_pid_namespace("self")};
    struct sim_reply reply;
    return exchange(&hello, &reply, sizeof reply);
}

int sim_ask(const struct sim_request *request, void *reply, size_t reply_size) {
    pthread_mutex_lock(&lock);
    int result = 0;
    if (connection < 0 || owner != getpid()) result = connect_to_daemon();
    if (result == 0) result = exchange(request, reply, reply_size);
    if (result != 0 && connection >= 0) {
        int code = errno;
        close(connection);
        connection = -1;
        errno = code;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

// On a partitioned GPU a program gets one instance (NVIDIA, MIG User Guide, "CUDA Device Enumeration"): the first, if
// none is named.
static uint32_t gpu_or_instance(uint32_t gpu) {
    struct sim_request request = {.operation = SIM_DEVICE, .device = gpu};
    struct sim_device device;
    if (sim_ask(&request, &device, sizeof device) != 0 || device.code != 0 || device.max_instances == 0) return gpu;
    for (request.device = gpu + 1; request.device < SIM_MAX_DEVICES; request.device++) {
        if (sim_ask(&request, &device, sizeof device) != 0 || device.code != 0) break;
        if (device.parent == gpu) return request.device;
    }
    return SIM_NONE;
}

static uint32_t gpu_named(const char *name, size_t length, uint32_t count) {
    char *end;
    unsigned long index = strtoul(name, &end, 10);
    if (length > 0 && end == name + length) return sim_gpu_at((uint32_t)index, count);
    struct sim_request request = {.operation = SIM_DEVICE};
    for (; length > 4 && request.device < SIM_MAX_DEVICES; request.device++) {
        struct sim_device device;
        if (sim_ask(&request, &device, sizeof device) != 0 || device.code != 0) break;
        uint32_t gpu = device.parent == SIM_NONE ? request.device : device.parent;
        if (strncmp(device.uuid, name, length) == 0 && sim_is_visible(gpu)) return request.device;
    }
    return SIM_NONE;
}

uint32_t sim_cuda_gpu(uint32_t ordinal, uint32_t count) {
    const char *name = getenv("CUDA_VISIBLE_DEVICES");
    for (uint32_t position = 0;; position++) {
        size_t length = name ? strcspn(name, ",") : 0;
        uint32_t gpu = name ? gpu_named(name, length, count) : sim_gpu_at(position, count);
        uint32_t shown = gpu == SIM_NONE ? gpu : gpu_or_instance(gpu);
        if (shown == SIM_NONE || position == ordinal) return shown;
        if (shown >= count || (name && !name[length])) return SIM_NONE;
        if (name) name += length + 1;
    }
}

uint32_t sim_cuda_gpus(uint32_t count) {
    uint32_t shown = 0;
    while (shown < count && sim_cuda_gpu(shown, count) != SIM_NONE) shown++;
    return shown;
}

void sim_uuid_bytes(const struct sim_device *device, uint8_t bytes[16]) {
    memset(bytes, 0, 16);
    const char *digit = strchr(device->uuid, '-');
    for (unsigned nibble = 0; digit && *digit && nibble < 32; digit++) {
        unsigned value;
        if (*digit >= '0' && *digit <= '9') value = (unsigned)(*digit - '0');
        else if ((*digit | 32) >= 'a' && (*digit | 32) <= 'f') value = (unsigned)((*digit | 32) - 'a') + 10;
        else continue;
        bytes[nibble / 2] |= (uint8_t)(value << (nibble % 2 ? 0 : 4));
        nibble++;
    }
}

// A device wakes once per process: the handle keeps it awake.
static uint64_t awake = 0;

void sim_apply_faults(const struct sim_device *device) {
    uint64_t bit = UINT64_C(1) << (device->number % SIM_MAX_DEVICES);
    if (device->sleeps_ms > 0 && !(__atomic_fetch_or(&awake, bit, __ATOMIC_RELAXED) & bit)) {
        usleep(device->sleeps_ms * 1000u);
    }
    if (device->prints) {
        printf("NVRM: a line that nobody asked for\n");
        fflush(stdout);
        fprintf(stderr, "NVRM: another\n");
    }
    // On a frozen file system this write sleeps in the kernel, where no signal reaches it.
    if (device->writes_to[0]) {
        int fd = open(device->writes_to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) {
            if (write(fd, "x", 1) < 0) perror(device->writes_to);
            close(fd);
        }
    }
    static uint32_t taken[SIM_MAX_DEVICES];
    uint32_t times = __atomic_add_fetch(&taken[device->number % SIM_MAX_DEVICES], 1, __ATOMIC_RELAXED);
    if (times == device->crashes) sim_crash();
}

static uint32_t initialized = 0;

void sim_initialize(void) { __atomic_fetch_add(&initialized, 1, __ATOMIC_RELAXED); }

int sim_shut_down(void) {
    uint32_t times = __atomic_load_n(&initialized, __ATOMIC_RELAXED);
    while (times > 0) {
        if (__atomic_compare_exchange_n(&initialized, &times, times - 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return 1;
        }
    }
    return 0;
}

int sim_is_initialized(void) { return __atomic_load_n(&initialized, __ATOMIC_RELAXED) > 0; }

int sim_is_root(void) { return geteuid() == 0; }
int sim_exists(const char *path) { return access(path, F_OK) == 0; }

int sim_pci(const char *text, uint32_t *domain, uint32_t *bus, uint32_t *device) {
    if (sscanf(text, "%x:%x:%x", domain, bus, device) == 3) return 1;
    unsigned function;
    *domain = 0;
    return sscanf(text, "%x:%x.%x", bus, device, &function) == 3;
}

void sim_pci_legacy(uint32_t domain, uint32_t bus, uint32_t device, char text[16]) {
    snprintf(text, 16, "%04X:%02X:%02X.0", domain, bus, device);
}

void sim_crash(void) { raise(SIGSEGV); }

int sim_listen(const char *path) {
    struct sockaddr_un address;
    if (address_of(path, &address) < 0) return -1;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, 0666) < 0 || listen(fd, 1024) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

pid_t sim_peer(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : -1;
}

uint64_t sim_pid_namespace(const char *process) {
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%s/ns/pid", process);
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

void sim_end_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGTERM); }
