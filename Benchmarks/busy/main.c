// busy spin ITERATIONS | busy children COUNT
//
// Does work of its own, on one processor or by children that end at once, and prints how long that took, in microseconds.
// Its own start and end are not in it.
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int spin(long iterations) {
    volatile uint64_t value = 1;
    for (long index = 0; index < iterations; index++) value = value * 6364136223846793005u + 1442695040888963407u;
    return 0;
}

static int start_children(long count) {
    char *command[] = {"/bin/true", NULL};
    for (long index = 0; index < count; index++) {
        pid_t pid;
        int status;
        int code = posix_spawn(&pid, command[0], NULL, NULL, command, environ);
        if (code != 0) {
            fprintf(stderr, "busy: %s: %s\n", command[0], strerror(code));
            return 1;
        }
        if (waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "busy: a child ended with %d\n", status);
            return 1;
        }
    }
    return 0;
}

int main(int count, char **arguments) {
    long amount = count == 3 ? strtol(arguments[2], NULL, 10) : 0;
    int spins = count == 3 && strcmp(arguments[1], "spin") == 0;
    if (amount < 1 || (!spins && strcmp(arguments[1], "children") != 0)) {
        fprintf(stderr, "usage: busy spin ITERATIONS | busy children COUNT\n");
        return 64;
    }
    double start = microseconds();
    int code = spins ? spin(amount) : start_children(amount);
    if (code == 0) printf("%.1f\n", microseconds() - start);
    return code;
}
