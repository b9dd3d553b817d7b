/* What tests share: paths, scratch folders, comparison that prints the first mismatches, deterministic noise. */
#ifndef HONE_TESTS_SUPPORT_H
#define HONE_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"

/* The address sanitizer keeps memory of its own, and ends the program when there is none. */
#if defined(__SANITIZE_ADDRESS__)
#define TEST_SANITIZED true
#else
#define TEST_SANITIZED false
#endif

/* A new empty folder under $TMPDIR or /tmp, removed at exit; owned by the support code. */
const char *test_scratch(void);

/* Fails the test unless status is `expected` and the message contains `part` (NULL: any). */
void test_expect_status(enum hone_status status, enum hone_status expected, const char *part);
/* Fails with the message unless HONE_OK. */
#define TEST_OK(expression) test_expect_status((expression), HONE_OK, NULL)

/* |got - want| <= absolute + relative * max(|want|) over the array: prints the first five mismatches and fails. */
void test_close(const char *name, const float *got, const double *want, int64_t n, double absolute, double relative);
/* Same bits, else prints the first five mismatches and fails. */
void test_same_bits(const char *name, const void *got, const void *want, size_t bytes);

/* Standard normal noise from a seed, and n normal values into f64 and f32 (the f64 ones are the f32 values widened). */
void test_noise(float *f32, double *f64, int64_t n, double scale, uint32_t seed);

#endif
