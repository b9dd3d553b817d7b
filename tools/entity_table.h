/* Figures of entities, type by type, for people. */
#ifndef HONE_TOOLS_ENTITY_TABLE_H
#define HONE_TOOLS_ENTITY_TABLE_H

#include "base/json.h"

/* Shows each "<split>_entities" of the results (recipes/figures.h) as a table in the log; nothing without one. */
void hone_tool_show_entities(const json_t *results);

#endif
