/* The kernel's randomness, as the slot of struct weir_rng; `context` is not used. Thread-safe.
 * Nothing is buffered, so a forked child cannot repeat the numbers of its parent. */
#ifndef WI_CORE_RNG_SYSTEM_H
#define WI_CORE_RNG_SYSTEM_H

#include <stdint.h>

uint64_t wi_rng_system_next(void *context);

#endif
