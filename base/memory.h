/* The one allocator of host memory. It never returns NULL: when memory is out it prints one line (bytes asked, what
 * for), unlinks the registered temporary files and exits with HONE_OUT_OF_MEMORY. Memory is aligned to 64 bytes. */
#ifndef HONE_BASE_MEMORY_H
#define HONE_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* count * size bytes, checked; `what` is a literal that names the use ("tokenizer vocabulary"). 0 bytes give a valid
 * pointer. Contents are undefined (hone_alloc) or zero (hone_calloc). Free with hone_free. */
void *hone_alloc(size_t count, size_t size, const char *what);
void *hone_calloc(size_t count, size_t size, const char *what);

/* Grows or shrinks to count * size bytes, keeping contents. `pointer` may be NULL. */
void *hone_realloc(void *pointer, size_t count, size_t size, const char *what);

/* `size` bytes aligned to 16 only: for many small objects, which a cache line each would bloat (JSON nodes). */
void *hone_alloc_small(size_t size, const char *what);

/* Frees what any of the above gave; NULL is allowed. */
void hone_free(void *pointer);

/* From now on blocks of up to 32 MB that are freed stay with the process for the next ones, up to 128 MB of them: the
 * system gives memory page by page, which for arrays that grow takes longer than filling them. The first 64 MB are large
 * pages where the system has some, which also makes tables that are looked up here and there faster. For work on text
 * after text; what has to do with little memory gives it back. */
void hone_memory_keep_freed(void);

/* Owned copies. hone_strndup stops at n bytes and adds a 0. */
char *hone_strdup(const char *text, const char *what);
char *hone_strndup(const char *text, size_t n, const char *what);

/* printf into owned memory. */
char *hone_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for `needed` elements in a growable array of `size`-byte elements; *capacity is updated (doubling). */
void hone_grow(void *array_pointer, size_t *capacity, size_t needed, size_t size, const char *what);
static inline void hone_reserve(void *array_pointer, size_t *capacity, size_t needed, size_t size, const char *what) {
    if (needed > *capacity) hone_grow(array_pointer, capacity, needed, size, what);
}

/* Bytes currently held through this allocator, and resident bytes of the process now and at its peak (from /proc). */
size_t hone_memory_in_use(void);
size_t hone_resident_bytes(void);
size_t hone_peak_resident_bytes(void);
/* Bytes that the machine, or the control group that the process is in, can still give (from /proc and cgroup v2). */
size_t hone_available_bytes(void);

bool hone_ends_with(const char *text, const char *end);

/* A growing byte string, always 0-terminated. Start with {0}; free with hone_text_free. */
struct hone_text {
    char *bytes;
    size_t length;
    size_t capacity;
};
void hone_text_append(struct hone_text *text, const char *bytes, size_t n);
void hone_text_format(struct hone_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hone_text_free(struct hone_text *text);

#endif
