/* GPT-2's byte level (Radford et al. 2019, its encoder): each byte is written as a printable character, and text is
 * split by one expression, here an automaton over the bytes themselves. */
#ifndef HONE_DATA_BYTE_LEVEL_H
#define HONE_DATA_BYTE_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point that stands for a byte. */
int32_t hone_byte_level_code(unsigned char byte);
/* The byte that a code point stands for, or -1. */
int hone_byte_level_byte(int32_t code);
/* End of the match of GPT-2's expression that begins at `at` < n; there always is one. */
size_t hone_gpt2_match(const char *text, size_t n, size_t at);

#endif
