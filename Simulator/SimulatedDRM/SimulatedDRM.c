// Stands in for device files of Intel's kernel drivers: preloaded, it leads /dev/dri to a folder of descriptions and answers
// the questions about memory that are asked there. A description is a driver's name, whether the caller has CAP_PERFMON, and a
// region a line, its class, size and what is in use:
//
//     i915 0
//     1 6442450944 2147483648
//
// It also leads a listing of /dev to the folder that GPUSIM_DEV names: a device file of NVIDIA's is looked for there by its name.
//
// What it answers is known from i915_query.c and xe_query.c of the Linux kernel: without the right, i915 tells a size that
// equals the whole, xe a 0; xe takes no other size than the answer's.
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
    char described[4096];
    snprintf(described, sizeof described, "%s/%s", folder(), path + 9);
    return real(described, O_RDONLY | (flags & (O_CLOEXEC | O_NONBLOCK)), 0);
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

static int read_description(int fd, struct description *told) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || strncmp(path, folder(), strlen(folder())) != 0) return 0;
    char text[4096];
    ssize_t count = pread(fd, text, sizeof text - 1, 0);
    if (count < 0) return 0;
    text[count] = 0;
    int used = 0;
    if (sscanf(text, "%15s %d%n", told->driver, &told->may_know, &used) < 2) return 0;
    const char *rest = text + used;
    for (told->regions = 0; told->regions < 8; told->regions++) {
        if (sscanf(rest, "%u %llu %llu%n", &told->region[told->regions].class, &told->region[told->regions].size,
                   &told->region[told->regions].used, &used) < 3)
            break;
        rest += used;
    }
    return 1;
}

static int answer_i915(const struct description *told, cdrm_i915_query *question) {
    cdrm_i915_query_item *item = (cdrm_i915_query_item *)question->items;
    int length = (int)(sizeof(cdrm_i915_regions) + (size_t)told->regions * sizeof(cdrm_i915_region));
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
        answer->region_count = (unsigned)told->regions;
        cdrm_i915_region *region = (cdrm_i915_region *)(answer + 1);
        for (int i = 0; i < told->regions; i++) {
            region[i].memory_class = (unsigned short)told->region[i].class;
            region[i].probed_size = told->region[i].size;
            region[i].unallocated_size = told->region[i].size - (told->may_know ? told->region[i].used : 0);
        }
    }
    return 0;
}

static int answer_xe(const struct description *told, cdrm_xe_query *question) {
    unsigned size = (unsigned)(sizeof(cdrm_xe_regions) + (size_t)told->regions * sizeof(cdrm_xe_region));
    if (question->size == 0) {
        question->size = size;
        return 0;
    }
    if (question->query != CDRM_XE_QUERY_MEM_REGIONS || question->size != size) return errno = EINVAL, -1;
    cdrm_xe_regions *answer = (cdrm_xe_regions *)question->data;
    answer->region_count = (unsigned)told->regions;
    cdrm_xe_region *region = (cdrm_xe_region *)(answer + 1);
    for (int i = 0; i < told->regions; i++) {
        region[i].memory_class = (unsigned short)told->region[i].class;
        region[i].total_size = told->region[i].size;
        region[i].used = told->may_know ? told->region[i].used : 0;
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
    struct description told;
    if ((request >> 8 & 0xFF) != 'd' || !read_description(fd, &told)) return real(fd, request, argument);
    if (request == CDRM_VERSION) {
        cdrm_version *version = argument;
        if (version->name) strncpy(version->name, told.driver, version->name_length);
        version->name_length = strlen(told.driver);
        return 0;
    }
    if (request == CDRM_I915_QUERY && strcmp(told.driver, "i915") == 0) return answer_i915(&told, argument);
    if (request == CDRM_XE_DEVICE_QUERY && strcmp(told.driver, "xe") == 0) return answer_xe(&told, argument);
    errno = EINVAL;
    return -1;
}
