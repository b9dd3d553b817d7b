/* The verbs of the one executable, a file each. A verb gets its own arguments (argv[0] is the verb) and returns the
 * program's exit code (enum hone_status). Results go to stdout; everything else to stderr. */
#ifndef HONE_TOOLS_TOOLS_H
#define HONE_TOOLS_TOOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

int hone_tool_bench(int argc, char **argv);
int hone_tool_devices(int argc, char **argv);
int hone_tool_eval(int argc, char **argv);
int hone_tool_inspect(int argc, char **argv);
int hone_tool_launch(int argc, char **argv);
int hone_tool_plan(int argc, char **argv);
int hone_tool_prepare(int argc, char **argv);
int hone_tool_predict(int argc, char **argv);
int hone_tool_recipe(int argc, char **argv);
int hone_tool_sweep(int argc, char **argv);
int hone_tool_tokenize(int argc, char **argv);
int hone_tool_tokenizer(int argc, char **argv);
int hone_tool_train(int argc, char **argv);
int hone_tool_verify(int argc, char **argv);

/* Prints "hone: <message>" for a failed status to stderr, nothing for HONE_OK, and returns it as an exit code. */
int hone_tool_end(enum hone_status status);

/* One option of a verb. A value option stores its argument in *value (borrowed from argv), a flag sets *flag. */
struct hone_tool_option {
    const char *name; /* "--model" */
    const char **value;
    bool *flag;
};

/* Takes the options out of argv, wherever they stand; what is left are the positional arguments, argv[1] on, their
 * number in *n_positional. "--help" prints `help` to stdout and sets *helped. "--" ends the options. An unknown option
 * is HONE_USAGE with a suggestion. `options` ends with {0}. */
enum hone_status hone_tool_parse(int argc, char **argv, const struct hone_tool_option *options, const char *help,
                                 int *n_positional, bool *helped);

/* The whole number that an option was given as, from low to high; a text of NULL leaves *out. `option` stands in the
 * message ("tokenize: --stride"). */
enum hone_status hone_tool_whole_number(int64_t *out, const char *option, const char *text, int64_t low, int64_t high);

/* Writes to stdout and reports failure (a closed pipe, a full disk) as HONE_DISK. */
enum hone_status hone_tool_print(const char *bytes, unsigned long n);
enum hone_status hone_tool_flush(void);
/* Results for people and programs: JSON with indentation, and a flush. */
enum hone_status hone_tool_print_json(const json_t *value);

#endif
