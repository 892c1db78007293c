#include "demo/producer.h"

#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>

#include "demo/history.h"
#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/payload.h"

#define NS_PER_S INT64_C(1000000000)
/* A producer that has fallen behind by more than this goes on from now. */
#define DEBT_MAX_NS (NS_PER_S / 2)
/* Records that may wait for the workers; more are not put until they have caught up. */
#define BACKLOG_MAX 50000

bool
demo_producer_is_done(const struct demo_producer *producer)
{
    const size_t count = producer->history->put_count;

    return producer->finishing && count > 0 && count % producer->index->count == 0;
}

uint64_t
demo_producer_rounds(const struct demo_producer *producer)
{
    return producer->history->put_count / producer->index->count;
}

/* How many records to put now. */
static size_t
due(struct demo_producer *producer, int64_t now_ns)
{
    const int64_t interval_ns = NS_PER_S / (int64_t)producer->rate;
    const size_t put = producer->history->put_count;
    int64_t count;

    if (producer->stopped || put - producer->history->delivered > BACKLOG_MAX ||
        demo_producer_is_done(producer)) {
        return 0;
    }
    if (producer->finishing) {
        const size_t left = producer->index->count - put % producer->index->count;
        return left < DEMO_PUT_MAX ? left : DEMO_PUT_MAX;
    }
    if (producer->due_ns < now_ns - DEBT_MAX_NS) {
        producer->due_ns = now_ns;
    }
    if (producer->due_ns > now_ns) {
        return 0;
    }
    count = (now_ns - producer->due_ns) / (interval_ns > 0 ? interval_ns : 1) + 1;
    return count < DEMO_PUT_MAX ? (size_t)count : DEMO_PUT_MAX;
}

static void
prepare(struct demo_producer *producer, size_t count)
{
    const struct demo_index *index = producer->index;

    for (size_t i = 0; i < count; i++) {
        const uint64_t put_index = producer->history->put_count + i;
        const size_t number = put_index % index->count;
        const struct demo_package *package = &index->packages[number];
        const char *name = demo_packages_name(index, number);
        const char *section = package->section->name;
        const struct demo_payload payload = {
            put_index,
            put_index / index->count,
            package->installed_kib,
            {section, strlen(section)}};
        const size_t length = demo_payload_format(&payload, producer->texts[i]);
        producer->entries[i] = (struct weir_put_entry){.partition_key = {name, strlen(name)},
                                                       .data = {producer->texts[i], length}};
    }
}

/* Keep what the stream has answered. Nothing here can be refused, so a refusal is a fault. */
static enum weir_error
keep_results(struct demo_producer *producer, size_t count, int64_t acked_ns)
{
    const size_t packages = producer->index->count;

    for (size_t i = 0; i < count; i++) {
        const uint32_t package = (uint32_t)(producer->history->put_count % packages);
        if (producer->results[i].error != WEIR_OK) {
            return producer->results[i].error;
        }
        if (!demo_history_put(producer->history, &producer->results[i], package, acked_ns)) {
            return WEIR_ENOMEM;
        }
    }
    return WEIR_OK;
}

enum weir_error
demo_producer_turn(
    struct demo_producer *producer, const struct weir_env *env, struct weir_detail *detail)
{
    const size_t count = due(producer, demo_now_ns(env));
    enum weir_error error;

    if (count == 0) {
        return WEIR_OK;
    }
    prepare(producer, count);
    error = weir_stream_put(producer->stream, producer->entries, count, producer->results, detail);
    if (error == WEIR_EBUSY) {
        return WEIR_OK; /* nothing was written */
    }
    if (error != WEIR_OK) {
        return error;
    }
    producer->due_ns += (int64_t)count * NS_PER_S / (int64_t)producer->rate;
    return keep_results(producer, count, demo_now_ns(env));
}
