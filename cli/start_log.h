/** Lines of the log while a command starts: if it fails, they are the reason in its one line. */
#ifndef WI_CLI_START_LOG_H
#define WI_CLI_START_LOG_H

#include <stdbool.h>

#include <weir/env.h>
#include <weir/error.h>

#define CLI_START_LINE_SIZE 1024

/** For one thread until cli_start_log_open(). */
struct cli_start_log {
    struct weir_logger next;
    bool is_open;
    bool has_line; /**< the newest one, held back */
    enum weir_log_level level;
    const char *component;
    char line[CLI_START_LINE_SIZE];
};

/** Hold lines back from now on. */
void cli_start_log_init(struct cli_start_log *log, const struct weir_logger *next);
/** The logger's function; `context` is the log. */
void cli_start_log_write(
    void *context, enum weir_log_level level, const char *component, const char *message);
/** Drop the line that is held: it was about something that is tried again. */
void cli_start_log_forget(struct cli_start_log *log);
/** The start succeeded: what is held goes out, and all else as it comes. */
void cli_start_log_open(struct cli_start_log *log);
/** The start failed: the reason in the words of the held line, unless `detail` says it already. */
void cli_start_log_explain(
    struct cli_start_log *log, enum weir_error error, struct weir_detail *detail);

#endif
