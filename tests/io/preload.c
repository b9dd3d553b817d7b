/* A library to be preloaded (LD_PRELOAD) in front of the C library's I/O, for tools/torture. It sees every call on files
 * below $IO_ROOT, whoever makes it:
 *
 *   IO_TRACE=FILE   writes the calls that change something, with their bytes, to FILE: what tests/io/power_cut.c reads
 *   IO_FAULT=CALL:N:HOW   the N-th call of a kind fails with HOW (ENOSPC, EIO, EINTR), or with "short" moves one byte
 *                   only; with a "+" behind it all later ones, too. TERM: it works, and SIGTERM comes. $IO_FIRED is
 *                   made when it happens. Closing counts of files open for writing
 *   IO_COUNT=FILE   gets "call n" for each kind when the program ends
 *
 * A trace is a sequence of lines "call descriptor number number path path2\n", fields parted by TABs; a write is followed
 * by its bytes. Calls are noted after they went well, in the order in which they ended. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library names the parameters of the same functions with underscores.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

enum { MOST_DESCRIPTORS = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static int trace = -1;
enum call { OPEN, READ, WRITE, FSYNC, CLOSE, RENAME, MKDIR, CALLS };
static const char *const names[CALLS] = {"open", "read", "write", "fsync", "close", "rename", "mkdir"};
static long seen[CALLS], fault_at;
static enum call fault_call;
static int fault_error; /* 0: short, -1: SIGTERM */
static bool fault_stays;
static bool watched[MOST_DESCRIPTORS]; /* descriptors of files below the root */
static bool written[MOST_DESCRIPTORS]; /* and open for writing */

__attribute__((constructor)) static void begin(void) {
    static const struct {
        const char *name;
        int error;
    } errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EINTR", EINTR}, {"short", 0}, {"TERM", -1}};
    const char *path = getenv("IO_TRACE"), *fault = getenv("IO_FAULT");
    char call[16], how[16] = "";
    root = getenv("IO_ROOT");
    if (path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        trace = fcntl(fd, F_DUPFD_CLOEXEC, 900);
        syscall(SYS_close, fd);
    }
    if (!fault) return;
    if (sscanf(fault, "%15[a-z]:%ld:%15[A-Za-z+]", call, &fault_at, how) != 3) abort();
    while (fault_call < CALLS && strcmp(names[fault_call], call) != 0) fault_call++;
    if (fault_call == CALLS) abort();
    fault_stays = strchr(how, '+') != NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strncmp(how, errors[i].name, strlen(errors[i].name)) == 0) fault_error = errors[i].error;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("IO_COUNT");
    if (!path) return;
    char line[64];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < CALLS; i++)
        if (syscall(SYS_write, fd, line, snprintf(line, sizeof line, "%s %ld\n", names[i], seen[i])) < 0) abort();
    syscall(SYS_close, fd);
}

/* The absolute path of `path` as seen from folder `at`; false: not below the root. */
static bool resolve(char out[PATH_MAX], int at, const char *path) {
    char base[PATH_MAX] = "";
    if (!root) return false;
    if (path[0] != '/') {
        if (at == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return false;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t n = readlink(link, base, sizeof base - 1);
            if (n < 0) return false;
            base[n] = 0;
        }
    }
    int n = snprintf(out, PATH_MAX, "%s%s%s", base, *base ? "/" : "", path);
    size_t length = strlen(root);
    return n > 0 && n < PATH_MAX && strncmp(out, root, length) == 0 && (out[length] == '/' || !out[length]);
}

static bool is_watched(int fd) { return fd >= 0 && fd < MOST_DESCRIPTORS && watched[fd]; }

static void put(const void *bytes, size_t n) {
    for (const char *p = bytes; n > 0;) {
        ssize_t count = syscall(SYS_write, trace, p, n);
        if (count <= 0) abort();
        p += count;
        n -= (size_t)count;
    }
}

static void note(const char *call, int fd, long a, long b, const char *path, const char *path2, const void *bytes) {
    if (trace < 0) return;
    int error = errno;
    char line[2 * PATH_MAX + 128];
    int n = snprintf(line, sizeof line, "%s\t%d\t%ld\t%ld\t%s\t%s\n", call, fd, a, b, path, path2);
    pthread_mutex_lock(&lock);
    put(line, (size_t)n);
    if (bytes) put(bytes, (size_t)b);
    pthread_mutex_unlock(&lock);
    errno = error;
}

enum outcome { GO, SHORT, FAIL };

/* What is to become of this call. */
static enum outcome pass(enum call call) {
    pthread_mutex_lock(&lock);
    long number = ++seen[call];
    pthread_mutex_unlock(&lock);
    if (fault_at == 0 || call != fault_call) return GO;
    if (number != fault_at && !(fault_stays && number > fault_at)) return GO;
    const char *fired = getenv("IO_FIRED");
    if (fired) syscall(SYS_close, (int)syscall(SYS_openat, AT_FDCWD, fired, O_WRONLY | O_CREAT, 0600));
    if (fault_error < 0) {
        raise(SIGTERM);
        return GO;
    }
    errno = fault_error;
    return fault_error ? FAIL : SHORT;
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    bool ours = resolve(full, at, path), is_new = false;
    if (ours) {
        struct stat about;
        if (pass(OPEN) == FAIL) return -1;
        is_new = (flags & O_CREAT) && fstatat(at, path, &about, AT_SYMLINK_NOFOLLOW) != 0;
    }
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < MOST_DESCRIPTORS) {
        watched[fd] = ours;
        written[fd] = ours && (flags & O_ACCMODE) != O_RDONLY;
    }
    if (fd >= 0 && ours) note(is_new ? "create" : "open", fd, flags & O_TRUNC ? 1 : 0, 0, full, "", NULL);
    return fd;
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | __O_TMPFILE) ? (mode_t)va_arg(arguments, int) : 0;
}

#define DEFINE_OPEN(name)                                                                                              \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_of(flags, arguments);                                                                       \
        va_end(arguments);                                                                                             \
        return open_at(AT_FDCWD, path, flags, mode);                                                                   \
    }
#define DEFINE_OPENAT(name)                                                                                            \
    int name(int at, const char *path, int flags, ...) {                                                               \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = mode_of(flags, arguments);                                                                       \
        va_end(arguments);                                                                                             \
        return open_at(at, path, flags, mode);                                                                         \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

static ssize_t read_from(int fd, void *bytes, size_t n, off_t offset, bool at_offset) {
    if (is_watched(fd)) {
        enum outcome outcome = pass(READ);
        if (outcome == FAIL) return -1;
        if (outcome == SHORT && n > 1) n = 1;
    }
    return at_offset ? syscall(SYS_pread64, fd, bytes, n, offset) : syscall(SYS_read, fd, bytes, n);
}

ssize_t read(int fd, void *bytes, size_t n) { return read_from(fd, bytes, n, 0, false); }
ssize_t pread(int fd, void *bytes, size_t n, off_t offset) { return read_from(fd, bytes, n, offset, true); }
ssize_t pread64(int fd, void *bytes, size_t n, off_t offset) { return read_from(fd, bytes, n, offset, true); }

static ssize_t write_to(int fd, const void *bytes, size_t n, off_t offset, bool at_offset) {
    bool ours = is_watched(fd);
    if (ours) {
        enum outcome outcome = pass(WRITE);
        if (outcome == FAIL) return -1;
        if (outcome == SHORT && n > 1) n = 1;
        if (!at_offset) offset = lseek(fd, 0, SEEK_CUR);
    }
    ssize_t count = at_offset ? syscall(SYS_pwrite64, fd, bytes, n, offset) : syscall(SYS_write, fd, bytes, n);
    if (ours && count > 0) note("write", fd, (long)offset, count, "", "", bytes);
    return count;
}

ssize_t write(int fd, const void *bytes, size_t n) { return write_to(fd, bytes, n, 0, false); }
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset) { return write_to(fd, bytes, n, offset, true); }
ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t offset) { return write_to(fd, bytes, n, offset, true); }

int ftruncate(int fd, off_t size) {
    if (is_watched(fd) && pass(WRITE) == FAIL) return -1;
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (is_watched(fd) && result == 0) note("truncate", fd, (long)size, 0, "", "", NULL);
    return result;
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

int fsync(int fd) {
    if (is_watched(fd) && pass(FSYNC) == FAIL) return -1;
    int result = (int)syscall(SYS_fsync, fd);
    if (is_watched(fd) && result == 0) note("fsync", fd, 0, 0, "", "", NULL);
    return result;
}

int close(int fd) {
    bool ours = is_watched(fd), fails = ours && written[fd] && pass(CLOSE) == FAIL;
    int error = errno;
    if (ours) {
        watched[fd] = false;
        note("close", fd, 0, 0, "", "", NULL);
    }
    int result = (int)syscall(SYS_close, fd);
    if (!fails) return result;
    errno = error;
    return -1;
}

static int rename_at(int at, const char *from, int to_at, const char *to, unsigned flags) {
    char full[PATH_MAX], full_to[PATH_MAX];
    bool ours = resolve(full, at, from) && resolve(full_to, to_at, to);
    if (ours && pass(RENAME) == FAIL) return -1;
    int result = (int)syscall(SYS_renameat2, at, from, to_at, to, flags);
    if (ours && result == 0) note("rename", -1, 0, 0, full, full_to, NULL);
    return result;
}

int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int at, const char *from, int to_at, const char *to) { return rename_at(at, from, to_at, to, 0); }
int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags) {
    return rename_at(at, from, to_at, to, flags);
}

int link(const char *from, const char *to) {
    char full[PATH_MAX], full_to[PATH_MAX];
    int result = (int)syscall(SYS_link, from, to);
    if (result == 0 && resolve(full, AT_FDCWD, from) && resolve(full_to, AT_FDCWD, to))
        note("link", -1, 0, 0, full, full_to, NULL);
    return result;
}

int unlinkat(int at, const char *path, int flags) {
    char full[PATH_MAX];
    bool ours = resolve(full, at, path);
    int result = (int)syscall(SYS_unlinkat, at, path, flags);
    if (ours && result == 0) note("unlink", -1, 0, 0, full, "", NULL);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    char full[PATH_MAX];
    bool ours = resolve(full, AT_FDCWD, path);
    if (ours && pass(MKDIR) == FAIL) return -1;
    int result = (int)syscall(SYS_mkdir, path, mode);
    if (ours && result == 0) note("mkdir", -1, 0, 0, full, "", NULL);
    return result;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
