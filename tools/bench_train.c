/* hone bench train: optimizer steps of a recipe on its own data, everything from text to step counted, and the share
 * of time of each kind of op. Writes no file. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "kernels/profile.h"
#include "tools/bench.h"
#include "tools/bench_rig.h"

/* Steps before the clock starts, and what is timed: repeats of so many steps. */
enum { WARM_UP_STEPS = 10, REPEATS = 7, STEPS = 20 };

static void add_profile(struct hone_bench *bench, double seconds) {
    const char *name;
    double spent;
    long calls;
    for (int i = 0; hone_profile_row(i, &name, &spent, &calls); i++) {
        char row[96];
        double share = spent / seconds;
        snprintf(row, sizeof row, "train profile: %s", name);
        hone_bench_add(bench, row, "share_of_step", "1", &share, 1);
        hone_bench_note(bench, "calls", (double)calls);
    }
}

static enum hone_status measure(struct hone_bench *bench, struct hone_bench_rig *rig) {
    double tokens_rate[REPEATS], samples_rate[REPEATS], seconds_sum = 0;
    double encode_per_token = rig->run.encode_seconds / (double)rig->run.tokens_per_epoch;
    int64_t tokens = 0, samples = 0;
    enum hone_status status;
    HONE_TRY_GOTO(hone_bench_rig_steps(rig, WARM_UP_STEPS, &tokens, &samples));
    hone_profile_enable(true);
    for (int r = 0; r < REPEATS; r++) {
        tokens = samples = 0;
        double begin = hone_seconds();
        HONE_TRY_GOTO(hone_bench_rig_steps(rig, STEPS, &tokens, &samples));
        double in_steps = hone_seconds() - begin, seconds = in_steps + encode_per_token * (double)tokens;
        seconds_sum += seconds;
        tokens_rate[r] = (double)tokens / seconds;
        samples_rate[r] = (double)samples / seconds;
        hone_progress(0, "repeat %d of %d: %.0f tokens/s", r + 1, REPEATS, tokens_rate[r]);
    }
    hone_progress_end();
    hone_bench_add(bench, "train", "tokens_per_second", "1/s", tokens_rate, REPEATS);
    hone_bench_note(bench, "peak_memory_bytes", (double)hone_peak_resident_bytes());
    hone_bench_add(bench, "train", "samples_per_second", "1/s", samples_rate, REPEATS);
    add_profile(bench, seconds_sum);
done:
    hone_profile_enable(false);
    return status;
}

enum hone_status hone_bench_train(struct hone_bench *bench, int argc, char **argv) {
    struct hone_bench_rig rig;
    HONE_TRY(hone_bench_rig_open(&rig, argc - 1, argv));
    enum hone_status status = measure(bench, &rig);
    hone_bench_rig_close(&rig);
    return status;
}
