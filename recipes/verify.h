/* Making a run again and holding it to what it recorded. */
#ifndef HONE_RECIPES_VERIFY_H
#define HONE_RECIPES_VERIFY_H

#include "base/json.h"

/* Replays the first `steps` steps (0: all) of the complete run in `run_folder`, from the same working directory, in a
 * folder beside it that is gone afterwards. Every figure that the run logged up to there, every checkpoint that both
 * have, and with all steps the final figures and the model must be the same, bit for bit; speeds and times are left out.
 * *report (the caller's to json_decref) counts what was compared.
 * HONE_BAD_INPUT: no complete run, or a damaged record; HONE_RESUME_MISMATCH: recipe, data, base model or the model left
 * are not those of the certificate; HONE_NUMERIC: the replay gave other bits, naming the first. */
enum hone_status hone_verify(json_t **report, const char *run_folder, int64_t steps);

#endif
