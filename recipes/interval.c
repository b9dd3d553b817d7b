/* Student's interval of a mean. */
#include <math.h>

#include "recipes/sweep.h"

/* P(|t| < x) for whole degrees of freedom, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4. */
static double within(double x, int freedom) {
    const double pi = 3.14159265358979323846;
    double angle = atan(x / sqrt(freedom)), c = cos(angle), term = freedom % 2 ? c : 1, sum = 0;
    for (int k = freedom % 2 ? 1 : 0; k < freedom - 1; k += 2) {
        sum += term;
        term *= c * c * (k + 1) / (k + 2);
    }
    return freedom % 2 ? 2 / pi * (angle + sin(angle) * sum) : sin(angle) * sum;
}

static double quantile_95(int freedom) {
    double low = 0, high = 1000;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (within(middle, freedom) < 0.95) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

void hone_interval(double *mean, double *deviation, double *half, const double *values, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    *mean = sum / (double)n;
    *deviation = *half = 0;
    if (n < 2) return;
    for (size_t i = 0; i < n; i++) squares += (values[i] - *mean) * (values[i] - *mean);
    *deviation = sqrt(squares / (double)(n - 1));
    *half = quantile_95((int)n - 1) * *deviation / sqrt((double)n);
}
