/* What a power cut would have left: reads the trace of a program's I/O (tests/io/preload.c), cuts the power behind one of
 * its calls, and makes the folder as it could be found then.
 *
 *   power_cut TRACE ROOT OUTPUT SEED
 *
 * What a later fsync made durable is there: of a file its bytes and length, of a folder its names. Of the rest, each call
 * may have reached the disk or not: none, all, a beginning in their order, or any of them, and writes may be torn (some
 * pages of 4 KiB). Nothing is promised that POSIX doesn't: a new file's name needs the fsync of its folder, a rename both
 * its bytes' and its folder's. OUTPUT is made, the traced folders being empty before. Prints "call N of M, MODE" and, when
 * there is one, the newest checkpoint whose commit was complete: its step. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024, PAGE = 4096 };
enum kind { CREATE, MKDIR, RENAME, LINK, UNLINK, WRITE, TRUNCATE };

struct node {
    bool is_folder;
    struct entry *entries; /* of a folder */
    char *bytes;           /* of a file */
    long size;
};
struct entry {
    struct entry *next;
    int node;
    char name[NAME_MAX + 1];
};
/* A call that changes something. Nodes are numbers; a rename changes two folders. */
struct change {
    enum kind kind;
    int node, folder, to_folder;
    char name[NAME_MAX + 1], to_name[NAME_MAX + 1];
    long offset, n;
    const char *bytes;
    bool durable;
};

static struct node *nodes;
static int n_nodes;
static struct change *changes;
static int n_changes;
static int node_of[DESCRIPTORS];
static uint64_t state;

static void die(const char *what, const char *about) {
    fprintf(stderr, "power_cut: %s: %s\n", what, about);
    exit(2);
}

static void *grow(void *array, int n, size_t size) {
    if (n & (n - 1)) return array;
    void *grown = realloc(array, (size_t)(n ? 2 * n : 1) * size);
    if (!grown) die("memory", "out");
    return grown;
}

/* xorshift64*, Vigna 2016. */
static uint64_t draw(uint64_t below) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * UINT64_C(0x2545F4914F6CDD1D) >> 16) % below;
}

static int node_new(bool is_folder) {
    nodes = grow(nodes, n_nodes, sizeof *nodes);
    nodes[n_nodes] = (struct node){.is_folder = is_folder};
    return n_nodes++;
}

static struct entry **find(int folder, const char *name) {
    struct entry **at = &nodes[folder].entries;
    while (*at && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    return at;
}

static void entry_remove(int folder, const char *name) {
    struct entry **at = find(folder, name), *gone = *at;
    if (!gone) return;
    *at = gone->next;
    free(gone);
}

static void entry_set(int folder, const char *name, int node) {
    entry_remove(folder, name);
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) die("memory", "out");
    entry->node = node;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->next = nodes[folder].entries;
    nodes[folder].entries = entry;
}

static void resize(struct node *node, long size) {
    if (size > node->size) {
        node->bytes = realloc(node->bytes, (size_t)size);
        if (!node->bytes) die("memory", "out");
        memset(node->bytes + node->size, 0, (size_t)(size - node->size));
    }
    node->size = size;
}

static void apply(const struct change *c, bool torn) {
    struct node *node = &nodes[c->node];
    switch (c->kind) {
    case CREATE:
    case MKDIR:
    case LINK:
        entry_set(c->folder, c->name, c->node);
        break;
    case UNLINK:
        entry_remove(c->folder, c->name);
        break;
    case RENAME: {
        struct entry *entry = *find(c->folder, c->name);
        if (entry && entry->node == c->node) entry_remove(c->folder, c->name);
        entry_set(c->to_folder, c->to_name, c->node);
        break;
    }
    case TRUNCATE:
        resize(node, c->n);
        break;
    case WRITE:
        if (node->size < c->offset + c->n) resize(node, c->offset + c->n);
        for (long at = 0; at < c->n;) {
            long n = PAGE - (c->offset + at) % PAGE;
            if (n > c->n - at) n = c->n - at;
            if (!torn || draw(2)) memcpy(node->bytes + c->offset + at, c->bytes + at, (size_t)n);
            at += n;
        }
        break;
    }
}

static void change_add(struct change change) {
    changes = grow(changes, n_changes, sizeof *changes);
    changes[n_changes++] = change;
    apply(&change, false);
}

/* The folder below the root that `path` lies in, and its name there; -1: it was never made. */
static int parent_of(char name[NAME_MAX + 1], const char *path, const char *root) {
    const char *rest = path + strlen(root);
    int folder = 0;
    for (;;) {
        while (*rest == '/') rest++;
        size_t n = strcspn(rest, "/");
        if (n > NAME_MAX) die("too long a name", path);
        memcpy(name, rest, n);
        name[n] = 0;
        rest += n;
        if (!rest[strspn(rest, "/")]) return folder;
        struct entry *entry = *find(folder, name);
        if (!entry) return -1;
        folder = entry->node;
    }
}

/* -1: not traced from its making on. */
static int node_at(const char *path, const char *root) {
    char name[NAME_MAX + 1];
    int folder = parent_of(name, path, root);
    if (folder < 0) return -1;
    if (!*name || strcmp(name, ".") == 0) return folder;
    struct entry *entry = *find(folder, name);
    return entry ? entry->node : -1;
}

/* A node's changes so far are on the disk: of a file bytes and length, of a folder names. */
static void sync_node(int node) {
    for (int i = 0; i < n_changes; i++) {
        struct change *c = &changes[i];
        bool of_bytes = c->kind == WRITE || c->kind == TRUNCATE;
        if (of_bytes ? c->node == node : (c->kind == RENAME ? c->to_folder : c->folder) == node) c->durable = true;
    }
}

/* 12 of "…/checkpoints/step-000012"; -1. */
static long step_of(const char *path) {
    const char *at = strstr(path, "/checkpoints/step-");
    if (!at) return -1;
    char *end;
    long step = strtol(at + 18, &end, 10);
    return *end ? -1 : step;
}

/* Reads the calls up to number `last` (-1: counts them), applying them as if nothing could be lost. *committed: the step
 * of the newest checkpoint that was renamed into place and whose folder was synced then. */
static int read_trace(const char *trace, size_t size, const char *root, int last, long *committed) {
    int calls = 0;
    long renamed = -1;
    *committed = -1;
    for (int fd = 0; fd < DESCRIPTORS; fd++) node_of[fd] = -1;
    node_new(true);
    for (const char *line = trace; line < trace + size && calls != last; calls++) {
        char call[16], path[PATH_MAX] = "", path2[PATH_MAX] = "", name[NAME_MAX + 1];
        int fd, used = 0;
        long a, b;
        if (sscanf(line, "%15s %d %ld %ld%n", call, &fd, &a, &b, &used) != 4) die("trace", "a broken line");
        used++; /* a TAB; in the format it would skip empty fields, too */
        const char *tab = strchr(line + used, '\t'), *end = strchr(line + used, '\n');
        snprintf(path, sizeof path, "%.*s", (int)(tab - line - used), line + used);
        snprintf(path2, sizeof path2, "%.*s", (int)(end - tab - 1), tab + 1);
        line = end + 1;
        struct change change = {.node = -1};
        if (strcmp(call, "write") == 0) {
            const char *bytes = line;
            line += b;
            if (node_of[fd] >= 0)
                change_add((struct change){.kind = WRITE, .node = node_of[fd], .offset = a, .n = b, .bytes = bytes});
        } else if (strcmp(call, "create") == 0 || strcmp(call, "mkdir") == 0) {
            change.folder = parent_of(change.name, path, root);
            if (change.folder < 0) die("no folder for", path);
            change.kind = call[0] == 'c' ? CREATE : MKDIR;
            change.node = node_new(change.kind == MKDIR);
            change_add(change);
            if (fd >= 0) node_of[fd] = change.node;
        } else if (strcmp(call, "open") == 0) {
            node_of[fd] = node_at(path, root);
            if (a && node_of[fd] >= 0) change_add((struct change){.kind = TRUNCATE, .node = node_of[fd]});
        } else if (strcmp(call, "truncate") == 0) {
            if (node_of[fd] >= 0) change_add((struct change){.kind = TRUNCATE, .node = node_of[fd], .n = a});
        } else if (strcmp(call, "fsync") == 0) {
            if (node_of[fd] >= 0) sync_node(node_of[fd]);
            struct entry *run = nodes[0].entries;
            /* The rename is durable once a change says so. */
            for (int i = n_changes - 1; run && renamed >= 0 && i >= 0; i--) {
                if (changes[i].kind != RENAME || !changes[i].durable) continue;
                snprintf(name, sizeof name, "step-%06ld", renamed);
                if (strcmp(changes[i].to_name, name) == 0) *committed = renamed;
            }
        } else if (strcmp(call, "close") == 0) {
            node_of[fd] = -1;
        } else if (strcmp(call, "rename") == 0 || strcmp(call, "link") == 0) {
            change.kind = call[0] == 'r' ? RENAME : LINK;
            change.node = node_at(path, root);
            if (change.node < 0) die("not known", path);
            change.folder = parent_of(change.name, path, root);
            change.to_folder = parent_of(change.to_name, path2, root);
            if (change.kind == LINK) {
                change.folder = change.to_folder;
                memcpy(change.name, change.to_name, sizeof change.name);
            }
            change_add(change);
            if (change.kind == RENAME && step_of(path2) >= 0) renamed = step_of(path2);
        } else if (strcmp(call, "unlink") == 0) {
            change.node = node_at(path, root);
            change.folder = parent_of(change.name, path, root);
            change.kind = UNLINK;
            if (change.node >= 0) change_add(change);
        } else {
            die("trace", call);
        }
    }
    return calls;
}

static void make(const char *path, int node) {
    if (!nodes[node].is_folder) {
        FILE *file = fopen(path, "w");
        if (!file ||
            fwrite(nodes[node].bytes ? nodes[node].bytes : "", 1, (size_t)nodes[node].size, file) !=
                (size_t)nodes[node].size ||
            fclose(file) != 0)
            die(path, strerror(errno));
        return;
    }
    if (mkdir(path, 0755) != 0) die(path, strerror(errno));
    for (struct entry *entry = nodes[node].entries; entry; entry = entry->next) {
        char inner[PATH_MAX];
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->name) >= PATH_MAX) die("too long a path", path);
        make(inner, entry->node);
    }
}

/* Everything as before the first call; the changes stay known. */
static void forget(void) {
    for (int i = 0; i < n_nodes; i++) {
        while (nodes[i].entries) entry_remove(i, nodes[i].entries->name);
        free(nodes[i].bytes);
        nodes[i].bytes = NULL;
        nodes[i].size = 0;
    }
}

int main(int argc, char **argv) {
    if (argc != 5) die("usage", "power_cut TRACE ROOT OUTPUT SEED");
    FILE *file = fopen(argv[1], "r");
    struct stat about;
    if (!file || fstat(fileno(file), &about) != 0) die(argv[1], strerror(errno));
    char *trace = malloc((size_t)about.st_size + 1);
    if (!trace || fread(trace, 1, (size_t)about.st_size, file) != (size_t)about.st_size) die(argv[1], "reading");
    fclose(file);
    trace[about.st_size] = 0;
    state = strtoull(argv[4], NULL, 10) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (int i = 0; i < 8; i++) draw(2);
    long committed;
    int calls = read_trace(trace, (size_t)about.st_size, argv[2], -1, &committed);
    int last = 1 + (int)draw((uint64_t)calls);
    forget();
    n_nodes = n_changes = 0;
    read_trace(trace, (size_t)about.st_size, argv[2], last, &committed);
    forget();
    static const char *const modes[] = {"nothing unsynced", "everything", "a beginning", "any", "any, torn"};
    int mode = (int)draw(5), lost = 0, kept_up_to = (int)draw((uint64_t)n_changes + 1);
    for (int i = 0; i < n_changes; i++) {
        bool keep = changes[i].durable || mode == 1 || (mode == 2 && i < kept_up_to) || (mode >= 3 && draw(2));
        if (keep)
            apply(&changes[i], mode == 4 && !changes[i].durable);
        else
            lost++;
    }
    make(argv[3], 0);
    printf("call %d of %d, %s (%d changes lost)", last, calls, modes[mode], lost);
    if (committed >= 0) printf(", committed %ld", committed);
    printf("\n");
    return 0;
}
