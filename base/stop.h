/* Being asked to stop. The first SIGTERM or SIGUSR1 (a scheduler's warning) or SIGINT (Ctrl-C) only leaves a mark, which
 * long work looks at where it can stop with its state saved; a second one ends the program at once. */
#ifndef HONE_BASE_STOP_H
#define HONE_BASE_STOP_H

#include "base/status.h"

/* From now on signals leave the mark. */
void hone_stop_watch(void);
/* HONE_OK, or what the program is to end with: HONE_PREEMPTED (SIGTERM, SIGUSR1) or HONE_INTERRUPTED (SIGINT). */
enum hone_status hone_stop_asked(void);

#endif
