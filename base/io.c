/* Files: open, read, write, whole files. Folders and temporary names are in folder.c. */
#include "base/io.h"

#include <sys/random.h>
#include <time.h>

#include "base/io_system.h"
#include "base/memory.h"

/* The kernel moves at most 2 GiB a call; this also bounds what a short write has to repeat. */
#define CALL_LIMIT ((size_t)1 << 30)
#define COPY_CHUNK ((size_t)1 << 20)

struct hone_file {
    int fd;
    bool written; /* made by hone_file_create: its close matters */
    int64_t size; /* when opened */
    int64_t position;
    char *path;
};

static struct hone_file *file_new(int fd, bool written, const char *path) {
    struct hone_file *file = hone_calloc(1, sizeof *file, "open file");
    file->fd = fd;
    file->written = written;
    file->path = hone_strdup(path, "file name");
    return file;
}

enum hone_status hone_file_open(struct hone_file **out, const char *path) {
    *out = NULL;
    int fd = system_open(path, O_RDONLY, 0);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return hone_fail(HONE_BAD_INPUT, "%s: there is no such file", path);
        if (errno == ELOOP || errno == ENAMETOOLONG)
            return hone_fail(HONE_BAD_INPUT, "%s: cannot be a file: %s", path, strerror(errno));
        return system_fail(path, "opening for reading");
    }
    struct stat about;
    if (fstat(fd, &about) != 0) {
        enum hone_status status = system_fail(path, "asking for the size");
        close(fd);
        return status;
    }
    if (S_ISDIR(about.st_mode)) {
        close(fd);
        return hone_fail(HONE_BAD_INPUT, "%s: is a folder, expected a file", path);
    }
    *out = file_new(fd, false, path);
    (*out)->size = about.st_size;
    return HONE_OK;
}

int64_t hone_file_size(const struct hone_file *file) { return file->size; }

const char *hone_file_path(const struct hone_file *file) { return file->path; }

/* One read at `offset` (-1: at the present position) that is neither interrupted nor over the kernel's limit. */
static ssize_t read_once(struct hone_file *file, void *bytes, size_t n, int64_t offset) {
    if (system_refuses(HONE_FAULT_READ, EIO)) return -1;
    if (n > CALL_LIMIT) n = CALL_LIMIT;
    ssize_t got;
    do {
        got = offset < 0 ? read(file->fd, bytes, n) : pread(file->fd, bytes, n, offset);
    } while (got < 0 && errno == EINTR);
    return got;
}

enum hone_status hone_file_read_at(struct hone_file *file, void *bytes, size_t n, int64_t offset) {
    HONE_CHECK(offset >= 0, "%s: read at byte %lld", file->path, (long long)offset);
    for (size_t done = 0; done < n;) {
        int64_t at = offset + (int64_t)done;
        ssize_t got = read_once(file, (char *)bytes + done, n - done, at);
        if (got < 0) {
            int error = errno;
            return hone_fail(HONE_DISK, "%s: reading %zu bytes at byte %lld failed: %s", file->path, n - done,
                             (long long)at, strerror(error));
        }
        if (got == 0)
            return hone_fail(HONE_BAD_INPUT, "%s: ends at byte %lld, expected %zu bytes from byte %lld", file->path,
                             (long long)at, n, (long long)offset);
        done += (size_t)got;
    }
    return HONE_OK;
}

enum hone_status hone_file_read_some(struct hone_file *file, void *bytes, size_t n, size_t *got) {
    *got = 0;
    if (n == 0) return HONE_OK;
    ssize_t count = read_once(file, bytes, n, -1);
    if (count < 0) {
        int error = errno;
        return hone_fail(HONE_DISK, "%s: reading at byte %lld failed: %s", file->path, (long long)file->position,
                         strerror(error));
    }
    *got = (size_t)count;
    file->position += count;
    return HONE_OK;
}

static enum hone_status file_create(struct hone_file **out, const char *path, int flags) {
    *out = NULL;
    int fd = system_open(path, O_CREAT | flags, 0644);
    if (fd < 0) {
        if (errno == EEXIST) return hone_fail(HONE_DISK, "%s: exists already and would be overwritten", path);
        return system_fail(path, "creating");
    }
    *out = file_new(fd, true, path);
    return HONE_OK;
}

enum hone_status hone_file_create(struct hone_file **out, const char *path, bool replace) {
    return file_create(out, path, O_WRONLY | (replace ? O_TRUNC : O_EXCL | O_NOFOLLOW));
}

enum hone_status hone_file_create_random(struct hone_file **out, const char *path) {
    return file_create(out, path, O_RDWR | O_EXCL | O_NOFOLLOW);
}

enum hone_status hone_file_continue(struct hone_file **out, const char *path, int64_t size) {
    *out = NULL;
    int fd = system_open(path, O_WRONLY | O_NOFOLLOW, 0);
    if (fd < 0) return system_fail(path, "opening for writing");
    struct hone_file *file = file_new(fd, true, path);
    struct stat about;
    enum hone_status status = HONE_OK;
    if (fstat(fd, &about) != 0) {
        status = system_fail(path, "asking for the size");
    } else if (about.st_size < size) {
        status = hone_fail(HONE_BAD_INPUT, "%s: has %lld bytes, expected at least %lld", path, (long long)about.st_size,
                           (long long)size);
    } else {
        status = hone_file_resize(file, size);
    }
    if (status == HONE_OK && lseek(fd, (off_t)size, SEEK_SET) < 0) status = system_fail(path, "seeking");
    if (status != HONE_OK) {
        close(fd);
        hone_free(file->path);
        hone_free(file);
        return status;
    }
    file->position = size;
    *out = file;
    return HONE_OK;
}

enum hone_status hone_file_resize(struct hone_file *file, int64_t size) {
    int result = -1;
    if (!system_refuses(HONE_FAULT_WRITE, ENOSPC)) {
        do { result = ftruncate(file->fd, (off_t)size); } while (result < 0 && errno == EINTR);
    }
    return result == 0 ? HONE_OK : system_fail(file->path, "setting the length");
}

/* At `offset`, or at the present position (-1). */
static enum hone_status write_all(struct hone_file *file, const void *bytes, size_t n, int64_t offset) {
    for (size_t done = 0; done < n;) {
        size_t piece = n - done < CALL_LIMIT ? n - done : CALL_LIMIT;
        int64_t at = offset < 0 ? file->position : offset + (int64_t)done;
        const char *from = (const char *)bytes + done;
        ssize_t count = -1;
        if (!system_refuses(HONE_FAULT_WRITE, ENOSPC))
            count = offset < 0 ? write(file->fd, from, piece) : pwrite(file->fd, from, piece, (off_t)at);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            int error = errno;
            return hone_fail(HONE_DISK, "%s: writing %zu bytes at byte %lld failed: %s%s", file->path, n - done,
                             (long long)at, strerror(error), system_remedy(error));
        }
        done += (size_t)count;
        if (offset < 0) file->position += count;
    }
    return HONE_OK;
}

enum hone_status hone_file_write(struct hone_file *file, const void *bytes, size_t n) {
    return write_all(file, bytes, n, -1);
}

enum hone_status hone_file_write_at(struct hone_file *file, const void *bytes, size_t n, int64_t offset) {
    HONE_CHECK(offset >= 0, "%s: write at byte %lld", file->path, (long long)offset);
    return write_all(file, bytes, n, offset);
}

enum hone_status hone_file_sync(struct hone_file *file) {
    if (system_fsync(file->fd) == 0) return HONE_OK;
    return system_fail(file->path, "fsync");
}

enum hone_status hone_file_close(struct hone_file *file) {
    if (!file) return HONE_OK;
    enum hone_status status = HONE_OK;
    if (!file->written)
        close(file->fd);
    else if (system_close(file->fd) != 0)
        status = system_fail(file->path, "closing");
    hone_free(file->path);
    hone_free(file);
    return status;
}

/* Closes a file whose contents are lost already: the first error stands. */
static void file_abandon(struct hone_file *file) {
    if (!file) return;
    close(file->fd);
    hone_free(file->path);
    hone_free(file);
}

enum hone_status hone_read_file(char **bytes, size_t *n, const char *path, size_t limit) {
    *bytes = NULL;
    *n = 0;
    HONE_CHECK(limit < SIZE_MAX - 1, "no limit on %s", path);
    struct hone_file *file;
    HONE_TRY(hone_file_open(&file, path));
    enum hone_status status = HONE_OK;
    char *text = NULL;
    size_t capacity = 0, length = 0, got;
    if (file->size > 0 && (uint64_t)file->size > limit) {
        status = hone_fail(HONE_BAD_INPUT, "%s: has %lld bytes, at most %zu are allowed", path, (long long)file->size,
                           limit);
        goto done;
    }
    /* Two more than the size: one finds the end (or that the file has grown), one is for the 0. */
    hone_reserve(&text, &capacity, (size_t)file->size + 2, 1, "contents of a file");
    for (;;) {
        HONE_TRY_GOTO(hone_file_read_some(file, text + length, capacity - 1 - length, &got));
        if (got == 0) break;
        length += got;
        if (length > limit) {
            status = hone_fail(HONE_BAD_INPUT, "%s: has more than the %zu bytes that are allowed", path, limit);
            goto done;
        }
        if (length + 1 == capacity) hone_reserve(&text, &capacity, capacity + 1, 1, "contents of a file");
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): two bytes at least were reserved. */
    text[length] = 0;
    *bytes = text;
    *n = length;
    text = NULL;
done:
    hone_free(text);
    hone_file_close(file);
    return status;
}

char *system_temporary_name(const char *path) {
    uint64_t random = 0;
    /* Unguessable is welcome, unique is enough: creation is exclusive anyway. */
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        random = (uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec;
    }
    return hone_format("%s.tmp-%ld-%012llx", path, (long)getpid(),
                       (unsigned long long)(random & UINT64_C(0xffffffffffff)));
}

/* Devices and pipes, and the links to them under /dev, have no content to keep: they are written as they stand. */
static bool is_stream(const char *path) {
    struct stat about;
    if (strncmp(path, "/dev/", 5) == 0 && lstat(path, &about) == 0 && S_ISLNK(about.st_mode)) return true;
    return stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode);
}

enum hone_status hone_file_replace(struct hone_file **file, char **temporary, const char *path) {
    *temporary = NULL;
    if (is_stream(path)) return hone_file_create(file, path, true);
    *temporary = system_temporary_name(path);
    hone_temporary_register(*temporary);
    return hone_file_create(file, *temporary, false);
}

enum hone_status hone_file_replace_end(struct hone_file *file, char *temporary, const char *path,
                                       enum hone_status status) {
    if (status == HONE_OK) status = hone_file_sync(file);
    if (status == HONE_OK)
        status = hone_file_close(file);
    else
        file_abandon(file);
    if (!temporary) return status;
    if (status == HONE_OK && system_rename(temporary, path) != 0) status = system_fail(path, "renaming to it");
    if (status != HONE_OK) unlink(temporary);
    hone_temporary_forget(temporary);
    hone_free(temporary);
    return status == HONE_OK ? system_sync_parent(path) : status;
}

enum hone_status hone_write_file(const char *path, const void *bytes, size_t n) {
    struct hone_file *file;
    char *temporary;
    enum hone_status status = hone_file_replace(&file, &temporary, path);
    if (status == HONE_OK) status = hone_file_write(file, bytes, n);
    return hone_file_replace_end(file, temporary, path, status);
}

enum hone_status hone_copy_file(const char *to, const char *from) {
    struct hone_file *source, *file;
    HONE_TRY(hone_file_open(&source, from));
    char *temporary, *chunk = hone_alloc(COPY_CHUNK, 1, "a chunk of a file to copy");
    enum hone_status status = hone_file_replace(&file, &temporary, to);
    for (size_t got = 1; status == HONE_OK && got > 0;) {
        status = hone_file_read_some(source, chunk, COPY_CHUNK, &got);
        if (status == HONE_OK) status = hone_file_write(file, chunk, got);
    }
    status = hone_file_replace_end(file, temporary, to, status);
    hone_free(chunk);
    hone_file_close(source);
    return status;
}
