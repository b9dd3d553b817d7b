/* hone bench checkpoint: a run's checkpoint saved and loaded, in turn with as many bytes in as many files written and read
 * plainly, which is what the disk itself can do; and what a save beside the training takes from it. In a temporary folder
 * beside the recipe's output. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "recipes/checkpoint.h"
#include "tools/bench.h"
#include "tools/bench_rig.h"

/* Steps: before the clock starts; and, longer than a save takes, to see what it costs. */
enum { WARM_UP_STEPS = 2, STEPS = 20, REPEATS = 5, REPEATS_BESIDE = 3, PIECE_BYTES = 1 << 20 };

struct bench_checkpoint {
    struct hone_bench *bench;
    struct hone_bench_rig *rig;
    struct hone_saver *saver;
    char *folder; /* of the checkpoints */
    char *plain;  /* folder of the files that are like those of a checkpoint */
    void *piece;  /* [PIECE_BYTES] of noise */
    char *newest; /* path of the checkpoint saved last */
    char **names; /* of its files */
    size_t n;
    double bytes; /* of all its files */
};

static enum hone_status steps(double *seconds, struct bench_checkpoint *b, int64_t n) {
    int64_t tokens = 0, samples = 0;
    double begin = hone_seconds();
    HONE_TRY(hone_bench_rig_steps(b->rig, n, &tokens, &samples));
    *seconds = hone_seconds() - begin;
    return HONE_OK;
}

/* Of the present step, which must not have been saved before. */
static enum hone_status save(struct bench_checkpoint *b, bool wait) {
    struct hone_training_state state = {.step = b->rig->step, .micro_batch_tokens = b->rig->run.micro_batch_tokens};
    hone_free(b->newest);
    b->newest = hone_format("%s/checkpoints/step-%06lld", b->folder, (long long)state.step);
    return hone_saver_save(b->saver, &state, b->rig->engine.stream, wait);
}

static enum hone_status size_of(int64_t *bytes, const char *folder, const char *name) {
    struct hone_file *file;
    char *path = hone_path_join(folder, name);
    enum hone_status status = hone_file_open(&file, path);
    if (status == HONE_OK) {
        *bytes = hone_file_size(file);
        status = hone_file_close(file);
    }
    hone_free(path);
    return status;
}

static enum hone_status write_plain(const struct bench_checkpoint *b, const char *name) {
    struct hone_file *file;
    int64_t left;
    HONE_TRY(size_of(&left, b->newest, name));
    char *path = hone_path_join(b->plain, name);
    enum hone_status status = hone_file_create(&file, path, false);
    hone_free(path);
    HONE_TRY(status);
    for (int64_t n; status == HONE_OK && left > 0; left -= n) {
        n = left < PIECE_BYTES ? left : PIECE_BYTES;
        status = hone_file_write(file, b->piece, (size_t)n);
    }
    if (status == HONE_OK) status = hone_file_sync(file);
    enum hone_status closed = hone_file_close(file);
    return status == HONE_OK ? closed : status;
}

static enum hone_status write_all_plain(double *seconds, const struct bench_checkpoint *b) {
    HONE_TRY(hone_remove_folder(b->plain));
    double begin = hone_seconds();
    HONE_TRY(hone_make_folders(b->plain));
    for (size_t i = 0; i < b->n; i++) HONE_TRY(write_plain(b, b->names[i]));
    HONE_TRY(hone_sync_folder(b->plain));
    *seconds = hone_seconds() - begin;
    return HONE_OK;
}

static enum hone_status read_all_plain(double *seconds, const struct bench_checkpoint *b) {
    double begin = hone_seconds();
    for (size_t i = 0; i < b->n; i++) {
        struct hone_file *file;
        char *path = hone_path_join(b->plain, b->names[i]);
        enum hone_status status = hone_file_open(&file, path);
        hone_free(path);
        HONE_TRY(status);
        size_t got = 1;
        while (status == HONE_OK && got > 0) status = hone_file_read_some(file, b->piece, PIECE_BYTES, &got);
        hone_file_close(file);
        HONE_TRY(status);
    }
    *seconds = hone_seconds() - begin;
    return HONE_OK;
}

static enum hone_status load(double *seconds, struct bench_checkpoint *b) {
    struct hone_checkpoint checkpoint;
    struct hone_training_state state = {.step = 0};
    double begin = hone_seconds();
    HONE_TRY(hone_checkpoint_find(&checkpoint, b->folder, true));
    enum hone_status status = hone_checkpoint_load(&state, &checkpoint, &b->rig->run, b->rig->optimizer);
    *seconds = hone_seconds() - begin;
    json_decref(state.best_results);
    hone_checkpoint_close(&checkpoint);
    return status;
}

/* What the system keeps of the files in memory goes, so that they are read from the disk. */
static void forget(const struct bench_checkpoint *b, const char *folder) {
    for (size_t i = 0; i < b->n; i++) {
        char *path = hone_path_join(folder, b->names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            close(fd);
        }
        hone_free(path);
    }
}

/* What the checkpoint is made of. */
static enum hone_status look(struct bench_checkpoint *b) {
    HONE_TRY(hone_list_folder(&b->names, &b->n, b->newest));
    for (size_t i = 0; i < b->n; i++) {
        int64_t bytes;
        HONE_TRY(size_of(&bytes, b->newest, b->names[i]));
        b->bytes += (double)bytes;
    }
    return HONE_OK;
}

/* Rates from seconds; the share of a turn is that of its two neighbours in time. */
static void add_rates(const struct bench_checkpoint *b, const char *name, const char *plain_name, double *seconds,
                      double *plain) {
    double share[REPEATS];
    for (int r = 0; r < REPEATS; r++) {
        share[r] = plain[r] / seconds[r];
        seconds[r] = b->bytes / seconds[r] / 1e9;
        plain[r] = b->bytes / plain[r] / 1e9;
    }
    hone_bench_add(b->bench, name, "gigabytes_per_second", "GB/s", seconds, REPEATS);
    hone_bench_note(b->bench, "bytes", b->bytes);
    hone_bench_add(b->bench, plain_name, "gigabytes_per_second", "GB/s", plain, REPEATS);
    hone_bench_add(b->bench, name, "share_of_disk", "1", share, REPEATS);
}

static enum hone_status measure_files(struct bench_checkpoint *b) {
    double seconds[REPEATS], plain[REPEATS], ignored;
    for (int r = 0; r < REPEATS; r++) {
        HONE_TRY(steps(&ignored, b, 1));
        double begin = hone_seconds();
        HONE_TRY(save(b, true));
        seconds[r] = hone_seconds() - begin;
        HONE_TRY(write_all_plain(&plain[r], b));
        hone_progress(0, "save %d of %d: %.2f s, plainly %.2f s", r + 1, REPEATS, seconds[r], plain[r]);
    }
    add_rates(b, "checkpoint: save", "checkpoint: plain write and sync", seconds, plain);
    for (int r = 0; r < REPEATS; r++) {
        forget(b, b->newest);
        HONE_TRY(load(&seconds[r], b));
        forget(b, b->plain);
        HONE_TRY(read_all_plain(&plain[r], b));
        hone_progress(0, "load %d of %d: %.2f s, plainly %.2f s", r + 1, REPEATS, seconds[r], plain[r]);
    }
    add_rates(b, "checkpoint: load", "checkpoint: plain read", seconds, plain);
    return HONE_OK;
}

static enum hone_status measure_training(struct bench_checkpoint *b) {
    double step[REPEATS_BESIDE], stall[REPEATS_BESIDE], all[REPEATS_BESIDE], with, before = 0;
    int64_t saves;
    for (int r = 0; r < REPEATS_BESIDE; r++) {
        HONE_TRY(steps(&step[r], b, STEPS));
        double begin = hone_seconds();
        HONE_TRY(save(b, false));
        HONE_TRY(steps(&with, b, STEPS));
        with = hone_seconds() - begin;
        HONE_TRY(hone_saver_wait(b->saver));
        double stood_still = hone_saver_stall(b->saver, &saves);
        stall[r] = (stood_still - before) / (step[r] / STEPS);
        all[r] = (with - step[r]) / (step[r] / STEPS);
        before = stood_still;
        step[r] /= STEPS;
        hone_progress(0, "beside %d of %d: %.2f steps", r + 1, REPEATS_BESIDE, stall[r]);
    }
    hone_progress_end();
    hone_bench_add(b->bench, "checkpoint: training stands still", "steps", "steps", stall, REPEATS_BESIDE);
    hone_bench_add(b->bench, "checkpoint: training loses in all", "steps", "steps", all, REPEATS_BESIDE);
    hone_bench_add(b->bench, "checkpoint: a step", "seconds", "s", step, REPEATS_BESIDE);
    return HONE_OK;
}

static enum hone_status measure(struct bench_checkpoint *b) {
    double ignored;
    HONE_TRY(steps(&ignored, b, WARM_UP_STEPS));
    HONE_TRY(save(b, true));
    HONE_TRY(look(b));
    HONE_TRY(measure_files(b));
    return measure_training(b);
}

enum hone_status hone_bench_checkpoint(struct hone_bench *bench, int argc, char **argv) {
    struct hone_bench_rig rig;
    struct bench_checkpoint b = {.bench = bench, .rig = &rig};
    HONE_TRY(hone_bench_rig_open(&rig, argc - 1, argv));
    enum hone_status status = hone_temporary_folder(&b.folder, rig.recipe.output);
    if (status == HONE_OK) {
        b.plain = hone_path_join(b.folder, "plain");
        b.piece = hone_alloc(PIECE_BYTES, 1, "bytes to write");
        for (size_t i = 0; i < PIECE_BYTES / sizeof(uint64_t); i++)
            ((uint64_t *)b.piece)[i] = hone_random_u64(1, 0, 0, i);
        b.saver = hone_saver_create(&rig.run, rig.optimizer, b.folder);
        status = measure(&b);
        hone_saver_free(b.saver);
        status = hone_discard_folder(b.folder, status);
    }
    hone_names_free(b.names, b.n);
    hone_free(b.newest);
    hone_free(b.piece);
    hone_free(b.plain);
    hone_free(b.folder);
    hone_bench_rig_close(&rig);
    return status;
}
