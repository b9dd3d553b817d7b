/* Ranks watch each other over the connections that they met by. A thread of each tells rank 0 every second what its rank
 * is at, and rank 0 tells all. Who is dead (its connection ends), silent (stopped, or its machine is gone), or stays in
 * one phase beyond the deadline while nobody keeps it waiting, is named with host and process on every rank, and all
 * end with HONE_RANK: collectives that a rank is missing from would never return. */
#ifndef HONE_DIST_WATCH_H
#define HONE_DIST_WATCH_H

#include "dist/rendezvous.h"
#include "kernels/collectives.h"

enum hone_phase { HONE_PHASE_START, HONE_PHASE_STEP, HONE_PHASE_EVALUATION, HONE_PHASE_SAVE };

struct hone_watch;

/* Meeting and collectives are borrowed and outlive it. A rank may be `seconds` at a step or a batch of an evaluation
 * without a mark or the end of a collective, ten times as long at the start and in saving. */
enum hone_status hone_watch_start(struct hone_watch **out, const struct hone_meeting *meeting, int rank, int size,
                                  struct hone_collectives *collectives, double seconds);
/* Progress: the rank is at the beginning of this. */
void hone_watch_mark(struct hone_watch *watch, enum hone_phase phase, int64_t step);
/* Tells the others that this rank leaves, with HONE_OK or a failure whose message it has told, and ends watching; NULL is
 * allowed. With HONE_OK it waits until all leave, or the job fails. After HONE_NUMERIC, which ranks come
 * to together, the others have seconds to end by themselves. */
void hone_watch_end(struct hone_watch *watch, enum hone_status status);

#endif
