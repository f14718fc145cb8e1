// What the simulated drivers and the daemon that keeps their book say to each other: one fixed record each way over a
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
#define SIM_MAX_PROCESSES 950  // the resource manager's cap per query, NV2080_CTRL_GPU_GET_PIDS_MAX_COUNT

enum sim_operation {
    SIM_HELLO,      // bytes: inode of the caller's PID namespace -> sim_reply.bytes: CUDA version, .text: driver version
    SIM_DEVICE,     // device -> sim_device
    SIM_PROCESSES,  // device, list -> sim_process_list
    SIM_INITIALIZE, // the process initializes CUDA -> sim_reply
    SIM_CONTEXT,    // device: make the process's context -> sim_reply
    SIM_UNCONTEXT,  // device: drop it, with everything allocated on the device -> sim_reply
    SIM_ALLOCATE,   // device, bytes -> sim_reply.address
    SIM_FREE,       // address -> sim_reply
    SIM_MANAGED,    // device, bytes: memory that host and device share -> sim_reply.address
    SIM_IMPORT,     // address: another process's allocation, to be used here too -> sim_reply.address
    SIM_SET_MODE,   // device, list: a sim_mode, bytes: 0 or 1 -> sim_reply
    SIM_ACCOUNTS,   // device -> sim_process_list of those who have an account: PIDs alone
    SIM_ACCOUNT,    // device, bytes: a PID -> sim_reply: bytes at its peak, address: microseconds since 1970 when it began, count: 1 while it runs
};

enum sim_mode { SIM_ACCOUNTING, SIM_PERSISTENCE };

enum sim_list { SIM_COMPUTE, SIM_GRAPHICS, SIM_MPS };

// What a list function answers to the question for its length, which is asked with no pointer and a count of 0.
enum sim_length_answer {
    SIM_LENGTH_REFUSED,    // INSUFFICIENT_SIZE and the number needed, as real drivers do
    SIM_LENGTH_SUCCEEDS,   // SUCCESS and the number needed
    SIM_LENGTH_NOT_ASKED,  // the count is not read: the records are written to the pointer, also if that is null
};

struct sim_request {
    uint32_t operation;
    uint32_t device;
    uint32_t list;
    uint32_t is_call;  // 1 for a call of the management library on the device: the book counts these
    uint64_t bytes;
    uint64_t address;
};

struct sim_reply {
    int32_t code;  // an nvmlReturn_t or a CUresult, by who asked
    uint32_t count;
    uint64_t bytes;
    uint64_t address;
    uint32_t stride;      // bytes of a record of the driver's third list
    int32_t third_code;  // an nvmlReturn_t that the third lists answer with, where they fail
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
    // What a bad day has in store for who takes the device's handle.
    uint32_t sleeps_ms;   // how long it takes to wake, without persistence mode; the first time in a process
    uint32_t prints;      // the library writes to standard output and error
    uint32_t crashes;     // the library takes its process down, the so manieth time
    char writes_to[192];  // a file that it writes to first, for a file system that somebody froze
};

// CUipcMemHandle: here the address of an allocation, which is the book's and so the same in every process.
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
    uint32_t grows;   // asked for its length, it tells an older one
    uint32_t claims;  // the library says that there are as many, and makes them up; 0 for what is in the list
    uint32_t length_answer;  // a sim_length_answer
    uint32_t padding;
    struct sim_process processes[SIM_MAX_PROCESSES];
};

// One request and its reply. 0, or -1 with errno.
int sim_ask(const struct sim_request *request, void *reply, size_t reply_size);

// Which cards a process is shown: in a container those whose device file the runtime's hook gave it, numbered anew from 0
// (NVIDIA Container Toolkit; nvidia-docker, issue 907). Elsewhere, and where there is no /dev/nvidiactl, all of `count`.
uint32_t sim_shown_cards(uint32_t count);
// The book's number of the card that the process knows as `index`, or SIM_NONE.
uint32_t sim_card(uint32_t index, uint32_t count);

// Whether the process is shown the card, and by which index.
int sim_is_shown(uint32_t card);
uint32_t sim_index(uint32_t card);

// The same as CUDA shows them: of those above the ones that CUDA_VISIBLE_DEVICES names by number or beginning of the UUID, in
// its order, up to the first that is none (CUDA C++ Programming Guide, "CUDA Environment Variables").
uint32_t sim_cuda_cards(uint32_t count);
uint32_t sim_cuda_card(uint32_t ordinal, uint32_t count);

// The current context is a matter of each thread in CUDA; the number of its device, or SIM_NONE.
uint32_t sim_current_device(void);
void sim_set_current_device(uint32_t device);

// The 16 bytes that the digits of the device's UUID stand for; what is missing of them is zero.
void sim_uuid_bytes(const struct sim_device *device, uint8_t bytes[16]);

// Does what the device's record has in store: sleeps, prints, writes, crashes.
void sim_play(const struct sim_device *device);

// How often this process has initialized the management library, less how often it has shut it down (nvml.h, nvmlInit_v2).
// sim_shut_down is 0 where there was nothing to shut down.
void sim_initialize(void);
int sim_shut_down(void);
int sim_is_initialized(void);

// About the process and its files, for code that has no libc of its own.
int sim_is_root(void);
int sim_exists(const char *path);

// A PCI address in one of the forms that nvmlDeviceGetHandleByPciBusId_v2 takes (nvml.h); 0 where the text is none.
int sim_pci(const char *text, uint32_t *domain, uint32_t *bus, uint32_t *device);
// The same as NVML_DEVICE_PCI_BUS_ID_LEGACY_FMT writes it.
void sim_pci_legacy(uint32_t domain, uint32_t bus, uint32_t device, char text[16]);

// What a library does that writes to a null pointer.
void sim_crash(void);

// A listening socket at `path`, or -1 with errno. Everybody may connect, as with /dev/nvidiactl.
int sim_listen(const char *path);

// The PID of the process at the other end, in our PID namespace (SO_PEERCRED, which Swift's Glibc lacks), or -1.
pid_t sim_peer(int fd);

// This process ends when its parent does (prctl, which Swift cannot call). Not to be relied on across set-user-id programs.
void sim_end_with_parent(void);

// Inode number of the PID namespace that `process` ("self" or a PID) is in, 0 where it may not be read.
uint64_t sim_pid_namespace(const char *process);

#endif
