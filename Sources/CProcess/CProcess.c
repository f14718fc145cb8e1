#define _GNU_SOURCE
#include "CProcess.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// MARK: Arguments

static int argument_count;
static char **arguments;

// glibc calls constructors with main's own arguments (csu/libc-start.c, call_init).
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
    argument_count = count;
    arguments = values;
}

int cprocess_argument_count(void) { return argument_count; }
char *const *cprocess_arguments(void) { return arguments; }

const char *cprocess_started_path(void) { return (const char *)getauxval(AT_EXECFN); }

struct library {
    int left;
    const char *name;
};

static int find_library(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    struct library *wanted = data;
    if (wanted->left-- > 0) return 0;
    wanted->name = info->dlpi_name;
    return 1;
}

const char *cprocess_library(int index) {
    struct library wanted = {index, NULL};
    dl_iterate_phdr(find_library, &wanted);
    return wanted.name;
}

int cprocess_close_above(int last) { return (int)syscall(SYS_close_range, last + 1, ~0u, 0); }

int cprocess_character_device(int folder, const char *name, unsigned *major, unsigned *minor) {
    struct statx status;
    if (statx(folder, name, AT_STATX_DONT_SYNC, STATX_TYPE, &status) != 0) return -1;
    if (!S_ISCHR(status.stx_mode)) return -1;
    *major = status.stx_rdev_major;
    *minor = status.stx_rdev_minor;
    return 0;
}

// MARK: Children

struct child {
    _Atomic pid_t pid;
    _Atomic bool waits;
    _Atomic int ending;
};
static struct child children[32];
static const int child_count = sizeof children / sizeof *children;

void cprocess_add_child(pid_t pid, bool waits) {
    for (int i = 0; i < child_count; i++) {
        pid_t none = 0;
        if (!atomic_compare_exchange_strong(&children[i].pid, &none, pid)) continue;
        atomic_store(&children[i].waits, waits);
        atomic_store(&children[i].ending, SIGKILL);
        return;
    }
}

void cprocess_set_ending(pid_t pid, int signal) {
    for (int i = 0; i < child_count; i++) {
        if (atomic_load(&children[i].pid) == pid) atomic_store(&children[i].ending, signal);
    }
}

void cprocess_remove_child(pid_t pid) {
    for (int i = 0; i < child_count; i++) {
        pid_t expected = pid;
        if (atomic_compare_exchange_strong(&children[i].pid, &expected, 0)) return;
    }
}

pid_t cprocess_fork(void) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    int code = errno;
    if (pid != 0) sigprocmask(SIG_SETMASK, &before, NULL);
    // The child's siblings are not its own to end.
    if (pid == 0) memset(children, 0, sizeof children);
    errno = code;
    return pid;
}

int cprocess_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

// MARK: End by signal

static atomic_bool is_terminal, is_mid_line, is_ending;

void cprocess_set_terminal(bool value) { atomic_store(&is_terminal, value); }
void cprocess_set_mid_line(bool value) { atomic_store(&is_mid_line, value); }
bool cprocess_is_ending(void) { return atomic_load(&is_ending); }

static void end_children(void) {
    for (int i = 0; i < child_count; i++) {
        pid_t pid = atomic_load(&children[i].pid);
        int ending = atomic_load(&children[i].ending);
        if (pid > 0) kill(pid, ending ? ending : SIGKILL);
    }
    for (int tenths = 0; tenths < 10000; tenths++) {
        bool left = false;
        for (int i = 0; i < child_count; i++) {
            pid_t pid = atomic_load(&children[i].pid);
            if (pid <= 0) continue;
            // One that sleeps in the kernel ends when the kernel lets it go.
            if (waitpid(pid, NULL, WNOHANG) != 0) atomic_store(&children[i].pid, 0);
            else if (tenths < 1000 || atomic_load(&children[i].waits)) left = true;
        }
        if (!left) return;
        struct timespec pause = {0, 100000};
        nanosleep(&pause, NULL);
    }
}

// Only what signal-safety(7) allows.
static void end(int number) {
    atomic_store(&is_ending, true);
    end_children();
    ssize_t ignored = 0;
    if (atomic_load(&is_mid_line)) ignored += write(STDERR_FILENO, "\n", 1);
    if (atomic_load(&is_terminal)) ignored += write(STDOUT_FILENO, "\033[0m\n", 5);
    (void)ignored;
    _exit(128 + number);
}

void cprocess_end_on(int number) {
    struct sigaction action = {.sa_handler = end};
    sigfillset(&action.sa_mask);
    sigaction(number, &action, NULL);
}
