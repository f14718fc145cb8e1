// floor LIBRARY [--docker SOCKET] [--procfs PATH] [--samples N] [--interval MILLISECONDS]
//
// The least that a program must do to tell which container holds how much GPU memory: what Plimsoll's times are
// compared with. It
//   - loads the driver's library and asks what Plimsoll asks: the session, the driver's version, the number of devices,
//     and for each its handle, memory, UUID, name, PCI address, utilization, three process lists, memory again, MIG mode;
//   - reads /proc/PID/cgroup of each listed process once;
//   - with --docker, asks the engine once for its containers: sent first, read to its end last, so that the engine
//     works meanwhile.
// It does not look at what it read, beyond the PIDs: no identity of a process (stat), no names or users, no cgroup path
// made into a container, no JSON read or written, no ledger, no deadlines, no threads. It asks a MIG GPU for no instances.
//
// With --samples it then takes N warm samples without Docker: memory, utilization, lists and memory again through the
// handles that it has, and each process's cgroup file once a sample. It prints the microseconds of each.
//
// The counts that it prints show that nothing was left out.
#define _GNU_SOURCE
#include <CNVML.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, MAX_DEVICES = 64, RECORD = 24 };

static cnvml_functions nvml;
// Not in cnvml_functions: Plimsoll finds the newest version of each by name.
static cnvml_list compute_processes, graphics_processes, mps_processes;
static cnvml_device devices[MAX_DEVICES];
static uint32_t device_count;
static const char *procfs = "/proc";

static uint32_t *pids;
static size_t pid_count, pid_room;
// What was seen, told at the end: bytes in use by all devices, and bytes that /proc and the engine answered with.
static unsigned long long used_bytes, cgroup_bytes, engine_bytes;

__attribute__((noreturn)) static void fail(const char *what) {
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static void check(int32_t code, const char *call) {
    if (code == SUCCESS) return;
    fprintf(stderr, "floor: %s answered %d\n", call, code);
    exit(1);
}

static void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) fail(dlerror());
    return found;
}

static void load(const char *path) {
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!library) fail(dlerror());
    nvml = (cnvml_functions){
        .initialize = symbol(library, "nvmlInit_v2"),
        .device_count = symbol(library, "nvmlDeviceGetCount_v2"),
        .device_by_index = symbol(library, "nvmlDeviceGetHandleByIndex_v2"),
        .memory = symbol(library, "nvmlDeviceGetMemoryInfo"),
        .driver_version = symbol(library, "nvmlSystemGetDriverVersion"),
        .memory_v2 = symbol(library, "nvmlDeviceGetMemoryInfo_v2"),
        .name = symbol(library, "nvmlDeviceGetName"),
        .uuid = symbol(library, "nvmlDeviceGetUUID"),
        .pci_info = symbol(library, "nvmlDeviceGetPciInfo_v3"),
        .utilization = symbol(library, "nvmlDeviceGetUtilizationRates"),
        .mig_mode = symbol(library, "nvmlDeviceGetMigMode"),
    };
    compute_processes = symbol(library, "nvmlDeviceGetComputeRunningProcesses_v3");
    graphics_processes = symbol(library, "nvmlDeviceGetGraphicsRunningProcesses_v3");
    mps_processes = symbol(library, "nvmlDeviceGetMPSComputeRunningProcesses_v3");
}

static uint64_t memory_used(cnvml_device device) {
    cnvml_memory_v2 memory = {.version = sizeof memory | 2u << 24};
    check(nvml.memory_v2(device, &memory), "nvmlDeviceGetMemoryInfo_v2");
    return memory.used;
}

static void remember(uint32_t pid) {
    if (pid_count == pid_room) {
        pid_room = pid_room ? pid_room * 2 : 256;
        pids = realloc(pids, pid_room * sizeof *pids);
        if (!pids) fail("no memory");
    }
    pids[pid_count++] = pid;
}

// Asked without room for the number, then with room to spare, as Plimsoll asks.
static void list(cnvml_list call, cnvml_device device) {
    uint32_t count = 0;
    int32_t code = call(device, &count, NULL);
    if (code == NOT_SUPPORTED || (code == SUCCESS && count == 0)) return;
    while (code == INSUFFICIENT_SIZE) {
        count = count * 2 + 8;
        char *records = malloc((size_t)count * RECORD);
        if (!records) fail("no memory");
        code = call(device, &count, records);
        for (uint32_t index = 0; code == SUCCESS && index < count; index++) {
            uint32_t pid;
            memcpy(&pid, records + (size_t)index * RECORD, sizeof pid);
            remember(pid);
        }
        free(records);
    }
    check(code, "a process list");
}

// The memory is asked for on both sides of the lists, to see whether they belong together; where it moved, once more.
static void lists(cnvml_device device, uint64_t before) {
    for (int again = 0; again < 2; again++) {
        list(compute_processes, device);
        list(graphics_processes, device);
        list(mps_processes, device);
        uint64_t after = memory_used(device);
        if (after == before) break;
        before = after;
    }
    used_bytes += before;
}

static void utilization(cnvml_device device) {
    cnvml_utilization rates;
    check(nvml.utilization(device, &rates), "nvmlDeviceGetUtilizationRates");
}

static void open_session(void) {
    char text[96];
    check(nvml.initialize(), "nvmlInit_v2");
    check(nvml.driver_version(text, sizeof text), "nvmlSystemGetDriverVersion");
    check(nvml.device_count(&device_count), "nvmlDeviceGetCount_v2");
    if (device_count > MAX_DEVICES) fail("more devices than this program has room for");
}

static void first_look(uint32_t index) {
    char text[96];
    cnvml_pci_info pci;
    uint32_t current, pending;
    check(nvml.device_by_index(index, &devices[index]), "nvmlDeviceGetHandleByIndex_v2");
    cnvml_device device = devices[index];
    uint64_t before = memory_used(device);
    check(nvml.uuid(device, text, sizeof text), "nvmlDeviceGetUUID");
    check(nvml.name(device, text, sizeof text), "nvmlDeviceGetName");
    check(nvml.pci_info(device, &pci), "nvmlDeviceGetPciInfo_v3");
    utilization(device);
    lists(device, before);
    int32_t code = nvml.mig_mode(device, &current, &pending);
    if (code != NOT_SUPPORTED) check(code, "nvmlDeviceGetMigMode");
}

static void look_again(cnvml_device device) {
    uint64_t before = memory_used(device);
    utilization(device);
    lists(device, before);
}

static int by_number(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void read_cgroup(uint32_t pid) {
    char path[4096], text[4096];
    snprintf(path, sizeof path, "%s/%u/cgroup", procfs, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t count;
    while ((count = read(fd, text, sizeof text)) > 0) cgroup_bytes += (unsigned long long)count;
    close(fd);
}

// A process can be in several lists and on several devices.
static void read_cgroups(void) {
    qsort(pids, pid_count, sizeof *pids, by_number);
    size_t distinct = 0;
    for (size_t index = 0; index < pid_count; index++) {
        if (distinct == 0 || pids[distinct - 1] != pids[index]) pids[distinct++] = pids[index];
    }
    pid_count = distinct;
    for (size_t index = 0; index < pid_count; index++) read_cgroup(pids[index]);
}

static int ask_engine(const char *path) {
    static const char request[] = "GET /containers/json HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) fail("the engine's path is too long");
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("no engine there");
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1) fail("the engine does not listen");
    return fd;
}

static void read_engine(int fd) {
    static char text[1 << 16];
    ssize_t count = recv(fd, text, sizeof text, 0);
    if (count < 12 || memcmp(text + 8, " 200", 4) != 0) fail("the engine refused");
    for (; count > 0; count = recv(fd, text, sizeof text, 0)) engine_bytes += (unsigned long long)count;
    close(fd);
}

static double microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void sample(long samples, long interval) {
    double *took = calloc((size_t)samples, sizeof *took);
    if (!took) fail("no memory");
    for (long index = 0; index < samples; index++) {
        usleep((useconds_t)interval * 1000);
        double start = microseconds();
        pid_count = 0;
        for (uint32_t device = 0; device < device_count; device++) look_again(devices[device]);
        read_cgroups();
        took[index] = microseconds() - start;
    }
    for (long index = 0; index < samples; index++) printf("%.1f\n", took[index]);
    free(took);
}

int main(int count, char **arguments) {
    const char *engine = NULL;
    long samples = 0, interval = 0;
    for (int index = 2; index + 1 < count; index += 2) {
        const char *name = arguments[index], *value = arguments[index + 1];
        if (!strcmp(name, "--docker")) engine = value;
        else if (!strcmp(name, "--procfs")) procfs = value;
        else if (!strcmp(name, "--samples")) samples = strtol(value, NULL, 10);
        else if (!strcmp(name, "--interval")) interval = strtol(value, NULL, 10);
        else fail("what is that option?");
    }
    if (count < 2 || count % 2 != 0 || samples < 0 || interval < 0) fail("usage: see the head of its source");

    int asked = engine ? ask_engine(engine) : -1;
    load(arguments[1]);
    open_session();
    for (uint32_t index = 0; index < device_count; index++) first_look(index);
    read_cgroups();
    if (engine) read_engine(asked);
    printf("%u devices, %llu bytes in use, %zu processes, %llu bytes of cgroup files, %llu bytes from the engine\n",
           device_count, used_bytes, pid_count, cgroup_bytes, engine_bytes);
    if (samples) sample(samples, interval);
    return 0;
}
