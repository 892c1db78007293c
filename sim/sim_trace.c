/* What a run tells: events for the history, lines for people, and a hash of all of it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/sequence_number.h"
#include "sim/checker.h"
#include "sim/history.h"
#include "sim/history_text.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "sim/sim_stream.h"
#include "sim/sim_world.h"

#define LINE_SIZE  512
#define HASH_PRIME UINT64_C(0x100000001b3)

static const char *const written[] = {
    [WI_OPERATION_NONE] = "",
    [WI_OPERATION_CREATE] = "create",
    [WI_OPERATION_ASSIGN] = "assign",
    [WI_OPERATION_CHECKPOINT] = "checkpoint",
    [WI_OPERATION_RELEASE] = "release",
    [WI_OPERATION_FINISH] = "finish",
    [WI_OPERATION_HANDOFF] = "hand-off wish",
    [WI_OPERATION_REVOKE] = "revoke",
    [WI_OPERATION_RENEW] = "renew",
    [WI_OPERATION_RESET] = "reset",
};

/* --- the hash -------------------------------------------------------------------------------- */

/* FNV-1a over words instead of bytes, with a turn so that high bits reach low ones. */
void
wi_sim_mix(struct wi_sim *sim, uint64_t value)
{
    uint64_t mixed = (sim->hash ^ value) * HASH_PRIME;

    sim->hash = mixed ^ mixed >> 29;
}

static void
mix_event(struct wi_sim *sim, const struct wi_history_event *event)
{
    wi_sim_mix(sim, (uint64_t)event->kind << 32 | (uint64_t)event->operation);
    wi_sim_mix(sim, (uint64_t)event->time_ns);
    wi_sim_mix(sim, (uint64_t)event->worker << 32 | event->shard);
    wi_sim_mix(sim, (uint64_t)event->parents[0] << 32 | event->parents[1]);
    wi_sim_mix(sim, (uint64_t)event->key << 32 | event->count);
    wi_sim_mix(sim, event->epoch);
    wi_sim_mix(sim, event->first);
    wi_sim_mix(sim, event->last);
    wi_sim_mix(sim, (uint64_t)event->until_ns);
    wi_sim_mix(sim, (uint64_t)event->attempt << 32 | (uint64_t)event->error);
    wi_sim_mix(
        sim,
        (uint64_t)event->fault << 8 | (uint64_t)(event->unresolved ? 8U : 0U) |
            (uint64_t)(event->shard_end ? 4U : 0U) | (uint64_t)(event->fenced ? 2U : 0U) |
            (uint64_t)(event->on ? 1U : 0U));
    wi_sim_mix(sim, event->under);
    wi_sim_mix(sim, event->term << 20 ^ event->writer);
}

/* --- lines ----------------------------------------------------------------------------------- */

static void
emit(const struct wi_sim *sim, const char *text)
{
    char line[LINE_SIZE];
    int64_t us = sim->world.now_ns / WI_SIM_NS_PER_US;

    (void)snprintf(
        line,
        sizeof line,
        sim->options->history ? "# %6" PRId64 ".%06" PRId64 "  %s"
                              : "%6" PRId64 ".%06" PRId64 "  %s",
        us / 1000000,
        us % 1000000,
        text);
    sim->options->trace(sim->options->context, line);
}

void
wi_sim_note(struct wi_sim *sim, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list arguments;

    if (sim->options->trace == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    emit(sim, text);
}

/* A line under construction. */
struct line {
    char text[LINE_SIZE];
    size_t length;
};

static void
add(struct line *line, const char *name, uint64_t value)
{
    int added = 0;

    if (value == 0) {
        return;
    }
    added = snprintf(
        line->text + line->length, sizeof line->text - line->length, " %s %" PRIu64, name, value);
    WEIR_ASSERT(added > 0 && (size_t)added < sizeof line->text - line->length);
    line->length += (size_t)added;
}

static void
add_word(struct line *line, const char *word)
{
    int added = snprintf(line->text + line->length, sizeof line->text - line->length, " %s", word);

    WEIR_ASSERT(added > 0 && (size_t)added < sizeof line->text - line->length);
    line->length += (size_t)added;
}

static void
trace_event(const struct wi_sim *sim, const struct wi_history_event *event)
{
    struct line line = {.length = 0};

    add_word(&line, wi_history_kind_name(event->kind));
    if (event->operation != WI_OPERATION_NONE) {
        add_word(&line, written[event->operation]);
    }
    add(&line, "shard", event->shard);
    add(&line, "worker", event->worker);
    add(&line, "epoch", event->epoch);
    add(&line, "parent", event->parents[0]);
    add(&line, "parent", event->parents[1]);
    add(&line, "key", event->key);
    add(&line, "first", event->first);
    add(&line, "last", event->last);
    add(&line, "count", event->count);
    add(&line, "attempt", event->attempt);
    if (event->writer != event->worker) {
        add(&line, "by", event->writer);
    }
    add(&line, "under", event->under);
    add(&line, "term", event->term);
    add(&line, "until_us", (uint64_t)(event->until_ns / WI_SIM_NS_PER_US));
    if (event->unresolved) {
        add_word(&line, "unresolved");
    }
    if (event->shard_end) {
        add_word(&line, "SHARD_END");
    }
    if (event->error != WEIR_OK) {
        add_word(&line, weir_error_name(event->error));
    }
    if (event->kind == WI_HISTORY_FAULT) {
        add_word(&line, wi_sim_fault_name((enum wi_sim_fault)event->fault));
    }
    if (event->kind == WI_HISTORY_FAULT || event->kind == WI_HISTORY_HANG) {
        add_word(&line, event->on ? "begins" : "ends");
    }
    emit(sim, line.text + 1);
}

/* --- telling --------------------------------------------------------------------------------- */

void
wi_sim_fail(struct wi_sim *sim, const char *property, const char *name, const char *text)
{
    if (sim->is_violated) {
        return;
    }
    sim->is_violated = true;
    sim->violation =
        (struct wi_violation){.property = property, .name = name, .event = sim->events};
    (void)snprintf(sim->violation.text, sizeof sim->violation.text, "%s", text);
}

static void
note_covered(struct wi_sim *sim, const struct wi_history_event *event)
{
    uint64_t *covered = &sim->covered[event->shard - 1];

    bool is_processed = event->count > 0 || event->kind == WI_HISTORY_PROCESSED;

    if (is_processed && *covered < event->last) {
        *covered = event->last;
    }
}

void
wi_sim_tell(struct wi_sim *sim, const struct wi_history_event *event)
{
    struct wi_history_event told = *event;
    char text[WI_HISTORY_LINE_SIZE];

    if (sim->is_violated) {
        return;
    }
    told.time_ns = sim->world.now_ns;
    sim->events++;
    mix_event(sim, &told);
    wi_sim_count_history(sim, told.kind);
    if (sim->options->trace != NULL && sim->options->history) {
        (void)wi_history_format(&told, text);
        sim->options->trace(sim->options->context, text);
    } else if (sim->options->trace != NULL) {
        trace_event(sim, &told);
    }
    if (told.kind == WI_HISTORY_END || told.kind == WI_HISTORY_PROCESSED) {
        note_covered(sim, &told);
    }
    if (!wi_checker_feed(sim->checker, &told, &sim->violation)) {
        sim->is_violated = true;
    }
}

/* --- small values ---------------------------------------------------------------------------- */

/* Numbers between two records of a shard belong to other shards: the position is that of the record
 * before them. AT a record, and AFTER the last part of one below it, stand before that record. */
uint64_t
wi_sim_position(struct wi_sim *sim, uint32_t shard, const struct weir_position *position)
{
    const struct wi_sim_shard *records = wi_sim_shard(sim, shard);
    uint64_t number = 0;
    size_t low = 0;
    size_t high = records->count;

    if (position->type != WEIR_AT_SEQUENCE_NUMBER && position->type != WEIR_AFTER_SEQUENCE_NUMBER) {
        return 0;
    }
    WEIR_ASSERT(wi_sequence_number_to_u64(&position->sequence_number, &number) == WEIR_OK);
    number -= position->type == WEIR_AT_SEQUENCE_NUMBER ? 1 : 0;
    while (low < high) { /* records up to `low` are at or below the number */
        size_t middle = low + (high - low) / 2;

        if (records->records[middle].sequence <= number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? 0 : records->records[low - 1].sequence;
}

uint32_t
wi_sim_owner_number(const char *owner)
{
    const char *digit = strchr(owner, '/');
    uint32_t number = 0;

    if (digit == NULL) {
        return 0;
    }
    for (digit++; *digit != '\0'; digit++) {
        number = number * 10 + (uint32_t)(*digit - '0');
    }
    return number;
}
