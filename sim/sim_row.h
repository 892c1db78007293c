/*
 * Rows of the table as bytes, while workers of two versions write them (rolling upgrade): the newer
 * one adds a field that the older one does not know and has to keep.
 */
#ifndef WI_SIM_SIM_ROW_H
#define WI_SIM_SIM_ROW_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "lease/lease_store_memory.h"

/* Protocol versions of workers; the upgrade leads from one to the other. */
#define WI_SIM_VERSION_OLD 1U
#define WI_SIM_VERSION_NEW 2U

struct wi_sim;
struct wi_sim_request;

struct wi_sim_row {
    unsigned char *bytes; /* NULL: there is none */
    size_t length;
    uint64_t stamp; /* what the unknown field must say; 0: there is none */
};

/* The row was written by a worker of this version: V1 is checked. */
void wi_sim_row_write(
    struct wi_sim *sim, uint32_t shard, const struct wi_memory_lease *lease, uint32_t version);
void wi_sim_row_remove(struct wi_sim *sim, uint32_t shard);

/* The table has answered GET_PENDING. T1: what is pending is what was prepared last and that no
 * checkpoint has reached. */
void wi_sim_check_pending(
    struct wi_sim *sim, const struct wi_sim_request *request, enum weir_error error);

#endif
