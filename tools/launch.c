/* hone launch --nproc N RECIPE [key=value]…: the ranks of a training on this machine, each a fresh process of this
 * program that is told its place by torchrun's variables. */
#include <errno.h>
#include <netinet/in.h>
#include <omp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "dist/place.h"
#include "dist/shared_memory.h"
#include "dist/world.h"
#include "tools/recipe_option.h"
#include "tools/tools.h"

/* A rank that fails ends the others by itself; what is left after this is killed. */
#define GRACE_SECONDS 5.0

static const char help[] =
    "usage: hone launch --nproc N RECIPE [key=value]…\n\n"
    "Trains as hone train does with N processes of this machine (ranks), which share the samples of each step:\n"
    "training.batch_size stays that of all of them together. Cores are dealt out evenly, unless OMP_NUM_THREADS says\n"
    "how many threads each has; where OMP_PROC_BIND binds threads, each rank has cores of its own. Other launchers\n"
    "(torchrun, mpirun, srun) start hone train itself, once for each rank.\n\n"
    "  --nproc N  processes\n\n"
    "Signals go to all ranks: the first SIGTERM, SIGUSR1 or Ctrl-C ends the present step and saves. When a rank dies "
    "or\n"
    "hangs the others say which and end; the exit code is that of the rank that failed first. No process is left.\n";

static bool is_place(const char *entry) {
    size_t n = strcspn(entry, "=");
    for (int i = 0; hone_place_variables[i]; i++)
        if (strlen(hone_place_variables[i]) == n && strncmp(hone_place_variables[i], entry, n) == 0) return true;
    return false;
}

/* A port that is free now. */
static enum hone_status find_port(int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool found = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    int error = errno;
    if (fd >= 0) close(fd);
    if (!found)
        return hone_fail(HONE_RANK, "launch: no port on this machine for ranks to meet at: %s", strerror(error));
    *port = ntohs(address.sin_port);
    return HONE_OK;
}

struct job {
    int size, port;
    char nonce[33];
    char *threads;   /* "OMP_NUM_THREADS=2"; NULL: as it is */
    cpu_set_t cores; /* to be dealt out; none: threads are not bound to cores */
    char **argv;
    pid_t *ranks; /* 0: has ended */
    int left;
    int code; /* of the first that failed */
};

/* The environment of a rank; owned strings from `inherited` on. */
static char **environment_of(const struct job *job, int rank, size_t *inherited, size_t *n) {
    size_t count = 0;
    while (environ[count]) count++;
    char **out = hone_alloc(count + 12, sizeof *out, "environment of a rank");
    *n = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_place(environ[i])) out[(*n)++] = environ[i];
    *inherited = *n;
    out[(*n)++] = hone_format("RANK=%d", rank);
    out[(*n)++] = hone_format("LOCAL_RANK=%d", rank);
    out[(*n)++] = hone_format("WORLD_SIZE=%d", job->size);
    out[(*n)++] = hone_format("LOCAL_WORLD_SIZE=%d", job->size);
    out[(*n)++] = hone_format("MASTER_ADDR=127.0.0.1");
    out[(*n)++] = hone_format("MASTER_PORT=%d", job->port);
    out[(*n)++] = hone_format("HONE_JOB=%s", job->nonce);
    out[(*n)++] = hone_format(HONE_LAUNCHER "=%ld", (long)getpid());
    if (job->threads) out[(*n)++] = hone_strdup(job->threads, "environment of a rank");
    out[*n] = NULL;
    return out;
}

/* This process comes to be on a rank's own cores, which a rank that it starts inherits; rank -1: on all. */
static void stay_on_cores_of(const struct job *job, int rank) {
    int n = CPU_COUNT(&job->cores), number = 0;
    cpu_set_t own = job->cores;
    if (n < job->size) return;
    for (int core = 0; core < CPU_SETSIZE && rank >= 0; core++) {
        if (!CPU_ISSET(core, &job->cores)) continue;
        if (number * job->size / n != rank) CPU_CLR(core, &own);
        number++;
    }
    (void)sched_setaffinity(0, sizeof own, &own); /* where it is not allowed ranks run where there is room */
}

static enum hone_status start(struct job *job, int rank, const sigset_t *signals) {
    size_t inherited, n;
    char **environment = environment_of(job, rank, &inherited, &n);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    stay_on_cores_of(job, rank);
    int error = posix_spawn(&job->ranks[rank], "/proc/self/exe", NULL, &attributes, job->argv, environment);
    stay_on_cores_of(job, -1);
    posix_spawnattr_destroy(&attributes);
    for (size_t i = inherited; i < n; i++) hone_free(environment[i]);
    hone_free(environment);
    if (error) {
        job->ranks[rank] = 0;
        return hone_fail(HONE_RANK, "launch: starting rank %d: %s", rank, strerror(error));
    }
    job->left++;
    return HONE_OK;
}

static void signal_all(const struct job *job, int signal) {
    for (int r = 0; r < job->size; r++)
        if (job->ranks[r]) kill(job->ranks[r], signal);
}

/* The ranks that have ended: the first failure that is not the echo of another rank's counts. */
static void reap(struct job *job) {
    int status;
    for (pid_t process; (process = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (int r = 0; r < job->size; r++) {
            if (job->ranks[r] != process) continue;
            job->ranks[r] = 0;
            job->left--;
            int code = WIFEXITED(status) ? WEXITSTATUS(status) : HONE_RANK;
            if (WIFSIGNALED(status))
                hone_warn("rank %d (process %ld) was ended by signal %d (%s)", r, (long)process, WTERMSIG(status),
                          strsignal(WTERMSIG(status)));
            if (code && (!job->code || job->code == HONE_RANK)) job->code = code;
        }
    }
}

static void wait_for_all(struct job *job, const sigset_t *signals) {
    double failed = 0;
    while (job->left) {
        const struct timespec look = {.tv_nsec = 200000000};
        int signal = sigtimedwait(signals, NULL, &look);
        if (signal > 0 && signal != SIGCHLD) signal_all(job, signal);
        reap(job);
        if (!job->code || !job->left) continue;
        if (failed == 0) failed = hone_seconds();
        /* Saving what a signal interrupted takes the time that it takes. */
        bool saving = job->code == HONE_PREEMPTED || job->code == HONE_INTERRUPTED;
        if (!saving && hone_seconds() - failed > GRACE_SECONDS) signal_all(job, SIGKILL);
    }
}

/* All that OpenMP has been given: it has bound this process to the first of them, and would bind each rank to that. */
static void find_cores(struct job *job) {
    CPU_ZERO(&job->cores);
    for (int place = 0; place < omp_get_num_places(); place++) {
        int n = omp_get_place_num_procs(place), *cores = hone_alloc((size_t)n, sizeof *cores, "cores");
        omp_get_place_proc_ids(place, cores);
        for (int i = 0; i < n; i++) CPU_SET((size_t)cores[i], &job->cores);
        hone_free(cores);
    }
}

static enum hone_status prepare(struct job *job) {
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return hone_fail(HONE_INTERNAL, "launch: the system gives no random bytes");
    for (size_t i = 0; i < sizeof random; i++) snprintf(job->nonce + 2 * i, 3, "%02x", random[i]);
    int each = omp_get_num_procs() / job->size;
    if (!getenv("OMP_NUM_THREADS")) job->threads = hone_format("OMP_NUM_THREADS=%d", each > 1 ? each : 1);
    find_cores(job);
    return find_port(&job->port);
}

static enum hone_status run(struct job *job) {
    sigset_t signals, before;
    sigemptyset(&signals);
    for (size_t i = 0; i < 4; i++) sigaddset(&signals, (const int[]){SIGTERM, SIGINT, SIGUSR1, SIGCHLD}[i]);
    sigprocmask(SIG_BLOCK, &signals, &before);
    enum hone_status status = prepare(job);
    for (int r = 0; r < job->size && status == HONE_OK; r++) status = start(job, r, &before);
    if (status != HONE_OK) signal_all(job, SIGKILL);
    wait_for_all(job, &signals);
    return status;
}

/* Mistakes in the recipe are told here, once. */
static enum hone_status check(int n_positional, char **argv) {
    struct hone_recipe recipe;
    HONE_TRY(hone_tool_read_recipe(&recipe, n_positional, argv));
    hone_recipe_free(&recipe);
    return HONE_OK;
}

static enum hone_status launch(int *code, const char *nproc, int n_positional, char **argv) {
    int64_t size = 0;
    if (!nproc) return hone_fail(HONE_USAGE, "launch: --nproc is needed; see hone launch --help");
    HONE_TRY(hone_tool_whole_number(&size, "launch: --nproc", nproc, 1, HONE_SHARED_MEMORY_RANKS));
    HONE_TRY(check(n_positional, argv));
    struct job job = {.size = (int)size};
    job.argv = hone_calloc((size_t)n_positional + 3, sizeof *job.argv, "arguments of a rank");
    job.argv[0] = (char *)"hone";
    job.argv[1] = (char *)"train";
    for (int i = 1; i <= n_positional; i++) job.argv[i + 1] = argv[i];
    job.ranks = hone_calloc((size_t)size, sizeof *job.ranks, "ranks");
    enum hone_status status = run(&job);
    *code = job.code;
    hone_free(job.threads);
    hone_free(job.argv);
    hone_free(job.ranks);
    return status;
}

int hone_tool_launch(int argc, char **argv) {
    int n_positional, code = 0;
    bool helped;
    const char *nproc = NULL;
    struct hone_tool_option options[] = {{"--nproc", &nproc, NULL}, {0}};
    enum hone_status status = hone_tool_parse(argc, argv, options, help, &n_positional, &helped);
    if (status == HONE_OK) status = helped ? hone_tool_flush() : launch(&code, nproc, n_positional, argv);
    return status == HONE_OK ? code : hone_tool_end(status);
}
