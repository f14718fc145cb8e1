// The protocol between the simulated libraries and the daemon gpusimd: one fixed-size record each way over a
// SOCK_SEQPACKET unix socket, so that a message is a record. Both ends run on one machine and come from one build.
#ifndef PLIMSOLL_CSIMULATOR_H
#define PLIMSOLL_CSIMULATOR_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define SIM_NONE 0xFFFFFFFFu
#define SIM_MAX_DEVICES 64
#define SIM_MAX_PROCESSES 950  // the driver's limit per query, NV2080_CTRL_GPU_GET_PIDS_MAX_COUNT

enum sim_operation {
    SIM_HELLO,      // bytes: inode of the caller's PID namespace -> sim_reply: bytes: CUDA version, text: driver's
    SIM_DEVICE,     // device -> sim_device
    SIM_PROCESSES,  // device, list -> sim_process_list
    SIM_INITIALIZE, // the process initializes CUDA -> sim_reply
    SIM_CONTEXT,    // device: make the process's context -> sim_reply
    SIM_UNCONTEXT,  // device: drop the context, with everything allocated on the device -> sim_reply
    SIM_ALLOCATE,   // device, bytes -> sim_reply.address
    SIM_FREE,       // address -> sim_reply
    SIM_MANAGED,    // device, bytes: managed memory (cuMemAllocManaged) -> sim_reply.address
    SIM_IMPORT,     // address: open another process's allocation -> sim_reply.address
    SIM_SET_MODE,   // device, list: a sim_mode, bytes: 0 or 1 -> sim_reply
    SIM_ACCOUNTS,   // device -> sim_process_list of the processes with an account, with only their PIDs
    SIM_ACCOUNT,    // device, bytes: a PID -> sim_reply: bytes: peak memory, address: start in microseconds since 1970,
                    // count: 1 while the process runs
};

enum sim_mode { SIM_ACCOUNTING, SIM_PERSISTENCE };

enum sim_list { SIM_COMPUTE, SIM_GRAPHICS, SIM_MPS };

// How a list function answers a request for its length: a call with a null pointer and a count of 0.
enum sim_length_answer {
    SIM_LENGTH_REFUSED,    // INSUFFICIENT_SIZE and the number needed, as real drivers do
    SIM_LENGTH_SUCCEEDS,   // SUCCESS and the number needed
    SIM_LENGTH_NOT_ASKED,  // the count is ignored: the records are written to the pointer, even if that is null
};

struct sim_request {
    uint32_t operation;
    uint32_t device;
    uint32_t list;
    uint32_t is_call;  // 1 for a call of the management library on the device: gpusimd counts these
    uint64_t bytes;
    uint64_t address;
};

struct sim_reply {
    int32_t code;  // an nvmlReturn_t or a CUresult, by the library that asked
    uint32_t count;
    uint64_t bytes;
    uint64_t address;
    uint32_t stride;      // bytes per record in the third version of the lists
    int32_t third_code;  // the nvmlReturn_t of the third version of the lists, if they fail
    char text[80];
};

// A device, or a MIG instance of one (then `parent` is the number of its GPU). `code` fields are nvmlReturn_t.
struct sim_device {
    int32_t code;
    uint32_t number;
    char name[96];
    char uuid[96];
    char pci[32];
    uint32_t parent;
    uint32_t slot;
    uint32_t gpu_instance;
    uint32_t compute_instance;
    uint32_t max_instances;
    uint32_t utilization;
    int32_t handle_code;
    int32_t memory_code;
    int32_t utilization_code;
    uint32_t is_persistent;     // persistence mode
    uint32_t compute_mode;      // an nvmlComputeMode_t
    uint32_t keeps_accounts;    // accounting mode
    uint32_t is_lost;  // off the bus: every call on it answers GPU_IS_LOST
    uint64_t total;
    uint64_t reserved;
    uint64_t used;
    uint64_t free;
    // Faults that happen when a process takes the device's handle.
    uint32_t sleeps_ms;   // wake time without persistence mode, once per process
    uint32_t prints;      // the library writes to standard output and error
    uint32_t crashes;     // the library crashes its process at this call, counted from 1; 0 for never
    char writes_to[192];  // a file that the library writes to first; the write hangs on a frozen file system
};

// CUipcMemHandle: the address of an allocation. gpusimd assigns addresses, so it is the same in every process.
struct sim_ipc_handle { uint64_t address, padding[7]; };

struct sim_process {
    uint32_t pid;
    uint32_t gpu_instance;
    uint32_t compute_instance;
    uint32_t padding;
    uint64_t bytes;
};

struct sim_process_list {
    int32_t code;
    uint32_t count;
    uint32_t grows;   // a request for its length gets an outdated length
    uint32_t claims;  // the library returns this many made-up processes; 0 for the processes in the list
    uint32_t length_answer;  // a sim_length_answer
    uint32_t padding;
    struct sim_process processes[SIM_MAX_PROCESSES];
};

// One request and its reply. 0, or -1 with errno.
int sim_ask(const struct sim_request *request, void *reply, size_t reply_size);

// The number of GPUs that the process sees. In a container: those whose device file the runtime's hook created,
// numbered from 0 (NVIDIA Container Toolkit; nvidia-docker, issue 907). On the host, and without /dev/nvidiactl: all of
// `count`.
uint32_t sim_visible_gpus(uint32_t count);
// gpusimd's number of the GPU with this index in the process, or SIM_NONE.
uint32_t sim_gpu_at(uint32_t index, uint32_t count);

// Whether the process sees the GPU, and its index in the process.
int sim_is_visible(uint32_t gpu);
uint32_t sim_index(uint32_t gpu);

// The same for CUDA: the visible GPUs that CUDA_VISIBLE_DEVICES names by number or beginning of the UUID, in its order,
// up to the first name that matches no GPU (CUDA C++ Programming Guide, "CUDA Environment Variables").
uint32_t sim_cuda_gpus(uint32_t count);
uint32_t sim_cuda_gpu(uint32_t ordinal, uint32_t count);

// The device number of the current context, or SIM_NONE. In CUDA each thread has a current context of its own.
uint32_t sim_current_device(void);
void sim_set_current_device(uint32_t device);

// The 16 bytes of the device's UUID; missing digits are zero.
void sim_uuid_bytes(const struct sim_device *device, uint8_t bytes[16]);

// Applies the faults in the device's record: sleeps, prints, writes, crashes.
void sim_apply_faults(const struct sim_device *device);

// Counts how often this process has initialized the management library, minus how often it has shut it down (nvml.h,
// nvmlInit_v2). sim_shut_down returns 0 if there was nothing to shut down.
void sim_initialize(void);
int sim_shut_down(void);
int sim_is_initialized(void);

// About the process and its files, for Embedded Swift, which does not import libc.
int sim_is_root(void);
int sim_exists(const char *path);

// A PCI address in one of the forms that nvmlDeviceGetHandleByPciBusId_v2 accepts (nvml.h); 0 if the text is none.
int sim_pci(const char *text, uint32_t *domain, uint32_t *bus, uint32_t *device);
// The same address as NVML_DEVICE_PCI_BUS_ID_LEGACY_FMT writes it.
void sim_pci_legacy(uint32_t domain, uint32_t bus, uint32_t device, char text[16]);

// Crashes like a library that writes to a null pointer.
void sim_crash(void);

// A listening socket at `path`, or -1 with errno. Every user may connect, as with /dev/nvidiactl.
int sim_listen(const char *path);

// The PID of the process at the other end, in our PID namespace (SO_PEERCRED, which Swift's Glibc lacks), or -1.
pid_t sim_peer(int fd);

// Makes this process end when its parent does (prctl, which Swift cannot call). Unreliable across set-user-id programs.
void sim_end_with_parent(void);

// Inode number of the PID namespace that `process` ("self" or a PID) is in; 0 if it cannot be read.
uint64_t sim_pid_namespace(const char *process);

#endif
