// measure [--children] OUTPUT PROGRAM [ARGUMENT]…
//
// Runs a program with its standard output in the file OUTPUT, and prints its wall time from start to end in microseconds,
// the most memory that it held at once in KiB, the sum of what its children held each at most, and its exit code.
//
// With --children they are looked at while the program runs, since it reaps them itself; that takes time of its own, so a
// time that is measured then counts for nothing. Without it the sum is of processes that the program left behind.
//
// It is a program by itself because the kernel counts the memory of whoever starts a program as the program's own until
// the exec (fs/exec.c, exec_mmap): what starts it has to be small. For the same reason a process that the program started
// counts for no less than the program itself held at that moment.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

struct child {
    int pid;
    long peak;
};

// The VmHWM line of proc(5), in KiB; 0 for a process that has ended.
static long high_water(int pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *status = fopen(path, "r");
    long peak = 0;
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &peak) == 1) break;
    if (status) fclose(status);
    return peak;
}

// Until the program has ended, which it is left as.
static long watch_children(pid_t program) {
    struct child children[64];
    int count = 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", program, program);
    siginfo_t info = {0};
    while (waitid(P_PID, (id_t)program, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
        FILE *list = fopen(path, "r");
        int pid;
        while (list && fscanf(list, "%d", &pid) == 1) {
            int place = 0;
            while (place < count && children[place].pid != pid) place++;
            if (place == 64) continue;
            if (place == count) children[count++] = (struct child){pid, 0};
            long peak = high_water(pid);
            if (peak > children[place].peak) children[place].peak = peak;
        }
        if (list) fclose(list);
        struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
    }
    long sum = 0;
    for (int place = 0; place < count; place++) sum += children[place].peak;
    return sum;
}

int main(int count, char **arguments) {
    int watches = count > 1 && strcmp(arguments[1], "--children") == 0;
    if (watches) {
        count--;
        arguments++;
    }
    if (count < 3) {
        fprintf(stderr, "usage: measure [--children] OUTPUT PROGRAM [ARGUMENT]…\n");
        return 64;
    }
    // A process that the program leaves behind comes to us, so that its memory is counted too, and so that it has
    // ended before the next run begins.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, arguments[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);

    pid_t pid;
    int status;
    struct rusage usage;
    double start = microseconds();
    int code = posix_spawn(&pid, arguments[2], &actions, NULL, arguments + 2, environ);
    if (code != 0) {
        fprintf(stderr, "measure: %s: %s\n", arguments[2], strerror(code));
        return 1;
    }
    long others = watches ? watch_children(pid) : 0;
    // Or that one of its children held, of those that it waited for (kernel/exit.c, wait_task_zombie).
    if (wait4(pid, &status, 0, &usage) != pid) {
        perror("measure");
        return 1;
    }
    double took = microseconds() - start;
    long peak = usage.ru_maxrss;
    while (wait4(-1, NULL, 0, &usage) > 0) others += usage.ru_maxrss;
    printf("%.1f %ld %ld %d\n", took, peak, others, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
