/* The check that a file of a model folder is really that folder's. */
#include "hub/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum hone_status hone_folder_check_file(const char *folder, const char *path) {
    char inside[PATH_MAX], target[PATH_MAX];
    struct stat about;
    if (!realpath(folder, inside) || !realpath(path, target) || stat(target, &about) != 0) {
        return hone_fail(HONE_BAD_INPUT, "%s: no such file can be reached (%s)", path, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return hone_fail(HONE_BAD_INPUT, "%s: not a regular file, expected one in a model folder", path);
    }
    size_t n = strcmp(inside, "/") == 0 ? 0 : strlen(inside);
    if (strncmp(target, inside, n) == 0 && target[n] == '/') return HONE_OK;
    const char *snapshots = strstr(inside, "/snapshots/");
    if (snapshots && !strchr(snapshots + strlen("/snapshots/"), '/')) {
        size_t root = (size_t)(snapshots - inside);
        bool blob = strncmp(target, inside, root) == 0 && strncmp(target + root, "/blobs/", 7) == 0;
        if (blob && !strchr(target + root + 7, '/')) return HONE_OK;
    }
    return hone_fail(HONE_BAD_INPUT, "%s: a link that leaves the model's folder; put the file itself there", path);
}
