/** One run of `weir demo`: its parts, its loop and its story. */
#ifndef WI_DEMO_DEMO_H
#define WI_DEMO_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "demo/audit.h"
#include "demo/board.h"
#include "demo/files.h"
#include "demo/fleet.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/producer.h"
#include "demo/table.h"

/** Most events that are kept for the live display, and room for one. */
#define DEMO_EVENTS_MAX 16
#define DEMO_EVENT_SIZE 160

/** What the command line says. */
struct demo_settings {
    const char *data;     /**< --data, or NULL */
    const char *packages; /**< --packages, or NULL */
    uint64_t rate;        /**< records per second while the story lasts */
    int64_t lease_duration_ms;
    bool keep;
};

/** An event of the story. */
struct demo_happening {
    int64_t at_ns;
    char text[DEMO_EVENT_SIZE];
};

/** Where the display stands. */
struct demo_screen {
    bool live;   /**< a terminal: draw again and again; else one line per event */
    bool colour; /**< and NO_COLOR is not set */
    size_t lines_drawn;
    int64_t drawn_ns;
};

/** Everything. All members start at zero, but the descriptors of journals. */
struct demo {
    struct demo_settings settings;
    const struct cli *cli;
    const struct weir_env *env;
    int64_t start_ns;

    struct demo_files files;
    struct demo_index index;
    struct weir_stream *stream;
    struct demo_board *board;
    struct demo_producer producer;
    struct demo_fleet fleet;
    struct demo_journal journals[DEMO_WORKERS_MAX];
    struct demo_history history;
    struct demo_table table;
    int64_t sampled_ns;
    struct weir_stream_description shards; /**< as of the last demo_look_at_shards() */
    uint32_t spans_told;                   /**< of history.spans, those that were events */

    struct demo_screen screen;
    struct demo_happening events[DEMO_EVENTS_MAX]; /**< a ring */
    size_t event_count;                            /**< all that there were */
    char doing[DEMO_EVENT_SIZE];                   /**< what the story is at */
    unsigned step;

    struct demo_deeds deeds;
    int64_t hold_ns;         /**< a worker was asked to hold still */
    uint64_t moves_at_stop;  /**< demo_table_moves_without() the stopped worker */
    uint64_t served_at_stop; /**< records of shards that it does not own */
    struct demo_verdict verdict;
    int stdout_error; /**< errno value: nobody watches any more, and the story is over; or 0 */
    bool broken;      /**< a reason has come up after which the story cannot go on */
};

/* ---- loop.c -------------------------------------------------------------------------- */

/** Tell the viewer. */
void demo_tell(struct demo *demo, const char *format, ...) WEIR_PRINTF(2, 3);

/** A reason for the verdict "fail" that ends the story. Returns false. */
bool demo_break(struct demo *demo, const char *format, ...) WEIR_PRINTF(2, 3);

/**
 * One turn of everything: put what is due, read the journals, look at the processes and the table,
 * draw. Takes a few milliseconds.
 * @return false: the story is over, because something broke or somebody pressed Ctrl-C
 */
bool demo_turn(struct demo *demo);

/** Turn until `met` says so; a reason for the verdict if that takes longer than `timeout_ms`. */
bool demo_wait(
    struct demo *demo, bool (*met)(const struct demo *demo), int64_t timeout_ms, const char *what);

/** The same, but it is no fault if time passes: false then, and if the story is over. */
bool demo_wait_in_vain(struct demo *demo, bool (*met)(const struct demo *demo), int64_t timeout_ms);

/** Whether the story is over. */
bool demo_is_over(const struct demo *demo);

/** Turn for a while, so that there is something to see. Nothing depends on it. */
bool demo_watch(struct demo *demo, int64_t ms);

/** Read the shards of the stream again. */
bool demo_look_at_shards(struct demo *demo);

/** Take a sample of the lease table now. */
void demo_sample(struct demo *demo);

/* ---- story.c ------------------------------------------------------------------------- */

/** Number of steps of the story. */
#define DEMO_STEPS 8

/** Play it, from starting the workers to ending them. What went wrong is in demo->verdict. */
void demo_play(struct demo *demo);

/* ---- faults.c ------------------------------------------------------------------------ */

/** The steps that hurt: see story.c. False: the story is over. */
bool demo_kill_leader(struct demo *demo);
bool demo_stop_worker(struct demo *demo);

/** Whether every shard has an owner that works, and nothing is under way. */
bool demo_is_settled(const struct demo *demo);

/** Begin a step: its number and name for the display. */
void demo_begin_step(struct demo *demo, unsigned step, const char *name);

/** "3" for "shardId-000000000003". */
const char *demo_short_shard(const char *shard_id);

/* ---- screen.c ------------------------------------------------------------------------ */

/** Find out what stdout is. */
void demo_screen_open(struct demo_screen *screen, bool json);

/** Draw, if stdout is a terminal and a tenth of a second has passed, or `now`. */
void demo_screen_draw(struct demo *demo, bool now);

/** Leave the terminal as it was. */
void demo_screen_close(struct demo *demo);

/* ---- report.c ------------------------------------------------------------------------ */

/** Compare sink and journals with what was put; fills demo->verdict. */
void demo_judge(struct demo *demo);

/** Print the verdict; exit status. */
int demo_report(struct demo *demo);

#endif
