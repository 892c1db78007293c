#include "sim/sim_store.h"

#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "lease/lease_store_memory.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_world.h"

/* A writer waits so long for a lock that a stopped process holds. */
#define LOCK_PATIENCE_MS 200

/* What an operation needs of the disk. */
enum need {
    READS,
    WRITES,      /* goes on in the reserve when the disk is full */
    WRITES_MORE, /* needs room */
};

static const struct operation {
    const char *name;
    enum need need;
} operations[] = {
    [WI_SIM_LIST] = {"list", READS},
    [WI_SIM_GET_LEADER] = {"get_leader", READS},
    [WI_SIM_CREATE] = {"create", WRITES_MORE},
    [WI_SIM_REMOVE] = {"remove", WRITES},
    [WI_SIM_ASSIGN] = {"assign", WRITES},
    [WI_SIM_HANDOFF] = {"request_handoff", WRITES_MORE},
    [WI_SIM_REVOKE] = {"revoke", WRITES_MORE},
    [WI_SIM_RENEW] = {"renew", WRITES},
    [WI_SIM_CHECKPOINT] = {"checkpoint", WRITES},
    [WI_SIM_PREPARE] = {"prepare", WRITES_MORE},
    [WI_SIM_GET_PENDING] = {"get_pending", READS},
    [WI_SIM_RELEASE] = {"release", WRITES},
    [WI_SIM_FINISH] = {"finish_shard", WRITES_MORE},
    [WI_SIM_PUT_WORKER] = {"put_worker", WRITES_MORE},
    [WI_SIM_REMOVE_WORKER] = {"remove_worker", WRITES},
    [WI_SIM_TAKE_LEADER] = {"take_leader", WRITES},
    [WI_SIM_RELEASE_LEADER] = {"release_leader", WRITES},
};
_Static_assert(WI_ARRAY_LENGTH(operations) == WI_SIM_OPERATIONS, "one row for each operation");

const char *
wi_sim_operation_name(enum wi_sim_operation operation)
{
    return operations[operation].name;
}

void
wi_sim_store_init(struct wi_sim *sim)
{
    struct wi_application wish = {
        .stream_url = "weir:simulated",
        .lease_duration_ms = sim->plan.config.lease_duration_ms,
        .initial_position = sim->plan.config.initial_position};
    struct wi_lease_store *store = NULL;

    WEIR_ASSERT(wi_lease_store_open_memory(&sim->world.env, &store) == WEIR_OK);
    WEIR_ASSERT(store->ops->open_application(store->store, &wish, &wish) == WEIR_OK);
    sim->store = (struct wi_sim_store){.store = store};
}

void
wi_sim_store_free(struct wi_sim *sim)
{
    if (sim->store.store != NULL) {
        wi_lease_store_close(sim->store.store);
        sim->store.store = NULL;
    }
}

/* --- requests -------------------------------------------------------------------------------- */

struct wi_sim_request *
wi_sim_request_new(struct wi_sim *sim, uint32_t node, enum wi_sim_operation operation, size_t count)
{
    struct wi_sim_request *request = wi_sim_alloc(&sim->world, 1, sizeof *request);

    request->operation = operation;
    request->node = node;
    request->life = sim->nodes[node].life;
    request->writer = sim->nodes[node].number;
    request->version = sim->nodes[node].version;
    request->count = count;
    if (count > 0) {
        request->items = wi_sim_alloc(&sim->world, count, sizeof *request->items);
    }
    return request;
}

void
wi_sim_request_set_state(
    struct wi_sim *sim, struct wi_sim_request *request, struct weir_bytes state)
{
    WEIR_ASSERT(request->state == NULL && state.length <= WI_PENDING_STATE_MAX);
    request->state = wi_sim_alloc(&sim->world, WI_PENDING_STATE_MAX, 1);
    request->state_length = state.length;
    if (state.length > 0) {
        memcpy(request->state, state.data, state.length);
    }
}

static void
request_drop(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_request *request = event->object;

    WEIR_ASSERT(request->references > 0);
    request->references--;
    if (request->references == 0) {
        wi_free(&sim->world.env, request->leases);
        wi_free(&sim->world.env, request->items);
        wi_free(&sim->world.env, request->state);
        wi_lease_table_free(&sim->world.env, &request->table);
        wi_free(&sim->world.env, request);
    }
}

static void
post(
    struct wi_sim *sim,
    struct wi_sim_request *request,
    int64_t after_ns,
    void (*run)(struct wi_sim *sim, const struct wi_sim_event *event),
    bool in_process)
{
    request->references++;
    wi_sim_post(
        &sim->world,
        (struct wi_sim_event){.time_ns = sim->world.now_ns + after_ns,
                              .run = run,
                              .drop = request_drop,
                              .object = request,
                              .node = in_process ? request->node : WI_SIM_NOBODY,
                              .life = request->life});
}

/* The sender hears of it, once. */
static void
answer(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_request *request = event->object;

    if (!request->is_answered) {
        request->is_answered = true;
        request->answered(sim, &sim->nodes[request->node], request);
        wi_sim_node_turn(sim, &sim->nodes[request->node]);
    }
    request_drop(sim, event);
}

static void
time_out(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_request *request = event->object;

    if (!request->is_answered) {
        request->error = WEIR_ETIMEOUT;
        wi_sim_count_fault(sim, WI_SIM_UNKNOWN);
    }
    answer(sim, event);
}

static bool
fault(struct wi_sim *sim, enum wi_sim_fault kind)
{
    bool happens = wi_sim_chance(&sim->world, WI_SIM_RANDOM_STORE, sim->plan.config.rate[kind]);

    if (happens) {
        wi_sim_count_fault(sim, kind);
    }
    return happens;
}

static int64_t
latency_ns(struct wi_sim *sim, enum need need)
{
    const struct wi_sim_config *config = &sim->plan.config;
    int64_t low_us = config->remote ? 200 : 20;
    int64_t high_us = config->remote ? 4000 : 200;
    int64_t late_ms =
        wi_sim_log_between(&sim->world, WI_SIM_RANDOM_STORE, 10, config->lease_duration_ms * 3 / 2);

    if (!config->remote && need != READS) {
        high_us = 4000; /* a sync */
    }
    if (fault(sim, WI_SIM_LATE)) {
        return late_ms * WI_SIM_NS_PER_MS;
    }
    return wi_sim_log_between(&sim->world, WI_SIM_RANDOM_STORE, low_us, high_us) * WI_SIM_NS_PER_US;
}

/* --- what stands in the way ------------------------------------------------------------------ */

/* Why the table refuses without looking at the request; WEIR_OK: it does not. */
static enum weir_error
obstacle(struct wi_sim *sim, const struct wi_sim_request *request)
{
    const struct wi_sim_store *store = &sim->store;
    enum need need = operations[request->operation].need;

    if (need != READS && store->locked_by != 0 && store->locked_by != request->node + 1) {
        return WEIR_EBUSY;
    }
    if ((need == WRITES_MORE && store->is_full) || (need != READS && store->is_full_to_all)) {
        return WEIR_EFULL;
    }
    return fault(sim, WI_SIM_THROTTLED) ? WEIR_ETHROTTLED : WEIR_OK;
}

/* At the table. */
static void
carry_out(struct wi_sim *sim, struct wi_sim_request *request)
{
    uint32_t version = wi_sim_store_version(sim);
    enum weir_error refusal = obstacle(sim, request);
    bool is_unknown = fault(sim, WI_SIM_UNKNOWN);
    bool is_applied = !is_unknown || wi_sim_below(&sim->world, WI_SIM_RANDOM_STORE, 2) == 0;

    if (refusal != WEIR_OK) {
        request->error = refusal;
        wi_sim_count_operation(sim, request->operation, refusal);
        return;
    }
    if (is_applied) {
        wi_sim_store_apply(sim, request);
    }
    if (is_unknown) {
        request->error = WEIR_EIO;
        wi_sim_count_operation(sim, request->operation, WEIR_EIO);
    }
    if (wi_sim_store_version(sim) != version) {
        wi_sim_nodes_hint(sim);
    }
}

/* --- one host: a call of the process --------------------------------------------------------- */

/* A call that ends within the process: nothing can happen to its answer. */
static void
host_run(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_request *request = event->object;

    carry_out(sim, request);
    post(
        sim,
        request,
        request->error == WEIR_EBUSY ? LOCK_PATIENCE_MS * WI_SIM_NS_PER_MS : WI_SIM_NS_PER_US,
        answer,
        true);
    request_drop(sim, event);
}

/* --- remote: a message ----------------------------------------------------------------------- */

static bool
is_cut(const struct wi_sim *sim, uint32_t node, unsigned direction)
{
    return (sim->nodes[node].cuts & direction) != 0;
}

static void
remote_arrive(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_request *request = event->object;
    bool is_lost = fault(sim, WI_SIM_LOST_ANSWER);

    /* Once answered, a second copy only changes the table. */
    if (request->is_answered) {
        struct wi_sim_request ghost = *request;

        ghost.table = (struct wi_lease_table){0};
        carry_out(sim, &ghost);
        wi_lease_table_free(&sim->world.env, &ghost.table);
    } else {
        carry_out(sim, request);
        if (!is_lost && !is_cut(sim, request->node, WI_SIM_CUT_FROM_STORE)) {
            post(sim, request, latency_ns(sim, READS), answer, true);
        }
    }
    request_drop(sim, event);
}

static void
send_remote(struct wi_sim *sim, struct wi_sim_request *request)
{
    int64_t arrives_ns = latency_ns(sim, operations[request->operation].need);
    bool is_lost = fault(sim, WI_SIM_LOST);

    post(sim, request, WI_SIM_REQUEST_TIMEOUT_MS * WI_SIM_NS_PER_MS, time_out, true);
    if (is_lost || is_cut(sim, request->node, WI_SIM_CUT_TO_STORE)) {
        return;
    }
    post(sim, request, arrives_ns, remote_arrive, false);
    if (fault(sim, WI_SIM_DOUBLED)) {
        post(sim, request, arrives_ns + latency_ns(sim, READS), remote_arrive, false);
    }
}

void
wi_sim_request_send(struct wi_sim *sim, struct wi_sim_request *request)
{
    WEIR_ASSERT(request->answered != NULL);
    request->sent = wi_sim_node_now(sim, &sim->nodes[request->node]);
    if (sim->plan.config.remote) {
        send_remote(sim, request);
    } else {
        post(sim, request, latency_ns(sim, operations[request->operation].need), host_run, true);
    }
}

/* --- what happens to the table itself -------------------------------------------------------- */

uint32_t
wi_sim_store_version(struct wi_sim *sim)
{
    return sim->store.store->ops->version(sim->store.store->store);
}

/* The memory backend raises its hint for that; in the embedded one only pidfds tell. */
void
wi_sim_store_process_gone(struct wi_sim *sim, const char *owner)
{
    struct wi_memory_store *store = sim->store.store->store;
    uint32_t version = store->version;

    wi_lease_store_memory_set_process_gone(sim->store.store, owner);
    store->version = version;
}

void
wi_sim_store_power_loss(struct wi_sim *sim)
{
    struct wi_memory_store *store = sim->store.store->store;

    store->session_count = 0;
    store->version++;
}

bool
wi_sim_store_has_row(struct wi_sim *sim, const char *lease_key)
{
    return wi_memory_find_lease(sim->store.store->store, lease_key) != NULL;
}

bool
wi_sim_store_has_ended(struct wi_sim *sim, const char *lease_key)
{
    const struct wi_memory_lease *row = wi_memory_find_lease(sim->store.store->store, lease_key);

    return row != NULL && row->lease.checkpoint.type == WEIR_SHARD_END;
}

static struct wi_memory_lease *
random_row(struct wi_sim *sim, uint64_t random)
{
    struct wi_memory_store *store = sim->store.store->store;

    return store->lease_count == 0 ? NULL : &store->leases[random % store->lease_count];
}

bool
wi_sim_store_damage(struct wi_sim *sim, uint64_t random, enum weir_error error)
{
    struct wi_sim_store *store = &sim->store;
    const struct wi_memory_lease *row = random_row(sim, random);
    struct wi_sim_damage *damage = &store->damages[store->damage_count];

    if (row == NULL || store->damage_count == WI_SIM_DAMAGES_MAX) {
        return false;
    }
    memcpy(damage->lease_key, row->lease.lease_key, sizeof damage->lease_key);
    damage->error = error;
    store->damage_count++;
    return true;
}

void
wi_sim_store_repair(struct wi_sim *sim)
{
    sim->store.damage_count = 0;
}

void
wi_sim_store_move(struct wi_sim *sim, uint64_t random)
{
    struct wi_memory_store *store = sim->store.store->store;
    const struct wi_memory_lease *row = random_row(sim, random);
    struct wi_sim_request *request = wi_sim_request_new(sim, 0, WI_SIM_HANDOFF, 1);
    struct wi_sim_item *item = &request->items[0];
    struct wi_sim_event event = {.object = request};

    request->references = 1;
    request->writer = 0;
    if (row != NULL && store->session_count > 0) {
        const char *to = store->sessions[random / 7 % store->session_count].session.worker.owner;

        memcpy(item->lease_key, row->lease.lease_key, sizeof item->lease_key);
        item->epoch = row->lease.epoch;
        item->handoff.reason = WI_HANDOFF_OPERATOR;
        item->handoff.timeout_ms = sim->plan.config.handoff_timeout_ms;
        if (strcmp(to, row->lease.owner) != 0) {
            (void)wi_str_copy(item->handoff.to, sizeof item->handoff.to, wi_str(to));
        }
        carry_out(sim, request);
    }
    request_drop(sim, &event);
}

void
wi_sim_store_ask_to_drain(struct wi_sim *sim, const char *owner)
{
    const struct wi_lease_store *store = sim->store.store;

    if (store->ops->request_drain(store->store, owner) == WEIR_OK) {
        wi_sim_nodes_hint(sim);
    }
}
