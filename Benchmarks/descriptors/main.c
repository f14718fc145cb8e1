// The least that a sample of DRM clients must do: read the link of every descriptor under a /proc, open the fdinfo of those that lead
// to a GPU and the stat of the processes that have one. Prints the microseconds of each sample.
//
// usage: bench-descriptors PROC SAMPLES INTERVAL_MS
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char text[65536];

static long long read_file(int folder, const char *path) {
    int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t all = 0, count;
    while ((count = read(fd, text + all, sizeof text - 1 - (size_t)all)) > 0) all += count;
    close(fd);
    text[all] = 0;
    const char *memory = strstr(text, "drm-resident-vram:");
    return memory ? atoll(memory + 18) : 0;
}

static long long sample(const char *root) {
    long long sum = 0;
    DIR *proc = opendir(root);
    if (!proc) exit(2);
    for (struct dirent *entry; (entry = readdir(proc));) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
        char path[300], link[64];
        snprintf(path, sizeof path, "%s/fd", entry->d_name);
        int fd = openat(dirfd(proc), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) continue;
        DIR *descriptors = fdopendir(fd);
        int clients = 0;
        for (struct dirent *one; (one = readdir(descriptors));) {
            ssize_t length = readlinkat(fd, one->d_name, link, sizeof link);
            if (length < 9 || memcmp(link, "/dev/dri/", 9) != 0) continue;
            snprintf(path, sizeof path, "../fdinfo/%s", one->d_name);
            sum += read_file(fd, path);
            clients++;
        }
        // Who it is, where the clients were read, and once more where its name is looked up.
        if (clients) {
            read_file(fd, "../stat");
            read_file(fd, "../stat");
        }
        closedir(descriptors);
    }
    closedir(proc);
    return sum;
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    long long sum = 0;
    for (int i = 0; i < atoi(argv[2]); i++) {
        usleep((unsigned)atoi(argv[3]) * 1000);
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        sum += sample(argv[1]);
        clock_gettime(CLOCK_MONOTONIC, &end);
        printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000000ll + (end.tv_nsec - start.tv_nsec) / 1000);
    }
    fprintf(stderr, "%lld\n", sum);
    return 0;
}
