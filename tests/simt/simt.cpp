/* Fibers, barriers, warp collectives and launches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <mutex>
#include <utility>
#include <vector>

#include "tests/simt/runtime.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define SWITCH_BEGIN(save, stack, size) __sanitizer_start_switch_fiber(save, stack, size)
#define SWITCH_END(save, stack, size)   __sanitizer_finish_switch_fiber(save, stack, size)
#else
#define SWITCH_BEGIN(save, stack, size) (void)(save)
#define SWITCH_END(save, stack, size)   (void)(save)
#endif

simt_index threadIdx, blockIdx, blockDim, gridDim;

enum state { READY, AT_BARRIER, IN_COLLECTIVE, DONE };
enum { STACK = 128 * 1024 };

struct simt_fiber {
    jmp_buf here;
    state waits;
    bool begun;
    /* Of the collective that it waits in. */
    const char *name;
    simt_combine *combine;
    unsigned lanes;
    void *operands;
    void *fake_stack;
};

static struct {
    std::mutex lock;
    void (*body)(void *user);
    void *user;
    const char *name;
    unsigned threads, left, at_barrier; /* of the block: all, not done, waiting */
    unsigned current;
    bool running, failed;
    uint64_t interval, launch_begin, block_begin, random;
    unsigned warp_syncs[SIMT_THREADS / SIMT_WARP];
    simt_fiber fibers[SIMT_THREADS];
    char *stacks;
    jmp_buf scheduler;
    const void *scheduler_stack;
    size_t scheduler_stack_size;
    void *scheduler_fake_stack;
} run;

char simt_message[512];

static uint64_t random_bits() {
    /* splitmix64 (Steele et al., OOPSLA 2014). */
    uint64_t z = run.random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0 … n - 1 in order, in reverse, or shuffled. */
static void draw_order(std::vector<unsigned> &order, unsigned n) {
    order.resize(n);
    uint64_t kind = random_bits() % 4;
    for (unsigned i = 0; i < n; i++) order[i] = kind == 1 ? n - 1 - i : i;
    for (unsigned i = n; kind > 1 && i > 1; i--) std::swap(order[i - 1], order[random_bits() % i]);
}

simt_now simt_time() {
    return {run.launch_begin, run.block_begin, run.interval,
            blockIdx.x,       run.current,     run.warp_syncs[run.current / SIMT_WARP]};
}

bool simt_running() { return run.running; }

bool simt_on_stack(const void *p) {
    return run.stacks && (const char *)p >= run.stacks && (const char *)p < run.stacks + (size_t)SIMT_THREADS * STACK;
}

/* Back to the scheduler; returns when it is this thread's turn again. */
static void wait_as(state waits) {
    simt_fiber *self = &run.fibers[run.current];
    self->waits = waits;
    if (!_setjmp(self->here)) {
        SWITCH_BEGIN(&self->fake_stack, run.scheduler_stack, run.scheduler_stack_size);
        _longjmp(run.scheduler, 1);
    }
    SWITCH_END(self->fake_stack, &run.scheduler_stack, &run.scheduler_stack_size);
}

static void put_message(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(simt_message, sizeof simt_message, format, arguments);
    va_end(arguments);
    run.failed = true;
}

void simt_fail(const char *format, ...) {
    char text[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_message("%s: thread %u of block %u %s", run.name, threadIdx.x, blockIdx.x, text);
    wait_as(DONE);
    abort();
}

/* One thread of one block after the other. */
static void fiber_main() {
    SWITCH_END(nullptr, &run.scheduler_stack, &run.scheduler_stack_size);
    for (;;) {
        run.body(run.user);
        run.left--;
        wait_as(DONE);
    }
}

/* Lets a fiber go on until it waits. */
static void resume(unsigned thread) {
    simt_fiber *fiber = &run.fibers[thread];
    char *stack = run.stacks + (size_t)thread * STACK;
    run.current = threadIdx.x = thread;
    if (!_setjmp(run.scheduler)) {
        SWITCH_BEGIN(&run.scheduler_fake_stack, stack, STACK);
        if (fiber->begun) _longjmp(fiber->here, 1);
        fiber->begun = true;
        ucontext_t context;
        getcontext(&context);
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = STACK;
        context.uc_link = nullptr;
        makecontext(&context, fiber_main, 0);
        setcontext(&context);
    }
    SWITCH_END(run.scheduler_fake_stack, nullptr, nullptr);
}

void __syncthreads() {
    run.at_barrier++;
    wait_as(AT_BARRIER);
}

/* Completes the collective of a warp that all of its lanes wait in; true when there was one. */
static bool complete_collective(unsigned warp) {
    simt_fiber *fibers = &run.fibers[warp * SIMT_WARP];
    unsigned there = run.threads - warp * SIMT_WARP;
    for (unsigned first = 0; first < SIMT_WARP && first < there; first++) {
        if (fibers[first].waits != IN_COLLECTIVE) continue;
        unsigned lanes = fibers[first].lanes;
        void *operands[SIMT_WARP] = {};
        bool complete = true;
        for (unsigned i = 0; i < SIMT_WARP; i++) {
            if (!(lanes >> i & 1)) continue;
            const simt_fiber *f = &fibers[i];
            complete &= i < there && f->waits == IN_COLLECTIVE && f->combine == fibers[first].combine &&
                        f->lanes == lanes && f->name == fibers[first].name;
            operands[i] = f->operands;
        }
        if (!complete) continue;
        if (fibers[first].combine)
            fibers[first].combine(operands);
        else
            run.warp_syncs[warp]++;
        for (unsigned i = 0; i < SIMT_WARP; i++)
            if (lanes >> i & 1) fibers[i].waits = READY;
        return true;
    }
    return false;
}

void simt_collective(const char *name, simt_combine *combine, unsigned lanes, void *operands) {
    simt_fiber *self = &run.fibers[run.current];
    if (!(lanes >> run.current % SIMT_WARP & 1)) simt_fail("calls %s for lanes 0x%08x without itself", name, lanes);
    self->name = name;
    self->combine = combine;
    self->lanes = lanes;
    self->operands = operands;
    wait_as(IN_COLLECTIVE);
}

void __syncwarp(unsigned lanes) { simt_collective("__syncwarp", nullptr, lanes, nullptr); }

unsigned simt_lane() { return run.current % SIMT_WARP; }

/* Nobody can go on: says who waits for what. */
static void report_deadlock() {
    static const char *const words[] = {"go on", "wait at a barrier", "wait in", "have returned"};
    char text[400];
    int length = 0;
    for (unsigned i = 0; i < run.threads;) {
        const simt_fiber *f = &run.fibers[i];
        unsigned end = i + 1;
        for (; end < run.threads; end++) {
            const simt_fiber *g = &run.fibers[end];
            if (g->waits != f->waits) break;
            if (f->waits == IN_COLLECTIVE && (g->name != f->name || g->lanes != f->lanes)) break;
        }
        bool collective = f->waits == IN_COLLECTIVE;
        length += snprintf(text + length, sizeof text - (size_t)length, "%sthreads %u to %u %s%s%s", i ? "; " : "", i,
                           end - 1, words[f->waits], collective ? " " : "", collective ? f->name : "");
        if (collective && length < (int)sizeof text - 32)
            length += snprintf(text + length, sizeof text - (size_t)length, " for lanes 0x%08x", f->lanes);
        if (length >= (int)sizeof text - 80) break;
        i = end;
    }
    put_message("%s: block %u cannot go on: %s", run.name, blockIdx.x, text);
}

static void run_block(std::vector<unsigned> &order) {
    simt_shared_clear();
    run.left = run.threads;
    run.at_barrier = 0;
    run.block_begin = ++run.interval;
    for (unsigned i = 0; i < run.threads; i++) run.fibers[i].waits = READY;
    while (run.left > 0 && !run.failed) {
        bool progress = false;
        draw_order(order, run.threads);
        for (unsigned thread : order) {
            if (run.fibers[thread].waits != READY) continue;
            resume(thread);
            progress = true;
            if (run.failed) return;
        }
        for (unsigned warp = 0; warp * SIMT_WARP < run.threads; warp++)
            while (complete_collective(warp)) progress = true;
        if (run.at_barrier == run.threads) {
            run.at_barrier = 0;
            run.interval++;
            for (unsigned i = 0; i < run.threads; i++) run.fibers[i].waits = READY;
            progress = true;
        }
        if (!progress) report_deadlock();
    }
    if (!simt_copies_clear() && !run.failed)
        put_message("%s: block %u ends with a cp.async under way", run.name, blockIdx.x);
}

void simt_launch(const char *name, unsigned blocks, unsigned threads, size_t shared_bytes, void (*body)(void *user),
                 void *user) {
    std::lock_guard<std::mutex> guard(run.lock);
    if (simt_message[0]) return; /* a mistake that nobody has asked for yet */
    if (threads == 0 || threads > SIMT_THREADS || shared_bytes > 227 * 1024) {
        snprintf(simt_message, sizeof simt_message, "%s: %u threads and %zu bytes of shared memory to a block", name,
                 threads, shared_bytes);
        return;
    }
    if (!run.stacks) {
        run.stacks = (char *)mmap(nullptr, (size_t)SIMT_THREADS * STACK, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (run.stacks == MAP_FAILED) abort();
        const char *seed = getenv("HONE_SIMT_SEED");
        run.random = seed ? strtoull(seed, nullptr, 10) : 0;
    }
    run.name = name;
    run.body = body;
    run.user = user;
    run.threads = threads;
    run.failed = false;
    run.launch_begin = run.interval + 1;
    gridDim.x = blocks;
    blockDim.x = threads;
    simt_shared_open(shared_bytes);
    std::vector<unsigned> block_order, order;
    draw_order(block_order, blocks);
    run.running = true;
    simt_memory_open(true);
    for (unsigned block : block_order) {
        blockIdx.x = block;
        run_block(order);
        if (run.failed) break;
    }
    /* What a mistake left in the middle of a kernel begins anew. */
    for (unsigned i = 0; run.failed && i < SIMT_THREADS; i++) run.fibers[i].begun = false;
    simt_memory_open(false);
    run.running = false;
    simt_copies_clear();
}
