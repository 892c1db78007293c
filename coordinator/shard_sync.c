#include "coordinator/shard_sync.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/lease_search.h"
#include "core/check.h"
#include "core/hash_key.h"
#include "core/memory.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "lease/lease.h"
#include "stream/shard_graph.h"

/* What becomes of a listed shard. */
enum fate {
    FATE_IGNORED,  /* a duplicate, or nothing needs it */
    FATE_NEEDED,   /* not decided yet */
    FATE_LEASED,   /* has a lease that is not finished */
    FATE_FINISHED, /* has a lease at SHARD_END */
    FATE_WAITS,    /* its lease is created when its parents end */
    FATE_LEFT_OUT, /* before the initial position: gets no lease unless a merge needs it */
    FATE_CREATE_AT_INITIAL_POSITION,
    FATE_CREATE_AFTER_GAP,
    FATE_CREATE_AT_TRIM_HORIZON
};

/* What is known of the parents of a shard, all of them together. */
struct parents {
    bool any_under_way; /* has or gets a lease that is not finished, or waits itself */
    bool any_finished;
    bool any_left_out;
    bool any_unknown; /* named, but neither listed nor leased */
};

/* What the children of a shard ask of it. */
struct demand {
    bool has_child;       /* a listed shard names it as a parent */
    bool child_is_needed; /* ... and needs a lease */
};

struct sync {
    const struct weir_env *env;
    const struct wi_shard_sync_input *input;
    struct weir_shard *shards; /* a copy, parents first */
    struct wi_shard_index *index;
    enum fate *fates;
};

static bool
is_created(enum fate fate)
{
    return fate == FATE_CREATE_AT_INITIAL_POSITION || fate == FATE_CREATE_AFTER_GAP ||
           fate == FATE_CREATE_AT_TRIM_HORIZON;
}

/* Where the shard with this id stands in the list, or SIZE_MAX. */
static size_t
listed_at(const struct sync *sync, const char *shard_id)
{
    return shard_id[0] == '\0' ? SIZE_MAX : wi_shard_index_find(sync->index, wi_str(shard_id));
}

static enum fate
fate_of_lease(const struct sync *sync, const char *shard_id)
{
    size_t at = wi_lease_find(sync->input->leases, sync->input->lease_count, shard_id);

    if (at == SIZE_MAX) {
        return FATE_NEEDED;
    }
    return sync->input->leases[at].checkpoint.type == WEIR_SHARD_END ? FATE_FINISHED : FATE_LEASED;
}

/* C32: shards that have no lease, and that are open or that nothing follows, need one; so do those
 * of their ancestors that have none. Children stand behind their parents: one pass from the end. */
static enum weir_error
find_needed(struct sync *sync)
{
    size_t count = sync->input->shard_count;
    struct demand *demands = wi_alloc_array(sync->env, count + 1, sizeof *demands);

    if (demands == NULL) {
        return WEIR_ENOMEM;
    }
    for (size_t i = count; i-- > 0;) {
        const struct weir_shard *shard = &sync->shards[i];
        bool is_wanted = !shard->closed || !demands[i].has_child || demands[i].child_is_needed;

        if (listed_at(sync, shard->shard_id) != i) {
            continue;
        }
        sync->fates[i] = fate_of_lease(sync, shard->shard_id);
        if (sync->fates[i] == FATE_NEEDED && !is_wanted) {
            sync->fates[i] = FATE_IGNORED;
        }
        for (size_t p = 0; p < WEIR_PARENTS_MAX; p++) {
            size_t parent = listed_at(sync, shard->parent_shard_ids[p]);

            if (parent != SIZE_MAX) {
                demands[parent].has_child = true;
                demands[parent].child_is_needed |= sync->fates[i] == FATE_NEEDED;
            }
        }
    }
    wi_free(sync->env, demands);
    return WEIR_OK;
}

/* Add what is known of one parent; "" is none. */
static void
add_parent(const struct sync *sync, const char *parent_id, struct parents *parents)
{
    size_t at = listed_at(sync, parent_id);
    enum fate fate;

    if (parent_id[0] == '\0') {
        return;
    }
    fate = at == SIZE_MAX ? fate_of_lease(sync, parent_id) : sync->fates[at];
    switch (fate) {
    case FATE_IGNORED:
    case FATE_NEEDED:
        parents->any_unknown = true;
        break;
    case FATE_FINISHED:
        parents->any_finished = true;
        break;
    case FATE_LEFT_OUT:
        parents->any_left_out = true;
        break;
    case FATE_LEASED:
    case FATE_WAITS:
    case FATE_CREATE_AT_INITIAL_POSITION:
    case FATE_CREATE_AFTER_GAP:
    case FATE_CREATE_AT_TRIM_HORIZON:
        parents->any_under_way = true;
        break;
    }
}

/* Whether the application has not read anything of this shard's stream: with several, one of them
 * may join while the others have leases. */
static bool
is_new_stream(const struct sync *sync, size_t shard)
{
    return !wi_lease_of_stream(
        sync->input->leases,
        sync->input->lease_count,
        wi_shard_key_stream(wi_str(sync->shards[shard].shard_id)));
}

/* C33 to C37, in this order. The fates of the parents are decided. */
static enum fate
decide_fate(const struct sync *sync, size_t shard)
{
    bool is_latest = sync->input->initial_position.type == WEIR_LATEST;
    struct parents parents = {0};

    for (size_t p = 0; p < WEIR_PARENTS_MAX; p++) {
        add_parent(sync, sync->shards[shard].parent_shard_ids[p], &parents);
    }
    if (parents.any_under_way || (parents.any_finished && parents.any_left_out)) {
        return FATE_WAITS;
    }
    if (parents.any_finished) {
        return FATE_CREATE_AT_TRIM_HORIZON;
    }
    if (parents.any_unknown && !(is_latest && is_new_stream(sync, shard))) {
        return FATE_CREATE_AFTER_GAP;
    }
    return is_latest && sync->shards[shard].closed ? FATE_LEFT_OUT
                                                   : FATE_CREATE_AT_INITIAL_POSITION;
}

/* C37: a merge waits for all its parents, so a parent that was left out gets a lease after all. */
static void
complete_merge(struct sync *sync, size_t shard)
{
    for (size_t p = 0; p < WEIR_PARENTS_MAX; p++) {
        size_t parent = listed_at(sync, sync->shards[shard].parent_shard_ids[p]);

        if (parent != SIZE_MAX && sync->fates[parent] == FATE_LEFT_OUT) {
            sync->fates[parent] = FATE_CREATE_AT_INITIAL_POSITION;
        }
    }
}

/* Decide parents before children. Returns how many leases are to be created. */
static size_t
decide_all(struct sync *sync)
{
    size_t created = 0;

    for (size_t i = 0; i < sync->input->shard_count; i++) {
        if (sync->fates[i] == FATE_NEEDED) {
            sync->fates[i] = decide_fate(sync, i);
        }
        if (sync->fates[i] == FATE_WAITS) {
            complete_merge(sync, i);
        }
    }
    for (size_t i = 0; i < sync->input->shard_count; i++) {
        created += is_created(sync->fates[i]) ? 1 : 0;
    }
    return created;
}

/* The first checkpoint of a lease. Where the initial position is a time, that time is right after a
 * gap as well: no record after it is skipped, and none before it is read. */
static struct weir_position
first_checkpoint(const struct sync *sync, enum fate fate)
{
    const struct weir_position *initial = &sync->input->initial_position;
    bool keeps_initial = fate == FATE_CREATE_AT_INITIAL_POSITION ||
                         (fate == FATE_CREATE_AFTER_GAP && initial->type == WEIR_AT_TIMESTAMP);

    return keeps_initial ? *initial : (struct weir_position){.type = WEIR_TRIM_HORIZON};
}

static enum weir_error
write_plan(const struct sync *sync, size_t created, struct wi_shard_sync_plan *plan)
{
    plan->create = wi_alloc_array(sync->env, created + 1, sizeof *plan->create);
    if (plan->create == NULL) {
        return WEIR_ENOMEM;
    }
    for (size_t i = 0; i < sync->input->shard_count; i++) {
        if (is_created(sync->fates[i])) {
            struct weir_position checkpoint = first_checkpoint(sync, sync->fates[i]);

            WEIR_ASSERT(plan->create_count < created);
            wi_lease_for_shard(&sync->shards[i], &checkpoint, &plan->create[plan->create_count++]);
        }
    }
    return WEIR_OK;
}

/* A shard for the audit. */
struct audited {
    struct weir_str stream;
    bool is_open;
    struct weir_hash_range range;
};

/* By stream; open shards before closed ones, by their start. */
static int
compare_audited(const void *left, const void *right)
{
    const struct audited *a = left;
    const struct audited *b = right;
    const int order = wi_str_compare(a->stream, b->stream);

    if (order != 0) {
        return order;
    }
    if (a->is_open != b->is_open) {
        return a->is_open ? -1 : 1;
    }
    return weir_hash_key_compare(a->range.start, b->range.start);
}

/* The first keys that none of the shards, sorted by their start, covers; overlaps are a reshard
 * under way and fine. False if there are none. */
static bool
find_hole(const struct audited *shards, size_t count, struct weir_hash_range *ret)
{
    const struct weir_hash_key one = {0, 1};
    struct weir_hash_key from = WI_HASH_KEY_MIN; /* everything below is covered */

    for (size_t i = 0; i < count; i++) {
        const struct weir_hash_range *range = &shards[i].range;

        if (weir_hash_key_compare(range->start, from) > 0) {
            *ret = (struct weir_hash_range){from, wi_hash_key_sub(range->start, one)};
            return true;
        }
        if (weir_hash_key_compare(range->end, WI_HASH_KEY_MAX) == 0) {
            return false;
        }
        if (weir_hash_key_compare(range->end, from) >= 0) {
            from = wi_hash_key_add(range->end, one);
        }
    }
    *ret = (struct weir_hash_range){from, WI_HASH_KEY_MAX};
    return true;
}

/* C38: do the open shards of this stream cover all hash keys? Returns how many shards of the stream
 * stand at the begin, which is where its open ones are. */
static size_t
audit_stream(const struct audited *shards, size_t count, struct wi_shard_sync_plan *plan)
{
    size_t open = 0;
    size_t all = 0;

    while (all < count && wi_str_equal(shards[all].stream, shards[0].stream)) {
        open += shards[all].is_open ? 1 : 0;
        all++;
    }
    plan->has_hole = find_hole(shards, open, &plan->hole);
    return all;
}

/* C38, each stream by itself, up to the first hole. A list without shards is a hole. */
static enum weir_error
audit(const struct sync *sync, struct wi_shard_sync_plan *plan)
{
    const size_t count = sync->input->shard_count;
    struct audited *shards = wi_alloc_array(sync->env, count + 1, sizeof *shards);
    size_t at = 0;

    if (shards == NULL) {
        return WEIR_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        shards[i] =
            (struct audited){.stream = wi_shard_key_stream(wi_str(sync->shards[i].shard_id)),
                             .is_open = !sync->shards[i].closed,
                             .range = sync->shards[i].range};
    }
    qsort(shards, count, sizeof *shards, compare_audited);
    do {
        at += audit_stream(shards + at, count - at, plan);
    } while (at < count && !plan->has_hole);
    wi_free(sync->env, shards);
    return WEIR_OK;
}

/* A copy of the list, parents first, and what else a sync needs. */
static enum weir_error
prepare(struct sync *sync)
{
    size_t count = sync->input->shard_count;
    enum weir_error error;

    sync->shards = wi_alloc_array(sync->env, count + 1, sizeof *sync->shards);
    sync->fates = wi_alloc_array(sync->env, count + 1, sizeof *sync->fates);
    if (sync->shards == NULL || sync->fates == NULL) {
        return WEIR_ENOMEM;
    }
    if (count > 0) {
        memcpy(sync->shards, sync->input->shards, count * sizeof *sync->shards);
    }
    error = wi_shards_sort(sync->env, sync->shards, count);
    if (error != WEIR_OK) {
        return error;
    }
    return wi_shard_index_new(sync->env, sync->shards, count, &sync->index);
}

enum weir_error
wi_shard_sync(
    const struct weir_env *env,
    const struct wi_shard_sync_input *input,
    struct wi_shard_sync_plan *ret)
{
    struct sync sync = {.env = env, .input = input};
    struct wi_shard_sync_plan plan = {0};
    enum weir_error error = prepare(&sync);

    if (error != WEIR_OK) {
        goto out;
    }
    error = find_needed(&sync);
    if (error != WEIR_OK) {
        goto out;
    }
    error = write_plan(&sync, decide_all(&sync), &plan);
    if (error != WEIR_OK) {
        goto out;
    }
    error = audit(&sync, &plan);
    if (error != WEIR_OK) {
        goto out;
    }
    *ret = plan;
    plan = (struct wi_shard_sync_plan){0};
out:
    wi_shard_sync_plan_free(env, &plan);
    wi_shard_index_free(sync.index);
    wi_free(env, sync.shards);
    wi_free(env, sync.fates);
    return error;
}

void
wi_shard_sync_plan_free(const struct weir_env *env, struct wi_shard_sync_plan *plan)
{
    wi_free(env, plan->create);
    *plan = (struct wi_shard_sync_plan){0};
}

const char *
wi_shard_other_parent(
    const struct weir_shard *shards,
    size_t shard_count,
    const struct weir_shard *child,
    const char *parent_id)
{
    bool is_first = strcmp(child->parent_shard_ids[0], parent_id) == 0;
    const char *other = child->parent_shard_ids[is_first ? 1 : 0];

    WEIR_ASSERT(is_first || strcmp(child->parent_shard_ids[1], parent_id) == 0);
    for (size_t i = 0; i < shard_count; i++) {
        if (other[0] != '\0' && strcmp(shards[i].shard_id, other) == 0) {
            return other;
        }
    }
    return NULL;
}

const struct weir_shard *
wi_shard_of_another_stream(
    const struct weir_shard *shards,
    size_t shard_count,
    const struct wi_lease *leases,
    size_t lease_count)
{
    for (size_t i = 0; i < shard_count; i++) {
        const size_t at =
            shards[i].closed ? SIZE_MAX : wi_lease_find(leases, lease_count, shards[i].shard_id);

        if (at != SIZE_MAX && leases[at].checkpoint.type == WEIR_SHARD_END) {
            return &shards[i];
        }
    }
    return NULL;
}

void
wi_lease_for_shard(
    const struct weir_shard *shard, const struct weir_position *checkpoint, struct wi_lease *ret)
{
    _Static_assert(sizeof ret->lease_key >= sizeof shard->shard_id, "a shard id is a lease key");
    *ret = (struct wi_lease){
        .range = shard->range,
        .owner_state = WI_OWNER_NONE,
        .checkpoint = *checkpoint,
    };
    memcpy(ret->lease_key, shard->shard_id, sizeof shard->shard_id);
    memcpy(ret->shard_id, shard->shard_id, sizeof ret->shard_id);
    memcpy(ret->parent_shard_ids, shard->parent_shard_ids, sizeof ret->parent_shard_ids);
}
