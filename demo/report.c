/* The verdict, found and told. */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "cli/cli.h"
#include "cli/json_tree.h"
#include "demo/audit.h"
#include "demo/demo.h"
#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/producer.h"
#include "demo/sink.h"

#define NS_PER_MS 1e6
#define NS_PER_S  1e9
/* Sections in the table of the verdict. */
#define TOP_SECTIONS 5

/* --- Finding it. --- */

/* What the section has to add up to: whole rounds of the file, and the beginning of the next. */
static struct demo_total
expected_total(const struct demo *demo, const struct demo_section *section)
{
    const uint64_t rounds = demo->history.put_count / demo->index.count;
    const size_t rest = demo->history.put_count % demo->index.count;
    struct demo_total total = {rounds * section->packages, rounds * section->installed_kib};

    for (size_t i = 0; i < rest; i++) {
        if (demo->index.packages[i].section == section) {
            total.packages++;
            total.installed_kib += demo->index.packages[i].installed_kib;
        }
    }
    return total;
}

static enum weir_error
compare_totals(const struct demo *demo, struct demo_sink *sink, bool *ret_match)
{
    size_t sections = 0;
    size_t seen = 0;
    bool match = true;
    enum weir_error error = demo_sink_sections(sink, &sections);

    for (const struct demo_section *section = demo->index.first_section;
         section != NULL && error == WEIR_OK;
         section = section->next) {
        const struct demo_total expected = expected_total(demo, section);
        struct demo_total total = {0, 0};
        error = demo_sink_total(sink, section->name, &total);
        seen += total.packages > 0 ? 1 : 0;
        match = match && total.packages == expected.packages &&
                total.installed_kib == expected.installed_kib;
    }
    if (error == WEIR_OK) {
        *ret_match = match && sections == seen;
    }
    return error;
}

/* What the samples of the table and the journals' reader have found. */
static void
add_findings(struct demo *demo)
{
    struct demo_verdict *verdict = &demo->verdict;

    verdict->stale_checkpoints += demo->table.went_down;
    if (demo->table.damaged > 0) {
        demo_reasons_add(&verdict->reasons, "damaged rows in the lease table");
    }
}

void
demo_judge(struct demo *demo)
{
    struct demo_audit audit = {
        .history = &demo->history,
        .journals = demo->journals,
        .index = &demo->index,
        .deeds = &demo->deeds,
        .verdict = &demo->verdict};
    struct demo_sink sink = {.mdb = NULL};
    enum weir_error error = demo_sink_open(demo->files.folder, &sink);

    if (error == WEIR_OK && !demo_audit_begin(&audit)) {
        error = WEIR_ENOMEM;
    }
    if (error == WEIR_OK) {
        error = demo_sink_ledger(&sink, demo_audit_ledger, &audit);
    }
    if (error == WEIR_OK) {
        error = compare_totals(demo, &sink, &demo->verdict.totals_match);
    }
    if (error == WEIR_OK && !demo_audit_order(&audit)) {
        error = WEIR_ENOMEM;
    }
    demo_sink_close(&sink);
    if (error != WEIR_OK) {
        demo_reasons_add(
            &demo->verdict.reasons, "the sink cannot be read: %s", weir_error_text(error));
        free(audit.applied);
        return;
    }
    demo_audit_times(&audit);
    demo_audit_checkpoints(&audit);
    add_findings(demo);
    demo->verdict.elapsed_ms = (demo_now_ns(demo->env) - demo->start_ns) / (int64_t)NS_PER_MS;
    demo_audit_end(&audit);
}

/* --- Telling it. --- */

/* Milliseconds with one decimal. */
static double
to_ms(int64_t ns)
{
    const int64_t tenths = (ns + 50000) / 100000;

    return (double)tenths / 10;
}

static bool
add_times(cJSON *root, const char *name, const struct demo_times *times)
{
    cJSON *array = cJSON_AddArrayToObject(root, name);
    bool whole = array != NULL;

    for (size_t i = 0; whole && i < times->count; i++) {
        cJSON *number = cJSON_CreateNumber(to_ms(times->ns[i]));
        whole = number != NULL && cJSON_AddItemToArray(array, number) != 0;
    }
    return whole;
}

/* null: no worker was stopped, or nobody took over. */
static bool
add_hang(cJSON *root, const struct demo_times *times)
{
    if (times->count == 0) {
        return cJSON_AddNullToObject(root, "hang_takeover_ms") != NULL;
    }
    return cJSON_AddNumberToObject(root, "hang_takeover_ms", to_ms(demo_times_max(times))) != NULL;
}

static int
report_json(const struct demo *demo)
{
    const struct demo_verdict *v = &demo->verdict;
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"records_put", v->records_put},
        {"records_processed", v->records_processed},
        {"lost", v->lost},
        {"redelivered", v->redelivered},
        {"order_violations", v->order_violations},
        {"stale_checkpoints_accepted", v->stale_checkpoints}};
    const int64_t tenths = v->elapsed_ms / 100; /* of a second */
    cJSON *root = cJSON_CreateObject();
    bool whole =
        cJSON_AddStringToObject(root, "verdict", v->reasons.count == 0 ? "pass" : "fail") != NULL;

    for (size_t i = 0; whole && i < sizeof counts / sizeof *counts; i++) {
        whole = cli_json_add_integer(root, counts[i].name, (int64_t)counts[i].value);
    }
    whole = whole && cJSON_AddBoolToObject(root, "totals_match", v->totals_match ? 1 : 0) != NULL;
    whole = whole && add_times(root, "failover_ms", &v->failover) && add_hang(root, &v->hang) &&
            add_times(root, "handoff_ms", &v->handoff) &&
            cli_json_add_integer(root, "handoff_redelivered", (int64_t)v->handoff_redelivered) &&
            cJSON_AddNumberToObject(root, "seconds", (double)tenths / 10) != NULL;
    return cli_json_print(root, whole);
}

static int
compare_sections(const void *a, const void *b)
{
    const struct demo_section *one = *(const struct demo_section *const *)a;
    const struct demo_section *other = *(const struct demo_section *const *)b;

    if (one->installed_kib != other->installed_kib) {
        return one->installed_kib > other->installed_kib ? -1 : 1;
    }
    return strcmp(one->name, other->name);
}

static void
print_section(const struct demo *demo, struct demo_sink *sink, const struct demo_section *section)
{
    const struct demo_total expected = expected_total(demo, section);
    struct demo_total total = {0, 0};
    char text[4][CLI_VALUE_SIZE];

    if (demo_sink_total(sink, section->name, &total) != WEIR_OK) {
        return;
    }
    printf(
        "  %-20.20s %12s %12s %14s %14s\n",
        section->name,
        cli_format_count(expected.packages, text[0]),
        cli_format_count(total.packages, text[1]),
        cli_format_count(expected.installed_kib / 1024, text[2]),
        cli_format_count(total.installed_kib / 1024, text[3]));
}

/* The largest sections, as the file has them and as the sink has them. */
static void
print_sections(const struct demo *demo)
{
    struct demo_sink sink = {.mdb = NULL};
    const struct demo_section **sorted = calloc(demo->index.section_count + 1, sizeof *sorted);
    size_t count = 0;

    if (sorted == NULL || demo_sink_open(demo->files.folder, &sink) != WEIR_OK) {
        free((void *)sorted);
        return;
    }
    for (const struct demo_section *section = demo->index.first_section; section != NULL;
         section = section->next) {
        sorted[count++] = section;
    }
    qsort((void *)sorted, count, sizeof *sorted, compare_sections);
    printf("\n  %-20s %25s %29s\n", "", "packages", "installed MiB");
    printf("  %-20s %12s %12s %14s %14s\n", "section", "file", "sink", "file", "sink");
    for (size_t i = 0; i < count && i < TOP_SECTIONS; i++) {
        print_section(demo, &sink, sorted[i]);
    }
    printf(
        "  %zu sections in all; all totals equal: %s\n\n",
        count,
        demo->verdict.totals_match ? "yes" : "NO");
    demo_sink_close(&sink);
    free((void *)sorted);
}

static void
print_times(const char *what, const struct demo_times *times, const char *bound)
{
    printf("  %-21s", what);
    for (size_t i = 0; i < times->count; i++) {
        printf("%s%.1f", i == 0 ? "" : ", ", to_ms(times->ns[i]));
    }
    printf("%s (%s)\n", times->count == 0 ? "none" : " ms", bound);
}

static void
print_figures(const struct demo *demo)
{
    const struct demo_verdict *v = &demo->verdict;
    char text[2][CLI_VALUE_SIZE];
    char bound[3][DEMO_REASON_SIZE];

    printf(
        "  source               %s: %s packages\n",
        demo->index.source,
        cli_format_count(demo->index.count, text[0]));
    printf(
        "  records put          %s, the packages %s time%s\n",
        cli_format_count(v->records_put, text[0]),
        cli_format_count(demo_producer_rounds(&demo->producer), text[1]),
        demo_producer_rounds(&demo->producer) == 1 ? "" : "s");
    printf(
        "  processed            %s, lost %s, added up twice %llu\n",
        cli_format_count(v->records_processed, text[0]),
        cli_format_count(v->lost, text[1]),
        (unsigned long long)v->applied_twice);
    printf(
        "  delivered again      %s, of them after a hand-off in order %llu\n",
        cli_format_count(v->redelivered, text[0]),
        (unsigned long long)v->handoff_redelivered);
    printf("  violations of order  %llu\n", (unsigned long long)v->order_violations);
    printf(
        "  stale checkpoints    %llu tried, %llu accepted\n",
        (unsigned long long)v->stale_attempts,
        (unsigned long long)v->stale_checkpoints);
    printf(
        "  stale batches        %llu, refused by the sink\n",
        (unsigned long long)demo->history.fenced);
    (void)snprintf(bound[0], sizeof bound[0], "allowed: %d", DEMO_FAILOVER_MAX_MS);
    (void)snprintf(
        bound[1],
        sizeof bound[1],
        "weir says: at most %lld",
        (long long)demo->deeds.failover_bound_ms);
    (void)snprintf(bound[2], sizeof bound[2], "allowed: %d", DEMO_HANDOFF_MAX_MS);
    print_times("after kill -9", &v->failover, bound[0]);
    print_times("after SIGSTOP", &v->hang, bound[1]);
    print_times("hand-offs", &v->handoff, bound[2]);
    printf("  the whole            %.1f s\n", (double)v->elapsed_ms / 1e3);
    if (demo->settings.keep) {
        printf("  data directory       %s\n", demo->files.data);
    }
    printf("\n");
}

/* One line with all reasons, and where to look. */
static int
fail(const struct demo *demo)
{
    const struct demo_reasons *reasons = &demo->verdict.reasons;
    char text[DEMO_REASONS_MAX * (DEMO_REASON_SIZE + 2)];
    size_t length = 0;

    for (size_t i = 0; i < reasons->count; i++) {
        const int added = snprintf(
            text + length, sizeof text - length, "%s%s", i == 0 ? "" : "; ", reasons->text[i]);
        length += added > 0 ? (size_t)added : 0;
    }
    return cli_fail("demo: %s: the data directory is kept: %s", text, demo->files.data);
}

int
demo_report(struct demo *demo)
{
    const struct demo_reasons *reasons = &demo->verdict.reasons;
    int status = CLI_OK;

    if (demo->cli->json) {
        status = report_json(demo);
    } else {
        print_sections(demo);
        print_figures(demo);
        printf("%s\n", reasons->count == 0 ? "PASS" : "FAIL");
    }
    return reasons->count == 0 ? status : fail(demo);
}
