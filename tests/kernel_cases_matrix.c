/* Cases of the kernels with rows of C: linear, LayerNorm, dropout, embedding, row selection. */
#include <string.h>

#include "base/memory.h"
#include "tests/kernel_cases.h"
#include "tests/reference_ops.h"
#include "tests/support.h"

enum { F4 = sizeof(float) };
static const double f32_tolerance = 1e-5;

/* A buffer of values in k->dtype with room for whole blocks of rows; what lies past T is NaN. */
static void *row_buffer(struct kernel_buffers *k, const char *name, const float *values, int64_t T, int64_t C) {
    int64_t rows = hone_rows(T);
    float *padded = hone_alloc((size_t)(rows * C), F4, name);
    memset(padded, 0xFF, (size_t)(rows * C) * F4);
    memcpy(padded, values, (size_t)(T * C) * F4);
    void *memory = kernel_inout_values(k, name, padded, rows * C);
    hone_free(padded);
    return memory;
}

static void add_to(double *sum, const double *more, int64_t n) {
    for (int64_t i = 0; i < n; i++) sum[i] += more[i];
}

static void linear_case(struct kernel_buffers *k, int64_t T, int64_t N, int64_t K) {
    struct kernel_noise x = kernel_values(k, T * K, 1, 1), w = kernel_values(k, N * K, 1, 2), b = kernel_noise(N, 1, 3);
    struct kernel_noise dy = kernel_values(k, T * N, 1, 4), old_dx = kernel_values(k, T * K, 1, 5);
    struct kernel_noise old_dw = kernel_noise(N * K, 1, 6), old_db = kernel_noise(N, 1, 7);
    double *y = kernel_doubles(T * N), *dx = kernel_doubles(T * K), *dw = kernel_doubles(N * K),
           *db = kernel_doubles(N);
    size_t workspace_bytes = KERNEL(k, linear_workspace)(T, N, K, k->dtype);
    void *workspace = kernel_output(k, "workspace", workspace_bytes);
    void *dx_w = kernel_input_values(k, "w", w.f, N * K), *dx_b = kernel_input(k, "bias", b.f, (size_t)N * F4);
    void *x_d = row_buffer(k, "x", x.f, T, K), *dy_d = row_buffer(k, "dy", dy.f, T, N);
    void *y_d = kernel_output_values(k, "y", hone_rows(T) * N);

    KERNEL(k, linear_forward)(y_d, x_d, dx_w, dx_b, T, N, K, k->dtype, workspace, k->stream);
    reference_linear_forward(y, x.d, w.d, b.d, T, N, K);
    kernel_compare_values(k, "linear_forward with bias", y_d, k->dtype, y, T * N, 1e-30, f32_tolerance);
    KERNEL(k, linear_forward)(y_d, x_d, dx_w, NULL, T, N, K, k->dtype, workspace, k->stream);
    reference_linear_forward(y, x.d, w.d, NULL, T, N, K);
    kernel_compare_values(k, "linear_forward", y_d, k->dtype, y, T * N, 1e-30, f32_tolerance);

    reference_linear_backward(dx, dw, db, dy.d, x.d, w.d, T, N, K);
    void *dx_d = kernel_output_values(k, "dx", hone_rows(T) * K);
    KERNEL(k, linear_backward_input)(dx_d, k->dtype, dy_d, dx_w, false, T, N, K, k->dtype, workspace, k->stream);
    kernel_compare_values(k, "linear_backward_input", dx_d, k->dtype, dx, T * K, 1e-30, f32_tolerance);
    dx_d = row_buffer(k, "dx accumulated", old_dx.f, T, K);
    KERNEL(k, linear_backward_input)(dx_d, k->dtype, dy_d, dx_w, true, T, N, K, k->dtype, workspace, k->stream);
    double *first = kernel_doubles(T * K);
    memcpy(first, dx, (size_t)(T * K) * sizeof(double));
    add_to(dx, old_dx.d, T * K);
    kernel_compare_values(k, "linear_backward_input +=", dx_d, k->dtype, dx, T * K, 1e-30, f32_tolerance);
    /* In bf16 the gradient of what was rounded from f32 comes in f32, unrounded. */
    if (k->dtype != HONE_F32) {
        dx_d = kernel_output(k, "dx f32", (size_t)(hone_rows(T) * K) * F4);
        memcpy(dx, first, (size_t)(T * K) * sizeof(double));
        for (int times = 1; times <= 2; times++) {
            KERNEL(k, linear_backward_input)
            (dx_d, HONE_F32, dy_d, dx_w, times > 1, T, N, K, k->dtype, workspace, k->stream);
            kernel_compare(k, "linear_backward_input f32", dx_d, dx, T * K, f32_tolerance);
            add_to(dx, first, T * K);
        }
    }

    void *dw_d = kernel_inout(k, "dw", old_dw.f, (size_t)(N * K) * F4);
    void *db_d = kernel_inout(k, "dbias", old_db.f, (size_t)N * F4);
    KERNEL(k, linear_backward_weight)(dw_d, db_d, dy_d, x_d, T, N, K, k->dtype, workspace, k->stream);
    double *dw_sum = kernel_doubles(N * K);
    memcpy(dw_sum, dw, (size_t)(N * K) * sizeof(double));
    add_to(dw_sum, old_dw.d, N * K);
    double *db_sum = kernel_doubles(N);
    memcpy(db_sum, db, (size_t)N * sizeof(double));
    add_to(db_sum, old_db.d, N);
    kernel_compare(k, "linear_backward_weight dw", dw_d, dw_sum, N * K, f32_tolerance);
    kernel_compare(k, "linear_backward_weight dbias", db_d, db_sum, N, f32_tolerance);
    /* Again without bias: the weight gradient grows by the same, whether or not the tail of dy and x is zero now. */
    KERNEL(k, linear_backward_weight)(dw_d, NULL, dy_d, x_d, T, N, K, k->dtype, workspace, k->stream);
    add_to(dw_sum, dw, N * K);
    kernel_compare(k, "linear_backward_weight dw again", dw_d, dw_sum, N * K, f32_tolerance);
    /* The bias alone, whose weight is frozen. */
    KERNEL(k, linear_backward_weight)(NULL, db_d, dy_d, NULL, T, N, K, k->dtype, workspace, k->stream);
    add_to(db_sum, db, N);
    kernel_compare(k, "linear_backward_weight dbias alone", db_d, db_sum, N, f32_tolerance);
    kernel_finish(k);

    kernel_noise_free(&x), kernel_noise_free(&w), kernel_noise_free(&b), kernel_noise_free(&dy);
    kernel_noise_free(&old_dx), kernel_noise_free(&old_dw), kernel_noise_free(&old_db);
    hone_free(y), hone_free(dx), hone_free(dw), hone_free(db), hone_free(db_sum), hone_free(dw_sum), hone_free(first);
}

/* n values of k->dtype, to f64; owned. */
static double *read_doubles(struct kernel_buffers *k, const void *device_memory, int64_t n) {
    float *values = hone_alloc((size_t)n, F4, "test values");
    double *wide = kernel_doubles(n);
    kernel_read_values(k, values, device_memory, k->dtype, n);
    for (int64_t i = 0; i < n; i++) wide[i] = (double)values[i];
    hone_free(values);
    return wide;
}

/* Activations are held to what was computed before them, so that all that may differ is their own: 1e-6, and the slope,
 * whose terms cancel, 1e-5, as where they stand alone. */
static void linear_activation_case(struct kernel_buffers *k, int64_t T, int64_t N, int64_t K,
                                   enum hone_activation kind) {
    struct kernel_noise x = kernel_values(k, T * K, 1, 1), w = kernel_values(k, N * K, 1, 2), b = kernel_noise(N, 1, 3);
    struct kernel_noise dy = kernel_values(k, T * N, 1, 4), before = kernel_values(k, T * K, 1, 5);
    double *y = kernel_doubles(T * N);
    void *workspace = kernel_output(k, "workspace", KERNEL(k, linear_workspace)(T, N, K, k->dtype));
    void *w_d = kernel_input_values(k, "w", w.f, N * K), *b_d = kernel_input(k, "bias", b.f, (size_t)N * F4);
    void *x_d = row_buffer(k, "x", x.f, T, K), *dy_d = row_buffer(k, "dy", dy.f, T, N);
    void *y_d = kernel_output_values(k, "y", hone_rows(T) * N);
    void *before_d = kernel_output_values(k, "before", hone_rows(T) * N);

    KERNEL(k, linear_activation_forward)
    (y_d, before_d, x_d, w_d, b_d, kind, T, N, K, k->dtype, workspace, k->stream);
    reference_linear_forward(y, x.d, w.d, b.d, T, N, K);
    kernel_compare_values(k, "before", before_d, k->dtype, y, T * N, 1e-30, f32_tolerance);
    double *got = read_doubles(k, before_d, T * N);
    for (int64_t i = 0; i < T * N; i++) y[i] = reference_activation(got[i], kind);
    kernel_compare_values(k, "linear_activation_forward", y_d, k->dtype, y, T * N, 1e-30, 1e-6);
    double *kept = read_doubles(k, y_d, T * N);
    KERNEL(k, linear_activation_forward)(y_d, NULL, x_d, w_d, b_d, kind, T, N, K, k->dtype, workspace, k->stream);
    double *alone = read_doubles(k, y_d, T * N);
    test_same_bits("y without what is before", alone, kept, (size_t)(T * N) * sizeof(double));

    void *dx_d = kernel_output_values(k, "dx", hone_rows(T) * K);
    void *dbefore_d = kernel_output_values(k, "dbefore", hone_rows(T) * K);
    void *slope_at = row_buffer(k, "slope at", before.f, T, K);
    KERNEL(k, linear_backward_input)(dx_d, k->dtype, dy_d, w_d, false, T, N, K, k->dtype, workspace, k->stream);
    double *dx = read_doubles(k, dx_d, T * K);
    for (int64_t i = 0; i < T * K; i++) dx[i] *= reference_activation_slope(before.d[i], kind);
    KERNEL(k, linear_activation_backward_input)
    (dbefore_d, dy_d, w_d, slope_at, kind, T, N, K, k->dtype, workspace, k->stream);
    kernel_compare_values(k, "linear_activation_backward_input", dbefore_d, k->dtype, dx, T * K, 1e-30, f32_tolerance);
    kernel_finish(k);

    kernel_noise_free(&x), kernel_noise_free(&w), kernel_noise_free(&b), kernel_noise_free(&dy);
    kernel_noise_free(&before);
    hone_free(y), hone_free(got), hone_free(kept), hone_free(alone), hone_free(dx);
}

void kernel_cases_linear_activation(struct kernel_buffers *k) {
    static const int64_t sizes[][3] = {{1, 1, 1},      {1, 2, 384},   {7, 7, 7},      {32, 2, 384},  {63, 64, 65},
                                       {64, 63, 1},    {65, 15, 17},  {65, 65, 1023}, {255, 7, 64},  {257, 32, 33},
                                       {1, 1500, 400}, {70, 136, 72}, {33, 3100, 17}, {3100, 9, 31}, {300, 96, 800}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (k->light && sizes[i][0] * sizes[i][1] * sizes[i][2] > 700000) continue;
        for (int kind = HONE_GELU_ERF; kind <= HONE_RELU; kind++)
            linear_activation_case(k, sizes[i][0], sizes[i][1], sizes[i][2], (enum hone_activation)kind);
    }
}

void kernel_cases_linear(struct kernel_buffers *k) {
    static const int64_t sizes[][3] = {{1, 1, 1},      {1, 2, 384},   {7, 7, 7},      {32, 2, 384},    {63, 64, 65},
                                       {64, 63, 1},    {65, 1, 63},   {65, 65, 1023}, {255, 7, 64},    {257, 32, 33},
                                       {1023, 5, 7},   {1023, 64, 2}, {1500, 65, 63}, {1, 1500, 1023}, {700, 96, 384},
                                       {33, 3100, 17}, {3100, 9, 31}, {70, 136, 72},  {600, 1, 5}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (k->light && sizes[i][0] * sizes[i][1] * sizes[i][2] > 700000) continue;
        linear_case(k, sizes[i][0], sizes[i][1], sizes[i][2]);
    }
}

static void layer_norm_case(struct kernel_buffers *k, int64_t T, int64_t C, bool with_r, bool with_drop,
                            bool accumulate) {
    const float eps = 1e-12f;
    size_t n = (size_t)(T * C) * F4, row = (size_t)C * F4;
    struct kernel_noise x = kernel_noise(T * C, 1, 1), r = kernel_values(k, T * C, 1, 2),
                        dy = kernel_noise(T * C, 1, 3);
    struct kernel_noise gamma = kernel_noise(C, 1, 4), beta = kernel_noise(C, 1, 5), old = kernel_noise(T * C, 1, 6);
    double *y = kernel_doubles(T * C), *mean = kernel_doubles(T), *rstd = kernel_doubles(T), *factors = NULL;
    double *dx = kernel_doubles(T * C), *dr = kernel_doubles(T * C), *dgamma = kernel_doubles(C),
           *dbeta = kernel_doubles(C);
    struct kernel_dropout drop;
    if (with_drop) {
        kernel_dropout_make(&drop, k, T, NULL, 0, false);
        factors = kernel_doubles(T * C);
        reference_dropout_factors(factors, &drop.host, T, C);
    }
    const struct hone_dropout *d = with_drop ? &drop.device : NULL;
    const double *r_or_null = with_r ? r.d : NULL;
    reference_layer_norm_forward(y, mean, rstd, x.d, r_or_null, gamma.d, beta.d, (double)eps, factors, T, C);
    reference_layer_norm_backward(dx, dr, dgamma, dbeta, dy.d, x.d, r_or_null, gamma.d, (double)eps, factors, T, C);
    void *x_d = kernel_input(k, "x", x.f, n), *r_d = kernel_input_values(k, "r", with_r ? r.f : NULL, T * C);
    void *gamma_d = kernel_input(k, "gamma", gamma.f, row), *beta_d = kernel_input(k, "beta", beta.f, row);
    void *y_d = kernel_output(k, "y", n), *dy_d = kernel_input(k, "dy", dy.f, n);
    void *mean_d = kernel_output(k, "mean", (size_t)T * F4), *rstd_d = kernel_output(k, "rstd", (size_t)T * F4);
    KERNEL(k, residual_layer_norm_forward)
    (y_d, mean_d, rstd_d, x_d, r_d, gamma_d, beta_d, eps, d, T, C, k->dtype, k->stream);
    kernel_compare(k, "residual_layer_norm y", y_d, y, T * C, f32_tolerance);
    kernel_compare(k, "residual_layer_norm mean", mean_d, mean, T, f32_tolerance);
    kernel_compare(k, "residual_layer_norm rstd", rstd_d, rstd, T, f32_tolerance);

    void *dx_d = accumulate ? kernel_inout(k, "dx", old.f, n) : kernel_output(k, "dx", n);
    void *dr_d = with_r ? kernel_output_values(k, "dr", T * C) : NULL;
    void *dgamma_d = kernel_inout(k, "dgamma", gamma.f, row), *dbeta_d = kernel_inout(k, "dbeta", beta.f, row);
    void *workspace = kernel_output(k, "workspace", KERNEL(k, residual_layer_norm_backward_workspace)(T, C));
    KERNEL(k, residual_layer_norm_backward)
    (dx_d, dr_d, dgamma_d, dbeta_d, dy_d, x_d, r_d, mean_d, rstd_d, gamma_d, accumulate, d, T, C, k->dtype, workspace,
     k->stream);
    if (accumulate) add_to(dx, old.d, T * C);
    add_to(dgamma, gamma.d, C);
    add_to(dbeta, beta.d, C);
    /* With C = 1 or 2 the gradient is 0 but for eps: what remains is the rounding of terms dy * gamma * rstd. */
    double largest = 0;
    for (int64_t t = 0; t < T; t++) largest = rstd[t] > largest ? rstd[t] : largest;
    double rounding = C <= 2 ? 1e-6 * largest : 1e-30;
    kernel_compare_within(k, "residual_layer_norm dx", dx_d, dx, T * C, rounding, f32_tolerance);
    if (with_r) kernel_compare_values(k, "residual_layer_norm dr", dr_d, k->dtype, dr, T * C, rounding, f32_tolerance);
    kernel_compare(k, "residual_layer_norm dgamma", dgamma_d, dgamma, C, f32_tolerance);
    kernel_compare(k, "residual_layer_norm dbeta", dbeta_d, dbeta, C, f32_tolerance);
    kernel_finish(k);
    if (with_drop) kernel_dropout_free(&drop);
    kernel_noise_free(&x), kernel_noise_free(&r), kernel_noise_free(&dy), kernel_noise_free(&old);
    kernel_noise_free(&gamma), kernel_noise_free(&beta);
    hone_free(y), hone_free(mean), hone_free(rstd), hone_free(factors), hone_free(dx), hone_free(dr);
    hone_free(dgamma), hone_free(dbeta);
}

void kernel_cases_residual_layer_norm(struct kernel_buffers *k) {
    static const int64_t sizes[][2] = {{1, 2},    {1, 7},    {7, 63},   {63, 64},    {64, 65}, {65, 1},
                                       {3, 1023}, {2, 1500}, {1500, 7}, {1023, 384}, {9, 768}, {2, 1024}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (k->light && sizes[i][0] > 1000) continue;
        layer_norm_case(k, sizes[i][0], sizes[i][1], false, false, false);
        layer_norm_case(k, sizes[i][0], sizes[i][1], true, false, true);
        layer_norm_case(k, sizes[i][0], sizes[i][1], true, true, false);
    }
}

void kernel_cases_dropout(struct kernel_buffers *k) {
    static const int64_t sizes[][2] = {{1, 1}, {7, 7}, {63, 65}, {2, 127}, {3, 129}, {1, 1500}, {1500, 8}, {65, 1023}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (k->light && sizes[i][0] > 1000) continue;
        int64_t T = sizes[i][0], C = sizes[i][1];
        struct kernel_noise x = kernel_values(k, T * C, 1, 1);
        double *y = kernel_doubles(T * C);
        struct kernel_dropout drop;
        kernel_dropout_make(&drop, k, T, NULL, 0, i % 2 == 1);
        for (int64_t j = 0; j < T * C; j++) y[j] = x.d[j] * reference_dropout_factor(&drop.host, j / C, j % C);
        void *y_d = kernel_output_values(k, "y", T * C), *x_d = kernel_input_values(k, "x", x.f, T * C);
        void *in_place = kernel_inout_values(k, "x in place", x.f, T * C);
        KERNEL(k, dropout)(y_d, x_d, &drop.device, T, C, k->dtype, k->stream);
        kernel_compare_values(k, "dropout", y_d, k->dtype, y, T * C, 0, 1e-7);
        KERNEL(k, dropout)(in_place, in_place, &drop.device, T, C, k->dtype, k->stream);
        kernel_compare_values(k, "dropout in place", in_place, k->dtype, y, T * C, 0, 1e-7);
        KERNEL(k, dropout)(y_d, x_d, NULL, T, C, k->dtype, k->stream);
        kernel_compare_values(k, "no dropout", y_d, k->dtype, x.d, T * C, 0, 0);
        kernel_finish(k);
        kernel_dropout_free(&drop), kernel_noise_free(&x), hone_free(y);
    }
}

static void embedding_case(struct kernel_buffers *k, int64_t T, int64_t C, bool with_others) {
    enum { V = 11, P = 5, TYPES = 2 };
    size_t n = (size_t)(T * C) * F4, t4 = (size_t)T * sizeof(int32_t);
    static const int64_t rows[3] = {V, P, TYPES};
    int32_t *index[3];
    struct kernel_noise table[3], dy = kernel_noise(T * C, 1, 9);
    double *y = hone_calloc((size_t)(T * C), sizeof(double), "test values"), *gradient[3];
    void *table_d[3] = {NULL}, *index_d[3] = {NULL}, *gradient_d[3] = {NULL};
    for (int i = 0; i < 3; i++) {
        table[i] = kernel_noise(rows[i] * C, 1, (uint32_t)i);
        index[i] = hone_alloc((size_t)T, sizeof(int32_t), "test indices");
        gradient[i] = kernel_doubles(rows[i] * C);
        memcpy(gradient[i], table[i].d, (size_t)(rows[i] * C) * sizeof(double));
        for (int64_t t = 0; t < T; t++) index[i][t] = (int32_t)((t * t + 3 * t) % (rows[i] - (i == 0)));
        if (i > 0 && !with_others) continue;
        for (int64_t t = 0; t < T; t++) {
            add_to(y + t * C, table[i].d + index[i][t] * C, C);
            add_to(gradient[i] + index[i][t] * C, dy.d + t * C, C);
        }
        table_d[i] = kernel_input(k, "table", table[i].f, (size_t)(rows[i] * C) * F4);
        index_d[i] = kernel_input(k, "indices", index[i], t4);
        gradient_d[i] = kernel_inout(k, "table gradient", table[i].f, (size_t)(rows[i] * C) * F4);
    }
    void *y_d = kernel_output(k, "y", n), *dy_d = kernel_input(k, "dy", dy.f, n);
    KERNEL(k, embedding_forward)
    (y_d, table_d[0], index_d[0], table_d[1], index_d[1], table_d[2], index_d[2], T, C, k->stream);
    kernel_compare(k, "embedding_forward", y_d, y, T * C, 1e-6);
    void *workspace = kernel_output(k, "workspace", KERNEL(k, embedding_backward_workspace)(T, C));
    KERNEL(k, embedding_backward)
    (gradient_d[0], index_d[0], gradient_d[1], index_d[1], gradient_d[2], index_d[2], dy_d, T, C, workspace, k->stream);
    for (int i = 0; i < (with_others ? 3 : 1); i++)
        kernel_compare(k, "embedding_backward", gradient_d[i], gradient[i], rows[i] * C, f32_tolerance);
    kernel_finish(k);
    for (int i = 0; i < 3; i++) kernel_noise_free(&table[i]), hone_free(index[i]), hone_free(gradient[i]);
    kernel_noise_free(&dy), hone_free(y);
}

void kernel_cases_embedding(struct kernel_buffers *k) {
    static const int64_t sizes[][2] = {{1, 1}, {7, 63}, {63, 7}, {64, 64}, {65, 65}, {1023, 33}, {1500, 384}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (k->light && sizes[i][0] > 1100) continue;
        embedding_case(k, sizes[i][0], sizes[i][1], true);
        embedding_case(k, sizes[i][0], sizes[i][1], false);
    }
}

void kernel_cases_rows(struct kernel_buffers *k) {
    static const int64_t sizes[][2] = {{1, 1}, {7, 7}, {63, 65}, {65, 64}, {3, 1023}, {1500, 63}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (k->light && sizes[i][0] > 1000) continue;
        int64_t T = sizes[i][0], C = sizes[i][1], R = (T + 1) / 2;
        int32_t *rows = hone_alloc((size_t)R, sizeof(int32_t), "test rows");
        struct kernel_noise x = kernel_values(k, T * C, 1, 1), dy = kernel_values(k, R * C, 1, 2),
                            z = kernel_values(k, T * C, 1, 3);
        double *y = kernel_doubles(R * C);
        for (int64_t j = 0; j < R; j++) {
            rows[j] = (int32_t)(2 * j);
            memcpy(y + j * C, x.d + rows[j] * C, (size_t)C * sizeof(double));
        }
        void *x_d = kernel_input_values(k, "x", x.f, T * C),
             *rows_d = kernel_input(k, "rows", rows, (size_t)R * sizeof(int32_t));
        void *y_d = kernel_output_values(k, "y", R * C), *dy_d = kernel_input_values(k, "dy", dy.f, R * C);
        void *dx_d = kernel_inout_values(k, "dx", x.f, T * C), *z_d = kernel_inout_values(k, "z", z.f, T * C);
        KERNEL(k, gather_rows)(y_d, x_d, rows_d, R, C, k->dtype, k->stream);
        kernel_compare_values(k, "gather_rows", y_d, k->dtype, y, R * C, 0, 0);
        KERNEL(k, add)(z_d, x_d, T * C, k->dtype, k->stream);
        add_to(z.d, x.d, T * C);
        kernel_compare_values(k, "add", z_d, k->dtype, z.d, T * C, 0, 1e-7);
        KERNEL(k, scatter_rows_add)(dx_d, dy_d, rows_d, R, C, k->dtype, k->stream);
        for (int64_t j = 0; j < R; j++) add_to(x.d + rows[j] * C, dy.d + j * C, C);
        kernel_compare_values(k, "scatter_rows_add", dx_d, k->dtype, x.d, T * C, 0, 1e-7);
        /* cast takes any f32; the rounding is that of one number in 2^16 exactly half way, too. */
        struct kernel_noise any = kernel_noise(T * C, 1, 4);
        any.f[0] = 1.00390625f, any.f[T * C / 2] = 3e38f;
        for (int64_t j = 0; j < T * C; j++)
            any.d[j] = (double)(k->dtype == HONE_BF16 ? kernel_round_bf16(any.f[j]) : any.f[j]);
        void *any_d = kernel_input(k, "any", any.f, (size_t)(T * C) * F4),
             *cast_d = kernel_output_values(k, "cast", T * C);
        KERNEL(k, cast)(cast_d, any_d, T * C, k->dtype, k->stream);
        float *got = hone_alloc((size_t)(T * C), F4, "test values");
        kernel_read_values(k, got, cast_d, k->dtype, T * C);
        test_close("cast", got, any.d, T * C, 0, 0);
        hone_free(got), kernel_noise_free(&any);
        kernel_finish(k);
        kernel_noise_free(&x), kernel_noise_free(&dy), kernel_noise_free(&z), hone_free(y), hone_free(rows);
    }
}
