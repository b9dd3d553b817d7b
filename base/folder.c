/* Folders: made, filled under a temporary name, committed by one rename or merged file by file, listed, removed; and
 * the list of temporary paths that go when the program ends. */
#include <dirent.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/io_system.h"
#include "base/memory.h"
#include "base/utf8.h"

/* Folders of ours are flat or nearly so; the bound keeps descriptors and stack small. */
#define DEPTH_LIMIT 32

/* "a" of "a/b", "." of "b", "/" of "/b"; owned. */
static char *parent_of(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n > 0 && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    return n == 0 ? hone_strdup(".", "folder name") : hone_strndup(path, n, "folder name");
}

static enum hone_status sync_path(const char *path, int flags) {
    int fd = system_open(path, O_RDONLY | flags, 0);
    if (fd < 0) return system_fail(path, "opening for fsync");
    enum hone_status status = HONE_OK;
    if (system_fsync(fd) != 0) status = system_fail(path, "fsync");
    close(fd);
    return status;
}

enum hone_status system_sync_parent(const char *path) {
    char *parent = parent_of(path);
    enum hone_status status = sync_path(parent, O_DIRECTORY);
    hone_free(parent);
    return status;
}

bool hone_file_exists(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && !S_ISDIR(about.st_mode);
}

bool hone_folder_exists(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

enum hone_status hone_make_folders(const char *path) {
    if (hone_folder_exists(path)) return HONE_OK;
    char *partial = hone_strdup(path, "folder name");
    enum hone_status status = HONE_OK;
    for (char *end = partial; status == HONE_OK && *end;) {
        while (*end == '/') end++;
        while (*end && *end != '/') end++;
        char slash = *end;
        *end = 0;
        if (!hone_folder_exists(partial)) {
            if (system_mkdir(partial) == 0)
                status = system_sync_parent(partial);
            else if (errno != EEXIST || !hone_folder_exists(partial))
                status = system_fail(partial, "making the folder");
        }
        *end = slash;
    }
    hone_free(partial);
    return status;
}

enum hone_status hone_temporary_folder(char **out, const char *path) {
    *out = NULL;
    char *parent = parent_of(path), *bare = hone_strdup(path, "folder name");
    for (size_t n = strlen(bare); n > 1 && bare[n - 1] == '/'; n--) bare[n - 1] = 0;
    enum hone_status status = hone_make_folders(parent);
    if (status == HONE_OK) {
        char *name = system_temporary_name(bare);
        /* Before it is made: registering may be what runs out of memory. */
        hone_temporary_register(name);
        if (system_mkdir(name) == 0) {
            *out = name;
        } else {
            status = system_fail(name, "making the folder");
            hone_temporary_forget(name);
            hone_free(name);
        }
    }
    hone_free(bare);
    hone_free(parent);
    return status;
}

/* The names in an open folder, one after the other, in the order of the file system. It allocates nothing, so that
 * temporary folders go when memory is out, too. */
struct listing {
    int fd;
    ssize_t n, at; /* bytes of `entries`, and those handed out */
    alignas(struct dirent64) char entries[2048];
};

/* The next name, valid until the call after it, neither "." nor ".."; NULL after the last one, with errno 0, or failed. */
static const char *listing_next(struct listing *listing) {
    for (;;) {
        if (listing->at == listing->n) {
            listing->at = 0;
            listing->n = getdents64(listing->fd, listing->entries, sizeof listing->entries);
            if (listing->n <= 0) {
                if (listing->n == 0) errno = 0;
                listing->n = 0;
                return NULL;
            }
        }
        const struct dirent64 *entry = (const struct dirent64 *)(listing->entries + listing->at);
        listing->at += entry->d_reclen;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return entry->d_name;
    }
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

enum hone_status hone_list_folder(char ***names, size_t *n, const char *path) {
    *names = NULL;
    *n = 0;
    int fd = system_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return hone_fail(HONE_BAD_INPUT, "%s: there is no such folder", path);
        return system_fail(path, "opening the folder");
    }
    struct listing listing = {.fd = fd};
    char **list = NULL;
    size_t count = 0, capacity = 0;
    bool refused = system_refuses(HONE_FAULT_READ, EIO);
    for (const char *name; !refused && (name = listing_next(&listing));) {
        hone_reserve(&list, &capacity, count + 1, sizeof *list, "names in a folder");
        list[count++] = hone_strdup(name, "file name");
    }
    enum hone_status status = errno == 0 ? HONE_OK : system_fail(path, "listing the folder");
    close(fd);
    if (status != HONE_OK) {
        hone_names_free(list, count);
        return status;
    }
    if (count > 1) qsort(list, count, sizeof *list, compare_names);
    *names = list;
    *n = count;
    return HONE_OK;
}

void hone_names_free(char **names, size_t n) {
    for (size_t i = 0; i < n; i++) hone_free(names[i]);
    hone_free(names);
}

char *hone_path_join(const char *folder, const char *name) {
    size_t n = strlen(folder);
    if (n == 0) return hone_strdup(name, "file name");
    return hone_format("%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

bool hone_name_is_plain(const char *name) {
    size_t n = strnlen(name, 256);
    if (n == 0 || n > 255 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || memchr(name, '/', n)) return false;
    char escaped[4 * 255 + 1];
    return hone_escape_into(escaped, sizeof escaped, name, n) == n;
}

/* fsync of every file and folder under `path`, then of `path`. */
static enum hone_status sync_tree(const char *path, int depth) {
    if (depth > DEPTH_LIMIT) return hone_fail(HONE_DISK, "%s: lies more than %d folders deep", path, DEPTH_LIMIT);
    char **names;
    size_t n;
    HONE_TRY(hone_list_folder(&names, &n, path));
    enum hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < n; i++) {
        char *inner = hone_path_join(path, names[i]);
        status = hone_folder_exists(inner) ? sync_tree(inner, depth + 1) : sync_path(inner, O_NOFOLLOW);
        hone_free(inner);
    }
    hone_names_free(names, n);
    return status == HONE_OK ? sync_path(path, O_DIRECTORY) : status;
}

/* rename() that refuses any existing `to`, even an empty folder, where the file system can tell. */
static int rename_new(const char *from, const char *to) {
    if (system_refuses(HONE_FAULT_RENAME, EIO)) return -1;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    struct stat about;
    if (lstat(to, &about) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

enum hone_status hone_commit_folder(const char *temporary, const char *path) {
    enum hone_status status = sync_tree(temporary, 0);
    if (status == HONE_OK && rename_new(temporary, path) != 0) status = system_fail(path, "renaming the folder to it");
    if (status != HONE_OK) return hone_discard_folder(temporary, status);
    hone_temporary_forget(temporary);
    return system_sync_parent(path);
}

enum hone_status hone_sync_folder(const char *path) { return sync_path(path, O_DIRECTORY); }

enum hone_status hone_rename(const char *from, const char *to) {
    if (system_rename(from, to) != 0) return system_fail(to, "renaming to it");
    return system_sync_parent(to);
}

static enum hone_status merge_one(const char *temporary, const char *path, const char *name) {
    char *from = hone_path_join(temporary, name), *to = hone_path_join(path, name);
    enum hone_status status = HONE_OK;
    if (system_rename(from, to) != 0) status = system_fail(to, "renaming to it");
    hone_free(from);
    hone_free(to);
    return status;
}

enum hone_status hone_merge_folder(const char *temporary, const char *path, const char *last) {
    if (!hone_folder_exists(path)) return hone_commit_folder(temporary, path);
    char **names = NULL;
    size_t n = 0;
    bool last_found = false;
    enum hone_status status = sync_tree(temporary, 0);
    if (status == HONE_OK) status = hone_list_folder(&names, &n, temporary);
    for (size_t i = 0; status == HONE_OK && i < n; i++) {
        if (last && strcmp(names[i], last) == 0)
            last_found = true;
        else
            status = merge_one(temporary, path, names[i]);
    }
    hone_names_free(names, n);
    /* The last file vouches for the others: their names must be on the disk before its own. */
    if (status == HONE_OK) status = sync_path(path, O_DIRECTORY);
    if (status == HONE_OK && last_found) {
        status = merge_one(temporary, path, last);
        if (status == HONE_OK) status = sync_path(path, O_DIRECTORY);
    }
    return hone_discard_folder(temporary, status);
}

/* unlink, or rmdir after its contents, without following links; false leaves errno. */
static bool remove_tree(int at, const char *name, int depth) {
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT) return true;
    if ((errno != EISDIR && errno != EPERM) || depth > DEPTH_LIMIT) return false;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    struct listing listing = {.fd = fd};
    bool removed = true;
    for (const char *inner; removed && (inner = listing_next(&listing));) removed = remove_tree(fd, inner, depth + 1);
    int error = errno;
    close(fd);
    errno = error;
    return removed && (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

enum hone_status hone_remove_folder(const char *path) {
    if (!remove_tree(AT_FDCWD, path, 0)) return system_fail(path, "removing the folder");
    hone_temporary_forget(path);
    return HONE_OK;
}

void hone_remove_empty_folder(const char *path) { (void)rmdir(path); }

enum hone_status hone_discard_folder(const char *temporary, enum hone_status status) {
    if (!temporary) return status;
    if (status == HONE_OK) return hone_remove_folder(temporary);
    if (remove_tree(AT_FDCWD, temporary, 0)) hone_temporary_forget(temporary);
    return status;
}

/* Temporary paths of this process: a child of fork() must not remove its parent's. */
struct temporary {
    struct temporary *next;
    pid_t owner;
    char path[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct temporary *temporaries;
static pthread_once_t at_exit = PTHREAD_ONCE_INIT;

static void register_at_exit(void) { atexit(hone_temporary_remove_all); }

void hone_temporary_register(const char *path) {
    pthread_once(&at_exit, register_at_exit);
    size_t n = strlen(path) + 1;
    /* Before the lock: when memory is out, the list is walked. */
    struct temporary *entry = hone_alloc(1, sizeof *entry + n, "name of a temporary file");
    memcpy(entry->path, path, n);
    entry->owner = getpid();
    pthread_mutex_lock(&lock);
    entry->next = temporaries;
    temporaries = entry;
    pthread_mutex_unlock(&lock);
}

void hone_temporary_forget(const char *path) {
    struct temporary *found = NULL;
    pthread_mutex_lock(&lock);
    for (struct temporary **link = &temporaries; *link; link = &(*link)->next) {
        if (strcmp((*link)->path, path) != 0) continue;
        found = *link;
        *link = found->next;
        break;
    }
    pthread_mutex_unlock(&lock);
    hone_free(found);
}

void hone_temporary_remove_all(void) {
    pthread_mutex_lock(&lock);
    struct temporary *entry = temporaries;
    temporaries = NULL;
    pthread_mutex_unlock(&lock);
    while (entry) {
        struct temporary *next = entry->next;
        if (entry->owner == getpid()) remove_tree(AT_FDCWD, entry->path, 0);
        hone_free(entry);
        entry = next;
    }
}
