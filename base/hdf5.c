/* A virtual file driver of HDF5 over base/io.h, and what hone needs of the library on top of it. The driver is why a
 * failed write cannot be lost: with the library's own one, closing after a failed flush can succeed. */
#include "base/hdf5.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/io_system.h"
#include "base/memory.h"

/* Elements of a chunk: 1 MiB of f32. */
#define CHUNK_ELEMENTS   (1 << 18)
#define MAPPED_ALIGNMENT 64
/* The library follows null pointers of its own making when memory is short. So that ours is what says so, this many bytes,
 * more than it takes for a file, have to be there before it begins. */
#define LIBRARY_BYTES (16 << 20)

struct hone_hdf5 {
    char *path;  /* that is written or read */
    char *final; /* that `path` is renamed to when it is closed; NULL: it stays */
    bool writing;
    bool whole;                   /* each array in one piece, else in chunks */
    struct hone_mapping *mapping; /* read through it instead of `io` */
    enum hone_status status;      /* first failure */
    char *message;                /* of it */
    struct hone_file *io;         /* of the driver */
    int64_t end;                  /* bytes in the file */
    hid_t id;
};

/* The library passes a file's name to its driver, not our struct: the one being opened, under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct hone_hdf5 *opening;
static hid_t driver = H5I_INVALID_HID;

struct driver_file {
    H5FD_t public;
    struct hone_hdf5 *file;
    haddr_t allocated;
};

static void remember(struct hone_hdf5 *file, enum hone_status status) {
    if (file->status != HONE_OK || status == HONE_OK) return;
    file->status = status;
    file->message = hone_strdup(hone_error_message(), "message");
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t largest) {
    (void)name, (void)flags, (void)access, (void)largest;
    struct driver_file *d = hone_calloc(1, sizeof *d, "HDF5 file");
    d->file = opening;
    return &d->public;
}

/* The file itself is closed by hone_hdf5_close, which can say what failed. */
static herr_t driver_close(H5FD_t *f) {
    hone_free(f);
    return 0;
}

static int driver_compare(const H5FD_t *a, const H5FD_t *b) { return (a > b) - (a < b); }

static herr_t driver_query(const H5FD_t *f, unsigned long *flags) {
    (void)f;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t driver_allocated(const H5FD_t *f, H5FD_mem_t type) {
    (void)type;
    return ((const struct driver_file *)f)->allocated;
}

static herr_t driver_set_allocated(H5FD_t *f, H5FD_mem_t type, haddr_t address) {
    (void)type;
    ((struct driver_file *)f)->allocated = address;
    return 0;
}

static haddr_t driver_end(const H5FD_t *f, H5FD_mem_t type) {
    (void)type;
    return (haddr_t)((const struct driver_file *)f)->file->end;
}

static herr_t driver_read(H5FD_t *f, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *bytes) {
    (void)type, (void)transfer;
    struct hone_hdf5 *file = ((struct driver_file *)f)->file;
    /* What was allocated and never written reads as 0. */
    size_t there = 0;
    if (address < (haddr_t)file->end) there = (size_t)((haddr_t)file->end - address);
    if (there > size) there = size;
    memset((char *)bytes + there, 0, size - there);
    enum hone_status status = file->mapping ? hone_mapping_need(file->mapping, (int64_t)(there ? address : 0), there)
                                            : hone_file_read_at(file->io, bytes, there, (int64_t)address);
    if (status == HONE_OK && file->mapping && there) memcpy(bytes, hone_mapping_bytes(file->mapping) + address, there);
    if (status == HONE_OK) return 0;
    remember(file, status);
    memset(bytes, 0, size);
    return file->writing ? 0 : -1;
}

/* Reports success even when it fails: the library could not close a file whose writes fail, and would try again when the
 * program ends. The failure is remembered, and the file goes in hone_hdf5_close. */
static herr_t driver_write(H5FD_t *f, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                           const void *bytes) {
    (void)type, (void)transfer;
    struct hone_hdf5 *file = ((struct driver_file *)f)->file;
    if (file->status == HONE_OK) remember(file, hone_file_write_at(file->io, bytes, size, (int64_t)address));
    if (file->end < (int64_t)(address + size)) file->end = (int64_t)(address + size);
    return 0;
}

/* A file ends where its allocated space does; the last bytes may never have been written. */
static herr_t driver_truncate(H5FD_t *f, hid_t transfer, hbool_t closing) {
    (void)transfer, (void)closing;
    struct driver_file *d = (struct driver_file *)f;
    struct hone_hdf5 *file = d->file;
    if (!file->writing || file->end == (int64_t)d->allocated) return 0;
    if (file->status == HONE_OK) remember(file, hone_file_resize(file->io, (int64_t)d->allocated));
    file->end = (int64_t)d->allocated;
    return 0;
}

static const H5FD_class_t driver_class = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600, /* from the range for drivers outside the library */
#endif
    .name = "hone",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .open = driver_open,
    .close = driver_close,
    .cmp = driver_compare,
    .query = driver_query,
    .get_eoa = driver_allocated,
    .set_eoa = driver_set_allocated,
    .get_eof = driver_end,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* With the lock held. */
static bool library_open(void) {
    if (driver >= 0) return true;
    if (H5open() < 0) return false;
    H5PLset_loading_state(0);
    driver = H5FDregister(&driver_class);
    return driver >= 0;
}

/* Why the library's first call failed since begin(): it forgets at its next call, which may be one that tidies up. Under
 * the lock. */
static struct {
    char text[256]; /* of the innermost error */
    bool memory;    /* there was none to be had */
} reason;

static herr_t look_at_error(unsigned n, const H5E_error2_t *error, void *user) {
    (void)user;
    if (n == 0) snprintf(reason.text, sizeof reason.text, "%s", error->desc);
    if (error->maj_num == H5E_RESOURCE && (error->min_num == H5E_NOSPACE || error->min_num == H5E_CANTALLOC))
        reason.memory = true;
    return 0;
}

static herr_t keep_reason(hid_t stack, void *user) {
    return *reason.text ? 0 : H5Ewalk2(stack, H5E_WALK_UPWARD, look_at_error, user);
}

/* Takes the lock, to call the library. */
static void begin(void) {
    pthread_mutex_lock(&lock);
    *reason.text = 0;
    reason.memory = false;
}

static void end(void) { pthread_mutex_unlock(&lock); }

/* The library has refused `what` of `name`: the driver's failure if there was one, else what the library says. */
static void refused(struct hone_hdf5 *file, const char *what, const char *name) {
    if (file->status != HONE_OK) return;
    enum hone_status status = reason.memory ? HONE_OUT_OF_MEMORY : file->writing ? HONE_DISK : HONE_BAD_INPUT;
    remember(file, hone_fail(status, "%s: %s \"%s\" failed: %s", file->path, what, name,
                             *reason.text ? reason.text : "no reason given"));
}

static enum hone_status outcome(const struct hone_hdf5 *file) {
    return file->status == HONE_OK ? HONE_OK : hone_fail(file->status, "%s", file->message);
}

static hid_t access_list(const struct hone_hdf5 *file) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_driver(access, driver, NULL);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    if (file->whole) H5Pset_alignment(access, 1, MAPPED_ALIGNMENT);
    return access;
}

static hid_t without_times(hid_t class) {
    hid_t list = H5Pcreate(class);
    H5Pset_obj_track_times(list, false);
    return list;
}

static void discard(struct hone_hdf5 *file) {
    if (file->writing && file->io) {
        unlink(file->path);
        hone_temporary_forget(file->path);
    }
    hone_file_close(file->io);
    hone_free(file->path);
    hone_free(file->final);
    hone_free(file->message);
    hone_free(file);
}

/* Takes `file` over, which says how. */
static enum hone_status file_open(struct hone_hdf5 **out, struct hone_hdf5 *file) {
    const char *path = file->path;
    bool writing = file->writing;
    *out = NULL;
    hone_free(hone_alloc(LIBRARY_BYTES, 1, "the HDF5 library"));
    file->id = H5I_INVALID_HID;
    enum hone_status status = HONE_OK;
    if (writing)
        status = hone_file_create_random(&file->io, path);
    else if (!file->mapping)
        status = hone_file_open(&file->io, path);
    if (status == HONE_OK && writing) hone_temporary_register(path);
    if (status == HONE_OK && !writing)
        file->end = file->mapping ? hone_mapping_size(file->mapping) : hone_file_size(file->io);
    if (status == HONE_OK) {
        begin();
        opening = file;
        if (library_open()) {
            H5Eset_auto2(H5E_DEFAULT, keep_reason, NULL); /* this thread's: what failed is in our message */
            hid_t access = access_list(file);
            if (writing) {
                hid_t creation = without_times(H5P_FILE_CREATE);
                file->id = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
                H5Pclose(creation);
            } else {
                file->id = H5Fopen(path, H5F_ACC_RDONLY, access);
            }
            H5Pclose(access);
        }
        if (file->id < 0) refused(file, "opening", path);
        opening = NULL;
        end();
        status = outcome(file);
    }
    if (status != HONE_OK) {
        discard(file);
        return status;
    }
    *out = file;
    return HONE_OK;
}

static struct hone_hdf5 *file_new(char *path) {
    struct hone_hdf5 *file = hone_calloc(1, sizeof *file, "HDF5 file");
    file->path = path;
    return file;
}

enum hone_status hone_hdf5_create(struct hone_hdf5 **out, const char *path) {
    struct hone_hdf5 *file = file_new(hone_strdup(path, "file name"));
    file->writing = true;
    return file_open(out, file);
}

static enum hone_status replace(struct hone_hdf5 **out, const char *path, bool whole) {
    struct hone_hdf5 *file = file_new(system_temporary_name(path));
    file->final = hone_strdup(path, "file name");
    file->writing = true;
    file->whole = whole;
    return file_open(out, file);
}

enum hone_status hone_hdf5_replace(struct hone_hdf5 **out, const char *path) { return replace(out, path, false); }
enum hone_status hone_hdf5_replace_mapped(struct hone_hdf5 **out, const char *path) { return replace(out, path, true); }

enum hone_status hone_hdf5_open(struct hone_hdf5 **out, const char *path) {
    return file_open(out, file_new(hone_strdup(path, "file name")));
}

enum hone_status hone_hdf5_open_mapped(struct hone_hdf5 **out, struct hone_mapping *mapping, const char *path) {
    struct hone_hdf5 *file = file_new(hone_strdup(path, "file name"));
    file->mapping = mapping;
    return file_open(out, file);
}

enum hone_status hone_hdf5_close(struct hone_hdf5 *file) {
    if (!file) return HONE_OK;
    begin();
    if (H5Fclose(file->id) < 0) refused(file, "closing", "/");
    end();
    if (file->writing && file->status == HONE_OK) remember(file, hone_file_sync(file->io));
    if (file->writing && file->status == HONE_OK) {
        remember(file, hone_file_close(file->io));
        file->io = NULL;
        if (file->final && file->status == HONE_OK) remember(file, hone_rename(file->path, file->final));
        if (file->status == HONE_OK)
            hone_temporary_forget(file->path);
        else
            unlink(file->path);
    }
    enum hone_status status = outcome(file);
    discard(file);
    return status;
}

static hid_t type_of(enum hone_hdf5_type type) {
    switch (type) {
    case HONE_HDF5_F32:
        return H5T_IEEE_F32LE;
    case HONE_HDF5_I64:
        return H5T_STD_I64LE;
    case HONE_HDF5_I32:
        return H5T_STD_I32LE;
    case HONE_HDF5_I16:
        return H5T_STD_I16LE;
    case HONE_HDF5_U8:
        return H5T_STD_U8LE;
    }
    HONE_CHECK(false, "HDF5 type %d", (int)type);
    return H5I_INVALID_HID;
}

/* A string of `length` bytes, padded with 0. */
static hid_t text_type(size_t length) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, length > 0 ? length : 1);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static bool attribute_write(hid_t object, const char *name, hid_t type, const void *value) {
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
    if (attribute >= 0) done = H5Aclose(attribute) >= 0 && done;
    H5Sclose(space);
    return done;
}

static bool text_attribute_write(hid_t object, const char *name, const char *value) {
    hid_t type = text_type(strlen(value));
    bool done = attribute_write(object, name, type, value);
    H5Tclose(type);
    return done;
}

/* The groups that `name` lies in; made by hand, because those that the library makes on the way carry times. */
static bool groups_make(struct hone_hdf5 *file, const char *name) {
    bool done = true;
    hid_t creation = without_times(H5P_GROUP_CREATE);
    for (const char *slash = strchr(name, '/'); done && slash; slash = strchr(slash + 1, '/')) {
        char *group = hone_strndup(name, (size_t)(slash - name), "HDF5 group");
        if (H5Lexists(file->id, group, H5P_DEFAULT) <= 0) {
            hid_t made = H5Gcreate2(file->id, group, H5P_DEFAULT, creation, H5P_DEFAULT);
            done = made >= 0 && H5Gclose(made) >= 0;
        }
        hone_free(group);
    }
    H5Pclose(creation);
    return done;
}

/* Where the values of an array come from: memory, or piece by piece. */
struct values {
    const void *all; /* NULL: fill */
    hone_hdf5_fill fill;
    void *user;
};

/* [rows], or [rows, columns] when columns > 0; pieces and chunks are of whole rows. */
struct shape {
    int64_t rows, columns;
};
static int n_dims(struct shape shape) { return shape.columns > 0 ? 2 : 1; }
static int64_t rows_of_chunk(struct shape shape) {
    int64_t rows = CHUNK_ELEMENTS / (shape.columns > 0 ? shape.columns : 1);
    return rows > 0 ? rows : 1;
}

static bool pieces_write(struct hone_hdf5 *file, hid_t array, hid_t type, hid_t space, struct shape shape,
                         const struct values *values) {
    int64_t rows = rows_of_chunk(shape), width = shape.columns > 0 ? shape.columns : 1;
    void *piece = hone_alloc((size_t)rows, (size_t)width * H5Tget_size(type), "piece of an HDF5 array");
    bool done = true;
    for (int64_t at = 0; done && at < shape.rows; at += rows) {
        hsize_t offset[] = {(hsize_t)at, 0};
        hsize_t count[] = {(hsize_t)(shape.rows - at < rows ? shape.rows - at : rows), (hsize_t)width};
        remember(file, values->fill(piece, at * width, (int64_t)count[0] * width, values->user));
        if (file->status != HONE_OK) break;
        hid_t memory = H5Screate_simple(n_dims(shape), count, NULL);
        done = H5Sselect_hyperslab(space, H5S_SELECT_SET, offset, NULL, count, NULL) >= 0 &&
               H5Dwrite(array, type, memory, space, H5P_DEFAULT, piece) >= 0;
        H5Sclose(memory);
    }
    hone_free(piece);
    return done;
}

static bool array_write(struct hone_hdf5 *file, const char *name, hid_t type, struct shape shape, struct values values,
                        const char *unit) {
    hsize_t size[] = {(hsize_t)shape.rows, (hsize_t)shape.columns};
    hsize_t chunk[] = {(hsize_t)(shape.rows < rows_of_chunk(shape) ? shape.rows : rows_of_chunk(shape)), size[1]};
    if (!groups_make(file, name)) return false;
    hid_t space = H5Screate_simple(n_dims(shape), size, NULL);
    hid_t creation = without_times(H5P_DATASET_CREATE);
    H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
    if (file->whole) H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    if (shape.rows > 0 && !file->whole) {
        H5Pset_chunk(creation, n_dims(shape), chunk);
        H5Pset_fletcher32(creation);
    }
    hid_t array = H5Dcreate2(file->id, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    bool done = array >= 0;
    if (done && shape.rows > 0 && values.all)
        done = H5Dwrite(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.all) >= 0;
    if (done && shape.rows > 0 && !values.all) done = pieces_write(file, array, type, space, shape, &values);
    if (done && unit) done = text_attribute_write(array, "unit", unit);
    if (array >= 0) done = H5Dclose(array) >= 0 && done;
    H5Pclose(creation);
    H5Sclose(space);
    return done;
}

/* A call on the file under the lock, unless something failed before. */
#define GUARDED(file, call, what, name)                                                                                \
    do {                                                                                                               \
        if ((file)->status != HONE_OK) break;                                                                          \
        begin();                                                                                                       \
        if (!(call)) refused(file, what, name);                                                                        \
        end();                                                                                                         \
    } while (0)

void hone_hdf5_write(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t n, const void *values,
                     const char *unit) {
    GUARDED(file, array_write(file, name, type_of(type), (struct shape){n, 0}, (struct values){.all = values}, unit),
            "writing", name);
}

void hone_hdf5_write_pieces(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t rows,
                            int64_t columns, hone_hdf5_fill fill, void *user, const char *unit) {
    struct values values = {.fill = fill, .user = user};
    GUARDED(file, array_write(file, name, type_of(type), (struct shape){rows, columns}, values, unit), "writing", name);
}

static bool texts_write(struct hone_hdf5 *file, const char *name, int64_t n, size_t length, const char *table) {
    hid_t type = text_type(length);
    bool done = array_write(file, name, type, (struct shape){n, 0}, (struct values){.all = table}, NULL);
    H5Tclose(type);
    return done;
}

void hone_hdf5_write_texts(struct hone_hdf5 *file, const char *name, int64_t n, const char *const *texts) {
    size_t longest = 1;
    for (int64_t i = 0; i < n; i++) {
        if (strlen(texts[i]) > longest) longest = strlen(texts[i]);
    }
    char *table = hone_calloc((size_t)n, longest, "texts of an HDF5 file");
    for (int64_t i = 0; i < n; i++) memcpy(table + (size_t)i * longest, texts[i], strlen(texts[i]));
    GUARDED(file, texts_write(file, name, n, longest, table), "writing", name);
    hone_free(table);
}

void hone_hdf5_set_integer(struct hone_hdf5 *file, const char *name, int64_t value) {
    GUARDED(file, attribute_write(file->id, name, H5T_STD_I64LE, &value), "writing attribute", name);
}

void hone_hdf5_set_real(struct hone_hdf5 *file, const char *name, double value) {
    GUARDED(file, attribute_write(file->id, name, H5T_IEEE_F64LE, &value), "writing attribute", name);
}

void hone_hdf5_set_text(struct hone_hdf5 *file, const char *name, const char *value) {
    GUARDED(file, text_attribute_write(file->id, name, value), "writing attribute", name);
}

/* Reads the n elements of an array, or says where they lie (`values` NULL, *offset). */
static bool array_read(struct hone_hdf5 *file, const char *name, hid_t type, int64_t n, void *values, int64_t *offset) {
    hid_t array = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (array < 0) return false;
    hid_t space = H5Dget_space(array), stored = H5Dget_type(array);
    bool done = H5Sget_simple_extent_npoints(space) == n && H5Tequal(stored, type) > 0;
    if (done && offset) {
        haddr_t at = H5Dget_offset(array);
        done = at != HADDR_UNDEF && at % MAPPED_ALIGNMENT == 0 && at <= (haddr_t)file->end &&
               (haddr_t)n <= ((haddr_t)file->end - at) / H5Tget_size(type);
        *offset = (int64_t)at;
    }
    if (!done) {
        remember(file, hone_fail(HONE_BAD_INPUT,
                                 "%s: dataset \"%s\" has another type, length or layout, expected %lld elements",
                                 file->path, name, (long long)n));
    } else if (n > 0 && values) {
        done = H5Dread(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
    }
    H5Tclose(stored);
    H5Sclose(space);
    H5Dclose(array);
    return done;
}

enum hone_status hone_hdf5_read(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t n,
                                void *values) {
    GUARDED(file, array_read(file, name, type_of(type), n, values, NULL), "reading", name);
    return outcome(file);
}

enum hone_status hone_hdf5_locate(struct hone_hdf5 *file, const char *name, enum hone_hdf5_type type, int64_t n,
                                  int64_t *offset) {
    GUARDED(file, array_read(file, name, type_of(type), n, NULL, offset), "looking for", name);
    return outcome(file);
}

static bool attribute_read(struct hone_hdf5 *file, const char *name, hid_t type, void *value) {
    hid_t attribute = H5Aopen(file->id, name, H5P_DEFAULT);
    if (attribute < 0) return false;
    hid_t space = H5Aget_space(attribute), stored = H5Aget_type(attribute);
    bool done = H5Sget_simple_extent_npoints(space) == 1 && H5Tget_class(stored) == H5Tget_class(type) &&
                H5Aread(attribute, type, value) >= 0;
    H5Tclose(stored);
    H5Sclose(space);
    H5Aclose(attribute);
    return done;
}

enum hone_status hone_hdf5_get_integer(struct hone_hdf5 *file, const char *name, int64_t *value) {
    GUARDED(file, attribute_read(file, name, H5T_STD_I64LE, value), "reading attribute", name);
    return outcome(file);
}

enum hone_status hone_hdf5_get_real(struct hone_hdf5 *file, const char *name, double *value) {
    GUARDED(file, attribute_read(file, name, H5T_IEEE_F64LE, value), "reading attribute", name);
    return outcome(file);
}

static bool text_attribute_read(struct hone_hdf5 *file, const char *name, char **value) {
    hid_t attribute = H5Aopen(file->id, name, H5P_DEFAULT);
    if (attribute < 0) return false;
    hid_t stored = H5Aget_type(attribute);
    bool done = H5Tget_class(stored) == H5T_STRING && H5Tis_variable_str(stored) == 0;
    size_t length = done ? H5Tget_size(stored) : 0;
    char *text = hone_calloc(length + 1, 1, "text of an HDF5 file");
    done = done && H5Aread(attribute, stored, text) >= 0;
    H5Tclose(stored);
    H5Aclose(attribute);
    if (done)
        *value = text;
    else
        hone_free(text);
    return done;
}

enum hone_status hone_hdf5_get_text(struct hone_hdf5 *file, const char *name, char **value) {
    *value = NULL;
    GUARDED(file, text_attribute_read(file, name, value), "reading attribute", name);
    return outcome(file);
}
