/* Reading a recipe for a verb that takes RECIPE [key=value]…: mistakes are printed here, one a line. */
#ifndef HONE_TOOLS_RECIPE_OPTION_H
#define HONE_TOOLS_RECIPE_OPTION_H

#include "recipes/recipe.h"

/* argv[1] is the recipe, the other n_positional - 1 are overrides. Sets the log level that the recipe asks for. */
enum hone_status hone_tool_read_recipe(struct hone_recipe *out, int n_positional, char **argv);

#endif
