/* What hone sweep and hone train --seeds share. */
#ifndef HONE_TOOLS_SWEEP_OPTION_H
#define HONE_TOOLS_SWEEP_OPTION_H

#include "recipes/sweep.h"

/* Runs all, prints mistakes and the table to stderr and the results to stdout; with `summary` every metric's mean and
 * interval too. */
enum hone_status hone_tool_run_sweep(const struct hone_sweep *sweep, bool summary);

#endif
