/* What verbs take from recipes: RECIPE [key=value]… (mistakes are printed here, one a line), and words of its options. */
#ifndef HONE_TOOLS_RECIPE_OPTION_H
#define HONE_TOOLS_RECIPE_OPTION_H

#include "recipes/recipe.h"

/* argv[1] is the recipe, the other n_positional - 1 are overrides. Sets the log level that the recipe asks for. */
enum hone_status hone_tool_read_recipe(struct hone_recipe *out, int n_positional, char **argv);
/* The same, and what the recipe reads must be there. */
enum hone_status hone_tool_check_recipe(struct hone_recipe *out, int n_positional, char **argv);

/* The argument of --precision, a word of the recipe's option `precision`; NULL is f32. */
enum hone_status hone_tool_precision(enum hone_precision *out, const char *word);

#endif
