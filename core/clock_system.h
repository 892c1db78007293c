/* The clocks of the system, as slots of struct weir_clock; `context` is not used. Thread-safe. */
#ifndef WI_CORE_CLOCK_SYSTEM_H
#define WI_CORE_CLOCK_SYSTEM_H

#include <weir/env.h>

struct weir_mono wi_clock_system_mono(void *context); /* CLOCK_BOOTTIME */
struct weir_wall wi_clock_system_wall(void *context); /* CLOCK_REALTIME */

#endif
