/* What a warp does together, and copies that are waited for later. Layouts of fragments are those of the PTX ISA. */
#include <utility>
#include <vector>

#include "tests/simt/runtime.h"

struct shuffle {
    unsigned value, source, result;
};

static void combine_shuffle(void *const operands[SIMT_WARP]) {
    for (int lane = 0; lane < SIMT_WARP; lane++) {
        shuffle *own = (shuffle *)operands[lane];
        if (!own) continue;
        const shuffle *from = (const shuffle *)operands[own->source % SIMT_WARP];
        /* A lane that takes no part has no value. */
        own->result = from ? from->value : 0xffffffffu;
    }
}

unsigned simt_shuffle(unsigned lanes, unsigned value, unsigned source) {
    shuffle own = {value, source, 0};
    simt_collective("a shuffle", combine_shuffle, lanes, &own);
    return own.result;
}

uint32_t simt_pack_bf16(float low, float high) {
    uint32_t halves[2];
    const float values[2] = {low, high};
    for (int i = 0; i < 2; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        halves[i] = values[i] != values[i] ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
    return halves[0] | halves[1] << 16;
}

struct copy {
    char *to;
    const void *from; /* NULL: zeros */
};

static struct {
    std::vector<copy> open;
    std::vector<std::vector<copy>> groups; /* oldest first */
} copies[SIMT_THREADS];

void simt_copy_async(void *to, const void *from, bool valid) {
    if ((uintptr_t)to % 16 != 0 || (valid && (uintptr_t)from % 16 != 0))
        simt_fail("copies 16 bytes from or to an address that is no multiple of 16");
    if (valid) simt_access(from, 16, false);
    simt_copy_begin(to, 16);
    copies[threadIdx.x].open.push_back({(char *)to, valid ? from : nullptr});
}

void simt_copy_commit() {
    auto &own = copies[threadIdx.x];
    own.groups.push_back(own.open);
    own.open.clear();
}

void simt_copy_wait(int left) {
    auto &groups = copies[threadIdx.x].groups;
    while ((int)groups.size() > left) {
        for (const copy &c : groups.front()) {
            simt_copy_end(c.to, 16);
            if (c.from)
                memcpy(c.to, c.from, 16);
            else
                memset(c.to, 0, 16);
        }
        groups.erase(groups.begin());
    }
}

bool simt_copies_clear() {
    bool none = true;
    for (auto &own : copies) {
        none = none && own.open.empty();
        for (const auto &group : own.groups) none = none && group.empty();
        own.open.clear();
        own.groups.clear();
    }
    return none;
}

struct matrices {
    const uint16_t *row;
    uint32_t *to;
    bool transposed;
};

static void combine_matrices(void *const operands[SIMT_WARP]) {
    for (int lane = 0; lane < SIMT_WARP; lane++) {
        const matrices *own = (const matrices *)operands[lane];
        for (int i = 0; i < 4; i++) {
            uint32_t halves[2];
            for (int h = 0; h < 2; h++) {
                int row = lane / 4, column = 2 * (lane % 4) + h;
                if (own->transposed) std::swap(row, column);
                halves[h] = ((const matrices *)operands[8 * i + row])->row[column];
            }
            own->to[i] = halves[0] | halves[1] << 16;
        }
    }
}

void simt_load_matrices(uint32_t to[4], const void *row, bool transposed) {
    if ((uintptr_t)row % 16 != 0) simt_fail("gives ldmatrix an address that is no multiple of 16");
    simt_access(row, 16, false);
    matrices own = {(const uint16_t *)row, to, transposed};
    simt_collective("ldmatrix", combine_matrices, 0xffffffff, &own);
}

struct product {
    float *c;
    const uint32_t *a;
    uint32_t b[2];
};

static float half_of(uint32_t pair, int which) {
    uint32_t bits = which ? pair & 0xffff0000u : pair << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void combine_product(void *const operands[SIMT_WARP]) {
    /* Exact, but for the last rounding: how hardware rounds in between is not documented. */
    double a[16][16], b[16][8], sum[16][8];
    for (int lane = 0; lane < SIMT_WARP; lane++) {
        const product *own = (const product *)operands[lane];
        int g = lane / 4, t = lane % 4;
        for (int r = 0; r < 4; r++)
            for (int h = 0; h < 2; h++) a[g + 8 * (r % 2)][2 * t + h + 8 * (r / 2)] = (double)half_of(own->a[r], h);
        for (int r = 0; r < 2; r++)
            for (int h = 0; h < 2; h++) b[2 * t + h + 8 * r][g] = (double)half_of(own->b[r], h);
        for (int i = 0; i < 4; i++) sum[g + 8 * (i / 2)][2 * t + i % 2] = (double)own->c[i];
    }
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < 16; k++)
            for (int column = 0; column < 8; column++) sum[row][column] += a[row][k] * b[k][column];
    for (int lane = 0; lane < SIMT_WARP; lane++) {
        const product *own = (const product *)operands[lane];
        for (int i = 0; i < 4; i++) own->c[i] = (float)sum[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
    }
}

void simt_multiply(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1) {
    product own = {c, a, {b0, b1}};
    simt_collective("mma", combine_product, 0xffffffff, &own);
}
