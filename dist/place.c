/* Precedence. A job inside another (mpirun inside a Slurm job) inherits the outer one's variables. Slurm's are the
 * outermost and count only where no other launcher's are set; and only in a step that srun started, as a batch script
 * has them too and is no rank. Any two others must agree. srun --mpi=pmi2 sets PMI's variables itself: those of MPICH's
 * launcher are told from them by MPI_LOCALNRANKS. */
#include "dist/place.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_LOWEST 20000 /* below the ports that systems hand out by themselves */
#define PORTS       10000

struct launcher {
    const char *name, *rank, *size, *local_size;
    const char *job; /* what names the job; NULL: the process that started all ranks of a machine */
};

static const struct launcher torchrun = {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"};
static const struct launcher open_mpi = {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                                         "OMPI_COMM_WORLD_LOCAL_SIZE", "PMIX_NAMESPACE"};
static const struct launcher pmi = {"PMI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", NULL};
static const struct launcher slurm = {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", NULL, "SLURM_JOB_ID"};
static const struct launcher *const launchers[] = {&torchrun, &open_mpi, &pmi};
enum { LAUNCHERS = sizeof launchers / sizeof *launchers };

const char *const hone_place_variables[] = {"RANK",
                                            "WORLD_SIZE",
                                            "LOCAL_RANK",
                                            "LOCAL_WORLD_SIZE",
                                            "GROUP_RANK",
                                            "MASTER_ADDR",
                                            "MASTER_PORT",
                                            "TORCHELASTIC_RUN_ID",
                                            "TORCHELASTIC_USE_AGENT_STORE",
                                            "HONE_JOB",
                                            "OMPI_COMM_WORLD_RANK",
                                            "OMPI_COMM_WORLD_SIZE",
                                            "PMI_RANK",
                                            "PMI_SIZE",
                                            NULL};

static const char *get(const char *name) {
    const char *value = name ? getenv(name) : NULL;
    return value && *value ? value : NULL;
}

static enum hone_status read_number(int *out, const char *name, int low, int high) {
    const char *text = get(name);
    if (!text)
        return hone_fail(HONE_USAGE, "environment: %s is not set, but another variable of its launcher is", name);
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (*end || errno || value < low || value > high)
        return hone_fail(HONE_USAGE, "environment: %s is \"%s\", expected a number from %d to %d", name, text, low,
                         high);
    *out = (int)value;
    return HONE_OK;
}

/* Its rank and size, if it is the one that started this process. */
static enum hone_status read_launcher(struct hone_place *out, const struct launcher *launcher) {
    if (!get(launcher->rank) && !get(launcher->size)) return HONE_OK;
    HONE_TRY(read_number(&out->size, launcher->size, 1, HONE_RANKS_MOST));
    HONE_TRY(read_number(&out->rank, launcher->rank, 0, out->size - 1));
    out->launcher = launcher->name;
    return HONE_OK;
}

static enum hone_status contradict(const struct launcher *a, const struct launcher *b) {
    return hone_fail(HONE_USAGE,
                     "environment: %s=%s and %s=%s (%s) contradict %s=%s and %s=%s (%s); unset those of the launcher "
                     "that did not start this process",
                     a->rank, get(a->rank), a->size, get(a->size), a->name, b->rank, get(b->rank), b->size,
                     get(b->size), b->name);
}

static enum hone_status find_launcher(struct hone_place *out, const struct launcher **found) {
    for (int i = 0; i < LAUNCHERS; i++) {
        struct hone_place other = {0};
        HONE_TRY(read_launcher(&other, launchers[i]));
        if (!other.launcher) continue;
        if (!*found) {
            *found = launchers[i];
            *out = other;
        } else if (other.rank != out->rank || other.size != out->size) {
            return contradict(*found, launchers[i]);
        }
    }
    return HONE_OK;
}

/* The rank that srun made of this process, if it did. */
static enum hone_status find_slurm(struct hone_place *out, const struct launcher **found) {
    if (!get("SLURM_STEP_ID") || !get("SLURM_STEP_NUM_TASKS")) return HONE_OK;
    bool of_srun = *found == &pmi && !get(pmi.local_size);
    if (*found && !of_srun) return HONE_OK;
    struct hone_place step = {0};
    HONE_TRY(read_launcher(&step, &slurm));
    if (of_srun && (step.rank != out->rank || step.size != out->size)) return contradict(&pmi, &slurm);
    *found = &slurm;
    *out = step;
    return HONE_OK;
}

/* Launchers of PMIx alone tell a process its rank, but their number to MPI's library only. */
static enum hone_status refuse_pmix(void) {
    if (!get("PMIX_RANK")) return HONE_OK;
    return hone_fail(HONE_USAGE,
                     "environment: PMIX_RANK=%s says that this is one of several ranks, but no variable how many; set "
                     "RANK and WORLD_SIZE, or unset PMIX_RANK",
                     get("PMIX_RANK"));
}

/* The first of "node[07,09-12],other", as "node07"; or "node1" of "node1,node2". */
static void first_node(char *out, size_t size, const char *list) {
    size_t name = strcspn(list, "[,");
    if (list[name] != '[') {
        snprintf(out, size, "%.*s", (int)name, list);
        return;
    }
    const char *number = list + name + 1;
    snprintf(out, size, "%.*s%.*s", (int)name, list, (int)strcspn(number, "],-"), number);
}

static enum hone_status find_address(struct hone_place *out, const struct launcher *launcher) {
    const char *address = get("MASTER_ADDR"), *nodes = get("SLURM_STEP_NODELIST"),
               *n_nodes = get("SLURM_STEP_NUM_NODES");
    int local = 0;
    if (get(launcher->local_size)) HONE_TRY(read_number(&local, launcher->local_size, 1, HONE_RANKS_MOST));
    bool one_machine = launcher == &slurm ? n_nodes && strcmp(n_nodes, "1") == 0 : local == out->size;
    if (address) {
        /* What names the job otherwise, the process that started this one, is another on another machine. */
        if (!one_machine && !get("MASTER_PORT") && !get("HONE_JOB") && !get(launcher->job))
            return hone_fail(HONE_USAGE,
                             "environment: MASTER_ADDR is set without MASTER_PORT, and %s names no job that "
                             "a port would follow from; set MASTER_PORT, the same on every rank",
                             launcher->name);
        if (strlen(address) >= sizeof out->address)
            return hone_fail(HONE_USAGE, "environment: MASTER_ADDR has %zu bytes, at most %zu are a name",
                             strlen(address), sizeof out->address - 1);
        snprintf(out->address, sizeof out->address, "%s", address);
    } else if (one_machine) {
        snprintf(out->address, sizeof out->address, "127.0.0.1");
    } else if (launcher == &slurm && nodes) {
        first_node(out->address, sizeof out->address, nodes);
    } else {
        return hone_fail(HONE_USAGE,
                         "environment: %s says that there are %d ranks, but not where rank 0 is; set MASTER_ADDR to "
                         "the name of its machine",
                         launcher->name, out->size);
    }
    return HONE_OK;
}

/* What the ranks of a job alone have in common. */
static void describe_job(char *text, size_t size, const struct launcher *launcher) {
    const char *job = get("HONE_JOB"), *step = get("SLURM_STEP_ID");
    if (!job) job = get(launcher->job);
    if (job)
        snprintf(text, size, "%s %s %s", launcher->name, job, launcher == &slurm && step ? step : "");
    else
        snprintf(text, size, "%s %ld", launcher->name, get("MASTER_PORT") ? 0L : (long)getppid());
}

static enum hone_status find_port(struct hone_place *out, const char *job) {
    /* torchrun itself listens at MASTER_PORT then. */
    bool taken = get("TORCHELASTIC_USE_AGENT_STORE") && strcmp(get("TORCHELASTIC_USE_AGENT_STORE"), "True") == 0;
    if (get("MASTER_PORT")) {
        HONE_TRY(read_number(&out->port, "MASTER_PORT", 1, 65535));
        if (!taken) return HONE_OK;
    }
    unsigned hash = 2166136261u; /* FNV-1a */
    for (; *job; job++) hash = (hash ^ (unsigned char)*job) * 16777619u;
    out->port = PORT_LOWEST + (int)((hash + (unsigned)out->port) % PORTS);
    return HONE_OK;
}

enum hone_status hone_place_find(struct hone_place *out) {
    const struct launcher *launcher = NULL;
    *out = (struct hone_place){.size = 1};
    HONE_TRY(find_launcher(out, &launcher));
    HONE_TRY(find_slurm(out, &launcher));
    if (!launcher) HONE_TRY(refuse_pmix());
    if (!launcher || out->size == 1) return HONE_OK;
    char job[512];
    describe_job(job, sizeof job, launcher);
    HONE_TRY(find_address(out, launcher));
    HONE_TRY(find_port(out, job));
    struct hone_sha256 hash;
    hone_sha256_begin(&hash);
    hone_sha256_add(&hash, job, strlen(job));
    hone_sha256_end(out->job, &hash);
    return HONE_OK;
}
