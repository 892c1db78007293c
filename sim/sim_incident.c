/* Incidents: how each begins and ends. */
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_processor.h"
#include "sim/sim_row.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_world.h"

#define STORM_STEPS 12
#define JUMP_MAX_MS 86400000

static struct wi_sim_incident *
incident_of(struct wi_sim *sim, const struct wi_sim_event *event)
{
    return &sim->plan.incidents[event->argument];
}

static void
tell(struct wi_sim *sim, const struct wi_sim_incident *incident, bool on)
{
    struct wi_history_event event = {
        .kind = WI_HISTORY_FAULT, .fault = (uint32_t)incident->fault, .on = on};

    if (wi_sim_node_is_alive(&sim->nodes[incident->slot])) {
        event.worker = sim->nodes[incident->slot].number;
    }
    wi_sim_tell(sim, &event);
}

/* Until the fault ends: not beyond the time at which everything is healed. */
static int64_t
length_ns(const struct wi_sim *sim, const struct wi_sim_incident *incident)
{
    int64_t left_ns = sim->plan.config.chaos_ms * WI_SIM_NS_PER_MS - sim->world.now_ns;
    int64_t length = incident->duration_ms * WI_SIM_NS_PER_MS;

    return length < left_ns ? length : left_ns;
}

/* A living process, searched from the incident's slot on; NULL if there is none. */
static struct wi_sim_node *
victim(struct wi_sim *sim, const struct wi_sim_incident *incident)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        struct wi_sim_node *node = &sim->nodes[(incident->slot + i) % WI_SIM_SLOTS_MAX];

        if (wi_sim_node_is_alive(node)) {
            return node;
        }
    }
    return NULL;
}

static struct wi_sim_node *
leader(struct wi_sim *sim)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        if (wi_sim_node_is_alive(&sim->nodes[i]) && sim->nodes[i].was_leader) {
            return &sim->nodes[i];
        }
    }
    return NULL;
}

/* --- processes ------------------------------------------------------------------------------- */

static void
crash(struct wi_sim *sim, struct wi_sim_node *node)
{
    if (node != NULL) {
        wi_sim_node_crash(sim, node);
    }
}

static void
suspend(struct wi_sim *sim, int64_t length)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        if (wi_sim_node_is_alive(&sim->nodes[i])) {
            wi_sim_node_stop(sim, &sim->nodes[i], length / WI_SIM_NS_PER_MS);
        }
    }
}

/* ADR 4: a stopped process that holds the writer lock is ended by the others. */
static void
evict(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->argument >> 32];

    if (wi_sim_node_is_alive(node) && node->life == (uint32_t)event->argument &&
        node->stopped_until_ns > sim->world.now_ns) {
        wi_sim_node_crash(sim, node);
    }
}

static void
stop_locked(struct wi_sim *sim, struct wi_sim_node *node, int64_t length)
{
    int64_t patience_ns = sim->plan.config.lease_duration_ms * WI_SIM_NS_PER_MS / 2;

    wi_sim_node_stop(sim, node, length / WI_SIM_NS_PER_MS);
    sim->store.locked_by = node->slot + 1;
    wi_sim_post(
        &sim->world,
        (struct wi_sim_event){.time_ns = sim->world.now_ns + patience_ns,
                              .run = evict,
                              .argument = (uint64_t)node->slot << 32 | node->life,
                              .node = WI_SIM_NOBODY});
}

static void
power_loss(struct wi_sim *sim)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        if (wi_sim_node_is_alive(&sim->nodes[i])) {
            wi_sim_node_crash(sim, &sim->nodes[i]);
        }
    }
    wi_sim_store_power_loss(sim);
}

static void
add_worker(struct wi_sim *sim)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        if (!sim->nodes[i].is_member) {
            sim->nodes[i].returns = true;
            wi_sim_node_start(sim, &sim->nodes[i]);
            return;
        }
    }
}

static uint32_t
count_staying(const struct wi_sim *sim)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        count += sim->nodes[i].is_member && sim->nodes[i].returns ? 1 : 0;
    }
    return count;
}

/* One worker leaves for good, unless it is the last; argument odd: it comes back at once. */
static void
drain(struct wi_sim *sim, struct wi_sim_node *node, uint64_t argument)
{
    if (argument % 2 == 0 && count_staying(sim) > 1) {
        node->returns = false;
    }
    wi_sim_node_begin_drain(sim, node);
}

static void
upgrade_next(struct wi_sim *sim, const struct wi_sim_event *event)
{
    int64_t pause_ns = sim->plan.config.lease_duration_ms * WI_SIM_NS_PER_MS / 2;
    struct wi_sim_node *node = &sim->nodes[event->argument];

    if (sim->stage != WI_SIM_CHAOS) {
        return;
    }
    if (sim->plan.config.two_versions && !wi_sim_node_is_alive(node)) {
        node->version = WI_SIM_VERSION_NEW;
    }
    if (wi_sim_node_is_alive(node)) {
        node->is_upgraded = sim->plan.config.two_versions;
        wi_sim_node_begin_drain(sim, node);
    }
    if (event->argument + 1 < WI_SIM_SLOTS_MAX) {
        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){.time_ns = sim->world.now_ns + pause_ns,
                                  .run = upgrade_next,
                                  .argument = event->argument + 1,
                                  .node = WI_SIM_NOBODY});
    }
}

/* --- records and rows ------------------------------------------------------------------------ */

/* A record that is still to come in the newest shard that has one: its number, 0 if none. */
static uint64_t
next_record(struct wi_sim *sim, uint64_t random)
{
    return sim->stream.next_sequence + random % 20;
}

static void
add_bad(uint64_t *bad, uint32_t *count, uint64_t sequence)
{
    if (*count < WI_SIM_BAD_RECORDS_MAX) {
        bad[(*count)++] = sequence;
    }
}

/* The newest record of a random shard. */
static void
corrupt(struct wi_sim *sim, uint64_t random)
{
    struct wi_sim_shard *shard = wi_sim_shard(sim, 1 + (uint32_t)(random % sim->stream.count));

    if (shard->count > shard->trimmed) {
        shard->corrupt = shard->records[shard->count - 1].sequence;
    }
}

static void
storm_step(struct wi_sim *sim, const struct wi_sim_event *event)
{
    uint64_t random = wi_sim_below(&sim->world, WI_SIM_RANDOM_FAULTS, UINT64_MAX);

    if (random % 3 == 0) {
        wi_sim_stream_merge(sim, random / 3);
    } else {
        wi_sim_stream_split(sim, random / 3);
    }
    if (event->argument > 0 && sim->stage == WI_SIM_CHAOS) {
        int64_t pause_ms = wi_sim_log_between(&sim->world, WI_SIM_RANDOM_FAULTS, 1, 1000);

        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){.time_ns = sim->world.now_ns + pause_ms * WI_SIM_NS_PER_MS,
                                  .run = storm_step,
                                  .argument = event->argument - 1,
                                  .node = WI_SIM_NOBODY});
    }
}

/* --- beginning and end ----------------------------------------------------------------------- */

static void
begin_with_node(
    struct wi_sim *sim,
    const struct wi_sim_incident *incident,
    struct wi_sim_node *node,
    int64_t length)
{
    switch ((unsigned)incident->fault) {
    case WI_SIM_STOP:
        wi_sim_node_stop(sim, node, length / WI_SIM_NS_PER_MS);
        break;
    case WI_SIM_STOP_LOCKED:
        stop_locked(sim, node, length);
        break;
    case WI_SIM_CUT:
        node->cuts |= WI_SIM_CUT_TO_STORE | WI_SIM_CUT_FROM_STORE;
        break;
    case WI_SIM_CUT_REQUESTS:
        node->cuts |= WI_SIM_CUT_TO_STORE;
        break;
    case WI_SIM_CUT_ANSWERS:
        node->cuts |= WI_SIM_CUT_FROM_STORE;
        break;
    case WI_SIM_CUT_STREAM:
        node->cuts |= WI_SIM_CUT_OFF_STREAM;
        break;
    case WI_SIM_DRAIN:
        drain(sim, node, incident->argument);
        break;
    case WI_SIM_OPERATOR_DRAIN:
        wi_sim_store_ask_to_drain(sim, node->owner);
        break;
    default:
        crash(sim, incident->fault == WI_SIM_CRASH_LEADER ? leader(sim) : node);
        break;
    }
}

/* Faults of the table and of records. */
static void
begin_with_data(struct wi_sim *sim, const struct wi_sim_incident *incident, int64_t length)
{
    struct wi_sim_processors *processors = &sim->processors;
    uint64_t random = incident->argument;

    switch ((unsigned)incident->fault) {
    case WI_SIM_HANG:
        processors->hang_until_ns = sim->world.now_ns + length;
        break;
    case WI_SIM_POISON:
        add_bad(processors->poison, &processors->poison_count, next_record(sim, random));
        break;
    case WI_SIM_KILLER:
        add_bad(processors->killer, &processors->killer_count, next_record(sim, random));
        break;
    case WI_SIM_CORRUPT_RECORD:
        corrupt(sim, random);
        break;
    case WI_SIM_FULL_DISK:
        sim->store.is_full = true;
        sim->store.is_full_to_all = random % 2 == 0;
        break;
    case WI_SIM_DAMAGED_ROW:
        (void)wi_sim_store_damage(sim, random, WEIR_ECORRUPT);
        break;
    case WI_SIM_NEWER_ROW:
        (void)wi_sim_store_damage(sim, random, WEIR_EVERSION);
        break;
    case WI_SIM_OPERATOR_MOVE:
        wi_sim_store_move(sim, random);
        break;
    default:
        break;
    }
}

/* Faults of the stream and of the fleet as a whole. */
static bool
begin_at_large(
    struct wi_sim *sim,
    const struct wi_sim_incident *incident,
    const struct wi_sim_event *event,
    int64_t length)
{
    struct wi_sim_event first = *event;

    switch ((unsigned)incident->fault) {
    case WI_SIM_SUSPEND:
        suspend(sim, length);
        return true;
    case WI_SIM_WALL_JUMP:
        sim->world.wall_jump_ms += (int64_t)(incident->argument % JUMP_MAX_MS) - JUMP_MAX_MS / 2;
        return true;
    case WI_SIM_SPLIT:
        wi_sim_stream_split(sim, incident->argument);
        return true;
    case WI_SIM_MERGE:
        wi_sim_stream_merge(sim, incident->argument);
        return true;
    case WI_SIM_STORM:
        first.argument = STORM_STEPS;
        storm_step(sim, &first);
        return true;
    case WI_SIM_TRIM:
        wi_sim_stream_trim(sim, incident->argument);
        return true;
    case WI_SIM_JOIN:
        add_worker(sim);
        return true;
    case WI_SIM_UPGRADE:
        first.argument = 0;
        upgrade_next(sim, &first);
        return true;
    case WI_SIM_POWER_LOSS:
        power_loss(sim);
        return true;
    default:
        return false;
    }
}

static void
uncut(struct wi_sim *sim, unsigned cuts)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        sim->nodes[i].cuts &= ~cuts;
    }
}

static void
end(struct wi_sim *sim, const struct wi_sim_event *event)
{
    const struct wi_sim_incident *incident = incident_of(sim, event);

    tell(sim, incident, false);
    switch ((unsigned)incident->fault) {
    case WI_SIM_STOP_LOCKED:
        sim->store.locked_by = 0;
        break;
    case WI_SIM_CUT:
    case WI_SIM_CUT_REQUESTS:
    case WI_SIM_CUT_ANSWERS:
        uncut(sim, WI_SIM_CUT_TO_STORE | WI_SIM_CUT_FROM_STORE);
        break;
    case WI_SIM_CUT_STREAM:
        uncut(sim, WI_SIM_CUT_OFF_STREAM);
        break;
    case WI_SIM_POISON:
        sim->processors.poison_count = 0;
        break;
    case WI_SIM_KILLER:
        sim->processors.killer_count = 0;
        break;
    case WI_SIM_FULL_DISK:
        sim->store.is_full = false;
        sim->store.is_full_to_all = false;
        break;
    case WI_SIM_DAMAGED_ROW:
    case WI_SIM_NEWER_ROW:
        wi_sim_store_repair(sim);
        break;
    default:
        break;
    }
}

static void
begin(struct wi_sim *sim, const struct wi_sim_event *event)
{
    const struct wi_sim_incident *incident = incident_of(sim, event);
    struct wi_sim_node *node = victim(sim, incident);
    int64_t length = length_ns(sim, incident);
    bool is_of_node = incident->fault <= WI_SIM_STOP_LOCKED ||
                      (incident->fault >= WI_SIM_CUT && incident->fault <= WI_SIM_CUT_STREAM) ||
                      incident->fault == WI_SIM_DRAIN || incident->fault == WI_SIM_OPERATOR_DRAIN;

    if (is_of_node && node == NULL) {
        return;
    }
    wi_sim_count_fault(sim, incident->fault);
    tell(sim, incident, true);
    if (is_of_node) {
        begin_with_node(sim, incident, node, length);
    } else if (!begin_at_large(sim, incident, event, length)) {
        begin_with_data(sim, incident, length);
    }
    if (incident->duration_ms > 0) {
        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){.time_ns = sim->world.now_ns + length,
                                  .run = end,
                                  .argument = event->argument,
                                  .node = WI_SIM_NOBODY});
    }
}

void
wi_sim_incidents_post(struct wi_sim *sim)
{
    for (size_t i = 0; i < sim->plan.incident_count; i++) {
        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){.time_ns = sim->plan.incidents[i].time_ns,
                                  .run = begin,
                                  .argument = i,
                                  .node = WI_SIM_NOBODY});
    }
}

void
wi_sim_incidents_heal(struct wi_sim *sim)
{
    uncut(sim, WI_SIM_CUT_TO_STORE | WI_SIM_CUT_FROM_STORE | WI_SIM_CUT_OFF_STREAM);
    wi_sim_store_repair(sim);
    wi_sim_processors_heal(sim);
    sim->store.is_full = false;
    sim->store.is_full_to_all = false;
    sim->store.locked_by = 0;
    for (uint32_t number = 1; number <= sim->stream.count; number++) {
        wi_sim_shard(sim, number)->corrupt = 0;
    }
    for (unsigned i = 0; i < WI_SIM_FAULTS; i++) {
        sim->plan.config.rate[i] = i == WI_SIM_DRIFT ? sim->plan.config.rate[i] : 0;
    }
}
