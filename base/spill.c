#include "base/spill.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io_system.h"
#include "base/memory.h"

/* Appends to the file are gathered: samples are some hundred bytes each. */
#define BUFFER_BYTES ((size_t)1 << 20)

struct hone_spill {
    int fd;          /* -1: all is in the buffer */
    size_t memory;   /* that the buffer may have before there is a file */
    int64_t written; /* to the file; the rest of the size lies in the buffer */
    size_t held, capacity;
    char *folder; /* for messages */
    char *buffer;
    bool shown;
    struct hone_mapping *mapping;
};

struct hone_spill *hone_spill_create(size_t memory) {
    struct hone_spill *spill = hone_calloc(1, sizeof *spill, "temporary file");
    spill->fd = -1;
    spill->memory = memory;
    return spill;
}

static enum hone_status make_file(struct hone_spill *spill) {
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder) folder = "/var/tmp";
    char *path = hone_format("%s/hone-spill-XXXXXX", folder);
    int fd = system_refuses(HONE_FAULT_OPEN, EACCES) ? -1 : mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        enum hone_status status = system_fail(folder, "making a temporary file in it");
        hone_free(path);
        return status;
    }
    unlink(path);
    hone_free(path);
    spill->fd = fd;
    spill->folder = hone_strdup(folder, "temporary file");
    return HONE_OK;
}

static enum hone_status write_all(struct hone_spill *spill, const char *bytes, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t count = -1;
        if (!system_refuses(HONE_FAULT_WRITE, ENOSPC))
            count = pwrite(spill->fd, bytes + done, n - done, (off_t)spill->written);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            int error = errno;
            return hone_fail(HONE_DISK,
                             "%s: writing %zu bytes at byte %lld of a temporary file failed: %s; set TMPDIR to "
                             "a folder with room",
                             spill->folder, n - done, (long long)spill->written, strerror(error));
        }
        done += (size_t)count;
        spill->written += count;
    }
    return HONE_OK;
}

static enum hone_status flush(struct hone_spill *spill) {
    HONE_TRY(write_all(spill, spill->buffer, spill->held));
    spill->held = 0;
    return HONE_OK;
}

enum hone_status hone_spill_append(struct hone_spill *spill, const void *bytes, size_t n) {
    HONE_CHECK(!spill->shown, "%zu bytes more behind those that were shown", n);
    if (n == 0) return HONE_OK;
    if (spill->fd < 0 && n > spill->memory - spill->held) {
        HONE_TRY(make_file(spill));
        HONE_TRY(flush(spill));
        hone_free(spill->buffer);
        spill->buffer = hone_alloc(BUFFER_BYTES, 1, "temporary file");
        spill->capacity = BUFFER_BYTES;
    }
    if (spill->fd < 0) {
        hone_reserve(&spill->buffer, &spill->capacity, spill->held + n, 1, "bytes that grow");
    } else if (n > BUFFER_BYTES - spill->held) {
        HONE_TRY(flush(spill));
        if (n > BUFFER_BYTES) return write_all(spill, bytes, n);
    }
    memcpy(spill->buffer + spill->held, bytes, n);
    spill->held += n;
    return HONE_OK;
}

enum hone_status hone_spill_read(const struct hone_spill *spill, void *bytes, size_t n, int64_t offset) {
    HONE_CHECK(offset >= 0 && (int64_t)n <= hone_spill_size(spill) - offset, "%zu bytes at %lld of %lld", n,
               (long long)offset, (long long)hone_spill_size(spill));
    char *out = bytes;
    while (n > 0 && offset < spill->written) {
        size_t wanted = (int64_t)n < spill->written - offset ? n : (size_t)(spill->written - offset);
        ssize_t count = system_refuses(HONE_FAULT_READ, EIO) ? -1 : pread(spill->fd, out, wanted, (off_t)offset);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            int error = errno;
            return hone_fail(HONE_DISK, "%s: reading %zu bytes at byte %lld of a temporary file failed: %s",
                             spill->folder, n, (long long)offset,
                             count == 0 ? "it has become shorter" : strerror(error));
        }
        out += count;
        n -= (size_t)count;
        offset += count;
    }
    if (n > 0) memcpy(out, spill->buffer + (offset - spill->written), n);
    return HONE_OK;
}

int64_t hone_spill_size(const struct hone_spill *spill) { return spill->written + (int64_t)spill->held; }

enum hone_status hone_spill_show(const void **bytes, struct hone_mapping **mapping, struct hone_spill *spill) {
    if (spill->fd >= 0 && !spill->shown) {
        HONE_TRY(flush(spill));
        HONE_TRY(hone_mapping_create(&spill->mapping, spill->fd, spill->written, spill->folder));
    }
    if (!spill->buffer) spill->buffer = hone_alloc(0, 1, "bytes that grow");
    spill->shown = true;
    *mapping = spill->mapping;
    *bytes = spill->mapping ? hone_mapping_bytes(spill->mapping) : spill->buffer;
    return HONE_OK;
}

void hone_spill_free(struct hone_spill *spill) {
    if (!spill) return;
    if (spill->fd >= 0) close(spill->fd);
    hone_mapping_close(spill->mapping);
    hone_free(spill->folder);
    hone_free(spill->buffer);
    hone_free(spill);
}
