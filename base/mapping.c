#include "base/mapping.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/io_system.h"
#include "base/memory.h"
#include "base/sha256.h"

#define BLOCK_BYTES ((int64_t)16 << 20)
/* Of a mapping, so much stays in memory behind the reader. */
#define KEPT_BYTES ((int64_t)64 << 20)
#define PAGE_BYTES 4096

enum { MOST_MAPPINGS = 64 };

struct hone_mapping {
    char *bytes, *path;
    int64_t size, touched; /* since pages were given back */
    json_t *hashes;        /* NULL: nothing to check */
    unsigned char *checked;
    int place; /* among the mappings that the signal's handler knows; -1: none was free */
};

/* What the handler reads: only what cannot change under it. */
static struct {
    _Atomic(const char *) begin;
    atomic_long size;
    const char *path;
} mappings[MOST_MAPPINGS];
static pthread_once_t handler_once = PTHREAD_ONCE_INIT;

static void say(const char *text) {
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

static void on_bus_error(int number, siginfo_t *about, void *context) {
    (void)context;
    const char *at = about->si_addr;
    for (int i = 0; i < MOST_MAPPINGS; i++) {
        const char *begin = atomic_load(&mappings[i].begin);
        if (!begin || at < begin || at >= begin + atomic_load(&mappings[i].size)) continue;
        say("hone: ");
        say(mappings[i].path);
        say(": reading it failed while it was mapped: the disk is failing, or the file was cut\n");
        _exit(HONE_DISK);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void handler_install(void) {
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

static int make_known(const struct hone_mapping *mapping) {
    pthread_once(&handler_once, handler_install);
    for (int i = 0; i < MOST_MAPPINGS; i++) {
        const char *none = NULL;
        if (!atomic_compare_exchange_strong(&mappings[i].begin, &none, mapping->bytes)) continue;
        mappings[i].path = mapping->path;
        atomic_store(&mappings[i].size, (long)mapping->size);
        return i;
    }
    return -1;
}

enum hone_status hone_mapping_create(struct hone_mapping **out, int fd, int64_t size, const char *path) {
    *out = NULL;
    HONE_CHECK(size > 0, "%s: a mapping of %lld bytes", path, (long long)size);
    void *bytes = MAP_FAILED;
    if (!system_refuses(HONE_FAULT_MAP, ENOMEM)) bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) return system_fail(path, "mapping");
    struct hone_mapping *mapping = *out = hone_calloc(1, sizeof *mapping, "mapped file");
    mapping->bytes = bytes;
    mapping->size = size;
    mapping->path = hone_strdup(path, "file name");
    mapping->place = make_known(mapping);
    return HONE_OK;
}

static enum hone_status open_blocks(struct hone_mapping **out, int fd, const char *path, int64_t size,
                                    const json_t *hashes) {
    struct stat about;
    if (fstat(fd, &about) != 0) return system_fail(path, "asking for the size");
    if (!S_ISREG(about.st_mode) || about.st_size != size || size <= 0)
        return hone_fail(HONE_BAD_INPUT, "%s: has %lld bytes, expected %lld", path, (long long)about.st_size,
                         (long long)size);
    size_t n = (size_t)((size + BLOCK_BYTES - 1) / BLOCK_BYTES);
    if (json_array_size(hashes) != n)
        return hone_fail(HONE_BAD_INPUT, "%s: hashes of %zu blocks, expected %zu", path, json_array_size(hashes), n);
    HONE_TRY(hone_mapping_create(out, fd, size, path));
    (*out)->hashes = json_incref((json_t *)(uintptr_t)hashes);
    (*out)->checked = hone_calloc(n, 1, "blocks of a mapped file");
    return HONE_OK;
}

enum hone_status hone_mapping_open(struct hone_mapping **out, const char *path, int64_t size, const json_t *hashes) {
    *out = NULL;
    int fd = system_open(path, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0 && errno == ENOENT) return hone_fail(HONE_BAD_INPUT, "%s: there is no such file", path);
    if (fd < 0) return system_fail(path, "opening for reading");
    enum hone_status status = open_blocks(out, fd, path, size, hashes);
    close(fd);
    return status;
}

void hone_mapping_close(struct hone_mapping *mapping) {
    if (!mapping) return;
    if (mapping->place >= 0) {
        atomic_store(&mappings[mapping->place].size, 0);
        atomic_store(&mappings[mapping->place].begin, NULL);
    }
    munmap(mapping->bytes, (size_t)mapping->size);
    json_decref(mapping->hashes);
    hone_free(mapping->checked);
    hone_free(mapping->path);
    hone_free(mapping);
}

const char *hone_mapping_bytes(const struct hone_mapping *mapping) { return mapping->bytes; }
int64_t hone_mapping_size(const struct hone_mapping *mapping) { return mapping->size; }

static enum hone_status check_block(struct hone_mapping *mapping, int64_t block) {
    int64_t begin = block * BLOCK_BYTES, n = mapping->size - begin < BLOCK_BYTES ? mapping->size - begin : BLOCK_BYTES;
    const char *expected = json_string_value(json_array_get(mapping->hashes, (size_t)block));
    char found[HONE_SHA256_TEXT];
    struct hone_sha256 hash;
    hone_sha256_begin(&hash);
    hone_sha256_add(&hash, mapping->bytes + begin, (size_t)n);
    hone_sha256_end(found, &hash);
    mapping->touched += n;
    if (!expected || strcmp(found, expected) != 0)
        return hone_fail(HONE_BAD_INPUT, "%s: the %lld bytes from byte %lld on are not those that were written",
                         mapping->path, (long long)n, (long long)begin);
    mapping->checked[block] = 1;
    return HONE_OK;
}

enum hone_status hone_mapping_need(struct hone_mapping *mapping, int64_t offset, size_t n) {
    HONE_CHECK(offset >= 0 && (int64_t)n <= mapping->size - offset, "%s: %zu bytes at %lld", mapping->path, n,
               (long long)offset);
    if (mapping->touched > KEPT_BYTES) {
        /* The pages stay in the system's cache of the file for as long as it has room. */
        madvise(mapping->bytes, (size_t)mapping->size, MADV_DONTNEED);
        mapping->touched = 0;
    }
    mapping->touched += (int64_t)n + PAGE_BYTES;
    if (!mapping->hashes || n == 0) return HONE_OK;
    int64_t last = (offset + (int64_t)n - 1) / BLOCK_BYTES;
    for (int64_t block = offset / BLOCK_BYTES; block <= last; block++)
        if (!mapping->checked[block]) HONE_TRY(check_block(mapping, block));
    return HONE_OK;
}

enum hone_status hone_mapping_hash(json_t **hashes, int64_t *size, const char *path) {
    struct hone_file *file;
    *hashes = NULL;
    HONE_TRY(hone_file_open(&file, path));
    *size = hone_file_size(file);
    char *block = hone_alloc((size_t)BLOCK_BYTES, 1, "a block of a file to hash");
    json_t *array = json_array();
    enum hone_status status = HONE_OK;
    for (int64_t at = 0; at < *size && status == HONE_OK; at += BLOCK_BYTES) {
        size_t n = (size_t)(*size - at < BLOCK_BYTES ? *size - at : BLOCK_BYTES);
        char text[HONE_SHA256_TEXT];
        struct hone_sha256 hash;
        status = hone_file_read_at(file, block, n, at);
        if (status != HONE_OK) break;
        hone_sha256_begin(&hash);
        hone_sha256_add(&hash, block, n);
        hone_sha256_end(text, &hash);
        json_array_append_new(array, json_string(text));
    }
    hone_free(block);
    hone_file_close(file);
    if (status == HONE_OK)
        *hashes = array;
    else
        json_decref(array);
    return status;
}
