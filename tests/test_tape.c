/* The tape itself: layouts in which nothing alive shares memory, storage that is reused or overwritten, the cache, the
 * order of the hook, and what it refuses. */
#include "tests/graph.h"

enum { WIDTH = 12, N_LAYERS = 4, N_PARAMETERS = 4 * N_LAYERS + 1 };

/* A small model's worth of parameters for graphs over [T, WIDTH]: per layer w, b, gamma, beta; and a table. */
struct graph {
    struct rig rig;
    int32_t w[N_LAYERS], b[N_LAYERS], gamma[N_LAYERS], beta[N_LAYERS], table;
    const int32_t *ids, *labels, *rows;
    const int64_t *row_key;
    uint64_t state; /* of random choices */
};

static uint32_t choose(struct graph *g, uint32_t n) {
    g->state = g->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(g->state >> 33) % n;
}

static void graph_open(struct graph *g, uint64_t seed) {
    *g = (struct graph){.state = seed};
    struct rig *rig = &g->rig;
    rig_open(rig);
    for (int i = 0; i < N_LAYERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.w", i);
        g->w[i] = rig_parameter(rig, name, WIDTH, WIDTH, false);
        snprintf(name, sizeof name, "%d.b", i);
        g->b[i] = rig_parameter(rig, name, WIDTH, 0, false);
        snprintf(name, sizeof name, "%d.gamma", i);
        g->gamma[i] = rig_parameter(rig, name, WIDTH, 0, false);
        snprintf(name, sizeof name, "%d.beta", i);
        g->beta[i] = rig_parameter(rig, name, WIDTH, 0, false);
    }
    g->table = rig_parameter(rig, "table", 50, WIDTH, false);
    TEST_OK(hone_parameters_allocate(rig->parameters, true));
    float values[50 * WIDTH];
    for (int32_t id = 0; id < N_PARAMETERS; id++) {
        test_noise(values, NULL, 50 * WIDTH, 0.6, 40 + (uint32_t)id);
        TEST_OK(hone_parameters_write(rig->parameters, id, values));
    }
    int32_t ids[50], labels[50], rows[50];
    int64_t row_key[50];
    for (int t = 0; t < 50; t++) {
        ids[t] = t * 17 % 50;
        labels[t] = t * 5 % WIDTH;
        rows[t] = t;
        row_key[t] = 1000 + t;
    }
    g->ids = rig_upload(rig, ids, sizeof ids);
    g->labels = rig_upload(rig, labels, sizeof labels);
    g->rows = rig_upload(rig, rows, sizeof rows);
    g->row_key = rig_upload(rig, row_key, sizeof row_key);
}

static void graph_close(struct graph *g) { rig_close(&g->rig); }

static struct hone_dropout_site site(const struct graph *g, double p, uint32_t number) {
    return (struct hone_dropout_site){.p = p, .site = number, .step = g->rig.step, .row_key = g->row_key};
}

/* One random op on values of T rows recorded so far; all ops are over the same T, so that any two can meet. */
static hone_value random_op(struct graph *g, const hone_value *values, int n, uint32_t number) {
    struct hone_tape *tape = g->rig.tape;
    /* Mostly the latest, so that graphs are deep; sometimes any. */
    hone_value x = choose(g, 3) ? values[n - 1] : values[choose(g, (uint32_t)n)];
    hone_value r = values[choose(g, (uint32_t)n)];
    uint32_t layer = choose(g, N_LAYERS);
    switch (choose(g, 6)) {
    case 0:
        return hone_linear(tape, x, g->w[layer], choose(g, 2) ? g->b[layer] : -1, 1);
    case 1:
        return hone_activate(tape, x, choose(g, 2) ? HONE_GELU_ERF : HONE_TANH);
    case 2:
        return hone_residual_layer_norm(tape, x, -1, g->gamma[layer], g->beta[layer], 1e-5f, site(g, 0, 0));
    case 3:
        return hone_residual_layer_norm(tape, x, r, g->gamma[layer], g->beta[layer], 1e-5f, site(g, 0.2, number));
    case 4:
        return hone_dropout_rows(tape, x, site(g, 0.3, number));
    default:
        return hone_gather_rows(tape, x, g->rows, hone_value_rows(tape, x));
    }
}

/* Records a random graph; the same seed gives the same one. Returns its last value. */
static hone_value record_random(struct graph *g, uint64_t seed, enum hone_mode mode, bool keep_all) {
    hone_value values[40];
    int n = 1;
    g->state = seed * 77 + 5;
    hone_tape_begin(g->rig.tape, mode);
    int64_t T = 1 + choose(g, 50);
    values[0] = hone_embedding(g->rig.tape, T, g->table, g->ids, -1, 0, NULL, -1, NULL);
    int length = 1 + (int)choose(g, 30);
    for (int i = 0; i < length; i++) {
        values[n] = random_op(g, values, n, 10 + (uint32_t)i);
        n++;
        bool side_loss = choose(g, 12) == 0;
        if (side_loss && mode == HONE_TRAINING) {
            hone_cross_entropy(g->rig.tape, values[n - 1], g->labels, NULL, 0.01f, &g->rig.step->loss);
        }
    }
    hone_value last = values[n - 1];
    if (mode == HONE_TRAINING) {
        hone_cross_entropy(g->rig.tape, last, g->labels, NULL, 1 / (float)T, &g->rig.step->loss);
    } else {
        hone_tape_keep(g->rig.tape, last);
    }
    for (int i = 0; i < n && keep_all; i++) hone_tape_keep(g->rig.tape, values[i]);
    return last;
}

/* The most bytes alive at one moment: no layout can be smaller. */
static size_t lower_bound(const struct hone_slot *slots, int32_t n) {
    size_t most = 0;
    for (int32_t i = 0; i < n; i++) {
        size_t bytes = 0;
        for (int32_t k = 0; k < n; k++) {
            if (slots[k].first <= slots[i].first && slots[i].first <= slots[k].last) bytes += slots[k].bytes;
        }
        if (bytes > most) most = bytes;
    }
    return most;
}

static void check_slots(const struct hone_slot *slots, int32_t n, size_t arena) {
    for (int32_t i = 0; i < n; i++) {
        const struct hone_slot *a = &slots[i];
        assert_int_equal(a->offset % 64, 0);
        assert_true(a->offset + a->bytes <= arena);
        for (int32_t k = 0; k < i; k++) {
            const struct hone_slot *b = &slots[k];
            bool together = a->first <= b->last && b->first <= a->last;
            bool meet = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
            if (together && meet) {
                fail_msg("slots %d (%d to %d, at %zu, %zu bytes) and %d (%d to %d, at %zu, %zu bytes) overlap", i,
                         a->first, a->last, a->offset, a->bytes, k, b->first, b->last, b->offset, b->bytes);
            }
        }
    }
    assert_true(arena + 63 >= lower_bound(slots, n));
}

static void test_place(void **state) {
    (void)state;
    assert_int_equal(hone_layout_place(NULL, 0), 0);
    struct graph g = {.state = 3};
    struct hone_slot slots[200];
    for (int round = 0; round < 60; round++) {
        int32_t n = 1 + (int32_t)choose(&g, 200);
        for (int32_t i = 0; i < n; i++) {
            int32_t first = (int32_t)choose(&g, 100);
            slots[i] = (struct hone_slot){.first = first,
                                          .last = first + (int32_t)choose(&g, round % 2 ? 8 : 60),
                                          .bytes = choose(&g, 10) ? 1 + choose(&g, 3000) : 0};
        }
        check_slots(slots, n, hone_layout_place(slots, n));
    }
}

/* A second layout of the same shapes comes from the cache and is the same; many others in between push it out. */
static void test_cache(void **state) {
    (void)state;
    struct hone_layout_cache *cache = hone_layout_cache_create();
    struct hone_slot slots[3] = {{0, 2, 100, 0}, {1, 3, 500, 0}, {3, 4, 70, 0}}, again[3];
    size_t arena = hone_layout_cached(cache, slots, 3);
    memcpy(again, slots, sizeof slots);
    for (int i = 0; i < 3; i++) again[i].offset = 12345;
    assert_int_equal(hone_layout_hits(cache), 0);
    assert_int_equal(hone_layout_cached(cache, again, 3), arena);
    assert_int_equal(hone_layout_hits(cache), 1);
    test_same_bits("offsets", again, slots, sizeof slots);
    for (size_t i = 0; i < 200; i++) {
        again[1].bytes = 1000 + i * 64;
        assert_true(hone_layout_cached(cache, again, 3) > arena);
        check_slots(again, 3, hone_layout_cached(cache, again, 3));
    }
    again[1].bytes = 500;
    assert_int_equal(hone_layout_cached(cache, again, 3), arena);
    again[2].last = 5;
    hone_layout_cached(cache, again, 3);
    again[2].first = 2;
    hone_layout_cached(cache, again, 3);
    check_slots(again, 3, 2000);
    assert_int_equal(hone_layout_hits(cache), 1 + 200);
    hone_layout_cache_free(cache);
}

/* Every slot in a place of its own: what the layout must be equal to. */
static void spread(struct graph *g) {
    struct hone_tape *tape = g->rig.tape;
    TEST_OK(hone_tape_layout(tape));
    size_t offset = 0;
    for (int32_t i = 0; i < tape->n_slots; i++) {
        tape->slots[i].offset = offset;
        offset += (tape->slots[i].bytes + 63) / 64 * 64;
    }
    TEST_OK(hone_tape_reserve(tape, offset));
}

static void run_random(struct graph *g, bool spread_out) {
    struct hone_tape *tape = g->rig.tape;
    if (spread_out) {
        spread(g);
    } else {
        TEST_OK(hone_tape_layout(tape));
        check_slots(tape->slots, tape->n_slots, tape->needed);
    }
    rig_poison(&g->rig);
    rig_clear_gradients(&g->rig);
    rig_set_step(&g->rig, (struct hone_step){.seed = 5, .step = 3});
    hone_tape_forward(tape, g->rig.stream);
    if (hone_tape_mode(tape) == HONE_TRAINING) hone_tape_backward(tape, NULL, NULL, g->rig.stream);
    TEST_OK(g->rig.device->stream_synchronize(g->rig.stream));
}

/* Loss and gradients of random graphs have the same bits when nothing shares storage and nothing is overwritten. */
static void test_random_training(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    size_t n = (size_t)hone_parameters_elements(g.rig.parameters);
    float *packed = hone_alloc(n, sizeof *packed, "test"), *apart = hone_alloc(n, sizeof *apart, "test");
    for (uint64_t seed = 0; seed < 150; seed++) {
        record_random(&g, seed, HONE_TRAINING, false);
        size_t measured = hone_tape_measure(g.rig.tape);
        run_random(&g, false);
        assert_int_equal(measured, g.rig.tape->needed);
        rig_download(&g.rig, packed, hone_parameters_gradients(g.rig.parameters), n * sizeof *packed);
        float loss = rig_get_step(&g.rig).loss;
        assert_true(isfinite(loss) && loss > 0);
        record_random(&g, seed, HONE_TRAINING, true);
        run_random(&g, true);
        rig_download(&g.rig, apart, hone_parameters_gradients(g.rig.parameters), n * sizeof *apart);
        float loss_apart = rig_get_step(&g.rig).loss;
        test_same_bits("loss", &loss, &loss_apart, sizeof loss);
        test_same_bits("gradients", packed, apart, n * sizeof *packed);
    }
    hone_free(packed);
    hone_free(apart);
    graph_close(&g);
}

static void test_random_inference(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    for (uint64_t seed = 0; seed < 100; seed++) {
        hone_value y = record_random(&g, seed, HONE_INFERENCE, false);
        size_t n = (size_t)(hone_value_rows(g.rig.tape, y) * hone_value_cols(g.rig.tape, y));
        run_random(&g, false);
        float *packed = rig_value(&g.rig, y);
        y = record_random(&g, seed, HONE_INFERENCE, true);
        run_random(&g, true);
        float *apart = rig_value(&g.rig, y);
        test_same_bits("inference", packed, apart, n * sizeof *packed);
        hone_free(packed);
        hone_free(apart);
    }
    graph_close(&g);
}

/* A chain of linears at inference needs two values at a time, however long it is. */
static void test_inference_reuses(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    size_t needed[2];
    for (int round = 0; round < 2; round++) {
        hone_tape_begin(g.rig.tape, HONE_INFERENCE);
        hone_value x = hone_embedding(g.rig.tape, 32, g.table, g.ids, -1, 0, NULL, -1, NULL);
        for (int i = 0; i < (round ? 40 : 4); i++) x = hone_linear(g.rig.tape, x, g.w[0], g.b[0], 1);
        hone_tape_keep(g.rig.tape, x);
        needed[round] = hone_tape_measure(g.rig.tape);
    }
    assert_int_equal(needed[0], needed[1]);
    graph_close(&g);
}

/* Dropout works in its input's storage and backward of the loss in the logits', unless somebody still reads them. */
static void test_in_place(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    struct hone_tape *tape = g.rig.tape;
    for (int kept = 0; kept < 2; kept++) {
        hone_tape_begin(tape, HONE_TRAINING);
        hone_value x = hone_embedding(tape, 9, g.table, g.ids, -1, 0, NULL, -1, NULL);
        hone_value d = hone_dropout_rows(tape, x, site(&g, 0.5, 1));
        hone_value y = hone_linear(tape, d, g.w[0], g.b[0], 1);
        if (kept) hone_tape_keep(tape, x);
        if (kept) hone_tape_keep(tape, y);
        hone_cross_entropy(tape, y, g.labels, NULL, 1, &g.rig.step->loss);
        rig_run(&g.rig, NULL, NULL);
        assert_int_equal(tape->values[x].slot == tape->values[d].slot, !kept);
        assert_int_equal(tape->values[x].gradient_slot == tape->values[d].gradient_slot, 1);
        assert_int_equal(tape->values[y].slot == tape->values[y].gradient_slot, !kept);
    }
    /* tanh's backward reads its output, so dropout may not overwrite it. */
    hone_tape_begin(tape, HONE_TRAINING);
    hone_value x = hone_embedding(tape, 9, g.table, g.ids, -1, 0, NULL, -1, NULL);
    hone_value a = hone_activate(tape, x, HONE_TANH), d = hone_dropout_rows(tape, a, site(&g, 0.5, 1));
    hone_cross_entropy(tape, d, g.labels, NULL, 1, &g.rig.step->loss);
    TEST_OK(hone_tape_layout(tape));
    assert_int_not_equal(tape->values[a].slot, tape->values[d].slot);
    graph_close(&g);
}

struct order {
    struct graph *g;
    int32_t seen[64];
    float *values[64]; /* the gradient as the hook found it */
    int n;
};

static void note_gradient(int32_t parameter, void *user) {
    struct order *order = user;
    assert_true(order->n < 64);
    order->seen[order->n] = parameter;
    order->values[order->n++] = rig_gradient(&order->g->rig, parameter);
}

/* The hook names each parameter once, when its gradient is complete, in the same order every time; one that two nodes
 * share only after both; one that leads to no loss never. */
static void test_hook(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    struct hone_tape *tape = g.rig.tape;
    hone_tape_begin(tape, HONE_TRAINING);
    hone_value x = hone_embedding(tape, 20, g.table, g.ids, -1, 0, NULL, -1, NULL);
    hone_value h = hone_linear(tape, x, g.w[0], g.b[0], 1);
    hone_linear(tape, h, g.w[3], g.b[3], 1); /* nobody reads it */
    h = hone_residual_layer_norm(tape, h, x, g.gamma[1], g.beta[1], 1e-5f, site(&g, 0, 0));
    h = hone_linear(tape, h, g.w[0], g.b[2], 1);
    h = hone_linear(tape, h, g.table, -1, 1); /* tied with the embedding */
    hone_cross_entropy(tape, h, g.labels, NULL, 0.05f, &g.rig.step->loss);
    const int32_t want[] = {g.b[2], g.gamma[1], g.beta[1], g.w[0], g.b[0], g.table};
    for (int round = 0; round < 2; round++) {
        struct order order = {.g = &g};
        rig_clear_gradients(&g.rig);
        rig_run(&g.rig, note_gradient, &order);
        assert_int_equal(order.n, 6);
        test_same_bits("order", order.seen, want, sizeof want);
        for (int i = 0; i < order.n; i++) {
            float *end = rig_gradient(&g.rig, order.seen[i]);
            size_t count = (size_t)hone_parameters_get(g.rig.parameters, order.seen[i])->count;
            test_same_bits("gradient at the hook", order.values[i], end, count * sizeof *end);
            hone_free(end);
            hone_free(order.values[i]);
        }
    }
    float *unused = rig_gradient(&g.rig, g.w[3]);
    for (int i = 0; i < WIDTH * WIDTH; i++) assert_true(unused[i] == 0);
    hone_free(unused);
    graph_close(&g);
}

/* The arena grows and never shrinks. */
static void test_arena(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    struct hone_tape *tape = g.rig.tape;
    record_random(&g, 1, HONE_INFERENCE, false);
    size_t needed = hone_tape_measure(tape);
    assert_int_equal(hone_tape_arena_bytes(tape), 0);
    TEST_OK(hone_tape_layout(tape));
    assert_int_equal(hone_tape_arena_bytes(tape), needed);
    TEST_OK(hone_tape_reserve(tape, 4 * needed));
    TEST_OK(hone_tape_layout(tape));
    assert_int_equal(hone_tape_arena_bytes(tape), 4 * needed);
    run_random(&g, false);
    graph_close(&g);
}

/* A graph over no tokens at all. */
static void test_no_rows(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    struct hone_tape *tape = g.rig.tape;
    hone_tape_begin(tape, HONE_TRAINING);
    hone_value x = hone_embedding(tape, 0, g.table, g.ids, -1, 0, NULL, -1, NULL);
    x = hone_linear(tape, x, g.w[0], g.b[0], 1);
    x = hone_residual_layer_norm(tape, x, x, g.gamma[0], g.beta[0], 1e-5f, site(&g, 0.1, 0));
    x = hone_dropout_rows(tape, hone_activate(tape, x, HONE_RELU), site(&g, 0.1, 1));
    hone_cross_entropy(tape, hone_gather_rows(tape, x, g.rows, 0), g.labels, NULL, 1, &g.rig.step->loss);
    rig_run(&g.rig, NULL, NULL);
    assert_true(rig_get_step(&g.rig).loss == 0);
    graph_close(&g);
}

static void nothing(const struct hone_call *call) { (void)call; }

static void differentiate_oneway(void *user) {
    struct graph *g = user;
    static const struct hone_op oneway = {.name = "oneway", .backward_name = "oneway backward", .forward = nothing};
    hone_tape_begin(g->rig.tape, HONE_TRAINING);
    hone_value x = hone_embedding(g->rig.tape, 4, g->table, g->ids, -1, 0, NULL, -1, NULL);
    struct hone_node node = {.op = &oneway, .inputs = {x, -1}, .saved = -1, .rows = 4, .cols = WIDTH};
    node.output = hone_tape_add_value(g->rig.tape, 4, WIDTH, HONE_F32);
    hone_tape_add_node(g->rig.tape, node, NULL, 0);
    hone_cross_entropy(g->rig.tape, node.output, g->labels, NULL, 1, &g->rig.step->loss);
    rig_run(&g->rig, NULL, NULL);
}

static void add_wrong_shape(void *user) {
    struct graph *g = user;
    hone_tape_begin(g->rig.tape, HONE_TRAINING);
    hone_value x = hone_embedding(g->rig.tape, 4, g->table, g->ids, -1, 0, NULL, -1, NULL);
    hone_linear(g->rig.tape, x, g->w[0], g->table, 1);
}

static void join_strangers(void *user) {
    struct graph *g = user;
    hone_tape_begin(g->rig.tape, HONE_TRAINING);
    hone_value x = hone_embedding(g->rig.tape, 4, g->table, g->ids, -1, 0, NULL, -1, NULL);
    hone_linear(g->rig.tape, x, g->w[0], -1, 2);
}

static void read_unlaid(void *user) {
    struct graph *g = user;
    hone_tape_begin(g->rig.tape, HONE_TRAINING);
    hone_tape_data(g->rig.tape, hone_embedding(g->rig.tape, 4, g->table, g->ids, -1, 0, NULL, -1, NULL));
}

static void backward_of_inference(void *user) {
    struct graph *g = user;
    hone_tape_begin(g->rig.tape, HONE_INFERENCE);
    hone_embedding(g->rig.tape, 4, g->table, g->ids, -1, 0, NULL, -1, NULL);
    if (hone_tape_layout(g->rig.tape) != HONE_OK) return;
    hone_tape_backward(g->rig.tape, NULL, NULL, g->rig.stream);
}

static void drop_twice(void *user) {
    struct graph *g = user;
    hone_tape_begin(g->rig.tape, HONE_TRAINING);
    hone_value x = hone_embedding(g->rig.tape, 4, g->table, g->ids, -1, 0, NULL, -1, NULL);
    x = hone_dropout_rows(g->rig.tape, x, site(g, 0.1, 8));
    hone_dropout_rows(g->rig.tape, x, site(g, 0.1, 8));
}

static void test_refusals(void **state) {
    (void)state;
    struct graph g;
    graph_open(&g, 1);
    expect_abort(differentiate_oneway, &g, "oneway cannot be differentiated");
    expect_abort(add_wrong_shape, &g, "table has shape [50, 12], expected [-1, 0]");
    expect_abort(join_strangers, &g, "0.b has shape [12, 0], expected [-1, 12]");
    expect_abort(read_unlaid, &g, "value 0 has no address");
    expect_abort(drop_twice, &g, "dropout site 8 is used twice");
    expect_abort(backward_of_inference, &g, "backward needs a recording laid out for training");
    graph_close(&g);
}

/* Parameters: offsets, padding, joining, look-up, values in and out, initial values. */
static void test_parameters(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct hone_parameters *p = rig.parameters;
    int32_t a = rig_parameter(&rig, "a", 3, 5, false), b = rig_parameter(&rig, "b", 2, 5, true);
    char names[2][8] = {"normal", "one"};
    int32_t c = hone_parameters_add(p,
                                    (struct hone_parameter){.name = names[0],
                                                            .shape = {100, 70},
                                                            .init = HONE_INIT_NORMAL,
                                                            .init_std = 0.02f,
                                                            .decay = true,
                                                            .layer = 4},
                                    false);
    int32_t d = hone_parameters_add(
        p, (struct hone_parameter){.name = names[1], .shape = {7, 0}, .init = HONE_INIT_ONE}, false);
    names[0][0] = 'x'; /* the name was copied */
    assert_int_equal(hone_parameters_get(p, b)->offset, 15);
    assert_int_equal(hone_parameters_get(p, c)->offset, 32);
    assert_int_equal(hone_parameters_get(p, d)->offset, 7040);
    assert_int_equal(hone_parameters_elements(p), 7056);
    assert_int_equal(hone_parameters_total(p), 15 + 10 + 7000 + 7);
    assert_int_equal(hone_parameters_find(p, "normal"), c);
    assert_int_equal(hone_parameters_find(p, "norma"), -1);
    assert_int_equal(hone_parameters_get(p, d)->n_dims, 1);
    TEST_OK(hone_parameters_allocate(p, false));
    assert_null(hone_parameters_gradients(p));
    float *values = hone_alloc(7056, sizeof *values, "test"), *again = hone_alloc(7056, sizeof *again, "test");
    rig_download(&rig, values, hone_parameters_weights(p), 7056 * sizeof *values);
    for (int i = 0; i < 7056; i++) assert_true(values[i] == 0);
    test_noise(values, NULL, 15, 1, 3);
    TEST_OK(hone_parameters_write(p, a, values));
    TEST_OK(hone_parameters_read(p, a, again));
    test_same_bits("a", again, values, 15 * sizeof *values);
    TEST_OK(hone_parameters_read(p, b, again));
    assert_true(again[0] == 0);
    TEST_OK(hone_parameters_initialize(p, c, 42));
    TEST_OK(hone_parameters_initialize(p, d, 42));
    TEST_OK(hone_parameters_read(p, c, values));
    double sum = 0, squares = 0;
    for (int i = 0; i < 7000; i++) {
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    /* Five standard errors of 7,000 draws. */
    assert_true(fabs(sum / 7000) < 5 * 0.02 / sqrt(7000));
    assert_true(fabs(sqrt(squares / 7000) / 0.02 - 1) < 5 / sqrt(2 * 7000));
    TEST_OK(hone_parameters_initialize(p, c, 42));
    TEST_OK(hone_parameters_read(p, c, again));
    test_same_bits("same seed", again, values, 7000 * sizeof *values);
    TEST_OK(hone_parameters_initialize(p, c, 43));
    TEST_OK(hone_parameters_read(p, c, again));
    assert_true(again[0] != values[0] && again[6999] != values[6999]);
    TEST_OK(hone_parameters_read(p, d, again));
    for (int i = 0; i < 7; i++) assert_true(again[i] == 1);
    hone_free(values);
    hone_free(again);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_random_training),
        cmocka_unit_test(test_random_inference),
        cmocka_unit_test(test_inference_reuses),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_hook),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
