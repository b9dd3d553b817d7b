/* hone bench kernels: every kernel of the CPU on the shapes of fine-tuning all-MiniLM-L6-v2 on film reviews (32
 * sequences of 8 to 38 tokens) and BERT-base (16 of 128; attention also 1 of 512), each checked before it is timed,
 * beside what the machine can do in the same process. */
#include "tools/bench_kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"

/* Samples per row as far as TIMED seconds allow; short kernels are called until a sample lasts SAMPLE seconds. */
enum { LEAST_SAMPLES = 7, MOST_SAMPLES = 51 };
static const double WARM_UP = 0.03, TIMED = 0.2, SAMPLE = 1e-4;
#define MINILM .T = 736, .B = 32, .S = 38, .H = 12, .C = 384
#define BASE   .T = 2048, .B = 16, .S = 128, .H = 12, .C = 768
#define LONG   .T = 512, .B = 1, .S = 512, .H = 12, .C = 768

static const struct kernel_shape
    linears[] = {{"minilm qkv", .T = 736, .N = 1152, .K = 384},
                 {"minilm output", .T = 736, .N = 384, .K = 384},
                 {"minilm inner", .T = 736, .N = 1536, .K = 384},
                 {"minilm outer", .T = 736, .N = 384, .K = 1536},
                 {"base qkv", .T = 2048, .N = 2304, .K = 768},
                 {"base output", .T = 2048, .N = 768, .K = 768},
                 {"base inner", .T = 2048, .N = 3072, .K = 768},
                 {"base outer", .T = 2048, .N = 768, .K = 3072},
                 {0}},
    inside[] = {{"minilm inner", .T = 736, .N = 1536, .K = 384}, {"base inner", .T = 2048, .N = 3072, .K = 768}, {0}},
    outer[] = {{"minilm outer", .T = 736, .N = 384, .K = 1536}, {"base outer", .T = 2048, .N = 768, .K = 3072}, {0}},
    inner[] = {{"minilm", .T = 736, .F = 1536}, {"base", .T = 2048, .F = 3072}, {0}},
    rows[] = {{"minilm", .T = 736, .C = 384}, {"base", .T = 2048, .C = 768}, {0}},
    dropped[] = {{"minilm", .T = 736, .C = 384, .dropout = true}, {"base", .T = 2048, .C = 768, .dropout = true}, {0}},
    norms[] = {{"minilm", .T = 736, .C = 384},
               {"minilm", .T = 736, .C = 384, .dropout = true},
               {"base", .T = 2048, .C = 768},
               {"base", .T = 2048, .C = 768, .dropout = true},
               {0}},
    embeddings[] = {{"minilm", .T = 736, .B = 32, .S = 38, .C = 384, .V = 30522},
                    {"base", .T = 2048, .B = 16, .S = 128, .C = 768, .V = 30522},
                    {0}},
    attentions[] = {{"minilm", MINILM},
                    {"minilm", MINILM, .dropout = true},
                    {"base", BASE},
                    {"base", BASE, .dropout = true},
                    {"base long", LONG},
                    {"base long", LONG, .dropout = true},
                    {0}},
    selections[] = {{"minilm", .T = 736, .R = 32, .C = 384}, {"base", .T = 2048, .R = 16, .C = 768}, {0}},
    logits[] = {{"minilm", .R = 32, .V = 2}, {"base", .R = 512, .V = 30522}, {0}},
    targets[] = {{"minilm", .R = 32, .V = 6}, {"base", .R = 512, .V = 1000}, {0}},
    parameters[] = {{"minilm", .n = 22713216}, {"base", .n = 109482240}, {0}};

/* Sorted by name: all entries of struct hone_ops that compute. */
static const struct {
    const struct kernel_op *op;
    const struct kernel_shape *shapes;
} table[] = {
    {&kernel_activation_backward, inner},
    {&kernel_activation_forward, inner},
    {&kernel_adafactor, parameters},
    {&kernel_adamw, parameters},
    {&kernel_add, rows},
    {&kernel_attention_backward, attentions},
    {&kernel_attention_forward, attentions},
    {&kernel_binary_cross_entropy_backward, targets},
    {&kernel_binary_cross_entropy_forward, targets},
    {&kernel_cast, rows},
    {&kernel_class_loss_backward, logits},
    {&kernel_class_loss_forward, logits},
    {&kernel_clip_values, parameters},
    {&kernel_cross_entropy_backward, logits},
    {&kernel_cross_entropy_forward, logits},
    {&kernel_dropout, dropped},
    {&kernel_ema, parameters},
    {&kernel_embedding_backward, embeddings},
    {&kernel_embedding_forward, embeddings},
    {&kernel_gather_rows, selections},
    {&kernel_gradient_norm, parameters},
    {&kernel_linear_activation_backward_input, outer},
    {&kernel_linear_activation_forward, inside},
    {&kernel_linear_backward_input, linears},
    {&kernel_linear_backward_weight, linears},
    {&kernel_linear_forward, linears},
    {&kernel_residual_layer_norm_backward, norms},
    {&kernel_residual_layer_norm_forward, norms},
    {&kernel_scatter_rows_add, selections},
    {&kernel_squared_error_backward, targets},
    {&kernel_squared_error_forward, targets},
    {&kernel_sgd, parameters},
};

/* "attention_forward minilm dropout T736 B32 …" */
static char *row_name(const char *op, const struct kernel_shape *s) {
    const struct {
        char letter;
        int64_t size;
    } sizes[] = {{'T', s->T}, {'B', s->B}, {'S', s->S}, {'H', s->H}, {'C', s->C}, {'F', s->F},
                 {'N', s->N}, {'K', s->K}, {'R', s->R}, {'V', s->V}, {'n', s->n}};
    struct hone_text text = {0};
    hone_text_format(&text, "%s %s%s", op, s->label, s->dropout ? " dropout" : "");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].size) hone_text_format(&text, " %c%lld", sizes[i].letter, (long long)sizes[i].size);
    }
    return text.bytes;
}

/* Neighbours are as much shorter and longer than the mean as brings the last of them to S. */
static void fill_sequences(struct kernel_bench *b) {
    const struct kernel_shape *s = &b->shape;
    int64_t B = hone_max_i64(s->B, 1), mean = s->T / B, spread = s->S > mean ? s->S - mean : 0, t = 0;
    for (int64_t i = 0; i < B; i++) {
        int64_t off = spread ? i / 2 * spread / (B / 2 - 1) : 0, length = mean + (i % 2 ? off : -off);
        for (int64_t position = 0; position < length; position++, t++) {
            b->positions[t] = (int32_t)position;
            b->types[t] = 0;
            b->row_key[t] = i << 20 | position;
        }
        b->cu_seqlens[i + 1] = (int32_t)t;
    }
    HONE_CHECK(t == s->T, "%s: %lld tokens in sequences", b->name, (long long)t);
}

static void bench_open(struct kernel_bench *b, const struct kernel_memory *memory, const struct kernel_shape *shape,
                       const char *name) {
    *b = (struct kernel_bench){.name = name,
                               .ops = memory->device->ops,
                               .stream = memory->stream,
                               .shape = *shape,
                               .adamw = {0.9f, 0.999f, 1e-8f},
                               .step = {.seed = 5,
                                        .step = 6,
                                        .learning_rate = 1e-2f,
                                        .bias_correction1 = 0.5f,
                                        .bias_correction2 = 0.007f,
                                        .clip_scale = 0.5f,
                                        .finite = 1},
                               .noise = memory->noise};
    size_t T = (size_t)shape->T, R = (size_t)shape->R;
    b->all_ids = hone_calloc(T * KERNEL_ID_SETS, sizeof *b->all_ids, "token ids");
    b->positions = hone_calloc(T, sizeof *b->positions, "positions");
    b->types = hone_calloc(T, sizeof *b->types, "token types");
    b->row_key = hone_calloc(T, sizeof *b->row_key, "row keys");
    b->cu_seqlens = hone_calloc((size_t)shape->B + 2, sizeof *b->cu_seqlens, "sequences");
    b->rows = hone_calloc(R, sizeof *b->rows, "rows");
    b->labels = hone_calloc(R, sizeof *b->labels, "labels");
    fill_sequences(b);
    for (uint64_t i = 0; i < T * KERNEL_ID_SETS && shape->V; i++)
        b->all_ids[i] = (int32_t)(hone_random_u64(2, HONE_RANDOM_INIT, 0, i) % (uint64_t)shape->V);
    for (int64_t r = 0; r < shape->R; r++) {
        b->rows[r] = (int32_t)(r * shape->T / shape->R);
        b->labels[r] = (int32_t)(shape->V ? r * 7919 % shape->V : 0);
    }
    for (int64_t i = 0; i < KERNEL_SEGMENTS; i++) {
        int64_t first = shape->n * i / KERNEL_SEGMENTS, end = shape->n * (i + 1) / KERNEL_SEGMENTS;
        b->segments[i] = (struct hone_segment){first, end - first, 1, i % 2 ? 0.1f : 0};
    }
    b->dropout = (struct hone_dropout){6554, 65536.0f / (65536 - 6554), 3, &b->step, b->row_key, NULL};
    b->drop = shape->dropout ? &b->dropout : NULL;
    int64_t D = shape->H ? shape->C / shape->H : 1;
    b->attention = (struct hone_attention){.cu_q = b->cu_seqlens,
                                           .cu_k = b->cu_seqlens,
                                           .B = shape->B,
                                           .R = shape->T,
                                           .T = shape->T,
                                           .max_len = shape->S,
                                           .H = shape->H,
                                           .D = D,
                                           .scale = 1 / sqrtf((float)D)};
}

static void bench_close(struct kernel_bench *b) {
    hone_free(b->all_ids);
    hone_free(b->positions);
    hone_free(b->types);
    hone_free(b->row_key);
    hone_free(b->cu_seqlens);
    hone_free(b->rows);
    hone_free(b->labels);
}

/* Seconds of a call, over `calls` of them on one set after the other. */
static enum hone_status time_calls(double *seconds, struct kernel_bench *b, const struct kernel_op *op,
                                   const struct hone_device *device, struct kernel_sets *sets, int calls) {
    double begin = hone_seconds();
    for (int i = 0; i < calls; i++) {
        kernel_sets_advance(sets, b);
        op->run(b);
    }
    HONE_TRY(device->stream_synchronize(b->stream));
    *seconds = (hone_seconds() - begin) / calls;
    return HONE_OK;
}

static enum hone_status measure(struct hone_bench *bench, struct kernel_bench *b, const struct kernel_op *op,
                                struct kernel_memory *memory, const double *ceilings) {
    struct kernel_sets sets;
    double samples[MOST_SAMPLES], seconds;
    op->plan(b);
    HONE_TRY(kernel_sets_open(&sets, memory, b, op));
    op->run(b);
    HONE_TRY(memory->device->stream_synchronize(b->stream));
    op->verify(b);
    HONE_TRY(b->status);
    int calls = 1;
    double begin = hone_seconds();
    do {
        HONE_TRY(time_calls(&seconds, b, op, memory->device, &sets, calls));
        if (seconds * calls < SAMPLE) calls *= 2;
    } while (hone_seconds() - begin < WARM_UP);
    double wanted = TIMED / (seconds * calls);
    int n = wanted < LEAST_SAMPLES ? LEAST_SAMPLES : wanted > MOST_SAMPLES ? MOST_SAMPLES : (int)wanted | 1;
    for (int i = 0; i < n; i++) {
        HONE_TRY(time_calls(&seconds, b, op, memory->device, &sets, calls));
        samples[i] = b->work / seconds / 1e9;
    }
    bool multiplies = op->bound == KERNEL_MULTIPLIES;
    hone_bench_add(bench, b->name, multiplies ? "gflop_per_second" : "gigabytes_per_second",
                   multiplies ? "GFLOP/s" : "GB/s", samples, n);
    double rate = samples[n / 2]; /* sorted by now, and n is odd */
    hone_bench_note(bench, "share_of_ceiling", rate / ceilings[op->bound]);
    hone_bench_note(bench, "microseconds", b->work / rate / 1e3);
    hone_bench_note(bench, multiplies ? "flop" : "bytes", b->work);
    hone_bench_note(bench, "sets", (double)sets.n);
    return HONE_OK;
}

/* The op on each of its shapes that is asked for. */
static enum hone_status measure_op(struct hone_bench *bench, const struct kernel_op *op,
                                   const struct kernel_shape *shapes, struct kernel_memory *memory, double *ceilings) {
    enum hone_status status = HONE_OK;
    for (const struct kernel_shape *shape = shapes; shape->label && status == HONE_OK; shape++) {
        char *name = row_name(op->name, shape);
        if (hone_bench_wants(bench, name)) {
            if (ceilings[0] == 0) hone_bench_measure_ceilings(bench, ceilings);
            struct kernel_bench b;
            hone_progress(10, "%s", name);
            bench_open(&b, memory, shape, name);
            status = measure(bench, &b, op, memory, ceilings);
            bench_close(&b);
        }
        hone_free(name);
    }
    return status;
}

enum hone_status hone_bench_kernels(struct hone_bench *bench, int argc, char **argv) {
    if (argc != 1) return hone_fail(HONE_USAGE, "bench %s: takes no argument but --filter NAME", argv[0]);
    struct kernel_memory memory;
    double ceilings[KERNEL_BOUNDS] = {0};
    enum hone_status status = kernel_memory_open(&memory);
    for (size_t i = 0; i < sizeof table / sizeof *table && status == HONE_OK; i++)
        status = measure_op(bench, table[i].op, table[i].shapes, &memory, ceilings);
    hone_progress_end();
    kernel_memory_close(&memory);
    if (status == HONE_OK && ceilings[0] == 0)
        return hone_fail(HONE_USAGE, "bench kernels: no kernel's name contains \"%s\"", bench->filter);
    return status;
}
