/* Device and shared memory, and a look at every access to it. The compiler puts the calls into kernels
 * (-fsanitize=thread without its library: the functions are the ones at the end of this file). Under the address
 * sanitizer, which excludes that, kernels are checked by it instead, so that conflicts are not seen there. */
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <map>

#include "tests/simt/runtime.h"

/* One earlier access to two bytes. */
struct access {
    uint64_t interval; /* 0: none */
    unsigned block, warp_syncs;
    uint16_t thread;
    bool lanes;  /* reads: another lane of the warp read since the last __syncwarp(), too */
    bool warps;  /* another warp of the block did in this interval */
    bool blocks; /* another block did in this launch */
};

struct place {
    access write, read;
    bool copying; /* a cp.async is to write here */
};

struct stretch {
    char *begin;
    size_t bytes;
    place *places; /* two bytes each; made at the first access */
};

/* By end address, so that upper_bound() finds the stretch that an address lies in. */
static std::map<const char *, stretch> &stretches() {
    static std::map<const char *, stretch> all;
    return all;
}
static stretch shared;
static const stretch *last; /* that was found */

static char *aligned(size_t bytes) {
    void *memory = nullptr;
    return posix_memalign(&memory, 256, bytes) == 0 ? (char *)memory : nullptr;
}

/* The address sanitizer sees the ends of what malloc gives. Otherwise device memory is pages of its own, which the host
 * is kept from touching. */
#ifdef __SANITIZE_ADDRESS__
enum { BEHIND = 0 }; /* bytes behind shared memory that are known to be behind it */
static char *device_memory(size_t bytes) { return aligned(bytes); }
static void device_release(char *memory, size_t) { free(memory); }
void simt_memory_open(bool) {}
#else
enum { BEHIND = 1024 };
static char *device_memory(size_t bytes) {
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    memset(memory, 0xFF, bytes); /* NaN: nobody may count on zeros */
    mprotect(memory, bytes, PROT_NONE);
    return (char *)memory;
}
static void device_release(char *memory, size_t bytes) { munmap(memory, bytes); }
void simt_memory_open(bool open) {
    for (const auto &s : stretches())
        mprotect(s.second.begin, s.second.bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}
#endif

void *simt_memory_add(size_t bytes) {
    bytes = bytes ? bytes : 1; /* so that addresses differ */
    char *memory = device_memory(bytes);
    if (memory) stretches()[memory + bytes] = {memory, bytes, nullptr};
    return memory;
}

static stretch *stretch_of(const char *p) {
    if (last && p >= last->begin && p < last->begin + last->bytes) return const_cast<stretch *>(last);
    auto found = stretches().upper_bound(p);
    if (found == stretches().end() || p < found->second.begin) return nullptr;
    last = &found->second;
    return &found->second;
}

bool simt_memory_holds(const void *memory, size_t bytes) {
    const stretch *s = stretch_of((const char *)memory);
    return s && bytes <= s->bytes - (size_t)((const char *)memory - s->begin);
}

bool simt_memory_remove(void *memory) {
    stretch *s = stretch_of((char *)memory);
    if (!s || s->begin != memory) return false;
    last = nullptr;
    free(s->places);
    size_t bytes = s->bytes;
    stretches().erase((char *)memory + bytes);
    device_release((char *)memory, bytes);
    return true;
}

void simt_shared_open(size_t bytes) {
    free(shared.begin);
    free(shared.places);
    shared = {aligned(bytes + BEHIND), bytes, nullptr};
    if (!shared.begin) abort();
}

void simt_shared_clear() { memset(shared.begin, 0xFF, shared.bytes); }

char *simt_shared_memory() { return shared.begin; }

static bool ordered(const access &before, const simt_now &now) {
    if (before.interval < now.launch_begin) return true;
    if (before.block != now.block) return false;
    if (before.interval != now.interval || before.thread == now.thread) return true;
    return before.thread / SIMT_WARP == now.thread / SIMT_WARP && before.warp_syncs < now.warp_syncs;
}

/* A write after the reads that `read` stands for. */
static bool ordered_after_reads(const access &read, const simt_now &now) {
    if (read.interval < now.launch_begin) return true;
    if (read.blocks || !ordered(read, now)) return false;
    if (read.interval != now.interval) return true;
    return !read.warps && !(read.lanes && read.warp_syncs == now.warp_syncs);
}

static void add_read(access &read, const simt_now &now) {
    access next = {now.interval, now.block, now.warp_syncs, (uint16_t)now.thread, false, false, false};
    if (read.interval >= now.launch_begin) {
        next.blocks = read.blocks || read.block != now.block;
        if (read.block == now.block && read.interval == now.interval) {
            bool same_warp = read.thread / SIMT_WARP == now.thread / SIMT_WARP;
            next.warps = read.warps || !same_warp;
            next.lanes = same_warp && read.warp_syncs == now.warp_syncs && (read.lanes || read.thread != now.thread);
        }
    }
    read = next;
}

static void look(stretch &s, const char *kind, size_t at, size_t bytes, bool write) {
    if (!s.places) s.places = (place *)calloc(s.bytes / 2 + 1, sizeof(place));
    if (!s.places) abort();
    simt_now now = simt_time();
    if (&s == &shared) now.launch_begin = now.block_begin; /* each block has its own */
    for (size_t i = at / 2; i <= (at + bytes - 1) / 2; i++) {
        place &p = s.places[i];
        if (p.copying) simt_fail("touches byte %zu of %s memory while a cp.async writes it", 2 * i, kind);
        if (!ordered(p.write, now))
            simt_fail("%s byte %zu of %zu in %s memory, which thread %u of block %u wrote with no barrier between them",
                      write ? "writes" : "reads", at, s.bytes, kind, p.write.thread, p.write.block);
        if (write && !ordered_after_reads(p.read, now))
            simt_fail("writes byte %zu of %zu in %s memory, which thread %u of block %u or another one read with no "
                      "barrier between them",
                      at, s.bytes, kind, p.read.thread, p.read.block);
        if (write)
            p.write = {now.interval, now.block, now.warp_syncs, (uint16_t)now.thread, false, false, false};
        else
            add_read(p.read, now);
    }
}

/* The plug-in's own constants. */
static bool in_image(const void *p) {
    struct image {
        uintptr_t begin, end;
    };
    static image own = [] {
        image found = {0, 0};
        dl_iterate_phdr(
            [](dl_phdr_info *info, size_t, void *user) {
                image *out = (image *)user, is = {UINTPTR_MAX, 0};
                for (int i = 0; i < info->dlpi_phnum; i++) {
                    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
                    uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
                    is.begin = begin < is.begin ? begin : is.begin;
                    is.end = begin + info->dlpi_phdr[i].p_memsz;
                }
                if ((uintptr_t)&shared < is.begin || (uintptr_t)&shared >= is.end) return 0;
                *out = is;
                return 1;
            },
            &found);
        return found;
    }();
    return (uintptr_t)p >= own.begin && (uintptr_t)p < own.end;
}

void simt_access(const void *address, size_t bytes, bool write) {
    const char *p = (const char *)address;
    if ((bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16) && (uintptr_t)p % bytes != 0)
        simt_fail("%s %zu bytes at an address that is no multiple of that", write ? "writes" : "reads", bytes);
    if (p >= shared.begin && p < shared.begin + shared.bytes + BEHIND) {
        if (p + bytes > shared.begin + shared.bytes)
            simt_fail("%s %zu bytes at byte %zu of shared memory, which has %zu", write ? "writes" : "reads", bytes,
                      (size_t)(p - shared.begin), shared.bytes);
        look(shared, "shared", (size_t)(p - shared.begin), bytes, write);
        return;
    }
    if (stretch *s = stretch_of(p)) {
        if ((size_t)(p - s->begin) + bytes > s->bytes)
            simt_fail("%s %zu bytes at byte %zu of an allocation of %zu", write ? "writes" : "reads", bytes,
                      (size_t)(p - s->begin), s->bytes);
        look(*s, "device", (size_t)(p - s->begin), bytes, write);
        return;
    }
    if (!write && in_image(p)) return;
    simt_fail("%s %zu bytes at %p, which is no memory of the device", write ? "writes" : "reads", bytes, address);
}

void simt_copy_begin(void *to, size_t bytes) {
    char *p = (char *)to;
    if (p < shared.begin || p >= shared.begin + shared.bytes) simt_fail("copies to what is no shared memory");
    simt_access(to, bytes, true);
    memset(p, 0xFF, bytes);
    for (size_t i = 0; i < bytes / 2; i++) shared.places[(size_t)(p - shared.begin) / 2 + i].copying = true;
}

void simt_copy_end(void *to, size_t bytes) {
    char *p = (char *)to;
    for (size_t i = 0; i < bytes / 2; i++) shared.places[(size_t)(p - shared.begin) / 2 + i].copying = false;
    simt_access(to, bytes, true);
}

/* What the compiler calls before each access. */
static inline void compiled_access(const void *p, size_t bytes, bool write) {
    if (!simt_running() || simt_on_stack(p)) return;
    simt_access(p, bytes, write);
}

extern "C" {
#define ACCESS(bytes)                                                                                                  \
    void __tsan_read##bytes(const void *p) { compiled_access(p, bytes, false); }                                       \
    void __tsan_write##bytes(void *p) { compiled_access(p, bytes, true); }                                             \
    void __tsan_unaligned_read##bytes(const void *p) { compiled_access(p, bytes, false); }                             \
    void __tsan_unaligned_write##bytes(void *p) { compiled_access(p, bytes, true); }
void __tsan_read1(const void *p) { compiled_access(p, 1, false); }
void __tsan_write1(void *p) { compiled_access(p, 1, true); }
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
void __tsan_read_range(const void *p, size_t bytes) { compiled_access(p, bytes, false); }
void __tsan_write_range(void *p, size_t bytes) { compiled_access(p, bytes, true); }
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_init() {}
}
