/* What `hone inspect` finds, as JSON: the same whether it is printed as JSON or as tables. */
#ifndef HONE_TOOLS_INSPECT_REPORT_H
#define HONE_TOOLS_INSPECT_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"

/* Adds to the object `out`: path, n_tensors, elements, bytes, tensors [{name, dtype, shape, bytes, and with `stats`
 * min, max, mean, rms, nan, inf}], config (of a folder), files [{name, bytes, sha256}]. */
enum hone_status inspect_describe(json_t *out, const char *path, bool stats);

/* Adds to the object `out`: a, b (the paths), only_in_a, only_in_b (names), changed_kind [{name, a, b: {dtype, shape}}],
 * common [{name, different, max_abs, relative_rms}]. */
enum hone_status inspect_compare(json_t *out, const char *path_a, const char *path_b);

#endif
