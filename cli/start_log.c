#include "cli/start_log.h"

#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

/* So much of a line tells whether a text has it: either may have been cut. */
#define LIKENESS 40

void
cli_start_log_init(struct cli_start_log *log, const struct weir_logger *next)
{
    *log = (struct cli_start_log){.next = *next};
}

static void
let_out(struct cli_start_log *log)
{
    if (log->has_line) {
        log->has_line = false;
        log->next.log(log->next.context, log->level, log->component, log->line);
    }
}

void
cli_start_log_write(
    void *context, enum weir_log_level level, const char *component, const char *message)
{
    struct cli_start_log *log = context;

    if (log->is_open) {
        log->next.log(log->next.context, level, component, message);
        return;
    }
    let_out(log);
    log->has_line = true;
    log->level = level;
    log->component = component;
    (void)snprintf(log->line, sizeof log->line, "%s", message);
}

void
cli_start_log_forget(struct cli_start_log *log)
{
    log->has_line = false;
}

void
cli_start_log_open(struct cli_start_log *log)
{
    let_out(log);
    log->is_open = true;
}

static bool
has_words_of(const char *text, const char *line)
{
    char head[LIKENESS];

    (void)snprintf(head, sizeof head, "%.*s", LIKENESS - 1, line);
    return strstr(text, head) != NULL;
}

void
cli_start_log_explain(struct cli_start_log *log, enum weir_error error, struct weir_detail *detail)
{
    const size_t length = strlen(detail->text);

    if (log->has_line && log->level <= WEIR_LOG_WARN && !has_words_of(detail->text, log->line)) {
        (void)snprintf(
            detail->text + length,
            sizeof detail->text - length,
            "%s%s",
            length == 0 ? "" : ": ",
            log->line);
    } else if (length == 0) {
        (void)snprintf(detail->text, sizeof detail->text, "%s", weir_error_text(error));
    }
    log->has_line = false;
}
