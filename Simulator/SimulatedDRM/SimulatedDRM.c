// Simulates the device files of Intel's kernel drivers. As a preloaded library it redirects /dev/dri to a folder of
// descriptions (GPUSIM_DRI) and answers the memory queries. A description has the driver's name, whether the caller has
// CAP_PERFMON, and a line per region with its class, size and used bytes:
//
//     i915 0
//     1 6442450944 2147483648
//
// It also redirects a listing of /dev to the folder that GPUSIM_DEV names: plimsoll looks for NVIDIA's device files
// there.
//
// The answers follow i915_query.c and xe_query.c of the Linux kernel. Without CAP_PERFMON, i915 reports an unallocated
// size equal to the total size, and xe reports 0 used bytes. xe accepts only the exact size of the answer.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "CDRM.h"

static const char *folder(void) {
    const char *path = getenv("GPUSIM_DRI");
    return path && *path ? path : "/nonexistent";
}

int open(const char *path, int flags, ...) {
    static int (*real)(const char *, int, int);
    if (!real) real = (int (*)(const char *, int, int))dlsym(RTLD_NEXT, "open");
    __builtin_va_list arguments;
    __builtin_va_start(arguments, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? __builtin_va_arg(arguments, int) : 0;
    __builtin_va_end(arguments);
    if (strncmp(path, "/dev/dri/", 9) != 0) return real(path, flags, mode);
    char replacement[4096];
    snprintf(replacement, sizeof replacement, "%s/%s", folder(), path + 9);
    return real(replacement, O_RDONLY | (flags & (O_CLOEXEC | O_NONBLOCK)), 0);
}

DIR *opendir(const char *path) {
    static DIR *(*real)(const char *);
    if (!real) real = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
    const char *devices = getenv("GPUSIM_DEV");
    return real(devices && *devices && strcmp(path, "/dev") == 0 ? devices : path);
}

struct description {
    char driver[16];
    int may_know;
    int regions;
    struct {
        unsigned class;
        unsigned long long size, used;
    } region[8];
};

static int read_description(int fd, struct description *device) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || strncmp(path, folder(), strlen(folder())) != 0) return 0;
    char text[4096];
    ssize_t count = pread(fd, text, sizeof text - 1, 0);
    if (count < 0) return 0;
    text[count] = 0;
    int used = 0;
    if (sscanf(text, "%15s %d%n", device->driver, &device->may_know, &used) < 2) return 0;
    const char *rest = text + used;
    for (device->regions = 0; device->regions < 8; device->regions++) {
        int i = device->regions;
        if (sscanf(rest, "%u %llu %llu%n", &device->region[i].class, &device->region[i].size, &device->region[i].used,
                   &used) < 3)
            break;
        rest += used;
    }
    return 1;
}

static int answer_i915(const struct description *device, cdrm_i915_query *question) {
    cdrm_i915_query_item *item = (cdrm_i915_query_item *)question->items;
    int length = (int)(sizeof(cdrm_i915_regions) + (size_t)device->regions * sizeof(cdrm_i915_region));
    if (item->query != CDRM_I915_QUERY_MEMORY_REGIONS) {
        item->length = -EINVAL;
    } else if (item->length == 0) {
        item->length = length;
    } else if (item->length < length) {
        item->length = -EINVAL;
    } else {
        cdrm_i915_regions *answer = (cdrm_i915_regions *)item->data;
        if (answer->region_count != 0) {
            item->length = -EINVAL;
            return 0;
        }
        answer->region_count = (unsigned)device->regions;
        cdrm_i915_region *region = (cdrm_i915_region *)(answer + 1);
        for (int i = 0; i < device->regions; i++) {
            region[i].memory_class = (unsigned short)device->region[i].class;
            region[i].probed_size = device->region[i].size;
            region[i].unallocated_size = device->region[i].size - (device->may_know ? device->region[i].used : 0);
        }
    }
    return 0;
}

static int answer_xe(const struct description *device, cdrm_xe_query *question) {
    unsigned size = (unsigned)(sizeof(cdrm_xe_regions) + (size_t)device->regions * sizeof(cdrm_xe_region));
    if (question->size == 0) {
        question->size = size;
        return 0;
    }
    if (question->query != CDRM_XE_QUERY_MEM_REGIONS || question->size != size) return errno = EINVAL, -1;
    cdrm_xe_regions *answer = (cdrm_xe_regions *)question->data;
    answer->region_count = (unsigned)device->regions;
    cdrm_xe_region *region = (cdrm_xe_region *)(answer + 1);
    for (int i = 0; i < device->regions; i++) {
        region[i].memory_class = (unsigned short)device->region[i].class;
        region[i].total_size = device->region[i].size;
        region[i].used = device->may_know ? device->region[i].used : 0;
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    static int (*real)(int, unsigned long, void *);
    if (!real) real = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
    __builtin_va_list arguments;
    __builtin_va_start(arguments, request);
    void *argument = __builtin_va_arg(arguments, void *);
    __builtin_va_end(arguments);
    struct description device;
    if ((request >> 8 & 0xFF) != 'd' || !read_description(fd, &device)) return real(fd, request, argument);
    if (request == CDRM_VERSION) {
        cdrm_version *version = argument;
        if (version->name) strncpy(version->name, device.driver, version->name_length);
        version->name_length = strlen(device.driver);
        return 0;
    }
    if (request == CDRM_I915_QUERY && strcmp(device.driver, "i915") == 0) return answer_i915(&device, argument);
    if (request == CDRM_XE_DEVICE_QUERY && strcmp(device.driver, "xe") == 0) return answer_xe(&device, argument);
    errno = EINVAL;
    return -1;
}
