/* What a disk may hold after power loss: the test program's own pwrite(2), writev(2), fdatasync(2)
 * and fsync(2) note what LMDB writes to one file and what it has synced. */
#ifndef WI_TESTS_INTEGRATION_STREAM_POWER_MODEL_H
#define WI_TESTS_INTEGRATION_STREAM_POWER_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Follow this file from now on; its present content counts as synced. */
void power_model_start(const char *path, uint64_t seed);
void power_model_stop(void);

/* Take a crash state when the `event`-th write or sync from now on has been made. */
void power_model_arm(unsigned event);

/* The state that was taken, or one of this moment. Free it with free(). Every unsynced sector has
 * been kept or dropped by chance. */
unsigned char *power_model_state(size_t *ret_size);

/* What is on the disk for certain, at this moment. Free it with free(). */
unsigned char *power_model_synced(size_t *ret_size);

/* Bytes that have been written and not been synced. */
size_t power_model_unsynced(void);

#endif
