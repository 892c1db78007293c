/* Log lines through the environment's logger. Not for engines: they return actions. */
#ifndef WI_CORE_LOG_H
#define WI_CORE_LOG_H

#include <weir/env.h>
#include <weir/version.h>

/* Room for a line and its final zero; a longer line is cut and ends in "...". */
#define WI_LOG_SIZE 1024

/* Format a line and hand it to the logger; nothing is formatted above the logger's level. Control
 * characters in the text become '?', so that data cannot forge lines or drive a terminal.
 * `component` is the folder's name. Thread-safe. */
void wi_log(
    const struct weir_env *env,
    enum weir_log_level level,
    const char *component,
    const char *format,
    ...) WEIR_PRINTF(4, 5);

#endif
