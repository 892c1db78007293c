/* What a disk may hold after power loss, from a log (disk_log.h). Strict, as POSIX allows: what was
 * not synced is lost sector by sector, also sizes of files; and entries of folders whose folder was
 * not synced, in any combination. */
#ifndef WI_TESTS_FAULTS_DISK_MODEL_H
#define WI_TESTS_FAULTS_DISK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pcg.h"
#include "tests/faults/disk_log.h"

struct disk_model;

struct disk_model *disk_model_new(const char *log_path, uint64_t seed);
void disk_model_free(struct disk_model *model);

/* Entries of the whole log. */
size_t disk_model_count(const struct disk_model *model);
/* Carry out the next entry, which is returned; NULL at the end. */
const struct disk_entry *disk_model_next(struct disk_model *model);
/* Write the files of a state after a power loss now into a new folder. */
void disk_model_write_state(struct disk_model *model, const char *folder);

#endif
