// The part of the CUDA driver API (libcuda.so.1) that an allocation takes, as types and a table of functions. Declared here
// after the documented ABI, so that no vendor header is needed to build; filled by dlsym at run time. The names carry their
// suffix, since without one some are another, 32-bit ABI (cuda.h 13.5).
#ifndef PLIMSOLL_CCUDA_H
#define PLIMSOLL_CCUDA_H

#include <stddef.h>
#include <stdint.h>

typedef struct ccuda_context *ccuda_context;

// CUuuid.
typedef struct { uint8_t bytes[16]; } ccuda_uuid;

// CUipcMemHandle.
typedef struct { uint8_t bytes[64]; } ccuda_ipc_handle;

_Static_assert(sizeof(ccuda_uuid) == 16, "CUuuid");
_Static_assert(sizeof(ccuda_ipc_handle) == 64, "CUipcMemHandle");

// Every function returns a CUresult. A CUdevice is an int32_t, a CUdeviceptr a uint64_t.
typedef struct {
    int32_t (*_Nonnull initialize)(uint32_t flags);
    int32_t (*_Nonnull device_count)(int32_t *_Nonnull);
    int32_t (*_Nonnull device)(int32_t *_Nonnull, int32_t ordinal);
    int32_t (*_Nonnull retain)(ccuda_context _Nullable *_Nonnull, int32_t device);
    int32_t (*_Nonnull set_current)(ccuda_context _Nullable);
    int32_t (*_Nonnull allocate)(uint64_t *_Nonnull, size_t bytes);
    int32_t (*_Nonnull release)(uint64_t);
    int32_t (*_Nonnull memory)(size_t *_Nonnull free, size_t *_Nonnull total);

    int32_t (*_Nullable uuid)(ccuda_uuid *_Nonnull, int32_t device);
    int32_t (*_Nullable fill)(uint64_t, uint8_t value, size_t bytes);
    int32_t (*_Nullable synchronize)(void);
    // `flags` is 1: attached to all streams (CU_MEM_ATTACH_GLOBAL), and of an opened handle 1, access from other devices when it is
    // first needed (CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS).
    int32_t (*_Nullable allocate_managed)(uint64_t *_Nonnull, size_t bytes, uint32_t flags);
    int32_t (*_Nullable ipc_handle)(ccuda_ipc_handle *_Nonnull, uint64_t);
    int32_t (*_Nullable open_ipc_handle)(uint64_t *_Nonnull, ccuda_ipc_handle, uint32_t flags);
    int32_t (*_Nullable error_name)(int32_t, const char *_Nullable *_Nonnull);
} ccuda_functions;

#endif
