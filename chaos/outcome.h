/** What a run is told as: verdict, history, report. */
#ifndef WI_CHAOS_OUTCOME_H
#define WI_CHAOS_OUTCOME_H

#include <stdbool.h>

#include "chaos/chaos.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/run.h"

/** Judge, write what the options ask for, print the verdict on stdout. */
enum chaos_result chaos_tell(struct chaos_run *run);

/* ---- history.c ---------------------------------------------------------------------------- */

/** Write the history, one JSON object per line. False with errno. */
bool chaos_history_write(
    const struct chaos_ledger *ledger, const struct chaos_verdict *verdict, const char *path);

/** Ask the checker of histories; what it finds is added to the verdict. */
void chaos_history_check(
    const struct chaos_run *run, const struct chaos_ledger *ledger, struct chaos_verdict *verdict);

/* ---- report.c ----------------------------------------------------------------------------- */

/** Write the HTML report. False with errno. */
bool chaos_report_write(
    const struct chaos_run *run, struct chaos_verdict *verdict, const char *path);

#endif
