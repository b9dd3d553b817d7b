/* How much memory can still be had: the kernel's estimate, or less inside a control group (cgroup v2). */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* First number of a small file in bytes, `otherwise` when it is missing or says "max". */
static size_t read_number(const char *path, size_t otherwise) {
    FILE *file = fopen(path, "re");
    size_t number = otherwise;
    if (!file) return otherwise;
    if (fscanf(file, "%zu", &number) != 1) number = otherwise;
    fclose(file);
    return number;
}

static size_t machine_available(void) {
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    size_t kibibytes = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemAvailable: %zu kB", &kibibytes) == 1) break;
    }
    if (file) fclose(file);
    return kibibytes * 1024;
}

size_t hone_available_bytes(void) {
    size_t available = machine_available();
    size_t limit = read_number("/sys/fs/cgroup/memory.max", SIZE_MAX);
    size_t used = read_number("/sys/fs/cgroup/memory.current", 0);
    size_t group = limit == SIZE_MAX ? SIZE_MAX : limit > used ? limit - used : 0;
    return group < available ? group : available;
}
