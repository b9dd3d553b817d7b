#include "kernels/library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

char *hone_library_path(const char *variable, const char *name) {
    const char *named = getenv(variable);
    if (named) return hone_strdup(named, "path of a library");
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) return hone_strdup(name, "path of a library");
    program[n] = 0;
    *(strrchr(program, '/') + 1) = 0;
    return hone_format("%s%s", program, name);
}

enum hone_status hone_library_function(void *function, const char *path, const char *symbol, const char *remedy) {
    if (access(path, F_OK) != 0) return hone_fail(HONE_USAGE, "%s is not there%s", path, remedy);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return hone_fail(HONE_USAGE, "%s cannot be loaded: %s", path, dlerror());
    /* POSIX's way from an object pointer to a function. */
    *(void **)function = dlsym(library, symbol);
    if (!*(void **)function) return hone_fail(HONE_USAGE, "%s is no such library: it has no %s", path, symbol);
    return HONE_OK;
}
