#include "data/source.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/io.h"
#include "base/memory.h"

#define INPUT_BYTES ((size_t)64 << 10)

/* zstd windows beyond 128 MiB are made with --long only; a hostile frame must not ask for more memory than that. */
#define ZSTD_WINDOW_LOG 27

enum packing { PLAIN, GZIP, ZSTD };

struct hone_source {
    struct hone_file *file;
    char *path;
    enum packing packing;
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool started, inside; /* a member or frame: the file must not end inside one */
    bool ended;           /* the file did */
    int64_t bytes_read;
    size_t at, n; /* of input */
    unsigned char input[INPUT_BYTES];
};

static enum hone_status fill(struct hone_source *source) {
    size_t got;
    if (source->at > 0) memmove(source->input, source->input + source->at, source->n - source->at);
    source->n -= source->at;
    source->at = 0;
    HONE_TRY(hone_file_read_some(source->file, source->input + source->n, INPUT_BYTES - source->n, &got));
    source->n += got;
    source->bytes_read += (int64_t)got;
    source->ended = got == 0;
    return HONE_OK;
}

/* The first bytes tell; a pipe may give them one by one. */
static enum hone_status look(struct hone_source *source) {
    static const unsigned char gzip[] = {0x1F, 0x8B, 0x08}, zstd[] = {0x28, 0xB5, 0x2F, 0xFD};
    while (source->n < sizeof zstd && !source->ended) HONE_TRY(fill(source));
    if (source->n >= sizeof gzip && memcmp(source->input, gzip, sizeof gzip) == 0) {
        source->packing = GZIP;
        if (inflateInit2(&source->gzip, MAX_WBITS + 16) != Z_OK)
            return hone_fail(HONE_OUT_OF_MEMORY, "%s: no memory for unpacking gzip", source->path);
    } else if (source->n >= sizeof zstd && memcmp(source->input, zstd, sizeof zstd) == 0) {
        source->packing = ZSTD;
        source->zstd = ZSTD_createDStream();
        if (!source->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(source->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
            return hone_fail(HONE_OUT_OF_MEMORY, "%s: no memory for unpacking zstd", source->path);
    }
    return HONE_OK;
}

enum hone_status hone_source_open(struct hone_source **out, const char *path) {
    struct hone_source *source = hone_calloc(1, sizeof *source, "data file");
    source->path = hone_strdup(path ? path : "standard input", "file name");
    *out = NULL;
    enum hone_status status = hone_file_open(&source->file, path ? path : "/dev/stdin");
    if (status == HONE_OK) status = look(source);
    if (status == HONE_OK)
        *out = source;
    else
        hone_source_close(source);
    return status;
}

void hone_source_close(struct hone_source *source) {
    if (!source) return;
    if (source->packing == GZIP) inflateEnd(&source->gzip);
    ZSTD_freeDStream(source->zstd);
    hone_file_close(source->file);
    hone_free(source->path);
    hone_free(source);
}

static enum hone_status damaged(const struct hone_source *source, const char *why) {
    long long at = (long long)(source->bytes_read - (int64_t)(source->n - source->at));
    return hone_fail(HONE_BAD_INPUT, "%s: the %s data is damaged near byte %lld (%s); fetch or pack the file again",
                     source->path, source->packing == GZIP ? "gzip" : "zstd", at, why);
}

static enum hone_status gunzip(struct hone_source *source, void *bytes, size_t n, size_t *got) {
    z_stream *z = &source->gzip;
    if (!source->inside) {
        if (inflateReset(z) != Z_OK) return damaged(source, "cannot begin");
        source->inside = true;
    }
    z->next_in = source->input + source->at;
    z->avail_in = (uInt)(source->n - source->at);
    z->next_out = bytes;
    z->avail_out = n > UINT32_MAX ? UINT32_MAX : (uInt)n;
    uInt room = z->avail_out;
    int result = inflate(z, Z_NO_FLUSH);
    source->at = source->n - z->avail_in;
    *got = room - z->avail_out;
    if (result == Z_STREAM_END) source->inside = false;
    if (result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR) return HONE_OK;
    if (result == Z_MEM_ERROR) return hone_fail(HONE_OUT_OF_MEMORY, "%s: no memory for unpacking gzip", source->path);
    return damaged(source, z->msg ? z->msg : "not gzip");
}

static enum hone_status unzstd(struct hone_source *source, void *bytes, size_t n, size_t *got) {
    ZSTD_inBuffer in = {source->input, source->n, source->at};
    ZSTD_outBuffer out = {bytes, n, 0};
    size_t result = ZSTD_decompressStream(source->zstd, &out, &in);
    source->at = in.pos;
    *got = out.pos;
    if (ZSTD_isError(result)) return damaged(source, ZSTD_getErrorName(result));
    source->inside = result != 0;
    return HONE_OK;
}

static enum hone_status unpack(struct hone_source *source, void *bytes, size_t n, size_t *got) {
    const char *name = source->packing == GZIP ? "gzip" : "zstd";
    for (;;) {
        /* Zeros behind a member of gzip are padding of tapes and blocks. */
        while (source->packing == GZIP && !source->inside && source->started && source->at < source->n &&
               source->input[source->at] == 0)
            source->at++;
        size_t before = source->at;
        if (source->inside || source->at < source->n) {
            source->started = true;
            HONE_TRY(source->packing == GZIP ? gunzip(source, bytes, n, got) : unzstd(source, bytes, n, got));
            if (*got > 0) return HONE_OK;
            if (source->at != before) continue;
        }
        if (!source->ended) {
            HONE_TRY(fill(source));
        } else if (source->inside) {
            return hone_fail(HONE_BAD_INPUT,
                             "%s: the %s data ends too early, at byte %lld; fetch or pack the file again", source->path,
                             name, (long long)source->bytes_read);
        } else {
            return HONE_OK;
        }
    }
}

enum hone_status hone_source_read(struct hone_source *source, void *bytes, size_t n, size_t *got) {
    HONE_CHECK(n > 0, "%s: no room", source->path);
    *got = 0;
    if (source->packing != PLAIN) return unpack(source, bytes, n, got);
    if (source->at < source->n) {
        *got = n < source->n - source->at ? n : source->n - source->at;
        memcpy(bytes, source->input + source->at, *got);
        source->at += *got;
        return HONE_OK;
    }
    if (source->ended) return HONE_OK;
    HONE_TRY(hone_file_read_some(source->file, bytes, n, got));
    source->bytes_read += (int64_t)*got;
    source->ended = *got == 0;
    return HONE_OK;
}

const char *hone_source_path(const struct hone_source *source) { return source->path; }

int64_t hone_source_bytes_read(const struct hone_source *source) { return source->bytes_read; }

int64_t hone_source_size(const struct hone_source *source) { return hone_file_size(source->file); }
