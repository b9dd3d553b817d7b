#include "hub/cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/utf8.h"

/* Longest file of refs/ that can be a commit's name. */
#define REF_LIMIT 256

struct name {
    char *repository; /* org/name */
    char *revision;
    bool given; /* the revision */
};

static bool is_word(const char *text, size_t n) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (n == 0 || n > 96 || text[0] == '.' || text[0] == '-') return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr(allowed, text[i])) return false;
    return true;
}

/* Revisions are file names under refs/, and may have folders (refs/pr/1). */
static bool is_revision(const char *text) {
    for (;;) {
        size_t n = strcspn(text, "/");
        if (!is_word(text, n)) return false;
        if (!text[n]) return true;
        text += n + 1;
    }
}

/* False when the text cannot be a name on the Hub. */
static bool parse(struct name *out, const char *text) {
    size_t n = strcspn(text, "@"), first = strcspn(text, "/@");
    bool good = is_word(text, first) && (first == n || is_word(text + first + 1, n - first - 1));
    if (text[n] == '@') good = good && is_revision(text + n + 1);
    if (!good) return false;
    out->repository = hone_strndup(text, n, "name of a model");
    out->given = text[n] == '@';
    out->revision = hone_strdup(out->given ? text + n + 1 : "main", "revision of a model");
    return true;
}

static char *cache_folder(void) {
    const char *cache = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *xdg = getenv("XDG_CACHE_HOME");
    const char *user = getenv("HOME");
    if (cache && *cache) return hone_strdup(cache, "Hub cache");
    if (home && *home) return hone_path_join(home, "hub");
    if (xdg && *xdg) return hone_path_join(xdg, "huggingface/hub");
    return hone_path_join(user && *user ? user : "/", ".cache/huggingface/hub");
}

/* "<cache>/models--org--name" */
static char *repository_folder(const char *cache, const char *repository) {
    const char *slash = strchr(repository, '/');
    if (!slash) return hone_format("%s/models--%s", cache, repository);
    return hone_format("%s/models--%.*s--%s", cache, (int)(slash - repository), repository, slash + 1);
}

/* The commit that refs/<revision> names, or the revision itself where there is no such file. */
static enum hone_status commit_of(char **out, const char *folder, const char *revision) {
    char *path = hone_format("%s/refs/%s", folder, revision), *bytes = NULL;
    enum hone_status status = HONE_OK;
    size_t n = 0;
    if (hone_file_exists(path)) status = hone_read_file(&bytes, &n, path, REF_LIMIT);
    if (status == HONE_OK && bytes) {
        while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r' || bytes[n - 1] == ' ')) n--;
        bytes[n] = 0;
        if (!is_word(bytes, strlen(bytes)) || strlen(bytes) != n)
            status = hone_fail(HONE_BAD_INPUT, "%s: expected the name of a commit", path);
    }
    *out = status == HONE_OK ? hone_strdup(bytes ? bytes : revision, "commit of a model") : NULL;
    hone_free(bytes);
    hone_free(path);
    return status;
}

static enum hone_status not_there(const struct name *name, const char *looked_for) {
    const char *offline = getenv("HF_HUB_OFFLINE");
    bool refuses = offline && *offline && strcmp(offline, "0") != 0;
    return hone_fail(HONE_BAD_INPUT,
                     "%s%s%s: no such folder here, and not in the Hub cache either: no %s; hone does not download: run "
                     "%shf download %s%s%s",
                     name->repository, name->given ? "@" : "", name->given ? name->revision : "", looked_for,
                     refuses ? "HF_HUB_OFFLINE=0 " : "", name->repository, name->given ? " --revision " : "",
                     name->given ? name->revision : "");
}

static enum hone_status find(char **out, const struct name *name) {
    char *cache = cache_folder(), *folder = repository_folder(cache, name->repository), *commit = NULL;
    char *snapshot = NULL;
    enum hone_status status;
    if (!hone_folder_exists(folder)) HONE_TRY_GOTO(not_there(name, folder));
    HONE_TRY_GOTO(commit_of(&commit, folder, name->revision));
    snapshot = hone_format("%s/snapshots/%s", folder, commit);
    if (!hone_folder_exists(snapshot)) HONE_TRY_GOTO(not_there(name, snapshot));
    *out = snapshot;
    snapshot = NULL;
done:
    hone_free(cache);
    hone_free(folder);
    hone_free(commit);
    hone_free(snapshot);
    return status;
}

enum hone_status hone_hub_find(char **out, const char *name) {
    struct name parsed = {0};
    *out = NULL;
    if (hone_folder_exists(name)) {
        *out = hone_strdup(name, "model folder");
        return HONE_OK;
    }
    if (!parse(&parsed, name)) {
        char *shown = hone_escape(name, strlen(name));
        enum hone_status status = hone_fail(HONE_BAD_INPUT,
                                            "%s: no such folder, expected a model folder as the Hub has it, or "
                                            "org/name[@revision] from the Hub cache",
                                            shown);
        hone_free(shown);
        return status;
    }
    enum hone_status status = find(out, &parsed);
    hone_free(parsed.repository);
    hone_free(parsed.revision);
    return status;
}
