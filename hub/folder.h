/* What may be taken out of a model folder, inside hub/. */
#ifndef HONE_HUB_FOLDER_H
#define HONE_HUB_FOLDER_H

#include "base/status.h"

/* HONE_BAD_INPUT unless `path`, a file of `folder`, is regular and no link that leaves the folder: what a foreign folder
 * points at elsewhere on this machine must not end up in a model that is published. Links into the blobs of the Hub
 * cache that the folder belongs to are its files (models--org--name/snapshots/<commit>/<file> ->
 * models--org--name/blobs/<id>). */
enum hone_status hone_folder_check_file(const char *folder, const char *path);

#endif
