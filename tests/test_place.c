/* A rank's place from the environments that launchers make, and from those that contradict themselves; and ranks that
 * find each other by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dist/rendezvous.h"
#include "tests/support.h"

/* "NAME=value" each, NULL at the end; nothing else is set. */
static enum hone_status find(struct hone_place *out, const char *const *environment) {
    clearenv();
    for (; *environment; environment++) {
        const char *value = strchr(*environment, '=');
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(value - *environment), *environment);
        setenv(name, value + 1, 1);
    }
    return hone_place_find(out);
}

#define ENVIRONMENT(...)                                                                                               \
    (const char *const[]) { __VA_ARGS__, NULL }

static void expect(const char *const *environment, const char *launcher, int rank, int size, const char *address,
                   int port) {
    struct hone_place place;
    TEST_OK(find(&place, environment));
    if (launcher)
        assert_string_equal(place.launcher, launcher);
    else
        assert_null(place.launcher);
    assert_int_equal(place.rank, rank);
    assert_int_equal(place.size, size);
    assert_string_equal(place.address, address);
    if (port) assert_int_equal(place.port, port);
}

static void launchers_are_known(void **state) {
    (void)state;
    expect(ENVIRONMENT("HOME=/"), NULL, 0, 1, "", 0);
    expect(ENVIRONMENT("RANK=0", "WORLD_SIZE=1"), "torchrun", 0, 1, "", 0);
    expect(ENVIRONMENT("RANK=3", "WORLD_SIZE=4", "LOCAL_RANK=1", "MASTER_ADDR=gpu7", "MASTER_PORT=29500"), "torchrun",
           3, 4, "gpu7", 29500);
    expect(ENVIRONMENT("RANK=1", "WORLD_SIZE=2", "LOCAL_WORLD_SIZE=2", "MASTER_PORT=5"), "torchrun", 1, 2, "127.0.0.1",
           5);
    expect(ENVIRONMENT("OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_LOCAL_SIZE=2",
                       "PMIX_NAMESPACE=1234", "SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=1", "SLURM_STEP_ID=0"),
           "Open MPI", 1, 2, "127.0.0.1", 0);
    expect(ENVIRONMENT("PMI_RANK=2", "PMI_SIZE=3", "MPI_LOCALNRANKS=3"), "PMI", 2, 3, "127.0.0.1", 0);
    expect(ENVIRONMENT("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=8", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                       "SLURM_STEP_NODELIST=node[07,09-12]", "SLURM_STEP_NUM_NODES=4"),
           "Slurm", 1, 8, "node07", 0);
    expect(ENVIRONMENT("SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                       "SLURM_STEP_NODELIST=here", "SLURM_STEP_NUM_NODES=1"),
           "Slurm", 0, 2, "127.0.0.1", 0);
    expect(ENVIRONMENT("SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                       "SLURM_STEP_NODELIST=a12,b3", "SLURM_STEP_NUM_NODES=2"),
           "Slurm", 0, 2, "a12", 0);
    /* srun --mpi=pmi2 and --mpi=pmix, as Slurm 22.05 sets them. */
    expect(ENVIRONMENT("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                       "SLURM_STEP_NODELIST=here", "SLURM_STEP_NUM_NODES=1", "SLURM_MPI_TYPE=pmi2", "PMI_FD=13",
                       "PMI_JOBID=77.0", "PMI_RANK=1", "PMI_SIZE=2"),
           "Slurm", 1, 2, "127.0.0.1", 0);
    expect(ENVIRONMENT("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                       "SLURM_STEP_NODELIST=n[1-2]", "SLURM_STEP_NUM_NODES=2", "SLURM_MPI_TYPE=pmix",
                       "PMIX_NAMESPACE=slurm.pmix.77.0", "PMIX_RANK=1"),
           "Slurm", 1, 2, "n1", 0);
    /* MPICH's mpirun in a batch script of Slurm starts its own helper by srun, one on each machine. */
    expect(ENVIRONMENT("SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=1", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                       "SLURM_STEP_NODELIST=here", "SLURM_STEP_NUM_NODES=1", "PMI_FD=6", "PMI_RANK=1", "PMI_SIZE=2",
                       "MPI_LOCALNRANKS=2"),
           "PMI", 1, 2, "127.0.0.1", 0);
    /* Ranks of ours in a step of theirs. */
    expect(ENVIRONMENT("RANK=1", "WORLD_SIZE=2", "LOCAL_WORLD_SIZE=2", "MASTER_PORT=5", "SLURM_PROCID=0",
                       "SLURM_STEP_NUM_TASKS=1", "SLURM_STEP_ID=0", "PMIX_RANK=0"),
           "torchrun", 1, 2, "127.0.0.1", 5);
    /* The script of a batch job is no rank of it. */
    expect(ENVIRONMENT("SLURM_PROCID=0", "SLURM_NTASKS=2", "SLURM_JOB_ID=77"), NULL, 0, 1, "", 0);
    /* Two that agree. */
    expect(ENVIRONMENT("RANK=1", "WORLD_SIZE=2", "MASTER_ADDR=h", "MASTER_PORT=1", "OMPI_COMM_WORLD_RANK=1",
                       "OMPI_COMM_WORLD_SIZE=2"),
           "torchrun", 1, 2, "h", 1);
}

static void ranks_of_a_job_have_one_port_and_name(void **state) {
    (void)state;
    struct hone_place a, b, other;
    TEST_OK(find(&a, ENVIRONMENT("SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                                 "SLURM_STEP_NUM_NODES=1")));
    TEST_OK(find(&b, ENVIRONMENT("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=0", "SLURM_JOB_ID=77",
                                 "SLURM_STEP_NUM_NODES=1")));
    TEST_OK(find(&other, ENVIRONMENT("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=1", "SLURM_JOB_ID=77",
                                     "SLURM_STEP_NUM_NODES=1")));
    assert_string_equal(a.job, b.job);
    assert_int_equal(a.port, b.port);
    assert_string_not_equal(a.job, other.job);
    /* torchrun listens at its port itself. */
    TEST_OK(find(&a, ENVIRONMENT("RANK=1", "WORLD_SIZE=2", "MASTER_ADDR=h", "MASTER_PORT=29500",
                                 "TORCHELASTIC_RUN_ID=none", "TORCHELASTIC_USE_AGENT_STORE=True")));
    assert_int_not_equal(a.port, 29500);
}

static void contradictions_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *environment[7], *part;
    } cases[] = {
        {{"RANK=1", "WORLD_SIZE=2", "OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=2"},
         "RANK=1 and WORLD_SIZE=2 (torchrun) contradict OMPI_COMM_WORLD_RANK=0 and OMPI_COMM_WORLD_SIZE=2 (Open MPI)"},
        {{"PMI_RANK=1", "PMI_SIZE=2", "OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=3"}, "(Open MPI) contradict"},
        {{"RANK=1"}, "WORLD_SIZE is not set"},
        {{"WORLD_SIZE=2"}, "RANK is not set"},
        {{"RANK=2", "WORLD_SIZE=2"}, "RANK is \"2\", expected a number from 0 to 1"},
        {{"RANK=one", "WORLD_SIZE=2"}, "RANK is \"one\""},
        {{"RANK=0", "WORLD_SIZE=0"}, "WORLD_SIZE is \"0\", expected a number from 1 to 1024"},
        {{"RANK=0", "WORLD_SIZE=99999999999999999999"}, "expected a number from 1 to 1024"},
        {{"RANK=0", "WORLD_SIZE=2"}, "set MASTER_ADDR"},
        {{"RANK=0", "WORLD_SIZE=2", "MASTER_ADDR=h", "MASTER_PORT=70000"}, "MASTER_PORT is \"70000\""},
        {{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_LOCAL_SIZE=2"}, "set MASTER_ADDR"},
        {{"PMI_RANK=0", "PMI_SIZE=4", "MPI_LOCALNRANKS=2", "MASTER_ADDR=h"}, "set MASTER_PORT"},
        {{"PMI_RANK=0", "PMI_SIZE=2", "SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "SLURM_STEP_ID=0"},
         "PMI_RANK=0 and PMI_SIZE=2 (PMI) contradict SLURM_PROCID=1 and SLURM_STEP_NUM_TASKS=2 (Slurm)"},
        {{"PMIX_RANK=1", "PMIX_NAMESPACE=prterun-1"}, "PMIX_RANK=1 says that this is one of several ranks"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hone_place place;
        test_expect_status(find(&place, cases[i].environment), HONE_USAGE, cases[i].part);
    }
}

/* Ranks as processes; rank `odd` has another place than it should. Its exit code is the status it got. */
static void meet(int size, int odd, const struct hone_place *place, const struct hone_place *odd_place,
                 enum hone_status expected, const char *part) {
    pid_t ranks[4];
    for (int r = size - 1; r >= 0; r--) {
        ranks[r] = fork();
        if (ranks[r] != 0) continue;
        struct hone_place mine = r == odd ? *odd_place : *place;
        struct hone_meeting meeting;
        if (r != odd) mine.rank = r;
        enum hone_status status = hone_rendezvous(&meeting, &mine, 3, 4711 * (r == 0));
        bool good = status == expected && (status == HONE_OK || strstr(hone_error_message(), part));
        if (status == HONE_OK) {
            good = good && meeting.token == 4711 && meeting.n_connections == (r == 0 ? size : 1);
            for (int i = 0; i < size; i++) good = good && meeting.peers[i].process > 0 && meeting.peers[i].host[0];
            hone_meeting_close(&meeting);
        }
        if (!good) dprintf(2, "rank %d: status %d, %s\n", r, (int)status, hone_error_message());
        _exit(!good);
    }
    for (int r = 0; r < size; r++) {
        int status;
        assert_int_equal(waitpid(ranks[r], &status, 0), ranks[r]);
        assert_int_equal(status, 0);
    }
}

static struct hone_place place_of(int size) {
    static int port;
    if (!port) port = 21000 + (int)(getpid() % 5000) * 2;
    struct hone_place place = {.size = size, .address = "127.0.0.1", .port = port};
    port++;
    snprintf(place.job, sizeof place.job, "job %d", (int)getpid());
    return place;
}

static void ranks_meet(void **state) {
    (void)state;
    for (int size = 2; size <= 4; size++) {
        struct hone_place place = place_of(size);
        meet(size, -1, &place, NULL, HONE_OK, "");
    }
}

static void wrong_ranks_are_named(void **state) {
    (void)state;
    struct hone_place place = place_of(3), odd = place;
    odd.rank = 1; /* rank 2 thinks that it is rank 1 */
    meet(3, 2, &place, &odd, HONE_RANK, "rank 1 is there twice");
    place = place_of(2), odd = place;
    odd.rank = 1;
    odd.size = 3;
    meet(2, 1, &place, &odd, HONE_RANK, "counts 3 ranks, rank 0 counts 2");
    /* Of another job: that one is told, and rank 0 goes on waiting. */
    place = place_of(2), odd = place;
    odd.rank = 1;
    snprintf(odd.job, sizeof odd.job, "another");
    meet(2, 1, &place, &odd, HONE_RANK, "");
}

static void missing_ranks_are_named(void **state) {
    (void)state;
    struct hone_place place = place_of(3);
    struct hone_meeting meeting;
    test_expect_status(hone_rendezvous(&meeting, &place, 0.2, 0), HONE_RANK,
                       "2 of 3 ranks did not come within 0 s: rank 1, rank 2");
    place.rank = 1;
    test_expect_status(hone_rendezvous(&meeting, &place, 0.2, 0), HONE_RANK,
                       "rank 1 cannot reach rank 0 at 127.0.0.1:");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launchers_are_known),       cmocka_unit_test(ranks_of_a_job_have_one_port_and_name),
        cmocka_unit_test(contradictions_are_errors), cmocka_unit_test(ranks_meet),
        cmocka_unit_test(wrong_ranks_are_named),     cmocka_unit_test(missing_ranks_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
