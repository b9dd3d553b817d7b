/* hone: the one executable. Finds the verb and lets it work; everything printed about a failure is printed here. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "tools/tools.h"

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *synopsis;
    const char *purpose;
};

/* Sorted by name; `hone --help` prints them in this order. */
static const struct verb verbs[] = {
    {"bench", hone_tool_bench, "train|tokenizer|io", "measure training, tokenizing, files"},
    {"devices", hone_tool_devices, "", "what can be used here, and why not"},
    {"eval", hone_tool_eval, "RECIPE | --model DIR --data FILE", "metrics of a model on a file"},
    {"inspect", hone_tool_inspect, "PATH [--diff PATH]", "tensors, config and hashes of a model"},
    {"plan", hone_tool_plan, "RECIPE [key=value]…", "memory, steps, FLOPs, disk and time of a run, before it"},
    {"predict", hone_tool_predict, "--model DIR [--text S | --input F]", "one JSON object a line"},
    {"recipe", hone_tool_recipe, "check|show RECIPE | schema", "validate a recipe, show it resolved, JSON Schema"},
    {"tokenize", hone_tool_tokenize, "--tokenizer DIR [--input F]", "ids, tokens, offsets and word ids as JSON lines"},
    {"train", hone_tool_train, "RECIPE [key=value]…", "train or fine-tune"},
};
enum { n_verbs = sizeof verbs / sizeof *verbs };

static int print_help(void) {
    printf("hone " HONE_VERSION ": fine-tunes and trains Transformer language models from recipe files\n\nusage:\n");
    for (int i = 0; i < n_verbs; i++) {
        printf("  hone %-9s%-36s %s\n", verbs[i].name, verbs[i].synopsis, verbs[i].purpose);
    }
    printf("\n`hone VERB --help` tells a verb's options. stdout carries results only.\n\n"
           "exit codes:\n"
           "  0 ok   2 usage or recipe   3 bad input file   4 disk   5 out of memory   6 numeric\n"
           "  10 the output folder holds another run   70 internal error   130 interrupted\n");
    return fflush(stdout) == 0 ? HONE_OK : HONE_DISK;
}

int hone_tool_end(enum hone_status status) {
    if (status != HONE_OK) {
        hone_progress_end();
        fprintf(stderr, "hone: %s\n", hone_error_message());
    }
    return (int)status;
}

static enum hone_status unknown_verb(const char *name) {
    const char *names[n_verbs];
    for (int i = 0; i < n_verbs; i++) names[i] = verbs[i].name;
    const char *near = hone_suggest(name, names, n_verbs);
    char *shown = hone_escape(name, strlen(name));
    enum hone_status status =
        near ? hone_fail(HONE_USAGE, "unknown command \"%s\" (did you mean \"%s\"?); see hone --help", shown, near)
             : hone_fail(HONE_USAGE, "unknown command \"%s\"; see hone --help", shown);
    hone_free(shown);
    return status;
}

int main(int argc, char **argv) {
    /* A closed pipe is an error of the write that meets it, not a signal. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help();
        return HONE_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        return print_help();
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hone " HONE_VERSION "\n");
        return fflush(stdout) == 0 ? HONE_OK : HONE_DISK;
    }
    int code = -1;
    for (int i = 0; i < n_verbs; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) code = verbs[i].run(argc - 1, argv + 1);
    }
    if (code < 0) code = hone_tool_end(unknown_verb(argv[1]));
    hone_temporary_remove_all();
    return code;
}
