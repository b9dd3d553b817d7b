/* Several runs of one recipe: over seeds, or over every combination of some options' values. Each is an ordinary run in a
 * folder of its own below the recipe's output, named after its values, so a sweep that is started again takes the runs
 * that are complete as they are. */
#ifndef HONE_RECIPES_SWEEP_H
#define HONE_RECIPES_SWEEP_H

#include "base/json.h"
#include "recipes/recipe.h"

/* An option and the values that it takes in turn. */
struct hone_axis {
    char *key; /* dotted */
    struct hone_strings values;
};

struct hone_sweep {
    const char *recipe;
    char **overrides; /* of all runs: "key=value" */
    int n_overrides;
    struct hone_axis *axes; /* owned */
    size_t n_axes;
};

/* Takes the overrides whose value is a list as axes, in their order, and leaves the others in `overrides` (n of them,
 * borrowed and reordered). Options that take a list themselves need a list of lists. An empty axis, a value or key given
 * twice is HONE_USAGE. */
enum hone_status hone_sweep_grid(struct hone_sweep *out, const char *recipe, char **overrides, int n);
/* One axis: training.seed from the recipe's seed on, n >= 2 of them. */
enum hone_status hone_sweep_seeds(struct hone_sweep *out, const char *recipe, char **overrides, int n_overrides,
                                  int64_t n);
void hone_sweep_free(struct hone_sweep *sweep);

/* Reads the recipe of every run before the first one starts; mistakes as hone_recipe_read tells them. Then runs them all:
 * one that fails is noted and does not end the sweep, only a signal to stop (base/stop.h) does. *out (the caller's to json_decref) is
 * {"metric", "runs": [{"name", "output", "values": {key: text}, "results" or "error" and "exit_code"}], "summary":
 * {name: {"mean", "standard_deviation", "interval_95": [low, high], "n"}}}, runs in the order of the axes; it lies in
 * <output>/sweep.json too. The status is that of the first run that failed. */
enum hone_status hone_sweep_run(json_t **out, const struct hone_sweep *sweep, struct hone_text *mistakes);

/* For people: the runs, the best by "metric" first and failed ones last, with their values and metrics; or, with
 * `summary`, mean, standard deviation and interval of every metric. */
void hone_sweep_table(struct hone_text *text, const json_t *results, bool summary);

/* Mean and standard deviation (n - 1 below the root) of n >= 1 values, and half of the 95 % confidence interval of the
 * mean, by Student's t distribution; both 0 for one value. */
void hone_interval(double *mean, double *deviation, double *half, const double *values, size_t n);

#endif
