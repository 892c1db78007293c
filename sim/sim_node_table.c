/* Reads of the table, consumers started and stopped by it, renewals and automatic checkpoints: as
 * worker/worker_table.c and worker/worker_renewal.c. */
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "sim/sim.h"
#include "sim/sim_consumer.h"
#include "sim/sim_node.h"
#include "sim/sim_store.h"
#include "sim/sim_world.h"
#include "worker/checkpoint_tracker.h"
#include "worker/lease_renewer.h"
#include "worker/past_leases.h"
#include "worker/scheduler.h"

/* As in worker/worker_table.c. */
#define TABLE_RETRY_MS 50
#define GIVE_BACK_MAX  64U

void
wi_sim_node_want_table(struct wi_sim_node *node)
{
    node->table_wanted = true;
    node->full_table_wanted = true;
}

/* --- consumers ------------------------------------------------------------------------------- */

static void
insert_consumer(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    size_t at = node->consumer_count;

    if (node->consumer_count == node->consumer_capacity) {
        size_t capacity = node->consumer_capacity == 0 ? 16 : node->consumer_capacity * 2;
        void *grown = wi_resize_array(
            &sim->world.env, node->consumers, capacity, sizeof(struct wi_sim_consumer *));

        WEIR_ASSERT(grown != NULL);
        node->consumers = grown;
        node->consumer_capacity = capacity;
    }
    while (at > 0 &&
           strcmp(node->consumers[at - 1]->lease.lease_key, consumer->lease.lease_key) > 0) {
        node->consumers[at] = node->consumers[at - 1];
        at--;
    }
    node->consumers[at] = consumer;
    node->consumer_count++;
}

static void
start_consumer(struct wi_sim *sim, struct wi_sim_node *node, const struct wi_lease *lease)
{
    struct wi_sim_consumer *consumer = wi_sim_consumer_new(sim, node, lease, node->table_started);

    insert_consumer(sim, node, consumer);
    if (sim->plan.config.threads > 0 && node->consumer_count > sim->plan.config.threads) {
        wi_sim_count_scenario(sim, WI_SIM_FEWER_THREADS);
    }
    if (wi_parents_are_finished(&node->table, lease)) {
        consumer->told_parents_finished = true;
        consumer->facts |= WI_SIM_FACT_PARENTS_FINISHED;
    }
    wi_sim_consumer_note_belief(sim, node, consumer);
}

/* --- leases that go back --------------------------------------------------------------------- */

struct give_backs {
    const struct wi_lease *leases[GIVE_BACK_MAX];
    struct weir_position handed_through[GIVE_BACK_MAX];
    size_t count;
};

static void
give_back(
    struct wi_sim_node *node,
    struct give_backs *backs,
    const struct wi_lease *lease,
    const struct weir_position *handed_through)
{
    if ((node->jobs & WI_SIM_JOB_RELEASE) != 0 || backs->count == GIVE_BACK_MAX) {
        return; /* gave_back() wants the table again */
    }
    backs->leases[backs->count] = lease;
    backs->handed_through[backs->count++] = *handed_through;
}

static void
read_not_before(struct wi_sim_node *node, struct weir_mono at)
{
    if (wi_mono_before(node->table_not_before, at)) {
        node->table_not_before = at;
    }
}

/* A refusal means that the row has moved on, which is what was wanted. */
static bool
release_failed(const struct wi_sim_request *request)
{
    if (request->error != WEIR_OK) {
        return true;
    }
    for (size_t i = 0; i < request->count; i++) {
        enum weir_error result = request->items[i].result;

        if (result != WEIR_OK && weir_error_class(result) != WEIR_CLASS_CONTENTION) {
            return true;
        }
    }
    return false;
}

static void
gave_back(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    node->jobs &= ~(unsigned)WI_SIM_JOB_RELEASE;
    if (release_failed(request)) {
        read_not_before(node, wi_mono_add_ms(wi_sim_node_now(sim, node), TABLE_RETRY_MS));
    }
    wi_sim_node_want_table(node);
}

static void
submit_give_backs(struct wi_sim *sim, struct wi_sim_node *node, const struct give_backs *backs)
{
    struct wi_sim_request *request = NULL;

    if (backs->count == 0) {
        return;
    }
    request = wi_sim_request_new(sim, node->slot, WI_SIM_RELEASE, backs->count);
    for (size_t i = 0; i < backs->count; i++) {
        struct wi_sim_item *item = &request->items[i];

        memcpy(item->lease_key, backs->leases[i]->lease_key, sizeof item->lease_key);
        memcpy(item->owner, backs->leases[i]->owner, sizeof item->owner);
        if (backs->leases[i]->handoff.reason != WI_HANDOFF_NONE) {
            memcpy(item->to, backs->leases[i]->handoff.to, sizeof item->to);
        }
        item->epoch = backs->leases[i]->epoch;
        item->handed_through = backs->handed_through[i];
    }
    request->answered = gave_back;
    node->jobs |= WI_SIM_JOB_RELEASE;
    wi_sim_request_send(sim, request);
}

/* A lease of this worker for which nothing runs. */
static void
apply_idle(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct give_backs *backs,
    const struct wi_schedule_item *item)
{
    const struct wi_lease *lease = &node->table.leases[item->lease];
    struct weir_position handed_through = wi_past_leases_handed_through(&node->past, lease);
    enum wi_past_verdict verdict = wi_past_leases_judge(&node->past, lease);

    if (verdict == WI_PAST_OUT_OF_DATE) {
        return;
    }
    if (item->type == WI_SCHEDULE_START && verdict == WI_PAST_NEW) {
        start_consumer(sim, node, lease);
    } else {
        give_back(node, backs, lease, &handed_through);
    }
}

/* --- applying a picture ---------------------------------------------------------------------- */

static void
apply_to_consumer(
    struct wi_sim_consumer *consumer, enum wi_schedule_type type, const struct wi_lease *lease)
{
    if (type == WI_SCHEDULE_PARENTS_FINISHED) {
        consumer->told_parents_finished = true;
        wi_sim_consumer_tell(consumer, WI_SIM_FACT_PARENTS_FINISHED);
        return;
    }
    consumer->told_to_stop = true;
    if (type == WI_SCHEDULE_STOP && lease != NULL) {
        wi_sim_consumer_stop(
            consumer, lease->handoff.reason != WI_HANDOFF_NONE ? lease->handoff.to : "");
    } else {
        wi_sim_consumer_tell(consumer, WI_SIM_FACT_LEASE_LOST);
    }
}

static void
apply_items(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    const struct wi_schedule_item *items,
    size_t count)
{
    struct give_backs backs = {.count = 0};

    for (size_t i = 0; i < count; i++) { /* starts move the indices, so they come last */
        if (items[i].consumer != SIZE_MAX) {
            apply_to_consumer(
                node->consumers[items[i].consumer],
                items[i].type,
                items[i].lease == SIZE_MAX ? NULL : &node->table.leases[items[i].lease]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].consumer == SIZE_MAX) {
            apply_idle(sim, node, &backs, &items[i]);
        }
    }
    submit_give_backs(sim, node, &backs);
}

static void
apply_table(struct wi_sim *sim, struct wi_sim_node *node)
{
    size_t runs = node->consumer_count;
    size_t count = 0;
    struct wi_running_consumer *running = wi_sim_alloc(&sim->world, runs + 1, sizeof *running);
    struct wi_schedule_item *items =
        wi_sim_alloc(&sim->world, runs + node->table.lease_count + 1, sizeof *items);
    struct wi_schedule_input input = {
        .table = &node->table,
        .owner = node->owner,
        .running = running,
        .running_count = runs,
        .draining = node->phase == WI_SIM_NODE_DRAINING};

    for (size_t i = 0; i < runs; i++) {
        const struct wi_sim_consumer *consumer = node->consumers[i];

        running[i] =
            (struct wi_running_consumer){.lease_key = consumer->lease.lease_key,
                                         .epoch = consumer->lease.epoch,
                                         .parents_finished = consumer->told_parents_finished,
                                         .stopping = consumer->told_to_stop};
    }
    wi_schedule(&input, items, &count);
    apply_items(sim, node, items, count);
    wi_past_leases_forget(&node->past, &node->table);
    wi_free(&sim->world.env, running);
    wi_free(&sim->world.env, items);
}

/* --- reading --------------------------------------------------------------------------------- */

static void
take_table(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    wi_lease_table_free(&sim->world.env, &node->table);
    node->table = request->table;
    request->table = (struct wi_lease_table){0};
    node->has_table = true;
    node->table_started = request->sent;
    apply_table(sim, node);
    wi_sim_coordinator_table(sim, node, request->sent);
}

/* Whoever wanted the read still wants it. */
static void
want_again(struct wi_sim_node *node, const struct wi_sim_request *request, struct weir_mono now)
{
    node->table_wanted = true;
    node->full_table_wanted |= request->operation == WI_SIM_LIST;
    read_not_before(node, wi_mono_add_ms(now, TABLE_RETRY_MS));
}

static void
table_done(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    struct weir_mono now = wi_sim_node_now(sim, node);

    node->jobs &= ~(unsigned)WI_SIM_JOB_TABLE;
    read_not_before(
        node, wi_next_table_read(request->sent, now, sim->plan.config.lease_duration_ms));
    if (request->error != WEIR_OK) {
        want_again(node, request, now);
    }
    if (!node->joined) {
        return;
    }
    if (request->error != WEIR_OK) {
        wi_sim_coordinator_table_failed(sim, node, request->error);
    } else if (request->operation == WI_SIM_GET_LEADER) {
        node->table.leader = request->leader;
        wi_sim_coordinator_table(sim, node, request->sent);
    } else {
        take_table(sim, node, request);
    }
}

/* One host: the hint's version is a word in shared memory. Remote: what was heard of it last. */
static uint32_t
known_version(struct wi_sim *sim, const struct wi_sim_node *node)
{
    return sim->plan.config.remote ? node->version_seen : wi_sim_store_version(sim);
}

void
wi_sim_node_read_table(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct wi_sim_request *request = NULL;
    bool leader_only = false;

    if (node->table_hint) {
        node->table_hint = false;
        wi_sim_node_want_table(node);
    }
    if (!node->table_wanted || (node->jobs & WI_SIM_JOB_TABLE) != 0 ||
        wi_mono_before(wi_sim_node_now(sim, node), node->table_not_before)) {
        return;
    }
    leader_only = node->has_table && !node->full_table_wanted &&
                  wi_table_is_current(&node->table, known_version(sim, node));
    request = wi_sim_request_new(sim, node->slot, leader_only ? WI_SIM_GET_LEADER : WI_SIM_LIST, 0);
    request->answered = table_done;
    node->table_wanted = false;
    node->full_table_wanted = false;
    node->jobs |= WI_SIM_JOB_TABLE;
    wi_sim_request_send(sim, request);
}

void
wi_sim_node_reap(struct wi_sim *sim, struct wi_sim_node *node)
{
    for (size_t i = 0; i < node->consumer_count;) {
        struct wi_sim_consumer *consumer = node->consumers[i];
        uint32_t session = wi_sim_owner_number(consumer->lease.owner);

        if (!consumer->is_done || consumer->holds > 0) {
            i++;
            continue;
        }
        WEIR_ASSERT(
            wi_past_leases_remember(
                &node->past,
                consumer->lease.lease_key,
                consumer->lease.epoch,
                &consumer->engine.tracker.delivered) == WEIR_OK);
        node->consumer_count--;
        memmove(
            &node->consumers[i],
            &node->consumers[i + 1],
            (node->consumer_count - i) * sizeof(struct wi_sim_consumer *));
        wi_sim_consumer_free(sim, consumer);
        wi_sim_node_session_over(sim, node, session);
        wi_sim_node_want_table(node);
    }
}

void
wi_sim_node_stop_all(struct wi_sim *sim, struct wi_sim_node *node)
{
    (void)sim;
    for (size_t i = 0; i < node->consumer_count; i++) {
        if (!node->consumers[i]->told_to_stop) {
            node->consumers[i]->told_to_stop = true;
            wi_sim_consumer_stop(node->consumers[i], "");
        }
    }
}

bool
wi_sim_node_owns_nothing(const struct wi_sim_node *node)
{
    if (node->consumer_count > 0 || !node->has_table) {
        return false;
    }
    for (size_t i = 0; i < node->table.lease_count; i++) {
        if (strcmp(node->table.leases[i].owner, node->owner) == 0) {
            return false;
        }
    }
    return true;
}

/* --- renewals -------------------------------------------------------------------------------- */

static void
note_verified(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    const struct wi_sim_request *request,
    const struct wi_sim_item *item)
{
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, item->consumer);

    WEIR_ASSERT(consumer != NULL && consumer->holds > 0);
    consumer->holds--;
    if (request->error != WEIR_OK) {
        return;
    }
    if (item->result == WEIR_OK) {
        consumer->verified = request->sent;
        wi_sim_consumer_note_belief(sim, node, consumer);
    } else if (item->result == WEIR_ELEASELOST && !consumer->told_to_stop) {
        wi_sim_node_want_table(node); /* one read before anything is given up (R10) */
    }
}

static void
renewed(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    node->jobs &= ~(unsigned)WI_SIM_JOB_RENEW;
    wi_lease_renewer_answered(&node->renewer, request->error, wi_sim_node_now(sim, node));
    for (size_t i = 0; i < request->count; i++) {
        note_verified(sim, node, request, &request->items[i]);
    }
    if (request->error == WEIR_OK) {
        node->expiry_told = false;
        for (size_t i = 0; i < node->consumer_count; i++) { /* the session's share has grown, too */
            wi_sim_consumer_note_belief(sim, node, node->consumers[i]);
        }
    }
    if (request->error == WEIR_ESESSIONLOST) {
        wi_sim_node_session_lost(sim, node);
    } else if (request->error == WEIR_OK && request->renewal.drain_requested) {
        wi_sim_node_begin_drain(sim, node);
    }
}

void
wi_sim_node_renew(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct weir_mono now = wi_sim_node_now(sim, node);
    struct wi_sim_request *request = NULL;
    size_t count = 0;

    if ((node->jobs & WI_SIM_JOB_RENEW) != 0 || !wi_lease_renewer_is_due(&node->renewer, now)) {
        return;
    }
    request = wi_sim_request_new(sim, node->slot, WI_SIM_RENEW, node->consumer_count);
    for (size_t i = 0; i < node->consumer_count; i++) {
        struct wi_sim_consumer *consumer = node->consumers[i];
        struct wi_sim_item *item = &request->items[count];

        if (strcmp(consumer->lease.owner, node->owner) == 0) {
            consumer->holds++;
            memcpy(item->lease_key, consumer->lease.lease_key, sizeof item->lease_key);
            memcpy(item->owner, node->owner, sizeof item->owner);
            item->epoch = consumer->lease.epoch;
            item->consumer = consumer->id;
            count++;
        }
    }
    request->count = count;
    memcpy(request->owner, node->owner, sizeof request->owner);
    request->answered = renewed;
    node->jobs |= WI_SIM_JOB_RENEW;
    wi_lease_renewer_sent(&node->renewer, now);
    wi_sim_request_send(sim, request);
}

/* --- automatic checkpoints ------------------------------------------------------------------- */

static void
flushed(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    (void)sim;
    node->jobs &= ~(unsigned)WI_SIM_JOB_FLUSH;
    for (size_t i = 0; i < request->count; i++) {
        const struct wi_sim_item *item = &request->items[i];
        struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, item->consumer);
        enum weir_error error = request->error == WEIR_OK ? item->result : request->error;

        WEIR_ASSERT(consumer != NULL && consumer->holds > 0);
        consumer->holds--;
        if (error == WEIR_OK) {
            wi_checkpoint_tracker_written(&consumer->engine.tracker, &item->position);
        } else if (error == WEIR_ELEASELOST && !consumer->releasing) {
            wi_sim_consumer_tell(consumer, WI_SIM_FACT_LEASE_LOST);
        }
    }
}

static bool
checkpoint_is_due(const struct wi_sim_consumer *consumer)
{
    return !consumer->releasing && wi_checkpoint_tracker_is_dirty(&consumer->engine.tracker) &&
           consumer->engine.tracker.processed.type == WEIR_AFTER_SEQUENCE_NUMBER;
}

static size_t
count_due(const struct wi_sim_node *node)
{
    size_t due = 0;

    for (size_t i = 0; i < node->consumer_count; i++) {
        due += checkpoint_is_due(node->consumers[i]) ? 1 : 0;
    }
    return due;
}

void
wi_sim_node_flush(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct weir_mono now = wi_sim_node_now(sim, node);
    struct wi_sim_request *request = NULL;
    size_t count = 0;

    if (!node->settings.automatic_checkpoints || (node->jobs & WI_SIM_JOB_FLUSH) != 0 ||
        (!node->flush_hint && wi_mono_before(now, node->next_flush))) {
        return;
    }
    node->flush_hint = false;
    node->next_flush = wi_mono_add_ms(now, sim->plan.config.checkpoint_interval_ms);
    if (count_due(node) == 0) {
        return;
    }
    request = wi_sim_request_new(sim, node->slot, WI_SIM_CHECKPOINT, count_due(node));
    for (size_t i = 0; i < node->consumer_count; i++) {
        struct wi_sim_consumer *consumer = node->consumers[i];
        struct wi_sim_item *item = &request->items[count];

        if (checkpoint_is_due(consumer)) {
            memcpy(item->lease_key, consumer->lease.lease_key, sizeof item->lease_key);
            memcpy(item->owner, consumer->lease.owner, sizeof item->owner);
            item->epoch = consumer->lease.epoch;
            item->position = consumer->engine.tracker.processed;
            item->consumer = consumer->id;
            consumer->holds++;
            count++;
        }
    }
    request->answered = flushed;
    node->jobs |= WI_SIM_JOB_FLUSH;
    wi_sim_request_send(sim, request);
}
