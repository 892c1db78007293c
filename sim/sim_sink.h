/*
 * The sink of users' processors: keys and values with serializable transactions, beyond a network.
 * Commits are messages: late, lost, refused, or carried out after their sender has died.
 */
#ifndef WI_SIM_SIM_SINK_H
#define WI_SIM_SIM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/sim.h>

struct wi_sim;
struct wi_sim_value;

/* What is committed; sorted by key. */
struct wi_sim_database {
    struct wi_sim_value **values;
    size_t count;
    size_t capacity;
    uint64_t versions; /* given so far */
};

/* A process's connection. */
struct weir_sim_sink {
    struct wi_sim *sim;
    uint32_t number;                   /* of the worker, for the trace */
    bool is_over;                      /* with its process */
    uint32_t refused;                  /* calls since then */
    struct weir_sim_transaction *open; /* a list */
};

/* With its process: transactions that are open are lost. */
void wi_sim_sink_close(struct weir_sim_sink *sink);

void wi_sim_database_free(struct wi_sim *sim);

#endif
