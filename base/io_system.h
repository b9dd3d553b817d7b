/* The system calls of base/io.h behind their fault sites: what io.c and folder.c share. A call that is made to fail
 * sets errno as a full or broken disk would. Nobody outside base/ includes this. */
#ifndef HONE_BASE_IO_SYSTEM_H
#define HONE_BASE_IO_SYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"

static inline bool system_refuses(enum hone_fault_site site, int error) {
    if (!hone_fault(site)) return false;
    errno = error;
    return true;
}

static inline int system_open(const char *path, int flags, mode_t mode) {
    if (system_refuses(HONE_FAULT_OPEN, EIO)) return -1;
    int fd;
    do { fd = open(path, flags | O_CLOEXEC, mode); } while (fd < 0 && errno == EINTR);
    return fd;
}

/* Pipes and some file systems cannot sync; there is nothing to wait for then. */
static inline int system_fsync(int fd) {
    if (system_refuses(HONE_FAULT_FSYNC, EIO)) return -1;
    int result;
    do { result = fsync(fd); } while (result < 0 && errno == EINTR);
    return result < 0 && (errno == EINVAL || errno == ENOTSUP) ? 0 : result;
}

/* The descriptor is gone whatever comes back; Linux closes it on EINTR too. */
static inline int system_close(int fd) {
    bool refuse = hone_fault(HONE_FAULT_CLOSE);
    int result = close(fd);
    if (refuse) {
        errno = EIO;
        return -1;
    }
    return result < 0 && errno == EINTR ? 0 : result;
}

static inline int system_rename(const char *from, const char *to) {
    return system_refuses(HONE_FAULT_RENAME, EIO) ? -1 : rename(from, to);
}

static inline int system_mkdir(const char *path) {
    return system_refuses(HONE_FAULT_MKDIR, ENOSPC) ? -1 : mkdir(path, 0755);
}

/* " (free some space there)" or "": the remedy for an errno. */
static inline const char *system_remedy(int error) {
    if (error == ENOSPC || error == EDQUOT) return "; free some space there and run again";
    if (error == EROFS || error == EACCES || error == EPERM) return "; check its owner and permissions";
    return "";
}

/* HONE_DISK with path, what was tried and the cause from errno. */
static inline enum hone_status system_fail(const char *path, const char *what) {
    int error = errno;
    return hone_fail(HONE_DISK, "%s: %s failed: %s%s", path, what, strerror(error), system_remedy(error));
}

/* fsync of the folder that holds `path`, so that a rename or a new name in it outlives a power cut. */
enum hone_status system_sync_parent(const char *path);

/* "<path>.tmp-<pid>-<random>"; owned. */
char *system_temporary_name(const char *path);

#endif
