/* The load of a torture run, and a look at the table now and then. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/app.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/torture/journal.h"
#include "tests/torture/ledger.h"
#include "tests/torture/torture.h"

/* --- producer -------------------------------------------------------------------------------- */

static void
note_puts(struct run *run, const struct payload *payloads, const struct weir_put_result *results)
{
    for (size_t i = 0; i < PUT_BATCH; i++) {
        if (results[i].error != WEIR_OK) {
            die("a record was refused", NULL);
        }
        run->ledger.puts[run->ledger.put_count++] =
            (struct put){.key = payloads[i].key,
                         .shard = shard_number(results[i].shard_id, strlen(results[i].shard_id)),
                         .sequence = results[i].sequence_number.word[3]};
    }
}

void *
produce(void *argument)
{
    struct run *run = argument;
    struct payload payloads[PUT_BATCH];
    char keys[PUT_BATCH][16];
    struct weir_put_entry entries[PUT_BATCH];
    struct weir_put_result results[PUT_BATCH];
    struct weir_detail detail = {{0}};
    uint64_t random = run->seed * 7919;

    while (atomic_load(&run->producing) && run->ledger.put_count + PUT_BATCH <= run->put_capacity) {
        for (size_t i = 0; i < PUT_BATCH; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
            payloads[i] = (struct payload){.index = run->ledger.put_count + i,
                                           .key = (uint32_t)((random >> 33) % KEYS)};
            (void)snprintf(keys[i], sizeof keys[i], "key-%u", payloads[i].key);
            entries[i] = (struct weir_put_entry){.partition_key = {keys[i], strlen(keys[i])},
                                                 .data = {&payloads[i], sizeof payloads[i]}};
        }
        if (weir_stream_put(run->stream, entries, PUT_BATCH, results, &detail) != WEIR_OK) {
            die("put", &detail);
        }
        note_puts(run, payloads, results);
        pause_ms(PUT_PAUSE_MS);
    }
    return NULL;
}

/* --- sampler: what the table shows never goes down -------------------------------------------- */

struct sampled {
    uint64_t epoch;
    uint64_t checkpoint; /* UINT64_MAX: SHARD_END */
};

static void
sample_shard(struct run *run, struct sampled *samples, const struct weir_app_shard *shard)
{
    uint32_t number = shard_number(shard->shard_id, strlen(shard->shard_id));
    uint64_t checkpoint = 0;

    if (shard->checkpoint.type == WEIR_SHARD_END) {
        checkpoint = UINT64_MAX;
    } else if (shard->checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER) {
        checkpoint = shard->checkpoint.sequence_number.word[3];
    }
    if (shard->lease_epoch < samples[number].epoch || checkpoint < samples[number].checkpoint) {
        run->verdict.table_violations++;
        (void)fprintf(stderr, "shard %u: epoch or checkpoint went down\n", number);
    }
    samples[number] = (struct sampled){shard->lease_epoch, checkpoint};
}

void *
sample(void *argument)
{
    struct run *run = argument;
    struct sampled *samples = calloc(SHARDS_MAX, sizeof *samples);

    while (atomic_load(&run->sampling)) {
        struct weir_app_description description = {0};

        if (weir_app_describe(weir_env_default(), run->data, "torture", &description, NULL) ==
            WEIR_OK) {
            for (size_t i = 0; i < description.shard_count; i++) {
                sample_shard(run, samples, &description.shards[i]);
            }
            weir_app_description_free(weir_env_default(), &description);
        }
        pause_ms(SAMPLE_PAUSE_MS);
    }
    free(samples);
    return NULL;
}
