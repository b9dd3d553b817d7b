/* Collectives over every transport that is here, with 1 to 4 ranks, each a process of its own, and awkward sizes; and
 * what ranks do that don't do the same. A rank that finds something wrong ends with another exit code than 0. Over MPI
 * mpirun starts this program once more for each rank, as "test_collectives WORK FOLDER". */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "dist/mpi.h"
#include "dist/place.h"
#include "dist/shared_memory.h"
#include "tests/support.h"

enum { MOST_RANKS = 4 };

/* More than a piece of the transport, not a multiple of anything. */
static const int64_t sizes[] = {0, 1, 7, 63, 64, 65, 1023, 1500, 131071, 300001};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            dprintf(2, "rank %d of %d: %s:%d: %s; %s\n", c->rank, c->size, __FILE__, __LINE__, #condition,             \
                    hone_error_message());                                                                             \
            return false;                                                                                              \
        }                                                                                                              \
    } while (0)

/* Element i of rank r: such that the order of a sum shows in its bits. */
static float element(int rank, int64_t i) {
    return (float)((double)((i * 7919 + rank * 104729) % 10007) / 97.0 + 1e-3);
}

/* The sum that the interface promises: ranks in order. */
static float sum_of(int size, int64_t i) {
    float sum = element(0, i);
    for (int r = 1; r < size; r++) sum += element(r, i);
    return sum;
}

static float max_of(int size, int64_t i) {
    float most = element(0, i);
    for (int r = 1; r < size; r++) most = fmaxf(most, element(r, i));
    return most;
}

static bool reduces(struct hone_collectives *c, int64_t n, float *data, float *all) {
    for (int round = 0; round < 3; round++) {
        for (int64_t i = 0; i < n; i++) data[i] = element(c->rank, i);
        data[n] = 12345; /* a guard */
        EXPECT(c->all_reduce(c, data, n, HONE_F32, round == 2 ? HONE_MAX : HONE_SUM, NULL) == HONE_OK);
        for (int64_t i = 0; i < n; i++) EXPECT(data[i] == (round == 2 ? max_of(c->size, i) : sum_of(c->size, i)));
        EXPECT(data[n] == 12345);
    }
    for (int64_t i = 0; i < n * c->size; i++) all[i] = element(c->rank, i);
    data[n] = 12345;
    EXPECT(c->reduce_scatter(c, data, all, n, HONE_F32, HONE_SUM, NULL) == HONE_OK);
    for (int64_t i = 0; i < n; i++) EXPECT(data[i] == sum_of(c->size, c->rank * n + i));
    EXPECT(data[n] == 12345);
    return true;
}

static bool moves(struct hone_collectives *c, int64_t n, float *data, float *all) {
    int64_t bytes = n * (int64_t)sizeof *data;
    for (int64_t i = 0; i < n; i++) data[i] = element(c->rank, i);
    all[n * c->size] = 12345;
    EXPECT(c->all_gather(c, all, data, bytes, NULL) == HONE_OK);
    for (int r = 0; r < c->size; r++)
        for (int64_t i = 0; i < n; i++) EXPECT(all[r * n + i] == element(r, i));
    EXPECT(all[n * c->size] == 12345);
    for (int64_t i = 0; i < n; i++) all[c->rank * n + i] = element(c->rank, 3 * i);
    EXPECT(c->all_gather(c, all, all + c->rank * n, bytes, NULL) == HONE_OK);
    for (int r = 0; r < c->size; r++)
        for (int64_t i = 0; i < n; i++) EXPECT(all[r * n + i] == element(r, 3 * i));
    for (int root = 0; root < c->size; root++) {
        for (int64_t i = 0; i < n; i++) data[i] = element(c->rank, i);
        EXPECT(c->broadcast(c, data, bytes, root, NULL) == HONE_OK);
        for (int64_t i = 0; i < n; i++) EXPECT(data[i] == element(root, i));
    }
    /* Around the ring, one after the other. */
    if (c->size > 1) {
        int next = (c->rank + 1) % c->size, before = (c->rank + c->size - 1) % c->size;
        for (int64_t i = 0; i < n; i++) data[i] = element(c->rank, i);
        if (c->rank > 0) EXPECT(c->receive(c, all, bytes, before, NULL) == HONE_OK);
        EXPECT(c->send(c, data, bytes, next, NULL) == HONE_OK);
        if (c->rank == 0) EXPECT(c->receive(c, all, bytes, before, NULL) == HONE_OK);
        for (int64_t i = 0; i < n; i++) EXPECT(all[i] == element(before, i));
    }
    EXPECT(c->barrier(c, NULL) == HONE_OK);
    return true;
}

static bool counts(struct hone_collectives *c) {
    int64_t numbers[3] = {c->rank + 1, INT64_MAX / 8, -c->rank};
    EXPECT(c->all_reduce(c, numbers, 3, HONE_I64, HONE_SUM, NULL) == HONE_OK);
    EXPECT(numbers[0] == c->size * (c->size + 1) / 2 && numbers[1] == INT64_MAX / 8 * c->size);
    int64_t most[2] = {c->rank, -c->rank};
    EXPECT(c->all_reduce(c, most, 2, HONE_I64, HONE_MAX, NULL) == HONE_OK);
    EXPECT(most[0] == c->size - 1 && most[1] == 0);
    /* What is not a number on one rank is none on all. */
    float bad[2] = {c->rank == c->size - 1 ? NAN : 1, c->rank == 0 ? NAN : 1};
    EXPECT(c->all_reduce(c, bad, 2, HONE_F32, HONE_MAX, NULL) == HONE_OK);
    EXPECT(isnan(bad[0]) && isnan(bad[1]));
    return true;
}

static bool everything(struct hone_collectives *c) {
    int64_t most = sizes[N_SIZES - 1];
    float *data = hone_alloc((size_t)most + 1, sizeof *data, "data of a test");
    float *all = hone_alloc((size_t)(most * c->size) + 1, sizeof *all, "data of a test");
    bool good = counts(c);
    for (int k = 0; k < N_SIZES && good; k++) good = reduces(c, sizes[k], data, all) && moves(c, sizes[k], data, all);
    hone_free(data);
    hone_free(all);
    return good;
}

static bool fails_with(struct hone_collectives *c, enum hone_status status, const char *part) {
    EXPECT(status == HONE_RANK);
    EXPECT(strstr(hone_error_message(), part));
    return true;
}

/* Another size, another root, another function: each rank is told. */
static bool other_calls(struct hone_collectives *c) {
    float data[8] = {0};
    if (c->size == 1) return true;
    bool odd = c->rank == 1;
    return fails_with(c, c->all_reduce(c, data, odd ? 7 : 8, HONE_F32, HONE_SUM, NULL), "all-reduce of 28 bytes");
}

static bool other_functions(struct hone_collectives *c) {
    float data[8] = {0};
    if (c->size == 1) return true;
    enum hone_status status = c->rank == 1 ? c->broadcast(c, data, 32, 0, NULL) : c->barrier(c, NULL);
    return fails_with(c, status, "rank 1") && strstr(hone_error_message(), "broadcast of 32 bytes");
}

/* The last one gives up: the others, who wait, return. */
static bool gives_up(struct hone_collectives *c) {
    float data[8] = {0};
    if (c->size == 1) return true;
    if (c->rank == c->size - 1) {
        usleep(50000);
        c->abort(c);
    }
    enum hone_status status = c->rank == 0 ? c->receive(c, data, 32, 1, NULL) : c->barrier(c, NULL);
    return fails_with(c, status, "gave up");
}

static void run_ranks_in_memory(int size, bool (*work)(struct hone_collectives *c)) {
    int descriptor;
    pid_t ranks[MOST_RANKS];
    TEST_OK(hone_shared_memory_create(&descriptor, size));
    for (int r = 0; r < size; r++) {
        ranks[r] = fork();
        if (ranks[r] == 0) {
            struct hone_collectives *c;
            if (hone_shared_memory_open(&c, descriptor, r, size) != HONE_OK) _exit(2);
            bool good = work(c);
            good = good && !c->now && c->rank == r && c->size == size;
            c->close(c);
            _exit(!good);
        }
        assert_true(ranks[r] > 0);
    }
    for (int r = 0; r < size; r++) {
        int status;
        assert_int_equal(waitpid(ranks[r], &status, 0), ranks[r]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    close(descriptor);
}

static const struct work {
    const char *name;
    bool (*work)(struct hone_collectives *c);
} works[] = {{"everything", everything},
             {"other_calls", other_calls},
             {"other_functions", other_functions},
             {"gives_up", gives_up}};
enum { WORKS = sizeof works / sizeof *works };

static void ranks_compute_together(void **state) {
    (void)state;
    for (int size = 1; size <= MOST_RANKS; size++) run_ranks_in_memory(size, everything);
}

static void different_calls_are_told(void **state) {
    (void)state;
    for (int size = 1; size <= MOST_RANKS; size++) {
        run_ranks_in_memory(size, other_calls);
        run_ranks_in_memory(size, other_functions);
    }
}

static void waiting_ends_when_one_gives_up(void **state) {
    (void)state;
    for (int size = 1; size <= MOST_RANKS; size++) run_ranks_in_memory(size, gives_up);
}

static bool is_there(const char *folder, int rank) {
    char path[512];
    snprintf(path, sizeof path, "%s/%d", folder, rank);
    return access(path, F_OK) == 0;
}

/* As one rank of mpirun's: leaves a file with its number when all was right. Ends when all have, since mpirun takes a
 * rank that ends after a failure for a reason to kill the others. */
static int be_rank(const char *name, const char *folder) {
    struct hone_place place;
    struct hone_collectives *c;
    if (hone_place_find(&place) != HONE_OK || hone_mpi_collectives(&c, place.rank, place.size) != HONE_OK) {
        dprintf(2, "%s\n", hone_error_message());
        return 1;
    }
    bool good = false;
    for (int i = 0; i < WORKS; i++)
        if (strcmp(works[i].name, name) == 0) good = works[i].work(c) && !c->now;
    char path[512];
    snprintf(path, sizeof path, "%s/%d", folder, place.rank);
    if (good) close(creat(path, 0600));
    for (int r = 0; r < place.size; r++)
        for (int i = 0; i < 1000 && !is_there(folder, r); i++) usleep(10000);
    c->close(c);
    return !good;
}

/* Each implementation of MPI that the build found: "mpirun.mpich=/…/libhone_mpi.so", separated by spaces. */
static void ranks_of_mpi_do_the_same(void **state) {
    (void)state;
    static const int sizes_of[WORKS] = {MOST_RANKS, 2, 3, 3};
    const char *all = getenv("HONE_TEST_MPI");
    /* MPI's libraries are not made for sanitizers. */
    if (!all || !*all || TEST_SANITIZED) skip();
    char *list = hone_strdup(all, "list of a test"), *next = list;
    for (char *mpirun = strsep(&next, " "); mpirun; mpirun = strsep(&next, " ")) {
        char *library = strchr(mpirun, '=');
        assert_non_null(library);
        *library++ = 0;
        for (int i = 0; i < WORKS; i++) {
            const char *folder = test_scratch();
            char *command = hone_format("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
                                        "OMPI_MCA_rmaps_base_oversubscribe=1 HONE_MPI_LIBRARY=%s timeout 100 %s -n %d "
                                        "/proc/%d/exe %s %s",
                                        library, mpirun, sizes_of[i], (int)getpid(), works[i].name, folder);
            int code = system(command);
            for (int r = 0; r < sizes_of[i]; r++)
                if (!is_there(folder, r)) fail_msg("rank %d of %d: %s (%d)", r, sizes_of[i], command, code);
            hone_free(command);
        }
    }
    hone_free(list);
}

static void alone_is_the_same(void **state) {
    (void)state;
    struct hone_collectives *c = hone_collectives_alone();
    assert_true(everything(c));
}

int main(int argc, char **argv) {
    if (argc == 3) return be_rank(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_is_the_same),        cmocka_unit_test(ranks_compute_together),
        cmocka_unit_test(different_calls_are_told), cmocka_unit_test(waiting_ends_when_one_gives_up),
        cmocka_unit_test(ranks_of_mpi_do_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
