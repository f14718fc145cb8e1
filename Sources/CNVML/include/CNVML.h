// The part of NVIDIA's management library (libnvidia-ml.so.1) that Plimsoll calls, as types and a table of functions.
// Declared here after the documented ABI, so that no vendor header is needed to build; filled by dlsym at run time.
// Sizes and offsets: nvml.h 13.5, the same on x86-64 and arm64.
#ifndef PLIMSOLL_CNVML_H
#define PLIMSOLL_CNVML_H

#include <stddef.h>
#include <stdint.h>

typedef struct cnvml_device *cnvml_device;

// nvmlMemory_t. Here `used` includes what the driver reserves.
typedef struct { uint64_t total, free, used; } cnvml_memory;

// nvmlMemory_v2_t. `version` is an input: the size of this record and 2 in the top byte.
typedef struct {
    uint32_t version;
    uint64_t total, reserved, free, used;
} cnvml_memory_v2;

typedef struct { uint32_t gpu, memory; } cnvml_utilization;

// nvmlPciInfo_t.
typedef struct {
    char bus_id_legacy[16];
    uint32_t domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} cnvml_pci_info;

// nvmlAccountingStats_t. `start_time` in microseconds since 1970.
typedef struct {
    uint32_t gpu_utilization, memory_utilization;
    uint64_t max_memory_usage, time, start_time;
    uint32_t is_running, reserved[5];
} cnvml_accounting_stats;

// nvmlGetMemoryLimits_v1_t (R615). `cgroup` is an input: the full path of a folder below /sys/fs/cgroup.
typedef struct {
    const char *_Nullable cgroup;
    uint64_t soft, hard, used;
} cnvml_memory_limits;

_Static_assert(sizeof(cnvml_memory) == 24, "nvmlMemory_t");
_Static_assert(sizeof(cnvml_memory_v2) == 40, "nvmlMemory_v2_t");
_Static_assert(sizeof(cnvml_pci_info) == 68, "nvmlPciInfo_t");
_Static_assert(sizeof(cnvml_accounting_stats) == 56, "nvmlAccountingStats_t");
_Static_assert(sizeof(cnvml_memory_limits) == 32, "nvmlGetMemoryLimits_v1_t");

// Every function returns an nvmlReturn_t. Without the functions marked _Nonnull there is nothing to be told; each of the
// others may be missing from a driver of another age.
//
// A list function takes records of 16, 24 or 32 bytes, by name and by driver; the reader decides which, and reads them as
// bytes. Its count is in and out: the room there is, and the records written or, with INSUFFICIENT_SIZE, needed.
typedef int32_t (*cnvml_list)(cnvml_device _Nonnull, uint32_t *_Nonnull count, void *_Nullable records);

typedef struct {
    int32_t (*_Nonnull initialize)(void);
    int32_t (*_Nonnull device_count)(uint32_t *_Nonnull);
    int32_t (*_Nonnull device_by_index)(uint32_t, cnvml_device _Nullable *_Nonnull);
    int32_t (*_Nonnull memory)(cnvml_device _Nonnull, cnvml_memory *_Nonnull);

    int32_t (*_Nullable shut_down)(void);
    int32_t (*_Nullable driver_version)(char *_Nonnull, uint32_t);
    int32_t (*_Nullable cuda_version)(int32_t *_Nonnull);
    int32_t (*_Nullable memory_v2)(cnvml_device _Nonnull, cnvml_memory_v2 *_Nonnull);
    int32_t (*_Nullable name)(cnvml_device _Nonnull, char *_Nonnull, uint32_t);
    int32_t (*_Nullable uuid)(cnvml_device _Nonnull, char *_Nonnull, uint32_t);
    int32_t (*_Nullable pci_info)(cnvml_device _Nonnull, cnvml_pci_info *_Nonnull);
    int32_t (*_Nullable persistence)(cnvml_device _Nonnull, uint32_t *_Nonnull);
    int32_t (*_Nullable compute_mode)(cnvml_device _Nonnull, uint32_t *_Nonnull);
    int32_t (*_Nullable set_persistence)(cnvml_device _Nonnull, uint32_t);
    int32_t (*_Nullable accounting_mode)(cnvml_device _Nonnull, uint32_t *_Nonnull);
    int32_t (*_Nullable set_accounting_mode)(cnvml_device _Nonnull, uint32_t);
    int32_t (*_Nullable memory_limits)(cnvml_device _Nonnull, cnvml_memory_limits *_Nonnull);
    int32_t (*_Nullable utilization)(cnvml_device _Nonnull, cnvml_utilization *_Nonnull);
    int32_t (*_Nullable accounting_pids)(cnvml_device _Nonnull, uint32_t *_Nonnull count, uint32_t *_Nonnull pids);
    int32_t (*_Nullable accounting_stats)(cnvml_device _Nonnull, uint32_t, cnvml_accounting_stats *_Nonnull);
    int32_t (*_Nullable mig_mode)(cnvml_device _Nonnull, uint32_t *_Nonnull, uint32_t *_Nonnull);
    int32_t (*_Nullable mig_count)(cnvml_device _Nonnull, uint32_t *_Nonnull);
    int32_t (*_Nullable mig_device)(cnvml_device _Nonnull, uint32_t, cnvml_device _Nullable *_Nonnull);
    int32_t (*_Nullable gpu_instance)(cnvml_device _Nonnull, uint32_t *_Nonnull);
    int32_t (*_Nullable compute_instance)(cnvml_device _Nonnull, uint32_t *_Nonnull);
} cnvml_functions;

#endif
