// measure OUTPUT PROGRAM [ARGUMENT]…
//
// Runs a program with its standard output in the file OUTPUT, and prints its wall time from start to end in microseconds,
// the most memory that it held at once in KiB, the sum of what processes that it left behind held each at most, and its
// exit code. They have ended by then.
//
// It is a program by itself because the kernel counts the memory of whoever starts a program as the program's own until
// the exec (fs/exec.c, exec_mmap): what starts it has to be small. For the same reason a process that the program started
// counts for no less than the program itself held at that moment.
#define _GNU_SOURCE
#include <fcntl.h>
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

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: measure OUTPUT PROGRAM [ARGUMENT]…\n");
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
    // Or that one of its children held, of those that it waited for (kernel/exit.c, wait_task_zombie).
    if (wait4(pid, &status, 0, &usage) != pid) {
        perror("measure");
        return 1;
    }
    double took = microseconds() - start;
    long peak = usage.ru_maxrss, others = 0;
    while (wait4(-1, NULL, 0, &usage) > 0) others += usage.ru_maxrss;
    printf("%.1f %ld %ld %d\n", took, peak, others, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
