/* What must be in the sink of the user's processors at the end. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/sim.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/sequence_number.h"
#include "sim/sim.h"
#include "sim/sim_sink.h"
#include "sim/sim_stream.h"
#include "sim/sim_user.h"
#include "sim/sim_user_record.h"
#include "sim/sim_world.h"

struct weir_sim_ledger {
    struct wi_sim *sim;
    struct wi_sim_record_text text;
    uint32_t shard; /* that holds `first` and those after it; the last one asked for */
    size_t first;   /* index of its first record */
};

void
wi_sim_user_record(
    struct wi_sim *sim,
    const struct wi_sim_record *from,
    struct wi_sim_record_text *text,
    struct weir_record *ret)
{
    const struct weir_sim_application *application = sim->options->application;
    int key_length = snprintf(text->key, sizeof text->key, "key-%" PRIu32, from->key);
    size_t length = 0;

    if (application->payload != NULL) {
        length = application->payload(application->context, from->number, text->data);
        WEIR_ASSERT(length <= sizeof text->data);
    } else {
        length = (size_t)snprintf(text->data, sizeof text->data, "%" PRIu64, from->number);
    }
    *ret = (struct weir_record){.sequence_number = wi_sequence_number_from_u64(from->sequence),
                                .partition_key = {text->key, (size_t)key_length},
                                .data = {text->data, length},
                                .arrival_ms = from->arrival_ms};
}

bool
weir_sim_ledger_entry(struct weir_sim_ledger *ledger, size_t index, struct weir_sim_entry *ret)
{
    struct wi_sim *sim = ledger->sim;
    const struct wi_sim_record *record = NULL;

    if (index < ledger->first) {
        ledger->shard = 1;
        ledger->first = 0;
    }
    while (ledger->shard <= sim->stream.count &&
           index - ledger->first >= wi_sim_shard(sim, ledger->shard)->count) {
        ledger->first += wi_sim_shard(sim, ledger->shard)->count;
        ledger->shard++;
    }
    if (ledger->shard > sim->stream.count) {
        return false;
    }
    record = &wi_sim_shard(sim, ledger->shard)->records[index - ledger->first];
    *ret = (struct weir_sim_entry){.shard_id = wi_sim_shard(sim, ledger->shard)->shard.shard_id,
                                   .delivered = record->delivered,
                                   .done = record->done};
    wi_sim_user_record(sim, record, &ledger->text, &ret->record);
    return true;
}

/* U2: the effect of what is done is there once, of what was delivered at most once. */
static bool
judge_entry(
    struct wi_sim *sim, struct weir_sim_transaction *view, const struct weir_sim_entry *entry)
{
    const struct weir_sim_application *application = sim->options->application;
    uint32_t applied = application->applied(application->context, view, entry);
    char number[WEIR_SEQUENCE_NUMBER_SIZE];
    char text[WEIR_SIM_TEXT_SIZE];

    if (applied == (entry->done ? 1U : 0U) || (entry->delivered && applied == 1)) {
        return true;
    }
    (void)weir_sequence_number_format(&entry->record.sequence_number, number);
    (void)snprintf(
        text,
        sizeof text,
        "record %s of %s is %s and was applied %" PRIu32 " times",
        number,
        entry->shard_id,
        entry->done        ? "done"
        : entry->delivered ? "delivered"
                           : "not delivered",
        applied);
    wi_sim_fail(sim, "U2", "effects", text);
    return false;
}

void
wi_sim_user_judge(struct wi_sim *sim)
{
    const struct weir_sim_application *application = sim->options->application;
    struct weir_sim_sink sink = {.sim = sim};
    struct weir_sim_ledger ledger = {.sim = sim, .shard = 1};
    struct weir_sim_transaction *view = NULL;
    struct weir_sim_entry entry;
    char text[WEIR_SIM_TEXT_SIZE] = "the check says no";
    bool ok = weir_sim_sink_begin(&sink, &view) == WEIR_OK;

    WEIR_ASSERT(ok);
    for (size_t i = 0;
         ok && application->applied != NULL && weir_sim_ledger_entry(&ledger, i, &entry);
         i++) {
        ok = judge_entry(sim, view, &entry);
    }
    if (ok && application->check != NULL &&
        !application->check(application->context, view, &ledger, text)) {
        wi_sim_fail(sim, "U3", "user's check", text);
    }
    wi_sim_sink_close(&sink);
}
