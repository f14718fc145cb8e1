// sleepers N
//
// Starts N processes that do nothing, prints their PIDs, a line each, and waits. They end with it.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **arguments) {
    long wanted = count == 2 ? strtol(arguments[1], NULL, 10) : 0;
    if (wanted < 1) {
        fprintf(stderr, "usage: sleepers N\n");
        return 64;
    }
    // Whoever started us reads the PIDs and then waits for us; when it is killed, so are we.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pid_t parent = getpid();
    for (long index = 0; index < wanted; index++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("sleepers");
            return 1;
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            // It may have ended before that was asked for.
            if (getppid() != parent) _exit(0);
            for (;;) pause();
        }
        char text[16];
        int length = snprintf(text, sizeof text, "%d\n", pid);
        if (write(STDOUT_FILENO, text, (size_t)length) != length) return 1;
    }
    for (;;) pause();
}
