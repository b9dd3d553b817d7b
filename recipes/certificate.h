/* What a run was made from and what made it, so that somebody can make it again and see that the bits are the same.
 * all_results.json has it as "certificate": {"recipe", "data": SHA-256 as in state.h5; "base": {file of the model that it
 * started from: SHA-256}; "model": SHA-256 of the model.safetensors that it left; "micro_batch_tokens"; "program":
 * SHA-256 of the executable; "device", "gemm": what computed}. */
#ifndef HONE_RECIPES_CERTIFICATE_H
#define HONE_RECIPES_CERTIFICATE_H

#include "recipes/run.h"

/* Of the run whose model lies in `output`; owned. */
enum hone_status hone_certificate_make(json_t **out, const struct hone_run *run, const char *output);

/* HONE_RESUME_MISMATCH, naming each part, when recipe, data or base model of the opened run are not those of the
 * certificate. */
enum hone_status hone_certificate_check(const json_t *certificate, const struct hone_run *run);
/* Appends what computes otherwise here than there, as "; …": another program, device or GEMM. Nothing when none does. */
enum hone_status hone_certificate_differences(struct hone_text *text, const json_t *certificate,
                                              const struct hone_device *device);

#endif
