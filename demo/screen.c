/* The live display: one frame of plain text, drawn over the one before. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <weir/app.h>
#include <weir/version.h>

#include "cli/cli.h"
#include "demo/demo.h"
#include "demo/fleet.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/table.h"

#define FRAME_NS INT64_C(100000000)
#define NS_PER_S 1e9
/* A terminal that does not tell its size, and the largest that is used. */
#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT    24
#define COLUMNS_MAX     160
#define ROWS_MAX        60
/* Room for escape sequences beside the text of a line. */
#define ESCAPES_SIZE 32
#define FRAME_SIZE   (ROWS_MAX * (COLUMNS_MAX + ESCAPES_SIZE) + ESCAPES_SIZE)

#define PLAIN  ""
#define BOLD   "1"
#define DIM    "2"
#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"

/* A frame that is being composed. */
struct frame {
    char text[FRAME_SIZE];
    size_t length;
    size_t lines;
    size_t rows;
    size_t columns;
    bool colour;
};

static void
append(struct frame *frame, const char *text, size_t length)
{
    if (length <= sizeof frame->text - frame->length) {
        memcpy(frame->text + frame->length, text, length);
        frame->length += length;
    }
}

static void
append_text(struct frame *frame, const char *text)
{
    append(frame, text, strlen(text));
}

static void add_line(struct frame *frame, const char *colour, const char *format, ...)
    WEIR_PRINTF(3, 4);

/* One line, cut at the right edge; below the last row there are none. */
static void
add_line(struct frame *frame, const char *colour, const char *format, ...)
{
    char line[COLUMNS_MAX + 1];
    va_list arguments;

    if (frame->lines + 1 >= frame->rows) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(
        line, frame->columns < sizeof line ? frame->columns : sizeof line, format, arguments);
    va_end(arguments);
    if (frame->colour && *colour != '\0') {
        append_text(frame, "\033[");
        append_text(frame, colour);
        append_text(frame, "m");
    }
    append_text(frame, line);
    append_text(frame, frame->colour && *colour != '\0' ? "\033[0m\033[K\n" : "\033[K\n");
    frame->lines++;
}

void
demo_screen_open(struct demo_screen *screen, bool json)
{
    const char *no_colour = getenv("NO_COLOR"); /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *terminal = getenv("TERM");      /* NOLINT(concurrency-mt-unsafe): one thread */

    screen->live =
        !json && isatty(STDOUT_FILENO) == 1 && terminal != NULL && strcmp(terminal, "dumb") != 0;
    screen->colour = screen->live && (no_colour == NULL || *no_colour == '\0');
}

static void
measure(struct frame *frame)
{
    struct winsize size;

    frame->columns = COLUMNS_DEFAULT;
    frame->rows = ROWS_DEFAULT;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        frame->columns = size.ws_col;
        frame->rows = size.ws_row;
    }
    frame->columns = frame->columns < COLUMNS_MAX ? frame->columns : COLUMNS_MAX;
    frame->rows = frame->rows < ROWS_MAX ? frame->rows : ROWS_MAX;
}

static void
add_head(struct frame *frame, const struct demo *demo)
{
    const struct demo_history *history = &demo->history;
    const double seconds = (double)(demo_now_ns(demo->env) - demo->start_ns) / NS_PER_S;
    char put[CLI_VALUE_SIZE];
    char lag[CLI_VALUE_SIZE];
    char again[CLI_VALUE_SIZE];

    add_line(
        frame,
        BOLD,
        "weir demo  %5.1f s  step %u of %u: %s",
        seconds,
        demo->step,
        DEMO_STEPS,
        demo->doing);
    add_line(
        frame,
        PLAIN,
        "%s records put, %s waiting, %s delivered again (the sink drops them)",
        cli_format_count(history->put_count, put),
        cli_format_count(history->put_count - history->delivered, lag),
        cli_format_count(history->redelivered, again));
}

static const char *
colour_of_shard(enum weir_shard_state state)
{
    switch (state) {
    case WEIR_SHARD_UNASSIGNED:
        return RED;
    case WEIR_SHARD_WAITING_ON_PARENT_SHARDS:
    case WEIR_SHARD_SHUTDOWN_REQUESTED:
        return YELLOW;
    case WEIR_SHARD_PROCESSING:
        return GREEN;
    case WEIR_SHARD_SHUTDOWN_COMPLETE:
        break;
    }
    return DIM;
}

static void
add_shards(struct frame *frame, const struct demo *demo)
{
    add_line(frame, PLAIN, "%s", "");
    add_line(frame, BOLD, "%-21s %-25s %-9s %6s %9s", "SHARD", "STATE", "OWNER", "EPOCH", "LAG");
    for (uint32_t i = 0; i < demo->history.shard_count; i++) {
        const struct demo_lane *lane = &demo->history.shards[i];
        const struct weir_app_shard *row = demo_table_shard(&demo->table, lane->id);
        char lag[CLI_VALUE_SIZE];
        if (row != NULL) {
            add_line(
                frame,
                colour_of_shard(row->state),
                "%-21s %-25s %-9.9s %6llu %9s",
                lane->id,
                weir_shard_state_name(row->state),
                *row->owner == '\0' ? "-" : row->owner,
                (unsigned long long)row->lease_epoch,
                cli_format_count(lane->put - lane->delivered, lag));
        }
    }
}

static void
add_worker(struct frame *frame, const struct demo *demo, uint32_t number)
{
    const struct demo_member *member = &demo->fleet.members[number];
    const struct weir_app_worker *row = demo_table_worker(&demo->table, member->id);
    const char *state = row == NULL ? "joins" : "runs";
    const char *colour = PLAIN;
    char records[CLI_VALUE_SIZE];

    if (member->state == DEMO_MEMBER_STOPPED) {
        state = "stopped (SIGSTOP)";
        colour = YELLOW;
    } else if (member->state == DEMO_MEMBER_KILLED) {
        state = "killed";
        colour = RED;
    } else if (member->state == DEMO_MEMBER_LEFT) {
        state = "has left";
        colour = DIM;
    } else if (row != NULL && row->draining) {
        state = "drains";
        colour = YELLOW;
    } else if (strcmp(demo->table.now.leader, member->id) == 0) {
        state = "runs and leads";
        colour = BOLD;
    }
    add_line(
        frame,
        colour,
        "%-9s pid %-7ld %-25s %3llu leases %13s",
        member->id,
        (long)member->pid,
        state,
        (unsigned long long)(row == NULL ? 0 : row->leases),
        cli_format_count(demo->history.by_worker[number], records));
}

static void
add_workers(struct frame *frame, const struct demo *demo)
{
    add_line(frame, PLAIN, "%s", "");
    add_line(frame, BOLD, "%-47s %10s %13s", "WORKER", "SHARDS", "RECORDS");
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        add_worker(frame, demo, i);
    }
}

/* The newest events, as many as fit. */
static void
add_events(struct frame *frame, const struct demo *demo)
{
    size_t fit;

    add_line(frame, PLAIN, "%s", "");
    add_line(frame, BOLD, "EVENTS");
    fit = frame->lines + 1 < frame->rows ? frame->rows - frame->lines - 1 : 0;
    fit = fit < DEMO_EVENTS_MAX ? fit : DEMO_EVENTS_MAX;
    fit = fit < demo->event_count ? fit : demo->event_count;
    for (size_t i = demo->event_count - fit; i < demo->event_count; i++) {
        const struct demo_happening *event = &demo->events[i % DEMO_EVENTS_MAX];
        add_line(frame, PLAIN, "%7.3f s  %s", (double)event->at_ns / NS_PER_S, event->text);
    }
}

void
demo_screen_draw(struct demo *demo, bool now)
{
    struct demo_screen *screen = &demo->screen;
    const int64_t now_ns = demo_now_ns(demo->env);
    struct frame frame;
    char up[ESCAPES_SIZE];

    if (!screen->live || (!now && now_ns - screen->drawn_ns < FRAME_NS)) {
        return;
    }
    frame.length = 0;
    frame.lines = 0;
    frame.colour = screen->colour;
    measure(&frame);
    /* No cursor while it jumps; then over the frame before. */
    append_text(&frame, "\033[?25l");
    if (screen->lines_drawn > 0) {
        (void)snprintf(up, sizeof up, "\033[%zuA", screen->lines_drawn);
        append_text(&frame, up);
    }
    add_head(&frame, demo);
    add_shards(&frame, demo);
    add_workers(&frame, demo);
    add_events(&frame, demo);
    append_text(&frame, "\033[J");
    if (fwrite(frame.text, 1, frame.length, stdout) != frame.length || fflush(stdout) != 0) {
        demo->stdout_error = errno;
    }
    screen->lines_drawn = frame.lines;
    screen->drawn_ns = now_ns;
}

void
demo_screen_close(struct demo *demo)
{
    if (demo->screen.live && demo->screen.lines_drawn > 0) {
        demo_screen_draw(demo, true);
        printf("\033[?25h");
        (void)fflush(stdout);
    }
    demo->screen.live = false;
}
