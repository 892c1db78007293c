/* The verdict itself: names, violations, what needs no pass over the journals. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "chaos/base.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"

static const struct {
    const char *code;
    const char *name;
} properties[CHAOS_PROPERTIES] = {
    [CHAOS_LOSS] = {"G1", "lost"},
    [CHAOS_ORDER] = {"G2", "order of a key"},
    [CHAOS_GAP] = {"G2", "order in a shard"},
    [CHAOS_CHILD] = {"G2", "child before parent"},
    [CHAOS_STALE_CALL] = {"G3", "call of a stale owner"},
    [CHAOS_STALE_WRITE] = {"G3", "checkpoint of a stale owner"},
    [CHAOS_TABLE] = {"G4", "table went down"},
    [CHAOS_PLANNED] = {"G5", "planned move"},
    [CHAOS_LATE] = {"G6", "late takeover"},
    [CHAOS_INCIDENT] = {"run", "incident"},
    [CHAOS_CHECKER] = {"history", "checker of histories"},
};

const char *
chaos_property_code(enum chaos_property property)
{
    return properties[property].code;
}

const char *
chaos_property_name(enum chaos_property property)
{
    return properties[property].name;
}

void
chaos_violate(
    struct chaos_verdict *verdict,
    enum chaos_property property,
    int64_t time_ns,
    uint32_t shard,
    const char *format,
    ...)
{
    struct chaos_violation *violation;
    va_list arguments;

    if (verdict->counts[property]++ >= CHAOS_EXAMPLES) {
        return;
    }
    verdict->violations =
        chaos_grown(verdict->violations, verdict->violation_count, sizeof *verdict->violations);
    violation = &verdict->violations[verdict->violation_count++];
    *violation = (struct chaos_violation){.property = property, .time_ns = time_ns, .shard = shard};
    va_start(arguments, format);
    (void)vsnprintf(violation->text, sizeof violation->text, format, arguments);
    va_end(arguments);
}

/* What the table showed, in order of time: it only goes up. */
void
chaos_judge_rows(const struct chaos_ledger *ledger, struct chaos_verdict *verdict)
{
    struct chaos_row *last = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *last);

    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct chaos_row *row = &ledger->rows[i];

        if (row->epoch < last[row->shard].epoch || row->checkpoint < last[row->shard].checkpoint) {
            chaos_violate(
                verdict,
                CHAOS_TABLE,
                row->time_ns,
                row->shard,
                "shard %u: epoch %" PRIu64 " after %" PRIu64 ", checkpoint %" PRIu64
                " after %" PRIu64,
                row->shard,
                row->epoch,
                last[row->shard].epoch,
                row->checkpoint,
                last[row->shard].checkpoint);
        }
        last[row->shard] = *row;
    }
    free(last);
}

void
chaos_judge_incidents(const struct chaos_ledger *ledger, struct chaos_verdict *verdict)
{
    for (size_t i = 0; i < ledger->incident_count; i++) {
        const struct chaos_incident *incident = &ledger->incidents[i];
        const size_t before = verdict->violation_count;

        chaos_violate(verdict, CHAOS_INCIDENT, incident->time_ns, CHAOS_NONE, "%s", incident->text);
        if (verdict->violation_count > before) {
            struct chaos_violation *violation = &verdict->violations[before];

            (void)snprintf(violation->code, sizeof violation->code, "%s", incident->property);
        }
    }
}

/* What was lost comes first. */
static int
by_property(const void *a, const void *b)
{
    const struct chaos_violation *x = a;
    const struct chaos_violation *y = b;

    if (x->property != y->property) {
        return x->property < y->property ? -1 : 1;
    }
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

void
chaos_verdict_sort(struct chaos_verdict *verdict)
{
    if (verdict->violation_count > 0) {
        qsort(
            verdict->violations,
            verdict->violation_count,
            sizeof *verdict->violations,
            by_property);
    }
}

void
chaos_verdict_free(struct chaos_verdict *verdict)
{
    free(verdict->violations);
    free(verdict->spans);
    free(verdict->again);
    free(verdict->gaps);
    free(verdict->lost);
    free(verdict->failover.ms);
    free(verdict->hang.ms);
    free(verdict->handoff.ms);
    free(verdict->done_ns);
    *verdict = (struct chaos_verdict){.pass = false};
}
