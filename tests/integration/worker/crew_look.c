/* What a crew has done, by its journal and by the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/weir_test.h"

/* --- the journal --- */

struct wish {
    enum crew_kind kind;
    uint32_t worker;
    uint32_t shard;
    size_t at_least;
};

static bool
matches(const struct crew_entry *entry, enum crew_kind kind, uint32_t worker, uint32_t shard)
{
    return entry->kind == (uint32_t)kind && (worker == CREW_ANY || entry->worker == worker) &&
           (shard == CREW_ANY || entry->shard == shard);
}

size_t
crew_count(struct crew *crew, enum crew_kind kind, uint32_t worker, uint32_t shard)
{
    size_t count = 0;

    pthread_mutex_lock(&crew->lock);
    for (size_t i = 0; i < crew->count; i++) {
        count += matches(&crew->entries[i], kind, worker, shard) ? 1 : 0;
    }
    pthread_mutex_unlock(&crew->lock);
    return count;
}

static bool
count_is_reached(struct crew *crew, void *context)
{
    const struct wish *wish = context;

    return crew_count(crew, wish->kind, wish->worker, wish->shard) >= wish->at_least;
}

void
crew_wait_count(
    struct crew *crew, enum crew_kind kind, uint32_t worker, uint32_t shard, size_t at_least)
{
    struct wish wish = {kind, worker, shard, at_least};

    crew_wait(crew, count_is_reached, &wish);
}

/* The n-th matching entry; its kind is 0 if there is none. */
static struct crew_entry
find(struct crew *crew, enum crew_kind kind, uint32_t shard, const uint64_t *value, size_t n)
{
    struct crew_entry found = {.kind = 0};

    pthread_mutex_lock(&crew->lock);
    for (size_t i = 0; i < crew->count && found.kind == 0; i++) {
        const struct crew_entry *entry = &crew->entries[i];

        if (matches(entry, kind, CREW_ANY, shard) && (value == NULL || entry->value == *value) &&
            n-- == 0) {
            found = *entry;
        }
    }
    pthread_mutex_unlock(&crew->lock);
    return found;
}

struct crew_entry
crew_entry(struct crew *crew, enum crew_kind kind, uint32_t shard, size_t n)
{
    struct crew_entry entry = find(crew, kind, shard, NULL, n);

    assert_int_not_equal(entry.kind, 0);
    return entry;
}

size_t
crew_deliveries(struct crew *crew, uint64_t value)
{
    size_t count = 0;

    pthread_mutex_lock(&crew->lock);
    for (size_t i = 0; i < crew->count; i++) {
        count += crew->entries[i].kind == CREW_RECORD && crew->entries[i].value == value ? 1 : 0;
    }
    pthread_mutex_unlock(&crew->lock);
    return count;
}

struct crew_entry
crew_delivery(struct crew *crew, uint64_t value, size_t n)
{
    struct crew_entry entry = find(crew, CREW_RECORD, CREW_ANY, &value, n);

    assert_int_not_equal(entry.kind, 0);
    return entry;
}

struct range {
    uint64_t first;
    uint64_t count;
};

static bool
is_same_life(const struct crew_entry *a, const struct crew_entry *b)
{
    return a->worker == b->worker && a->shard == b->shard && a->epoch == b->epoch;
}

/* How the batch ended whose BATCH entry stands at `i`; NULL if it has not. */
static const struct crew_entry *
end_of_batch(const struct crew *crew, size_t i)
{
    for (size_t j = i + 1; j < crew->count; j++) {
        if (crew->entries[j].kind == CREW_PROCESSED &&
            is_same_life(&crew->entries[i], &crew->entries[j])) {
            return &crew->entries[j];
        }
    }
    return NULL;
}

/* Mark what the batch at `i` has done. Entries of other shards stand in between. */
static void
mark_batch(const struct crew *crew, size_t i, const struct range *range, bool *seen)
{
    const struct crew_entry *end = end_of_batch(crew, i);
    uint32_t at = 0;

    if (end == NULL) {
        return;
    }
    for (size_t j = i + 1; j < crew->count && at < crew->entries[i].count; j++) {
        const struct crew_entry *entry = &crew->entries[j];

        if (entry->kind == CREW_RECORD && is_same_life(entry, end)) {
            if (at++ < end->count && entry->value - range->first < range->count) {
                seen[entry->value - range->first] = true;
            }
        }
    }
}

static bool
all_are_processed(struct crew *crew, void *context)
{
    const struct range *range = context;
    bool *seen = calloc((size_t)range->count, sizeof *seen);
    bool all = seen != NULL;

    pthread_mutex_lock(&crew->lock);
    for (size_t i = 0; all && i < crew->count; i++) {
        if (crew->entries[i].kind == CREW_BATCH) {
            mark_batch(crew, i, range, seen);
        }
    }
    pthread_mutex_unlock(&crew->lock);
    for (uint64_t i = 0; i < range->count; i++) {
        all = all && seen[i];
    }
    free(seen);
    return all;
}

void
crew_wait_processed(struct crew *crew, uint64_t first, uint64_t count)
{
    struct range range = {first, count};

    crew_wait(crew, all_are_processed, &range);
}

/* --- the callback protocol --- */

/* Where one life of a shard at a worker is. */
struct progress {
    bool initialized;
    bool in_batch;
    bool had_final_call;
    bool destroyed;
    uint64_t batch_sequence;
};

static bool
is_final(const struct crew_entry *entry)
{
    return entry->kind == CREW_LEASE_LOST || entry->kind == CREW_SHUTDOWN ||
           (entry->kind == CREW_SHARD_ENDED && entry->error == 0);
}

static void
check_step(struct progress *life, const struct crew_entry *entry)
{
    assert_false(life->destroyed);
    if (entry->kind == CREW_INITIALIZE) {
        assert_false(life->initialized);
        life->initialized = entry->error == 0;
        return;
    }
    assert_true(life->initialized);
    if (entry->kind == CREW_RECORD) {
        assert_true(life->in_batch);
        assert_true(entry->sequence > life->batch_sequence);
        life->batch_sequence = entry->sequence;
        return;
    }
    assert_true(life->in_batch == (entry->kind == CREW_PROCESSED));
    life->in_batch = entry->kind == CREW_BATCH;
    life->batch_sequence = 0;
    life->destroyed = entry->kind == CREW_DESTROY;
    assert_false(life->had_final_call && !life->destroyed);
    life->had_final_call = life->had_final_call || is_final(entry);
}

static void
check_life(const struct crew *crew, size_t first, bool has_ended)
{
    struct progress life = {.initialized = false};

    for (size_t i = first; i < crew->count; i++) {
        if (is_same_life(&crew->entries[first], &crew->entries[i]) &&
            crew->entries[i].kind != CREW_RESULT) {
            check_step(&life, &crew->entries[i]);
        }
    }
    if (has_ended && life.initialized) {
        assert_true(life.destroyed);
        assert_true(life.had_final_call);
    }
}

static bool
is_first_of_life(const struct crew *crew, size_t i)
{
    if (crew->entries[i].kind == CREW_RESULT) {
        return false;
    }
    for (size_t j = 0; j < i; j++) {
        if (crew->entries[j].kind != CREW_RESULT &&
            is_same_life(&crew->entries[i], &crew->entries[j])) {
            return false;
        }
    }
    return true;
}

/* On a copy: an assertion that fails must not leave the lock behind. */
void
crew_check_protocol(struct crew *crew, bool all_ended)
{
    struct crew copy = {.count = 0};

    pthread_mutex_lock(&crew->lock);
    copy.entries = calloc(crew->count + 1, sizeof *copy.entries);
    if (copy.entries != NULL) {
        copy.count = crew->count;
        memcpy(copy.entries, crew->entries, crew->count * sizeof *copy.entries);
    }
    pthread_mutex_unlock(&crew->lock);
    assert_non_null(copy.entries);
    for (size_t i = 0; i < copy.count; i++) {
        if (is_first_of_life(&copy, i)) {
            check_life(&copy, i, all_ended);
        }
    }
    free(copy.entries);
}

/* --- the table --- */

static void
describe(struct crew *crew, struct weir_app_description *ret)
{
    struct weir_detail detail = {{0}};
    enum weir_error error = weir_app_describe(&crew->env, crew->dir.path, "crew", ret, &detail);

    if (error != WEIR_OK) {
        fail_msg("describe: %s", detail.text);
    }
}

/* Not before a worker has all of the table open: a look at one that is being made fails. */
static bool
has_table(struct crew *crew)
{
    return crew_count(crew, CREW_INITIALIZE, CREW_ANY, CREW_ANY) > 0;
}

static bool
find_shard(struct crew *crew, uint32_t shard, struct weir_app_shard *ret)
{
    struct weir_app_description description = {.leader = ""};
    char shard_id[WEIR_NAME_SIZE];
    bool found = false;

    if (!has_table(crew)) {
        return false;
    }
    (void)snprintf(shard_id, sizeof shard_id, "shardId-%012u", shard);
    describe(crew, &description);
    for (size_t i = 0; i < description.shard_count; i++) {
        if (strcmp(description.shards[i].shard_id, shard_id) == 0) {
            *ret = description.shards[i];
            found = true;
        }
    }
    weir_app_description_free(&crew->env, &description);
    return found;
}

struct weir_app_shard
crew_shard(struct crew *crew, uint32_t shard)
{
    struct weir_app_shard found;

    assert_true(find_shard(crew, shard, &found));
    return found;
}

static const struct weir_app_worker *
find_worker(const struct weir_app_description *description, const char *worker_id)
{
    for (size_t i = 0; i < description->worker_count; i++) {
        const struct weir_app_worker *worker = &description->workers[i];

        if (worker->alive && strcmp(worker->worker_id, worker_id) == 0) {
            return worker;
        }
    }
    return NULL;
}

static bool
is_balanced_picture(const struct weir_app_description *description, size_t workers)
{
    size_t alive = 0;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    for (size_t i = 0; i < description->worker_count; i++) {
        const struct weir_app_worker *worker = &description->workers[i];

        if (worker->alive) {
            alive++;
            least = worker->leases < least ? worker->leases : least;
            most = worker->leases > most ? worker->leases : most;
        }
    }
    for (size_t i = 0; i < description->shard_count; i++) {
        const struct weir_app_shard *shard = &description->shards[i];

        if (shard->state != WEIR_SHARD_SHUTDOWN_COMPLETE &&
            (shard->state != WEIR_SHARD_PROCESSING ||
             find_worker(description, shard->owner) == NULL)) {
            return false;
        }
    }
    return description->shard_count > 0 && alive == workers && most - least <= 1;
}

static bool
is_balanced(struct crew *crew, void *context)
{
    const size_t *workers = context;
    struct weir_app_description description = {.leader = ""};
    bool balanced;

    if (!has_table(crew) ||
        weir_app_describe(&crew->env, crew->dir.path, "crew", &description, NULL) != WEIR_OK) {
        return false;
    }
    balanced = is_balanced_picture(&description, *workers);
    weir_app_description_free(&crew->env, &description);
    return balanced;
}

void
crew_wait_balanced(struct crew *crew, size_t workers)
{
    crew_wait(crew, is_balanced, &workers);
}

struct ownership {
    uint32_t shard;
    const char *worker_id;
};

static bool
is_owner(struct crew *crew, void *context)
{
    const struct ownership *wish = context;
    struct weir_app_shard shard;

    return find_shard(crew, wish->shard, &shard) && strcmp(shard.owner, wish->worker_id) == 0 &&
           shard.state == WEIR_SHARD_PROCESSING;
}

void
crew_wait_owner(struct crew *crew, uint32_t shard, const char *worker_id)
{
    struct ownership wish = {shard, worker_id};

    crew_wait(crew, is_owner, &wish);
}

struct coverage {
    uint32_t shard;
    uint64_t sequence;
};

static bool
is_covered(struct crew *crew, void *context)
{
    const struct coverage *wish = context;
    struct weir_app_shard shard;

    return find_shard(crew, wish->shard, &shard) &&
           (shard.checkpoint.type == WEIR_SHARD_END ||
            (shard.checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER &&
             shard.checkpoint.sequence_number.word[3] >= wish->sequence));
}

void
crew_wait_checkpoint(struct crew *crew, uint32_t shard, uint64_t sequence)
{
    struct coverage wish = {shard, sequence};

    crew_wait(crew, is_covered, &wish);
}
