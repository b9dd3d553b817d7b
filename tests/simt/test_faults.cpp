/* The emulator is tested itself: mistakes that somebody could make in a kernel, each beside the kernel without it, which
 * has to pass. Those that only a look at each access finds are left out under the address sanitizer (memory.cpp). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

extern "C" {
#include <cmocka.h>
}

#include <string>
#include <vector>

#include "kernels/cuda/ptx.cuh"

#ifdef __SANITIZE_ADDRESS__
static const bool looked_at = false;
#else
static const bool looked_at = true;
#endif
enum { LAUNCHES = 16, SIZE = 256 }; /* orders that each kernel is run in */

/* Device memory that starts as what `values` holds. */
struct memory {
    explicit memory(const std::vector<float> &values) : n(values.size()) {
        assert_int_equal(cudaMalloc((void **)&at, n * sizeof(float)), cudaSuccess);
        cudaMemcpyAsync(at, values.data(), n * sizeof(float), cudaMemcpyHostToDevice, nullptr);
    }
    ~memory() { cudaFree(at); }
    std::vector<float> read() const {
        std::vector<float> values(n);
        cudaMemcpyAsync(values.data(), at, n * sizeof(float), cudaMemcpyDeviceToHost, nullptr);
        return values;
    }
    float *at;
    size_t n;
};

/* What the emulator says of a kernel, "" for nothing. */
template <typename... Parameters, typename... Arguments>
static std::string launch(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, size_t shared,
                          Arguments... arguments) {
    for (int i = 0; i < LAUNCHES; i++) {
        simt_launch_kernel("planted", kernel, blocks, threads, shared, arguments...);
        if (cudaError_t error = cudaGetLastError()) return cudaGetErrorString(error);
    }
    return "";
}

static void expect(const std::string &message, const char *part) {
    if (part ? message.find(part) == std::string::npos : !message.empty())
        fail_msg("the emulator says \"%s\", expected \"%s\"", message.c_str(), part ? part : "");
}

static float *shared_floats() { return (float *)simt_shared_memory(); }

/* Reverses a block's values by way of shared memory. */
static void reverse(float *y, const float *x, bool barrier, unsigned off) {
    float *tile = shared_floats();
    unsigned i = threadIdx.x, n = blockDim.x;
    tile[i] = x[i];
    if (barrier) __syncthreads();
    y[i] = tile[n - 1 - i + off];
}

static std::vector<float> numbers(size_t n) {
    std::vector<float> values(n);
    for (size_t i = 0; i < n; i++) values[i] = (float)i;
    return values;
}

static void test_barrier(void **) {
    memory x(numbers(SIZE)), y(numbers(SIZE));
    expect(launch(reverse, 1, SIZE, SIZE * sizeof(float), y.at, x.at, true, 0u), nullptr);
    for (int i = 0; i < SIZE; i++) assert_true(y.read()[(size_t)i] == (float)(SIZE - 1 - i));
    if (!looked_at) return;
    expect(launch(reverse, 1, SIZE, SIZE * sizeof(float), y.at, x.at, false, 0u), "with no barrier between");
    expect(launch(reverse, 1, SIZE, SIZE * sizeof(float), y.at, x.at, true, 1u), "of shared memory, which has 1024");
    expect(launch(reverse, 1, SIZE, SIZE * sizeof(float) - 4, y.at, x.at, true, 0u),
           "of shared memory, which has 1020");
}

/* Two rounds through the same memory: the second write must not overtake the first read. */
static void rounds(float *y, bool second_barrier) {
    float *tile = shared_floats();
    unsigned i = threadIdx.x, n = blockDim.x;
    float value = (float)i;
    for (int k = 0; k < 2; k++) {
        tile[i] = value;
        __syncthreads();
        value = tile[(i + 1) % n];
        if (second_barrier) __syncthreads();
    }
    y[i] = value;
}

static void test_write_after_read(void **) {
    memory y(numbers(SIZE));
    expect(launch(rounds, 1, SIZE, SIZE * sizeof(float), y.at, true), nullptr);
    assert_true(y.read()[0] == 2);
    if (looked_at) expect(launch(rounds, 1, SIZE, SIZE * sizeof(float), y.at, false), "with no barrier between");
}

/* Within a warp __syncwarp() is enough, and nothing less. */
static void neighbours(float *y, bool sync) {
    float *tile = shared_floats();
    unsigned i = threadIdx.x;
    tile[i] = (float)i;
    if (sync) __syncwarp();
    y[i] = tile[i ^ 1];
}

static void test_warp(void **) {
    memory y(numbers(SIZE));
    expect(launch(neighbours, 1, SIZE, SIZE * sizeof(float), y.at, true), nullptr);
    if (looked_at) expect(launch(neighbours, 1, SIZE, SIZE * sizeof(float), y.at, false), "with no barrier between");
}

static void shuffled(float *y, unsigned lanes, unsigned callers, bool early_exit) {
    unsigned lane = threadIdx.x % 32;
    if (early_exit && lane == 31) return;
    float value = (float)lane;
    if (callers >> lane & 1) value = __shfl_xor_sync(lanes, value, 1);
    y[threadIdx.x] = value;
}

static void test_shuffle(void **) {
    memory y(numbers(SIZE));
    expect(launch(shuffled, 1, SIZE, 0, y.at, 0xffffffffu, 0xffffffffu, false), nullptr);
    assert_true(y.read()[32] == 1 && y.read()[33] == 0);
    expect(launch(shuffled, 1, SIZE, 0, y.at, 0x0000ffffu, 0x0000ffffu, false), nullptr);
    expect(launch(shuffled, 1, SIZE, 0, y.at, 0xffffffffu, 0x0000ffffu, false), "cannot go on");
    expect(launch(shuffled, 1, SIZE, 0, y.at, 0xffffffffu, 0xffffffffu, true), "cannot go on");
    expect(launch(shuffled, 1, SIZE, 0, y.at, 0x0000ffffu, 0xffffffffu, false), "without itself");
}

static void divergent(bool all) {
    if (all || threadIdx.x % 2) __syncthreads();
}

static void test_divergent_barrier(void **) {
    expect(launch(divergent, 3, 64, 0, true), nullptr);
    expect(launch(divergent, 3, 64, 0, false), "wait at a barrier");
}

/* Each block writes its part of y, or one element too many; or all write the first. */
static void blockwise(float *y, unsigned more, bool same) {
    y[same ? threadIdx.x : blockIdx.x * blockDim.x + threadIdx.x + more] = 1;
}

static void test_device_memory(void **) {
    memory y(numbers(SIZE));
    expect(launch(blockwise, 4, SIZE / 4, 0, y.at, 0u, false), nullptr);
    if (!looked_at) return;
    expect(launch(blockwise, 4, SIZE / 4, 0, y.at, 0u, true), "with no barrier between");
    expect(launch(blockwise, 4, SIZE / 4, 0, y.at, 1u, false), "no memory of the device");
    float host[SIZE];
    expect(launch(blockwise, 1, SIZE, 0, (float *)host, 0u, false), "no memory of the device");
    expect(launch(blockwise, 1, SIZE / 2, 0, (float *)((char *)y.at + 2), 0u, false), "no multiple");
}

enum copy_mistake { NONE, NO_WAIT, NO_BARRIER, NEVER_WAITED, ONE_GROUP_LEFT };

/* Each thread copies four floats, and reads the neighbour's. */
static void copied(float *y, const float *x, copy_mistake mistake) {
    float *tile = shared_floats();
    unsigned i = threadIdx.x, n = blockDim.x;
    ptx_copy_async(tile + 4 * i, x + 4 * i, true);
    ptx_copy_commit();
    if (mistake != NO_WAIT && mistake != NEVER_WAITED && mistake != ONE_GROUP_LEFT) ptx_copy_wait<0>();
    if (mistake == ONE_GROUP_LEFT) ptx_copy_wait<1>();
    if (mistake != NO_BARRIER) __syncthreads();
    if (mistake == NEVER_WAITED) return;
    y[i] = tile[4 * ((i + 1) % n)];
    if (mistake == NO_WAIT || mistake == ONE_GROUP_LEFT) ptx_copy_wait<0>();
}

static void test_copy_async(void **) {
    enum { N = 64 };
    memory x(numbers(4 * N)), y(numbers(N));
    size_t bytes = 4 * N * sizeof(float);
    expect(launch(copied, 1, N, bytes, y.at, x.at, NONE), nullptr);
    for (size_t i = 0; i < N; i++) assert_true(y.read()[i] == (float)(4 * ((i + 1) % N)));
    expect(launch(copied, 1, N, bytes, y.at, x.at, NEVER_WAITED), "ends with a cp.async under way");
    expect(launch(copied, 1, N, bytes, y.at, x.at + 1, NONE), "no multiple of 16");
    if (looked_at) {
        expect(launch(copied, 1, N, bytes, y.at, x.at, NO_WAIT), "while a cp.async writes it");
        expect(launch(copied, 1, N, bytes, y.at, x.at, ONE_GROUP_LEFT), "while a cp.async writes it");
        assert_false(launch(copied, 1, N, bytes, y.at, x.at, NO_BARRIER).empty());
        return;
    }
    /* What has not been waited for is NaN. */
    launch(copied, 1, N, bytes, y.at, x.at, NO_WAIT);
    assert_true(y.read()[0] != y.read()[0]);
}

static float bf16_value(int row, int column) { return (float)((row * 7 + column * 3) % 11 - 5); }

/* c[16,8] = a[16,16] b[16,8], with one fragment's row off by `off`. */
static void product(float *out, int off) {
    int lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;
    uint32_t a[4], b[2];
    for (int r = 0; r < 4; r++) {
        int row = g + 8 * ((r + off) % 2), column = 2 * t + 8 * (r / 2);
        a[r] = ptx_pack_bf16(bf16_value(row, column), bf16_value(row, column + 1));
    }
    for (int r = 0; r < 2; r++)
        b[r] = ptx_pack_bf16(bf16_value(2 * t + 8 * r, g + 16), bf16_value(2 * t + 8 * r + 1, g + 16));
    float c[4] = {0, 0, 0, 0};
    ptx_multiply(c, a, b[0], b[1]);
    for (int i = 0; i < 4; i++) out[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = c[i];
}

/* The same with fragments from shared memory, by ldmatrix. */
static void product_loaded(float *out, bool right) {
    uint16_t *a = (uint16_t *)simt_shared_memory(), *b = a + 16 * 16; /* [16,16], [16,8] */
    int lane = (int)threadIdx.x;
    for (int i = lane; i < 16 * 16; i += 32) a[i] = (uint16_t)ptx_pack_bf16(bf16_value(i / 16, i % 16), 0);
    for (int i = lane; i < 16 * 8; i += 32) b[i] = (uint16_t)ptx_pack_bf16(bf16_value(i / 8, i % 8 + 16), 0);
    __syncwarp();
    uint32_t fragment[4], columns[4];
    ptx_load_matrices<false>(fragment, a + lane % 16 * 16 + lane / 16 * 8);
    if (right)
        ptx_load_matrices<true>(columns, b + lane % 16 * 8);
    else
        ptx_load_matrices<false>(columns, b + lane % 16 * 8);
    float c[4] = {0, 0, 0, 0};
    ptx_multiply(c, fragment, columns[0], columns[1]);
    for (int i = 0; i < 4; i++) out[(lane / 4 + 8 * (i / 2)) * 8 + 2 * (lane % 4) + i % 2] = c[i];
}

static int wrong_products(const std::vector<float> &got) {
    int wrong = 0;
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            float want = 0;
            for (int k = 0; k < 16; k++) want += bf16_value(row, k) * bf16_value(k, column + 16);
            wrong += got[(size_t)(row * 8 + column)] != want;
        }
    return wrong;
}

static void test_fragments(void **) {
    enum { BYTES = (16 * 16 + 16 * 8) * 2 };
    memory out(numbers(16 * 8));
    expect(launch(product, 1, 32, 0, out.at, 0), nullptr);
    assert_int_equal(wrong_products(out.read()), 0);
    expect(launch(product, 1, 32, 0, out.at, 1), nullptr);
    assert_true(wrong_products(out.read()) > 16);
    expect(launch(product_loaded, 1, 32, BYTES, out.at, true), nullptr);
    assert_int_equal(wrong_products(out.read()), 0);
    expect(launch(product_loaded, 1, 32, BYTES, out.at, false), nullptr);
    assert_true(wrong_products(out.read()) > 16);
}

/* Threads note when it is their turn, by the host's means. */
static unsigned turns[8], n_turns;
__attribute__((no_sanitize("thread"))) static void note() {
    if (n_turns < 8) turns[n_turns++] = threadIdx.x;
}

static void test_orders(void **) {
    std::vector<std::vector<unsigned>> seen;
    for (int i = 0; i < 64; i++) {
        n_turns = 0;
        expect(launch(note, 1, 8, 0), nullptr);
        std::vector<unsigned> order(turns, turns + 8);
        bool known = false;
        for (const auto &other : seen) known = known || other == order;
        if (!known) seen.push_back(order);
    }
    /* In order, in reverse, and many of the 8! others. */
    assert_true(seen.size() > 16);
}

/* Memory that no thread has written is NaN, also where the block before has written. */
static void stale(float *y) {
    float *tile = shared_floats();
    y[blockIdx.x * blockDim.x + threadIdx.x] = tile[threadIdx.x];
    __syncthreads();
    tile[threadIdx.x] = 1;
}

static void test_shared_memory(void **) {
    memory y(numbers(64));
    expect(launch(stale, 2, 32, 32 * sizeof(float), y.at), nullptr);
    for (float value : y.read()) assert_true(value != value);
    expect(launch(divergent, 1, 1025, 0, true), "1025 threads");
    expect(launch(divergent, 1, 32, 228 * 1024, true), "bytes of shared memory");
}

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barrier),
        cmocka_unit_test(test_write_after_read),
        cmocka_unit_test(test_warp),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_divergent_barrier),
        cmocka_unit_test(test_device_memory),
        cmocka_unit_test(test_copy_async),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_shared_memory),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
