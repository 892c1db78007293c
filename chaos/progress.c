/* What there is to see while a run goes on: a line that is drawn again on a terminal, else one line
 * every few seconds. It goes to stderr: stdout is for the verdict. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "chaos/base.h"
#include "chaos/ledger.h"
#include "chaos/run.h"

#define TERMINAL_NS (CHAOS_NS_PER_S / 5)
#define LINES_NS    (5 * CHAOS_NS_PER_S)

void
chaos_progress_open(struct chaos_run *run)
{
    run->terminal = isatty(STDERR_FILENO) == 1;
}

void
chaos_progress(struct chaos_run *run, const char *doing)
{
    const struct chaos_ledger *ledger = &run->ledger;
    const int64_t now_ns = chaos_now_ns();

    if (run->options->json || now_ns - run->shown_ns < (run->terminal ? TERMINAL_NS : LINES_NS)) {
        return;
    }
    run->shown_ns = now_ns;
    (void)fprintf(
        stderr,
        "%s%5.1f s  %-9s  workers %u of %u  shards %u (%u without owner)  faults %zu  put %zu"
        "  events %zu%s",
        run->terminal ? "\r\033[K" : "",
        (double)(now_ns - ledger->begin_ns) / 1e9,
        doing,
        chaos_count(run, CHAOS_RUNNING),
        run->options->workers,
        atomic_load(&run->open_shards),
        atomic_load(&run->unowned),
        ledger->fault_count,
        ledger->put_count,
        ledger->entry_count,
        run->terminal ? "" : "\n");
    (void)fflush(stderr);
}

void
chaos_progress_close(struct chaos_run *run)
{
    if (run->terminal && run->shown_ns != 0) {
        (void)fprintf(stderr, "\r\033[K");
    }
}
