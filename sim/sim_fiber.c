#include "sim/sim_fiber.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <ucontext.h>

#include "core/check.h"

/* Memory that is touched counts only. The lowest page is never mapped: an overflow ends the run. */
#define STACK_SIZE ((size_t)512 * 1024)
#define GUARD_SIZE ((size_t)16 * 1024)

#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef HAS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct wi_sim_fiber {
    struct wi_sim_fiber *next; /* idle */
    unsigned char *memory;
    ucontext_t inside;
    ucontext_t outside;
    void (*run)(void *argument);
    void *argument;
    bool has_ended;
    /* What sanitizers have to know of stacks. */
    const void *outside_stack;
    size_t outside_size;
    void *tsan_inside;
    void *tsan_outside;
};

/* --- sanitizers ------------------------------------------------------------------------------ */

/* Before a switch to the fiber; *ret_fake is the caller's. */
static void
before_entry(struct wi_sim_fiber *fiber, void **ret_fake)
{
    (void)fiber;
    *ret_fake = NULL;
#ifdef HAS_ASAN
    __sanitizer_start_switch_fiber(ret_fake, fiber->memory + GUARD_SIZE, STACK_SIZE);
#endif
#ifdef HAS_TSAN
    fiber->tsan_outside = __tsan_get_current_fiber();
    if (fiber->tsan_inside == NULL) {
        fiber->tsan_inside = __tsan_create_fiber(0);
    }
    __tsan_switch_to_fiber(fiber->tsan_inside, 0);
#endif
}

/* After a switch into the fiber. */
static void
after_entry(struct wi_sim_fiber *fiber, void *fake)
{
    (void)fiber, (void)fake;
#ifdef HAS_ASAN
    __sanitizer_finish_switch_fiber(fake, &fiber->outside_stack, &fiber->outside_size);
#endif
}

/* Before a switch out of the fiber; for the last time if ret_fake is NULL. */
static void
before_exit(struct wi_sim_fiber *fiber, void **ret_fake)
{
    (void)fiber, (void)ret_fake;
#ifdef HAS_ASAN
    __sanitizer_start_switch_fiber(ret_fake, fiber->outside_stack, fiber->outside_size);
#endif
#ifdef HAS_TSAN
    __tsan_switch_to_fiber(fiber->tsan_outside, 0);
#endif
}

/* After a switch out of the fiber. */
static void
after_exit(void *fake)
{
    (void)fake;
#ifdef HAS_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

/* --- fibers ---------------------------------------------------------------------------------- */

/* makecontext() passes ints: the address comes in halves. */
static void
enter(unsigned high, unsigned low)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): there is no other way in */
    struct wi_sim_fiber *fiber = (void *)((uintptr_t)high << 32 | low);

    after_entry(fiber, NULL);
    fiber->run(fiber->argument);
    fiber->has_ended = true;
    before_exit(fiber, NULL);
}

static struct wi_sim_fiber *
make(void)
{
    size_t size = GUARD_SIZE + STACK_SIZE + sizeof(struct wi_sim_fiber);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct wi_sim_fiber *fiber = NULL;

    WEIR_ASSERT(memory != MAP_FAILED);
    WEIR_ASSERT(mprotect(memory, GUARD_SIZE, PROT_NONE) == 0);
    fiber = (void *)((unsigned char *)memory + GUARD_SIZE + STACK_SIZE);
    fiber->memory = memory;
    return fiber;
}

static struct wi_sim_fiber *
take_idle(struct wi_sim_fibers *fibers)
{
    struct wi_sim_fiber *fiber = fibers->idle;

    if (fiber == NULL) {
        return make();
    }
    fibers->idle = fiber->next;
    return fiber;
}

/* Nothing local is alive over getcontext(), which may return twice. */
static void
prepare(struct wi_sim_fiber *fiber)
{
    WEIR_ASSERT(getcontext(&fiber->inside) == 0);
    fiber->inside.uc_stack.ss_sp = fiber->memory + GUARD_SIZE;
    fiber->inside.uc_stack.ss_size = STACK_SIZE;
    fiber->inside.uc_link = &fiber->outside;
    makecontext(
        &fiber->inside,
        (void (*)(void))enter,
        2,
        (unsigned)((uintptr_t)fiber >> 32),
        (unsigned)((uintptr_t)fiber & UINT32_MAX));
}

struct wi_sim_fiber *
wi_sim_fiber_new(struct wi_sim_fibers *fibers, void (*run)(void *argument), void *argument)
{
    struct wi_sim_fiber *const fiber = take_idle(fibers);

    fiber->run = run;
    fiber->argument = argument;
    fiber->has_ended = false;
    prepare(fiber);
    return fiber;
}

bool
wi_sim_fiber_resume(struct wi_sim_fiber *fiber)
{
    void *fake = NULL;

    WEIR_ASSERT(!fiber->has_ended);
    before_entry(fiber, &fake);
    WEIR_ASSERT(swapcontext(&fiber->outside, &fiber->inside) == 0);
    after_exit(fake);
    return fiber->has_ended;
}

void
wi_sim_fiber_yield(struct wi_sim_fiber *fiber)
{
    void *fake = NULL;

    before_exit(fiber, &fake);
    WEIR_ASSERT(swapcontext(&fiber->inside, &fiber->outside) == 0);
    after_entry(fiber, fake);
}

void
wi_sim_fiber_free(struct wi_sim_fibers *fibers, struct wi_sim_fiber *fiber)
{
    WEIR_ASSERT(fiber->has_ended);
    fiber->next = fibers->idle;
    fibers->idle = fiber;
}

void
wi_sim_fibers_free(struct wi_sim_fibers *fibers)
{
    while (fibers->idle != NULL) {
        struct wi_sim_fiber *fiber = fibers->idle;

        fibers->idle = fiber->next;
#ifdef HAS_TSAN
        if (fiber->tsan_inside != NULL) {
            __tsan_destroy_fiber(fiber->tsan_inside);
        }
#endif
        WEIR_ASSERT(munmap(fiber->memory, GUARD_SIZE + STACK_SIZE + sizeof *fiber) == 0);
    }
}
