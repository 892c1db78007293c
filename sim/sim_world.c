#include "sim/sim_world.h"

#include <stdint.h>
#include <string.h>

#include <weir/env.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/pcg.h"

/* 2026-01-01T00:00:00Z: what wall clocks say at the start. */
#define WALL_START_MS INT64_C(1767225600000)
#define QUEUE_FIRST   1024U

/* --- memory and clocks ---------------------------------------------------------------------- */

static void *
counted_resize(void *context, void *memory, size_t size)
{
    struct wi_sim_world *world = context;
    const struct weir_env *base = weir_env_default();
    void *moved = base->allocator.resize(base->allocator.context, memory, size);

    WEIR_ASSERT(size == 0 || moved != NULL);
    if (memory == NULL && size > 0) {
        world->live_blocks++;
    } else if (memory != NULL && size == 0) {
        WEIR_ASSERT(world->live_blocks > 0);
        world->live_blocks--;
    }
    return moved;
}

static struct weir_mono
true_mono(void *context)
{
    const struct wi_sim_world *world = context;

    return (struct weir_mono){world->now_ns};
}

static struct weir_wall
true_wall(void *context)
{
    const struct wi_sim_world *world = context;

    return (struct weir_wall){wi_sim_wall_ms(world, world->now_ns)};
}

int64_t
wi_sim_wall_ms(const struct wi_sim_world *world, int64_t true_ns)
{
    return WALL_START_MS + true_ns / WI_SIM_NS_PER_MS + world->wall_jump_ms;
}

void
wi_sim_world_init(struct wi_sim_world *world, const struct weir_env *base, uint64_t seed)
{
    *world = (struct wi_sim_world){.env = *base};
    world->env.allocator.context = world;
    world->env.allocator.resize = counted_resize;
    world->env.clock.context = world;
    world->env.clock.mono = true_mono;
    world->env.clock.wall = true_wall;
    world->env.rng = wi_pcg_rng(&world->identities);
    for (uint64_t i = 0; i < WI_SIM_RANDOMS; i++) {
        wi_pcg_seed(&world->random[i], seed, i + 1);
    }
    wi_pcg_seed(&world->identities, seed, WI_SIM_RANDOMS + 1);
}

void
wi_sim_world_free(struct wi_sim_world *world)
{
    wi_free(&world->env, world->queue.events);
    world->queue = (struct wi_sim_queue){0};
}

void *
wi_sim_alloc(struct wi_sim_world *world, size_t count, size_t size)
{
    void *memory = wi_alloc_array(&world->env, count, size);

    WEIR_ASSERT(memory != NULL);
    return memory;
}

/* --- randomness ------------------------------------------------------------------------------ */

uint64_t
wi_sim_below(struct wi_sim_world *world, enum wi_sim_random stream, uint64_t bound)
{
    return wi_pcg_below(&world->random[stream], bound);
}

int64_t
wi_sim_between(struct wi_sim_world *world, enum wi_sim_random stream, int64_t low, int64_t high)
{
    WEIR_ASSERT(low <= high);
    return low + (int64_t)wi_sim_below(world, stream, (uint64_t)(high - low) + 1);
}

/* Integers only: floating point would tie the run to a compiler. The octave is drawn first. */
int64_t
wi_sim_log_between(struct wi_sim_world *world, enum wi_sim_random stream, int64_t low, int64_t high)
{
    unsigned octaves = 0;
    int64_t floor = low;

    WEIR_ASSERT(low >= 1);
    WEIR_ASSERT(low <= high);
    while (floor <= high / 2) {
        floor *= 2;
        octaves++;
    }
    floor = low << wi_sim_below(world, stream, (uint64_t)octaves + 1);
    return wi_sim_between(world, stream, floor, floor > high / 2 ? high : floor * 2 - 1);
}

bool
wi_sim_chance(struct wi_sim_world *world, enum wi_sim_random stream, uint32_t per_million)
{
    return wi_sim_below(world, stream, 1000000) < per_million;
}

/* --- the queue ------------------------------------------------------------------------------- */

static bool
is_earlier(const struct wi_sim_event *a, const struct wi_sim_event *b)
{
    return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->number < b->number);
}

static void
make_room(struct wi_sim_world *world)
{
    struct wi_sim_queue *queue = &world->queue;
    size_t capacity = queue->capacity == 0 ? QUEUE_FIRST : queue->capacity * 2;
    void *grown = NULL;

    if (queue->count < queue->capacity) {
        return;
    }
    grown = wi_resize_array(&world->env, queue->events, capacity, sizeof *queue->events);
    WEIR_ASSERT(grown != NULL);
    queue->events = grown;
    queue->capacity = capacity;
}

void
wi_sim_post(struct wi_sim_world *world, struct wi_sim_event event)
{
    struct wi_sim_queue *queue = &world->queue;
    size_t place = queue->count;

    make_room(world);
    event.time_ns = event.time_ns < world->now_ns ? world->now_ns : event.time_ns;
    event.number = ++queue->numbers;
    queue->count++;
    while (place > 0 && is_earlier(&event, &queue->events[(place - 1) / 2])) {
        queue->events[place] = queue->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    queue->events[place] = event;
}

/* Move `event` down from the top to where it belongs. */
static void
sink(struct wi_sim_queue *queue, struct wi_sim_event event)
{
    size_t place = 0;

    for (size_t child = 1; child < queue->count; child = 2 * place + 1) {
        if (child + 1 < queue->count &&
            is_earlier(&queue->events[child + 1], &queue->events[child])) {
            child++;
        }
        if (!is_earlier(&queue->events[child], &event)) {
            break;
        }
        queue->events[place] = queue->events[child];
        place = child;
    }
    queue->events[place] = event;
}

bool
wi_sim_next(struct wi_sim_world *world, struct wi_sim_event *ret)
{
    struct wi_sim_queue *queue = &world->queue;

    if (queue->count == 0) {
        return false;
    }
    *ret = queue->events[0];
    queue->count--;
    if (queue->count > 0) {
        sink(queue, queue->events[queue->count]);
    }
    WEIR_ASSERT(ret->time_ns >= world->now_ns);
    world->now_ns = ret->time_ns;
    world->steps++;
    return true;
}
