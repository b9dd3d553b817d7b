/* The allocator over the C library's: malloc_usable_size says how much each block holds, so no header of our own is
 * needed and blocks need not remember who asked for them. */
#include "base/memory.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/status.h"

#define ALIGNMENT 64
#define HUGE_PAGE ((size_t)2 << 20)
#define HEAP      (64 << 20)

static atomic_size_t in_use;

static _Noreturn void out_of_memory(size_t count, size_t size, const char *what) {
    char line[256];
    size_t bytes;
    int length;
    if (hone_mul_size(&bytes, count, size))
        length = snprintf(line, sizeof line, "hone: out of memory: %zu bytes for %s\n", bytes, what);
    else
        length = snprintf(line, sizeof line, "hone: out of memory: %zu times %zu bytes for %s\n", count, size, what);
    if (length >= (int)sizeof line) length = (int)sizeof line - 1;
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written;
    hone_temporary_remove_all();
    /* Handlers of exit() could allocate again. */
    _exit(HONE_OUT_OF_MEMORY);
}

static void *account(void *pointer) {
    atomic_fetch_add_explicit(&in_use, malloc_usable_size(pointer), memory_order_relaxed);
    return pointer;
}

void *hone_alloc(size_t count, size_t size, const char *what) {
    size_t bytes;
    void *pointer = NULL;
    if (!hone_mul_size(&bytes, count, size) || bytes > PTRDIFF_MAX - ALIGNMENT || hone_fault(HONE_FAULT_ALLOC) ||
        posix_memalign(&pointer, ALIGNMENT, bytes ? bytes : 1) != 0)
        out_of_memory(count, size, what);
    return account(pointer);
}

void *hone_calloc(size_t count, size_t size, const char *what) {
    void *pointer = hone_alloc(count, size, what);
    memset(pointer, 0, count * size);
    return pointer;
}

void *hone_alloc_small(size_t size, const char *what) {
    void *pointer = NULL;
    if (size > PTRDIFF_MAX || hone_fault(HONE_FAULT_ALLOC) || !(pointer = malloc(size ? size : 1)))
        out_of_memory(1, size, what);
    return account(pointer);
}

void *hone_realloc(void *pointer, size_t count, size_t size, const char *what) {
    /* realloc() would keep the contents but not the alignment. */
    void *moved = hone_alloc(count, size, what);
    if (pointer) {
        size_t held = malloc_usable_size(pointer), bytes = count * size;
        memcpy(moved, pointer, held < bytes ? held : bytes);
        hone_free(pointer);
    }
    return moved;
}

void hone_free(void *pointer) {
    if (!pointer) return;
    atomic_fetch_sub_explicit(&in_use, malloc_usable_size(pointer), memory_order_relaxed);
    free(pointer);
}

void hone_memory_keep_freed(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 128 << 20);
    mallopt(M_TOP_PAD, HEAP);
    void *block = malloc(HUGE_PAGE); /* the heap grows by the pad */
    // cppcheck-suppress uninitdata
    uintptr_t begin = ((uintptr_t)block + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE, end = (uintptr_t)sbrk(0);
    if (block && begin < end) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    free(block);
}

char *hone_strdup(const char *text, const char *what) { return hone_strndup(text, strlen(text), what); }

char *hone_strndup(const char *text, size_t n, const char *what) {
    size_t length = strnlen(text, n);
    char *copy = hone_alloc(length + 1, 1, what);
    memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}

__attribute__((format(printf, 2, 0), nonnull)) static char *format_owned(size_t *length, const char *format,
                                                                         va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int needed = vsnprintf(NULL, 0, format, again);
    va_end(again);
    HONE_CHECK(needed >= 0, "printf refused \"%s\"", format);
    char *text = hone_alloc((size_t)needed + 1, 1, "formatted text");
    vsnprintf(text, (size_t)needed + 1, format, arguments);
    *length = (size_t)needed;
    return text;
}

char *hone_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t length;
    char *text = format_owned(&length, format, arguments);
    va_end(arguments);
    return text;
}

void hone_grow(void *array_pointer, size_t *capacity, size_t needed, size_t size, const char *what) {
    size_t grown = *capacity > SIZE_MAX / 2 ? needed : 2 * *capacity;
    if (grown < needed) grown = needed;
    if (grown < 8) grown = 8;
    /* The array's own type is unknown here: its pointer is read and written as bytes. */
    void *array;
    memcpy(&array, array_pointer, sizeof array);
    array = hone_realloc(array, grown, size, what);
    memcpy(array_pointer, &array, sizeof array);
    *capacity = grown;
}

size_t hone_memory_in_use(void) { return atomic_load(&in_use); }

/* A figure of /proc/self/status in bytes, 0 when it is not there. */
static size_t resident_field(const char *name) {
    FILE *file = fopen("/proc/self/status", "re");
    if (!file) return 0;
    char line[256];
    size_t kibibytes = 0, length = strlen(name);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, length) == 0 && sscanf(line + length, ": %zu", &kibibytes) == 1) break;
    fclose(file);
    return kibibytes * 1024;
}

size_t hone_resident_bytes(void) { return resident_field("VmRSS"); }

size_t hone_peak_resident_bytes(void) {
    /* The kernel updates the two at different moments. */
    size_t peak = resident_field("VmHWM"), now = resident_field("VmRSS");
    return peak > now ? peak : now;
}

bool hone_ends_with(const char *text, const char *end) {
    size_t n = strlen(text), length = strlen(end);
    return n >= length && strcmp(text + n - length, end) == 0;
}

void hone_text_append(struct hone_text *text, const char *bytes, size_t n) {
    size_t needed = 0;
    HONE_CHECK(hone_add_size(&needed, text->length, n) && hone_add_size(&needed, needed, 1), "%zu + %zu bytes of text",
               text->length, n);
    hone_reserve(&text->bytes, &text->capacity, needed, 1, "growing text");
    if (n) memcpy(text->bytes + text->length, bytes, n);
    text->length += n;
    text->bytes[text->length] = 0;
}

void hone_text_format(struct hone_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t length;
    char *piece = format_owned(&length, format, arguments);
    va_end(arguments);
    hone_text_append(text, piece, length);
    hone_free(piece);
}

void hone_text_free(struct hone_text *text) {
    hone_free(text->bytes);
    *text = (struct hone_text){0};
}
