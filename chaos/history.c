#include <errno.h>
#include <stdbool.h>

#include "chaos/outcome.h"
bool
chaos_history_write(const struct chaos_ledger *ledger, const char *path)
{
    (void)ledger;
    (void)path;
    return true;
}
void
chaos_history_check(
    const struct chaos_run *run, const struct chaos_ledger *ledger, struct chaos_verdict *verdict)
{
    (void)run;
    (void)ledger;
    (void)verdict;
}
bool
chaos_report_write(const struct chaos_run *run, struct chaos_verdict *verdict, const char *path)
{
    (void)run;
    (void)verdict;
    (void)path;
    return true;
}
