/*
 * The producer: puts records at an even pace and writes what became of them. A put whose outcome
 * is not known (an error of the disk, a kill) is not put again: its records may or may not come.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "chaos/base.h"
#include "chaos/chaos.h"
#include "chaos/journal.h"
#include "chaos/place.h"

#define BATCH_MAX 200U
#define PAUSE_MS  4
/* What a producer that was held up catches up with, at most. */
#define CATCH_UP_MS 200
#define ARGUMENTS   6
#define KEY_SIZE    16

static volatile sig_atomic_t asked_to_stop;

static void
stop(int signal_number)
{
    (void)signal_number;
    asked_to_stop = 1;
}

struct producer {
    struct weir_stream *stream;
    int journal;
    uint32_t number;
    uint64_t next; /* index of the next put */
    uint64_t random;
    struct chaos_payload payloads[BATCH_MAX];
    char keys[BATCH_MAX][KEY_SIZE];
    struct weir_put_entry entries[BATCH_MAX];
    struct weir_put_result results[BATCH_MAX];
    struct chaos_entry notes[BATCH_MAX + 1];
};

static struct chaos_entry
note_of(const struct producer *p, enum chaos_entry_kind kind, uint32_t count)
{
    return (struct chaos_entry){.kind = (uint16_t)kind,
                                .worker = p->number,
                                .index = p->next,
                                .count = count,
                                .time_ns = chaos_now_ns()};
}

static void
fill(struct producer *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t key = (uint32_t)chaos_random_below(&p->random, CHAOS_KEYS);

        p->payloads[i] = (struct chaos_payload){p->next + i, key, CHAOS_PAYLOAD_MAGIC};
        (void)snprintf(p->keys[i], KEY_SIZE, "key-%u", key);
        p->entries[i] = (struct weir_put_entry){.partition_key = {p->keys[i], strlen(p->keys[i])},
                                                .data = {&p->payloads[i], sizeof p->payloads[i]}};
    }
}

/* Nothing was written: the same records may be put again. */
static bool
is_certain(enum weir_error error)
{
    return error == WEIR_EFULL || error == WEIR_EBUSY;
}

static bool
note_results(struct producer *p, uint32_t count, enum weir_error error)
{
    size_t notes = 0;

    if (error != WEIR_OK) {
        p->notes[0] = note_of(p, CHAOS_ENTRY_PUT_REFUSED, count);
        p->notes[0].error = (uint16_t)error;
        return chaos_journal_append(p->journal, p->notes, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct weir_put_result *result = &p->results[i];

        if (result->error == WEIR_OK) {
            p->notes[notes] = note_of(p, CHAOS_ENTRY_PUT, 1);
            p->notes[notes].index = p->next + i;
            p->notes[notes].shard = chaos_shard_number(result->shard_id, strlen(result->shard_id));
            p->notes[notes].sequence = result->sequence_number.word[3];
            p->notes[notes++].attempt = p->payloads[i].key;
        }
    }
    return chaos_journal_append(p->journal, p->notes, notes);
}

/* Puts `count` records; how many of them are dealt with. A journal that cannot be written (the
 * limit of the file size is the fault of the moment) acknowledges nothing. */
static uint32_t
put(struct producer *p, uint32_t count)
{
    enum weir_error error;

    fill(p, count);
    p->notes[0] = note_of(p, CHAOS_ENTRY_PUT_INTENT, count);
    if (!chaos_journal_append(p->journal, p->notes, 1)) {
        return 0;
    }
    error = weir_stream_put(p->stream, p->entries, count, p->results, NULL);
    (void)note_results(p, count, error);
    if (is_certain(error)) {
        return 0;
    }
    p->next += count;
    return count;
}

static void
produce(struct producer *p, uint64_t rate)
{
    int64_t begin_ns = chaos_now_ns();
    uint64_t done = 0;

    while (asked_to_stop == 0) {
        const int64_t now_ns = chaos_now_ns();
        const uint64_t due = (uint64_t)(now_ns - begin_ns) / 1000 * rate / 1000000;

        if (due <= done) {
            chaos_sleep_ms(PAUSE_MS);
            continue;
        }
        if (due - done > rate * CATCH_UP_MS / 1000 + 1) {
            begin_ns = now_ns; /* it was held up: what was missed is not made up for */
            done = 0;
            continue;
        }
        done += put(p, (uint32_t)(due - done < BATCH_MAX ? due - done : BATCH_MAX));
        chaos_sleep_ms(PAUSE_MS);
    }
}

/* @producer WORK NUMBER RATE FIRST SEED */
int
chaos_producer_main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = stop};
    struct producer *p = chaos_zeroed(1, sizeof *p);
    struct weir_detail detail = {""};
    char path[CHAOS_PATH_SIZE];
    enum weir_error error = WEIR_EINVAL;

    if (argc != ARGUMENTS || sigaction(SIGTERM, &action, NULL) != 0) {
        free(p);
        return 2;
    }
    p->number = (uint32_t)strtoul(argv[2], NULL, 10);
    p->next = strtoull(argv[4], NULL, 10);
    p->random = strtoull(argv[5], NULL, 10);
    chaos_place_numbered(argv[1], "puts", p->number, path);
    p->journal = chaos_journal_create(path);
    chaos_place_data(argv[1], path);
    if (p->journal >= 0) {
        error = weir_stream_open(weir_env_default(), path, CHAOS_STREAM, NULL, &p->stream, &detail);
    }
    if (error == WEIR_OK) {
        produce(p, strtoull(argv[3], NULL, 10));
    } else {
        (void)fprintf(stderr, "producer: %s\n", detail.text);
    }
    weir_stream_close(p->stream);
    free(p);
    return error == WEIR_OK ? 0 : 1;
}
