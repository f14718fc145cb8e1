// What the kernel's graphics drivers answer on a device file: types alone, no logic. Sources: include/uapi/drm/drm.h,
// i915_drm.h and xe_drm.h of the Linux kernel. All fields have fixed widths, so the layout is the same on every architecture
// of 64 bits.

#ifndef CDRM_H
#define CDRM_H

#include <stdint.h>

// DRM_IOCTL_VERSION: which driver serves the file.
#define CDRM_VERSION 0xC0406400ul

typedef struct {
    int32_t major;
    int32_t minor;
    int32_t patch;
    uint32_t padding;
    uint64_t name_length;
    char *_Nullable name;
    uint64_t date_length;
    char *_Nullable date;
    uint64_t description_length;
    char *_Nullable description;
} cdrm_version;

_Static_assert(sizeof(cdrm_version) == 64, "struct drm_version");

// DRM_IOCTL_I915_QUERY. A question's length of 0 asks for the length of the answer; an error stands in its place, negative.
#define CDRM_I915_QUERY 0xC0106479ul
#define CDRM_I915_QUERY_MEMORY_REGIONS 4

typedef struct {
    uint64_t query;
    int32_t length;
    uint32_t flags;
    uint64_t data;
} cdrm_i915_query_item;

typedef struct {
    uint32_t item_count;
    uint32_t flags;
    uint64_t items;
} cdrm_i915_query;

// Before the regions of the answer.
typedef struct {
    uint32_t region_count;
    uint32_t reserved[3];
} cdrm_i915_regions;

#define CDRM_I915_SYSTEM 0
#define CDRM_I915_DEVICE 1

typedef struct {
    uint16_t memory_class;
    uint16_t instance;
    uint32_t reserved;
    uint64_t probed_size;
    // Equal to the above for a caller without CAP_PERFMON, and on older kernels.
    uint64_t unallocated_size;
    uint64_t more[8];
} cdrm_i915_region;

_Static_assert(sizeof(cdrm_i915_query_item) == 24, "struct drm_i915_query_item");
_Static_assert(sizeof(cdrm_i915_query) == 16, "struct drm_i915_query");
_Static_assert(sizeof(cdrm_i915_region) == 88, "struct drm_i915_memory_region_info");

// DRM_IOCTL_XE_DEVICE_QUERY. A size of 0 asks for that of the answer, and then it must be exactly that.
#define CDRM_XE_DEVICE_QUERY 0xC0286440ul
#define CDRM_XE_QUERY_MEM_REGIONS 1

typedef struct {
    uint64_t extensions;
    uint32_t query;
    uint32_t size;
    uint64_t data;
    uint64_t reserved[2];
} cdrm_xe_query;

typedef struct {
    uint32_t region_count;
    uint32_t padding;
} cdrm_xe_regions;

#define CDRM_XE_SYSMEM 0
#define CDRM_XE_VRAM 1

typedef struct {
    uint16_t memory_class;
    uint16_t instance;
    uint32_t min_page_size;
    uint64_t total_size;
    // 0 for a caller without CAP_PERFMON.
    uint64_t used;
    uint64_t cpu_visible_size;
    uint64_t cpu_visible_used;
    uint64_t reserved[6];
} cdrm_xe_region;

_Static_assert(sizeof(cdrm_xe_query) == 40, "struct drm_xe_device_query");
_Static_assert(sizeof(cdrm_xe_region) == 88, "struct drm_xe_mem_region");

#endif
