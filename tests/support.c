/* What tests share: see support.h. */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/random.h"

static struct {
    char *path;
    pid_t owner;
} folders[256];
static int folder_count;

static void remove_scratch(void) {
    for (int i = 0; i < folder_count; i++) {
        /* A child of fork() leaves its parent's folders alone. */
        if (folders[i].owner == getpid()) hone_remove_folder(folders[i].path);
        hone_free(folders[i].path);
    }
    folder_count = 0;
}

const char *test_scratch(void) {
    if (folder_count == 0) atexit(remove_scratch);
    assert_true(folder_count < (int)(sizeof folders / sizeof *folders));
    const char *base = getenv("TMPDIR");
    char *path = hone_format("%s/hone-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) fail_msg("%s: cannot be made", path);
    folders[folder_count].path = path;
    folders[folder_count++].owner = getpid();
    return path;
}

void test_expect_status(enum hone_status status, enum hone_status expected, const char *part) {
    if (status != expected)
        fail_msg("status %d (%s), expected %d", (int)status, status == HONE_OK ? "" : hone_error_message(),
                 (int)expected);
    if (part && !strstr(hone_error_message(), part))
        fail_msg("message \"%s\", expected \"%s\" in it", hone_error_message(), part);
}

void test_close(const char *name, const float *got, const double *want, int64_t n, double absolute, double relative) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(want[i]));
    double allowed = absolute + relative * largest;
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        double off = fabs((double)got[i] - want[i]);
        /* Written so that a NaN on either side counts as wrong. */
        if (off <= allowed) continue;
        if (wrong++ < 5)
            print_error("%s[%lld]: got %.9g, want %.9g, off by %.3g, allowed %.3g\n", name, (long long)i,
                        (double)got[i], want[i], off, allowed);
    }
    if (wrong) fail_msg("%s: %lld of %lld values are off", name, (long long)wrong, (long long)n);
}

void test_same_bits(const char *name, const void *got, const void *want, size_t bytes) {
    const unsigned char *g = got, *w = want;
    size_t wrong = 0;
    for (size_t i = 0; i < bytes; i++)
        if (g[i] != w[i] && wrong++ < 5) print_error("%s: byte %zu is 0x%02x, want 0x%02x\n", name, i, g[i], w[i]);
    if (wrong) fail_msg("%s: %zu of %zu bytes differ", name, wrong, bytes);
}

void test_noise(float *f32, double *f64, int64_t n, double scale, uint32_t seed) {
    for (int64_t i = 0; i < n; i++) {
        float value = (float)(scale * hone_random_normal(seed, HONE_RANDOM_INIT, 0, (uint64_t)i));
        if (f32) f32[i] = value;
        if (f64) f64[i] = value;
    }
}
