/* hone: the one executable. Finds the verb and lets it work; everything printed about a failure is printed here. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    {"bench", hone_tool_bench, "kernels|train|tokenizer|checkpoint|io",
     "measure kernels, training, tokenizing, saving, files"},
    {"devices", hone_tool_devices, "", "what can be used here, and why not"},
    {"eval", hone_tool_eval, "RECIPE | --model DIR --data FILE", "metrics of a model on a file"},
    {"inspect", hone_tool_inspect, "PATH [--diff PATH]", "tensors, config and hashes of a model"},
    {"launch", hone_tool_launch, "--nproc N RECIPE [key=value]…", "train with several processes of this machine"},
    {"plan", hone_tool_plan, "RECIPE [key=value]…", "memory, steps, FLOPs, disk and time of a run, before it"},
    {"predict", hone_tool_predict, "--model DIR [--text S | --input F]", "one JSON object a line"},
    {"prepare", hone_tool_prepare, "RECIPE [key=value]…", "tokenize the data into the token cache"},
    {"recipe", hone_tool_recipe, "check|show RECIPE | schema", "validate a recipe, show it resolved, JSON Schema"},
    {"sweep", hone_tool_sweep, "RECIPE key=[a, b]…", "train for every combination of values"},
    {"tokenize", hone_tool_tokenize, "--tokenizer DIR [--input F]", "ids, tokens, offsets and word ids as JSON lines"},
    {"tokenizer", hone_tool_tokenizer, "train --model KIND --output DIR FILE…", "make a tokenizer from text"},
    {"train", hone_tool_train, "RECIPE [key=value]… [--seeds N]", "train or fine-tune"},
    {"verify", hone_tool_verify, "RUN [--steps N]", "train a run again and compare bits"},
};
enum { n_verbs = sizeof verbs / sizeof *verbs };

static void print_help(FILE *file) {
    fprintf(file,
            "hone " HONE_VERSION ": fine-tunes and trains Transformer language models from recipe files\n\nusage:\n");
    for (int i = 0; i < n_verbs; i++) {
        fprintf(file, "  hone %-10s%-36s %s\n", verbs[i].name, verbs[i].synopsis, verbs[i].purpose);
    }
    fprintf(file, "\n`hone VERB --help` tells a verb's options. stdout carries results only.\n\n"
                  "exit codes:\n"
                  "  0 ok   2 usage or recipe   3 bad input file   4 disk   5 out of memory   6 numeric\n"
                  "  7 another rank   9 the output folder is in use   10 it holds another run   70 internal error\n"
                  "  75 stopped by a signal, the state is saved   130 the same after Ctrl-C\n");
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

/* A standard stream that is closed would lend its number to the next file opened, and messages would end up in a model.
 * Writing to the one that takes stdout's place fails, as it should. */
static void occupy_standard_streams(void) {
    static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[fd]) != fd) _exit(HONE_INTERNAL);
    }
}

int main(int argc, char **argv) {
    /* A closed pipe is an error of the write that meets it, not a signal. */
    signal(SIGPIPE, SIG_IGN);
    occupy_standard_streams();
    if (argc < 2) {
        print_help(stderr);
        return HONE_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return hone_tool_end(hone_tool_flush());
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hone " HONE_VERSION "\n");
        return hone_tool_end(hone_tool_flush());
    }
    int code = -1;
    for (int i = 0; i < n_verbs; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) code = verbs[i].run(argc - 1, argv + 1);
    }
    if (code < 0) code = hone_tool_end(unknown_verb(argv[1]));
    hone_temporary_remove_all();
    return code;
}
