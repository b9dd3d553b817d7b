/* Taking: look for the highest live lock; when there is none, link a file of our own under the next number, look again,
 * and step back if somebody else's live lock is there too. Of two that take at once the one that looks later sees the
 * other, so never two hold; both may step back, which is why they try again after a random pause. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/memory.h"

#define PREFIX ".lock-"
/* A live lock that is still the same after this many looks is held, not about to be given back. */
#define LOOKS         5
#define STALE_SECONDS 600
#define TOUCH_SECONDS 15
#define CONTENT_LIMIT 4096

struct hone_lock {
    char *path;
    pthread_t toucher;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool ending;
};

struct holder {
    char host[256], boot[64], since[64];
    int64_t pid, start;
};

bool hone_lock_is_name(const char *name) { return strncmp(name, PREFIX, sizeof PREFIX - 1) == 0; }

/* The number of a lock's name; 0 for other names. */
static int64_t number_of(const char *name) {
    if (!hone_lock_is_name(name)) return 0;
    const char *digits = name + sizeof PREFIX - 1;
    size_t n = strspn(digits, "0123456789");
    return n > 0 && n < 18 && digits[n] == 0 ? strtoll(digits, NULL, 10) : 0;
}

/* First line of a small file of /proc; "" when it can't be read. */
static void read_line(char *out, size_t size, const char *path) {
    FILE *file = fopen(path, "re");
    out[0] = 0;
    if (!file) return;
    if (!fgets(out, (int)size, file)) out[0] = 0;
    fclose(file);
    out[strcspn(out, "\n")] = 0;
}

/* When a process began, in clock ticks since boot (field 22 of /proc/<pid>/stat); -1 when there is none, or only what is
 * left of it until its parent asks. */
static int64_t process_start(int64_t pid) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    read_line(line, sizeof line, path);
    char *at = strrchr(line, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
        if (at && field == 2 && (at[1] == 'Z' || at[1] == 'X')) return -1;
    }
    return at ? strtoll(at + 1, NULL, 10) : -1;
}

bool hone_process_lives(int64_t process) { return process_start(process) >= 0; }

static void describe_self(struct holder *self) {
    *self = (struct holder){.pid = getpid()};
    gethostname(self->host, sizeof self->host - 1);
    read_line(self->boot, sizeof self->boot, "/proc/sys/kernel/random/boot_id");
    self->start = process_start(self->pid);
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(self->since, sizeof self->since, "%Y-%m-%d %H:%M:%S UTC", &parts);
}

static void copy_member(char *out, size_t size, const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

/* False when the file is gone or holds no such thing. */
static bool read_holder(struct holder *out, const char *path) {
    json_t *object = NULL;
    if (hone_json_read(&object, path, CONTENT_LIMIT) != HONE_OK) return false;
    *out = (struct holder){.pid = json_integer_value(json_object_get(object, "pid")),
                           .start = json_integer_value(json_object_get(object, "process_start"))};
    copy_member(out->host, sizeof out->host, object, "host");
    copy_member(out->boot, sizeof out->boot, object, "boot");
    copy_member(out->since, sizeof out->since, object, "since");
    json_decref(object);
    return out->pid > 0;
}

/* `now`: the file system's idea of it. */
static bool is_live(const struct holder *holder, const struct holder *self, const char *path, time_t now) {
    if (strcmp(holder->host, self->host) == 0) {
        if (strcmp(holder->boot, self->boot) != 0) return false;
        return process_start(holder->pid) == holder->start;
    }
    struct stat about;
    return stat(path, &about) == 0 && now - about.st_mtime < STALE_SECONDS;
}

struct look {
    int64_t highest; /* number of any lock */
    bool live;       /* somebody else holds one */
    struct holder holder;
};

/* What stands in the folder, `own` apart; stale ones are removed with `clean`. */
static enum hone_status look(struct look *out, const char *folder, const struct holder *self, int64_t own, time_t now,
                             bool clean) {
    char **names;
    size_t n;
    HONE_TRY(hone_list_folder(&names, &n, folder));
    *out = (struct look){0};
    for (size_t i = 0; i < n; i++) {
        int64_t number = number_of(names[i]);
        if (number == 0 || number == own) continue;
        char *path = hone_path_join(folder, names[i]);
        struct holder holder;
        if (number > out->highest) out->highest = number;
        if (read_holder(&holder, path) && is_live(&holder, self, path, now)) {
            out->live = true;
            out->holder = holder;
        } else if (clean) {
            unlink(path);
        }
        hone_free(path);
    }
    hone_names_free(names, n);
    return HONE_OK;
}

static void pause_a_while(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct timespec rest = {.tv_nsec = 40000000 + (now.tv_nsec ^ (long)getpid() * 7919) % 40000000};
    nanosleep(&rest, NULL);
}

static void *touch(void *argument) {
    struct hone_lock *lock = argument;
    pthread_mutex_lock(&lock->mutex);
    while (!lock->ending) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += TOUCH_SECONDS;
        pthread_cond_timedwait(&lock->wake, &lock->mutex, &until);
        if (!lock->ending) utimensat(AT_FDCWD, lock->path, NULL, 0);
    }
    pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

static enum hone_status busy(const char *folder, const struct holder *holder) {
    return hone_fail(HONE_BUSY,
                     "%s: another run is at work there (process %" PRId64 " on %s, since %s); wait for it, or choose "
                     "another output",
                     folder, holder->pid, holder->host, holder->since);
}

/* Tries once to link `mine` under the next number. *taken says whether the lock is ours now, *found who else has one. */
static enum hone_status try_once(bool *taken, struct look *found, char **path, const char *folder, const char *mine,
                                 const struct holder *self, time_t now) {
    *taken = false;
    HONE_TRY(look(found, folder, self, 0, now, false));
    if (found->live) return HONE_OK;
    int64_t number = found->highest + 1;
    char name[64];
    snprintf(name, sizeof name, PREFIX "%" PRId64, number);
    *path = hone_path_join(folder, name);
    if (link(mine, *path) != 0) {
        if (errno == EEXIST) goto lost;
        return hone_fail(HONE_DISK, "%s: making the lock failed: %s", *path, strerror(errno));
    }
    struct look again;
    enum hone_status status = look(&again, folder, self, number, now, false);
    if (status == HONE_OK && !again.live) {
        *taken = true;
        status = look(&again, folder, self, number, now, true);
        if (status == HONE_OK) return HONE_OK;
    }
    unlink(*path);
    *found = again;
    if (status != HONE_OK) return status;
lost:
    hone_free(*path);
    *path = NULL;
    return HONE_OK;
}

static enum hone_status take(char **path, const char *folder, const char *mine, const struct holder *self) {
    struct stat about;
    struct look found;
    int64_t same = 0, last_pid = 0;
    if (stat(mine, &about) != 0) return hone_fail(HONE_DISK, "%s: vanished: %s", mine, strerror(errno));
    for (;;) {
        bool taken;
        HONE_TRY(try_once(&taken, &found, path, folder, mine, self, about.st_mtime));
        if (taken) return HONE_OK;
        same = found.live && found.holder.pid == last_pid ? same + 1 : 0;
        last_pid = found.live ? found.holder.pid : 0;
        if (same == LOOKS) return busy(folder, &found.holder);
        pause_a_while();
    }
}

/* Removes the lock, whose thread has ended or never began. */
static void give_up(struct hone_lock *lock) {
    unlink(lock->path);
    hone_temporary_forget(lock->path);
    pthread_mutex_destroy(&lock->mutex);
    pthread_cond_destroy(&lock->wake);
    hone_free(lock->path);
    hone_free(lock);
}

enum hone_status hone_lock_take(struct hone_lock **out, const char *folder) {
    struct holder self;
    describe_self(&self);
    json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:s}", "host", self.host, "boot", self.boot, "pid",
                               (json_int_t)self.pid, "process_start", (json_int_t)self.start, "since", self.since);
    char *base = hone_path_join(folder, PREFIX "new"), *mine = NULL, *path = NULL;
    struct hone_file *file;
    *out = NULL;
    enum hone_status status = hone_file_replace(&file, &mine, base);
    if (status == HONE_OK) {
        char *line = hone_json_line(object);
        status = hone_file_write(file, line, strlen(line));
        enum hone_status closed = hone_file_close(file);
        if (status == HONE_OK) status = closed;
        hone_free(line);
    }
    if (status == HONE_OK) status = take(&path, folder, mine, &self);
    if (mine) {
        unlink(mine);
        hone_temporary_forget(mine);
    }
    hone_free(mine);
    hone_free(base);
    json_decref(object);
    if (status != HONE_OK) {
        hone_free(path);
        return status;
    }
    struct hone_lock *lock = hone_calloc(1, sizeof *lock, "lock of a folder");
    lock->path = path;
    hone_temporary_register(path);
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->wake, NULL);
    int error = pthread_create(&lock->toucher, NULL, touch, lock);
    if (error) {
        /* A thread's stack is memory that the system didn't give. */
        status = hone_fail(HONE_OUT_OF_MEMORY, "no thread for the lock of %s: %s", folder, strerror(error));
        give_up(lock);
        return status;
    }
    *out = lock;
    return HONE_OK;
}

void hone_lock_release(struct hone_lock *lock) {
    if (!lock) return;
    pthread_mutex_lock(&lock->mutex);
    lock->ending = true;
    pthread_cond_signal(&lock->wake);
    pthread_mutex_unlock(&lock->mutex);
    pthread_join(lock->toucher, NULL);
    give_up(lock);
}
