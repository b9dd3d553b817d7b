/* An operand of our own matrix products. */
#ifndef HONE_KERNELS_CPU_MATRIX_H
#define HONE_KERNELS_CPU_MATRIX_H

#include "kernels/cpu/values.h"

/* Element [i, j] is number i * row + j * col of data; one of the strides is 1. */
struct hone_matrix {
    const void *data;
    int64_t row, col;
};

/* The part from element [i, j] on. */
static inline struct hone_matrix hone_matrix_from(struct hone_matrix m, int64_t i, int64_t j, enum hone_dtype dtype) {
    return (struct hone_matrix){value_at(m.data, i * m.row + j * m.col, dtype), m.row, m.col};
}

#endif
