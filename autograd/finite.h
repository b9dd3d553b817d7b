/* Which op of a recording first gives something that is not finite: for telling people where a step went wrong. */
#ifndef HONE_AUTOGRAD_FINITE_H
#define HONE_AUTOGRAD_FINITE_H

#include "autograd/tape.h"

struct hone_not_finite {
    const char *op;        /* "linear", "linear backward" (literals); NULL: everything was finite */
    const char *parameter; /* Hub name of the op's first parameter, or of the last one used before it; NULL: none */
    bool own;              /* the parameter is the op's own */
    const char *culprit;   /* one of the op's parameters that holds such a number itself, or NULL */
    const char *gradient;  /* the parameter whose gradient it is, or NULL: the op's output, or its input's gradient */
    float value;
    int64_t row, col; /* in the output or gradient */
    int64_t rows;     /* of it */
    bool backward;
};

/* Runs the recording as hone_tape_forward and hone_tape_backward do, but waits for every op and looks at what it wrote,
 * and stops at the first that is not finite. `loss` (device) is looked at after an op without output. Slow; gradients
 * of parameters are left as far as it came. Names are borrowed from the parameters. */
enum hone_status hone_tape_find_not_finite(struct hone_not_finite *out, struct hone_tape *tape, const float *loss,
                                           struct hone_stream *stream);

#endif
