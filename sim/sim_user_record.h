/* Records as users' processors and checks see them. */
#ifndef WI_SIM_SIM_USER_RECORD_H
#define WI_SIM_SIM_USER_RECORD_H

#include <weir/sim.h>
#include <weir/types.h>

struct wi_sim;
struct wi_sim_record;

/* What a record points to. */
struct wi_sim_record_text {
    char key[24];
    char data[WEIR_SIM_VALUE_MAX];
};

void wi_sim_user_record(
    struct wi_sim *sim,
    const struct wi_sim_record *from,
    struct wi_sim_record_text *text,
    struct weir_record *ret);

#endif
