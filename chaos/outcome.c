#include "chaos/outcome.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/chaos.h"
#include "chaos/fault.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/run.h"

#define SEED_SIZE 32
/* Violations in the object of --json and in the text. */
#define TOLD_MAX 20

static const char *
name_of(const struct chaos_run *run, const struct chaos_verdict *verdict)
{
    if (run->interrupted) {
        return "interrupted";
    }
    return verdict->pass ? "pass" : "fail";
}

static bool
add_times(cJSON *root, const char *name, struct chaos_times *times)
{
    cJSON *item = cJSON_AddObjectToObject(root, name);

    return item != NULL && cJSON_AddNumberToObject(item, "count", (double)times->count) != NULL &&
           cJSON_AddNumberToObject(item, "p50", chaos_times_quantile(times, 0.5)) != NULL &&
           cJSON_AddNumberToObject(item, "p99", chaos_times_quantile(times, 0.99)) != NULL &&
           cJSON_AddNumberToObject(item, "max", chaos_times_quantile(times, 1)) != NULL;
}

static const char *
code_of(const struct chaos_violation *violation)
{
    return *violation->code != '\0' ? violation->code : chaos_property_code(violation->property);
}

static bool
add_violations(cJSON *root, const struct chaos_run *run, const struct chaos_verdict *verdict)
{
    cJSON *array = cJSON_AddArrayToObject(root, "violations");
    bool whole = array != NULL;

    for (size_t i = 0; whole && i < verdict->violation_count && i < TOLD_MAX; i++) {
        const struct chaos_violation *v = &verdict->violations[i];
        const double ms = (double)(v->time_ns - run->ledger.begin_ns) / 1e6;
        cJSON *item = cJSON_CreateObject();

        whole = item != NULL && cJSON_AddItemToArray(array, item) != 0 &&
                cJSON_AddStringToObject(item, "property", code_of(v)) != NULL &&
                cJSON_AddStringToObject(item, "name", chaos_property_name(v->property)) != NULL &&
                cJSON_AddStringToObject(item, "text", v->text) != NULL &&
                cJSON_AddNumberToObject(item, "time_ms", ms < 0 ? 0 : (double)(int64_t)ms) != NULL;
    }
    return whole;
}

static bool
add_faults(cJSON *root, const struct chaos_ledger *ledger)
{
    cJSON *item = cJSON_AddObjectToObject(root, "faults");
    double counts[CHAOS_FAULT_KINDS] = {0};
    bool whole = item != NULL;

    for (size_t i = 0; i < ledger->fault_count; i++) {
        counts[ledger->faults[i].kind]++;
    }
    for (uint32_t kind = 0; whole && kind < CHAOS_FAULT_KINDS; kind++) {
        if (counts[kind] > 0) {
            whole =
                cJSON_AddNumberToObject(item, chaos_fault_info(kind)->name, counts[kind]) != NULL;
        }
    }
    return whole;
}

static bool
add_counts(cJSON *root, const struct chaos_run *run, const struct chaos_verdict *v)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"records_put", v->records_put},
        {"records_unknown", v->records_unknown},
        {"deliveries", v->deliveries},
        {"redelivered", v->redelivered},
        {"lost", v->counts[CHAOS_LOSS]},
        {"order_violations", v->counts[CHAOS_ORDER] + v->counts[CHAOS_GAP]},
        {"child_violations", v->counts[CHAOS_CHILD]},
        {"stale_calls", v->counts[CHAOS_STALE_CALL]},
        {"stale_checkpoints_accepted", v->counts[CHAOS_STALE_WRITE]},
        {"table_violations", v->counts[CHAOS_TABLE]},
        {"handoff_redelivered", v->counts[CHAOS_PLANNED]},
        {"late_takeovers", v->counts[CHAOS_LATE]},
        {"incidents", v->counts[CHAOS_INCIDENT]},
        {"history_events_checked", v->checked_events},
        {"checkpoints", v->checkpoints},
        {"checkpoints_refused", v->checkpoints_refused},
        {"ownerships", v->span_count},
        {"workers_started", run->ledger.life_count},
        {"puts_refused", run->ledger.puts_refused},
        {"lines_bad", run->lines_bad},
        {"clock_reads_off", run->clock_reads},
        {"syncs_delayed", run->syncs_delayed}};
    bool whole = true;

    for (size_t i = 0; whole && i < sizeof counts / sizeof *counts; i++) {
        whole = cJSON_AddNumberToObject(root, counts[i].name, (double)counts[i].value) != NULL;
    }
    return whole;
}

static bool
print_json(const struct chaos_run *run, struct chaos_verdict *verdict)
{
    const struct chaos_options *options = run->options;
    cJSON *root = cJSON_CreateObject();
    char seed[SEED_SIZE];
    char *text = NULL;
    bool whole;

    (void)snprintf(seed, sizeof seed, "%" PRIu64, options->seed);
    whole = cJSON_AddStringToObject(root, "verdict", name_of(run, verdict)) != NULL &&
            cJSON_AddStringToObject(root, "seed", seed) != NULL && add_counts(root, run, verdict) &&
            add_faults(root, &run->ledger) && add_violations(root, run, verdict) &&
            add_times(root, "failover_ms", &verdict->failover) &&
            add_times(root, "hang_takeover_ms", &verdict->hang) &&
            add_times(root, "handoff_ms", &verdict->handoff) &&
            (options->report == NULL
                 ? cJSON_AddNullToObject(root, "report")
                 : cJSON_AddStringToObject(root, "report", options->report)) != NULL;
    if (whole) {
        text = cJSON_PrintUnformatted(root);
    }
    if (text != NULL) {
        (void)printf("%s\n", text);
    }
    cJSON_free(text);
    cJSON_Delete(root);
    return text != NULL;
}

static void
print_times(const char *name, struct chaos_times *times)
{
    if (times->count > 0) {
        (void)printf(
            "%-18s p50 %.1f ms, p99 %.1f ms, max %.1f ms (%zu)\n",
            name,
            chaos_times_quantile(times, 0.5),
            chaos_times_quantile(times, 0.99),
            chaos_times_quantile(times, 1),
            times->count);
    }
}

static void
print_violations(const struct chaos_run *run, const struct chaos_verdict *verdict)
{
    for (size_t i = 0; i < verdict->violation_count && i < TOLD_MAX; i++) {
        const struct chaos_violation *v = &verdict->violations[i];

        (void)printf(
            "  %-4s %8.3f s  %s\n",
            code_of(v),
            (double)(v->time_ns - run->ledger.begin_ns) / 1e9,
            v->text);
    }
    for (size_t i = 0; i < CHAOS_PROPERTIES; i++) {
        if (verdict->counts[i] > 0) {
            (void)printf(
                "%-4s %s: %" PRIu64 "\n",
                chaos_property_code((enum chaos_property)i),
                chaos_property_name((enum chaos_property)i),
                verdict->counts[i]);
        }
    }
}

static void
print_text(const struct chaos_run *run, struct chaos_verdict *verdict)
{
    const struct chaos_options *options = run->options;

    (void)printf("%-18s %" PRIu64 "\n", "seed", options->seed);
    (void)printf("%-18s %" PRIu64 "\n", "records put", verdict->records_put);
    (void)printf(
        "%-18s %" PRIu64 ", %" PRIu64 " of them again\n",
        "deliveries",
        verdict->deliveries,
        verdict->redelivered);
    (void)printf("%-18s %" PRIu64 "\n", "lost", verdict->counts[CHAOS_LOSS]);
    (void)printf("%-18s %zu\n", "faults", run->ledger.fault_count);
    (void)printf("%-18s %zu\n", "changes of owner", verdict->span_count);
    print_times("fail-over", &verdict->failover);
    print_times("hang takeover", &verdict->hang);
    print_times("hand-off", &verdict->handoff);
    print_violations(run, verdict);
    if (options->report != NULL) {
        (void)printf("%-18s %s\n", "report", options->report);
    }
    (void)printf("%s\n", run->interrupted ? "INTERRUPTED" : verdict->pass ? "PASS" : "FAIL");
}

static bool
write_files(struct chaos_run *run, struct chaos_verdict *verdict)
{
    const struct chaos_options *options = run->options;
    bool whole = true;

    if (options->history != NULL && !chaos_history_write(&run->ledger, verdict, options->history)) {
        whole = chaos_impossible(
            run,
            "the history '%s' cannot be written: %s",
            options->history,
            strerrordesc_np(errno));
    }
    if (options->report != NULL && !chaos_report_write(run, verdict, options->report)) {
        whole = chaos_impossible(
            run, "the report '%s' cannot be written: %s", options->report, strerrordesc_np(errno));
    }
    return whole;
}

enum chaos_result
chaos_tell(struct chaos_run *run)
{
    struct chaos_verdict verdict;
    enum chaos_result result = CHAOS_PASS;
    bool whole;

    chaos_ledger_seal(&run->ledger);
    chaos_judge(&run->ledger, &verdict);
    if (!run->interrupted) {
        chaos_history_check(run, &run->ledger, &verdict);
    }
    whole = write_files(run, &verdict);
    if (run->options->json) {
        whole = print_json(run, &verdict) && whole;
    } else {
        print_text(run, &verdict);
    }
    if (run->interrupted) {
        result = CHAOS_INTERRUPTED;
    } else if (!verdict.pass) {
        result = CHAOS_FAIL;
    } else if (!whole) {
        result = CHAOS_UNWRITTEN;
    }
    chaos_verdict_free(&verdict);
    return result;
}
