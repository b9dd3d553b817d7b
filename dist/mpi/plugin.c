/* libhone_mpi.so: MPI 3.0 or later, from whichever implementation this is compiled with (dist/mpi.h). All collectives are
 * of the kind that returns at once, so that the program can stop waiting for a rank that is gone. */
#include "dist/mpi.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

enum { TAG_DATA = 1, TAG_GIVE_UP };

static MPI_Comm data_comm, alarm_comm; /* ours alone: other libraries in this process may use MPI, too */
static MPI_Request under_way = MPI_REQUEST_NULL;

static int all_to_all(void *out, const int *out_bytes, const int *out_at, const void *in, const int *in_bytes,
                      const int *in_at) {
    return MPI_Ialltoallv(in, in_bytes, in_at, MPI_BYTE, out, out_bytes, out_at, MPI_BYTE, data_comm, &under_way);
}

static int all_gather(void *out, const int *bytes, const int *at, const void *in) {
    int rank;
    MPI_Comm_rank(data_comm, &rank);
    return MPI_Iallgatherv(in, bytes[rank], MPI_BYTE, out, bytes, at, MPI_BYTE, data_comm, &under_way);
}

static int broadcast(void *data, int bytes, int root) {
    return MPI_Ibcast(data, bytes, MPI_BYTE, root, data_comm, &under_way);
}

static int barrier(void) { return MPI_Ibarrier(data_comm, &under_way); }

static int send_to(const void *data, int bytes, int to) {
    return MPI_Isend(data, bytes, MPI_BYTE, to, TAG_DATA, data_comm, &under_way);
}

static int receive(void *data, int bytes, int from) {
    return MPI_Irecv(data, bytes, MPI_BYTE, from, TAG_DATA, data_comm, &under_way);
}

static int done(bool *out) {
    int flag = 0, error = MPI_Test(&under_way, &flag, MPI_STATUS_IGNORE);
    *out = flag != 0;
    return error;
}

static void give_up(void) {
    static char nothing;
    int rank, size;
    MPI_Comm_rank(alarm_comm, &rank);
    MPI_Comm_size(alarm_comm, &size);
    for (int r = 0; r < size; r++) {
        MPI_Request request;
        /* Of no bytes: on its way without anybody receiving it, so that nothing is to be waited for. */
        if (r != rank && MPI_Isend(&nothing, 0, MPI_BYTE, r, TAG_GIVE_UP, alarm_comm, &request) == MPI_SUCCESS)
            MPI_Request_free(&request);
    }
}

static bool is_given_up(void) {
    int flag = 0;
    return MPI_Iprobe(MPI_ANY_SOURCE, TAG_GIVE_UP, alarm_comm, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS || flag;
}

static void describe(char *text, size_t size, int error) {
    char words[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(error, words, &length);
    snprintf(text, size, "%s", words);
}

static void finalize(void) {
    MPI_Comm_free(&data_comm);
    MPI_Comm_free(&alarm_comm);
    MPI_Finalize();
}

__attribute__((visibility("default"))) const char *hone_mpi_open(struct hone_mpi *out, int version);

const char *hone_mpi_open(struct hone_mpi *out, int version) {
    char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length, thread, is_there = 0;
    if (version != HONE_MPI_VERSION) return "it is of another version of hone; build both together";
    MPI_Initialized(&is_there);
    if (is_there) return "MPI is started already";
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &thread) != MPI_SUCCESS) return "MPI_Init fails";
    if (thread < MPI_THREAD_SERIALIZED) return "this MPI can be called from one thread only";
    if (MPI_Comm_dup(MPI_COMM_WORLD, &data_comm) != MPI_SUCCESS ||
        MPI_Comm_dup(MPI_COMM_WORLD, &alarm_comm) != MPI_SUCCESS)
        return "MPI_Comm_dup fails";
    MPI_Comm_set_errhandler(data_comm, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(alarm_comm, MPI_ERRORS_RETURN);
    *out = (struct hone_mpi){.all_to_all = all_to_all,
                             .all_gather = all_gather,
                             .broadcast = broadcast,
                             .barrier = barrier,
                             .send = send_to,
                             .receive = receive,
                             .done = done,
                             .give_up = give_up,
                             .is_given_up = is_given_up,
                             .describe = describe,
                             .finalize = finalize};
    MPI_Comm_rank(data_comm, &out->rank);
    MPI_Comm_size(data_comm, &out->size);
    MPI_Get_library_version(library, &length);
    /* "Open MPI v4.1.4, package: …", "MPICH Version:\t4.0.2\n…" */
    snprintf(out->library, sizeof out->library, "%.*s", (int)strcspn(library, ",\n"), library);
    char *tab = strchr(out->library, '\t');
    if (tab) *tab = ' ';
    return NULL;
}
