/* One optimizer step, and the same step once more, op by op, to find what was not finite in it. */
#include "autograd/finite.h"
#include "recipes/run_folder.h"
#include "recipes/samples.h"
#include "recipes/train.h"

/* A step's numbers before its first micro-batch; *scale is that of each sample's loss. */
static enum hone_status begin_step(const struct hone_step_of *s, float *scale) {
    const struct hone_run *run = s->run;
    uint32_t pass = hone_run_epoch(run, s->step);
    HONE_TRY(hone_samples_need(&run->train, s->chosen, s->n));
    *scale = (float)(1.0 / run->task->denominator(&run->train, s->chosen, s->n, pass, &run->objective));
    return hone_optimizer_begin(s->optimizer, (uint32_t)run->recipe->training.seed, (uint32_t)s->step,
                                hone_train_rate(run, s->step), s->engine->stream);
}

/* Uploads, records and lays out the micro-batch that starts at sample `begin` of the step; *count samples. */
static enum hone_status record(int64_t *count, const struct hone_step_of *s, int64_t begin, float scale) {
    const struct hone_run *run = s->run;
    struct hone_engine *engine = s->engine;
    const struct hone_model *model = engine->model;
    struct hone_step *state = hone_optimizer_step_state(s->optimizer);
    *count = hone_micro_batch(&run->train, s->chosen, begin, s->n, run->micro_batch_tokens);
    /* The batch that the last micro-batch reads must not change under it. */
    HONE_TRY(engine->device->stream_synchronize(engine->stream));
    HONE_TRY(hone_batch_fill(&engine->batch, &run->train, s->chosen + begin, *count, hone_run_epoch(run, s->step)));
    struct hone_model_inputs in = hone_engine_upload(engine, state);
    hone_tape_begin(engine->tape, HONE_TRAINING);
    hone_value logits = model->class->forward(model, engine->tape, &in);
    run->task->record_loss(engine->tape, logits, &engine->on_device, &run->objective, scale, &state->loss);
    return hone_tape_layout(engine->tape);
}

enum hone_status hone_train_step(const struct hone_step_of *s, int64_t *tokens) {
    struct hone_engine *engine = s->engine;
    float scale;
    HONE_TRY(begin_step(s, &scale));
    for (int64_t begin = 0, count; begin < s->n; begin += count) {
        HONE_TRY(record(&count, s, begin, scale));
        hone_tape_forward(engine->tape, engine->stream);
        hone_tape_backward(engine->tape, NULL, NULL, engine->stream);
        *tokens += engine->batch.T;
    }
    hone_optimizer_apply(s->optimizer, engine->stream);
    return HONE_OK;
}

/* "train.tsv:3, train.tsv:9" */
static void add_samples(struct hone_text *text, const struct hone_samples *samples, const int64_t *chosen, int64_t n) {
    enum { LISTED = 8 };
    for (int64_t i = 0; i < n && i < LISTED; i++) {
        hone_text_format(text, "%s%s:%lld", i ? ", " : "", hone_samples_path(samples, chosen[i]),
                         (long long)samples->lines[chosen[i]]);
    }
    if (n > LISTED) hone_text_format(text, ", … (%lld lines)", (long long)n);
}

static void describe(struct hone_text *text, const struct hone_not_finite *found, const struct hone_step_of *s,
                     int64_t begin, int64_t count) {
    const struct hone_samples *samples = &s->run->train;
    const struct hone_batch *batch = &s->engine->batch;
    hone_text_format(text, "; the first to give such a number is %s", found->op);
    if (found->parameter) hone_text_format(text, found->own ? " (%s)" : " (after %s)", found->parameter);
    hone_text_format(text, ": %g at row %lld, column %lld of %s%s", (double)found->value, (long long)found->row,
                     (long long)found->col, found->gradient ? "the gradient of " : "",
                     found->gradient   ? found->gradient
                     : found->backward ? "its input's gradient"
                                       : "its output");
    if (found->culprit) hone_text_format(text, ", and %s holds such numbers itself", found->culprit);
    if (!found->backward && found->rows == batch->T) {
        int64_t b = 0;
        while (batch->cu_seqlens[b + 1] <= found->row) b++;
        hone_text_format(text, "; the sample is ");
        add_samples(text, samples, &s->chosen[begin + b], 1);
    }
    hone_text_format(text, "; its micro-batch is ");
    add_samples(text, samples, s->chosen + begin, count);
}

enum hone_status hone_train_explain(struct hone_text *text, const struct hone_step_of *s) {
    const float *loss = &hone_optimizer_step_state(s->optimizer)->loss;
    struct hone_not_finite found = {.op = NULL};
    float scale;
    HONE_TRY(begin_step(s, &scale));
    for (int64_t begin = 0, count; begin < s->n && !found.op; begin += count) {
        HONE_TRY(record(&count, s, begin, scale));
        HONE_TRY(hone_tape_find_not_finite(&found, s->engine->tape, loss, s->engine->stream));
        if (found.op) describe(text, &found, s, begin, count);
    }
    if (!found.op) {
        hone_text_format(text,
                         "; every number by itself is finite, but the gradient is too long for f32; the step is ");
        add_samples(text, &s->run->train, s->chosen, s->n);
    }
    hone_optimizer_skip(s->optimizer, s->engine->stream);
    return s->engine->device->stream_synchronize(s->engine->stream);
}
