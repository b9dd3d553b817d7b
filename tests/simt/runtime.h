/* What the files of the emulator share. One launch runs at a time. */
#ifndef HONE_TESTS_SIMT_RUNTIME_H
#define HONE_TESTS_SIMT_RUNTIME_H

#include "tests/simt/simt.h"

enum { SIMT_WARP = 32, SIMT_THREADS = 1024 };

struct simt_fiber;

/* Ends the running kernel with a message about the running thread; does not return. */
[[noreturn]] void simt_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A collective of a warp: `combine` is called once, when all lanes of `lanes` wait in it, and finds each lane's operands
 * (NULL for a lane that has no part). */
typedef void simt_combine(void *const operands[SIMT_WARP]);
void simt_collective(const char *name, simt_combine *combine, unsigned lanes, void *operands);

/* Where the running thread is in time: two accesses of different threads are ordered when a barrier lies between them
 * (another `interval`), or within a warp a __syncwarp() (more `warp_syncs`). */
struct simt_now {
    uint64_t launch_begin, block_begin, interval;
    unsigned block, thread, warp_syncs;
};
simt_now simt_time();
bool simt_running();
bool simt_on_stack(const void *p); /* of some thread of the block */

/* Memory that kernels may touch (memory.cpp). */
void *simt_memory_add(size_t bytes);
bool simt_memory_remove(void *memory);
bool simt_memory_holds(const void *memory, size_t bytes);
/* Lets this process touch device memory, or no more: only while a kernel or a copy is at work. */
void simt_memory_open(bool open);
void simt_shared_open(size_t bytes); /* for a launch */
void simt_shared_clear();            /* for a block */
/* Looks at an access of the running thread; ends the kernel when it is a mistake. */
void simt_access(const void *p, size_t bytes, bool write);
/* Marks shared memory as written by a copy under way, and as written by it just now. */
void simt_copy_begin(void *shared, size_t bytes);
void simt_copy_end(void *shared, size_t bytes);

/* The first mistake that nobody has asked for yet; "": none. */
extern char simt_message[512];

/* Forgets the copies of a block's threads; false when one was under way. */
bool simt_copies_clear();

#endif
