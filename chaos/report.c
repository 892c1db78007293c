/* The report: one HTML file that needs nothing beside it. */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "chaos/assets.h"
#include "chaos/base.h"
#include "chaos/chaos.h"
#include "chaos/html.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/outcome.h"
#include "chaos/picture.h"
#include "chaos/place.h"
#include "chaos/run.h"

static const char *
word_of(const struct chaos_picture *picture)
{
    if (picture->run->interrupted) {
        return "interrupted";
    }
    return picture->verdict->pass ? "pass" : "fail";
}

static void
write_head(const struct chaos_picture *picture)
{
    FILE *out = picture->out;

    (void)fprintf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
        "name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\">\n<meta name=\"color-scheme\" "
        "content=\"light dark\">\n<title>weir chaos: %s, seed %" PRIu64 "</title>\n<style>\n",
        word_of(picture),
        picture->run->options->seed);
    (void)fwrite(chaos_asset_style, 1, chaos_asset_style_size, out);
    (void)fputs("</style></head><body>\n", out);
}

static void
write_sentence(const struct chaos_picture *picture)
{
    const struct chaos_verdict *v = picture->verdict;
    FILE *out = picture->out;
    uint64_t violations = 0;

    for (size_t i = 0; i < CHAOS_PROPERTIES; i++) {
        violations += v->counts[i];
    }
    (void)fputs("<p class=\"sentence\">", out);
    if (picture->run->interrupted) {
        (void)fputs("The run was interrupted: nothing is said about what was still to come. ", out);
    } else if (v->pass) {
        (void)fputs("Every guarantee was kept: ", out);
    } else {
        (void)fprintf(
            out,
            "<a href=\"#violations\">%" PRIu64 " violation%s</a>: ",
            violations,
            violations == 1 ? "" : "s");
    }
    chaos_html_count(out, v->records_put);
    (void)fputs(" records were acknowledged, ", out);
    chaos_html_count(out, v->lost_count);
    (void)fprintf(
        out,
        " lost, under %zu faults and %zu changes of owner in ",
        picture->ledger->fault_count,
        v->span_count);
    chaos_html_ms(out, picture->length_ms);
    (void)fputs(".</p>\n", out);
}

static void
write_header(const struct chaos_picture *picture)
{
    const struct chaos_options *options = picture->run->options;
    FILE *out = picture->out;

    (void)fprintf(
        out,
        "<header><div class=\"title\"><span class=\"verdict %s\">%s</span><h1>weir chaos</h1>"
        "</div>\n",
        word_of(picture),
        word_of(picture));
    write_sentence(picture);
    (void)fprintf(
        out,
        "<p class=\"settings\"><span>seed <b>%" PRIu64 "</b></span> <span>workers <b>%u</b></span> "
        "<span>shards <b>%u</b> at first</span> <span>rate <b>%u</b>/s</span> <span>lease duration "
        "<b>%" PRId64 " ms</b></span> <span>faults for <b>%u s</b></span> <span>processor <b>",
        options->seed,
        options->workers,
        options->shards,
        options->rate,
        options->lease_duration_ms,
        options->seconds);
    if (options->processor != NULL) {
        (void)fputs("<code>", out);
        chaos_html_text(out, options->processor);
        (void)fputs("</code>", out);
    } else {
        (void)fputs(
            options->broken == CHAOS_SOUND ? "built in" : "built in, acknowledges before it writes",
            out);
    }
    (void)fputs("</b></span></p></header>\n", out);
}

/* --- figures --------------------------------------------------------------------------------- */

static void
write_card(FILE *out, const char *name, uint64_t count, const char *more, bool bad)
{
    (void)fprintf(out, "<div class=\"card%s\"><small>%s</small><b>", bad ? " bad" : "", name);
    chaos_html_count(out, count);
    (void)fprintf(out, "</b><span>%s</span></div>\n", more);
}

static void
write_time_card(FILE *out, const char *name, struct chaos_times *times)
{
    (void)fprintf(out, "<div class=\"card\"><small>%s, median</small><b>", name);
    if (times->count == 0) {
        (void)fputs("&ndash;</b><span>none in this run</span></div>\n", out);
        return;
    }
    chaos_html_ms(out, chaos_times_quantile(times, 0.5));
    (void)fputs("</b><span>p99 ", out);
    chaos_html_ms(out, chaos_times_quantile(times, 0.99));
    (void)fputs(", max ", out);
    chaos_html_ms(out, chaos_times_quantile(times, 1));
    (void)fputs("</span></div>\n", out);
}

static void
write_cards(const struct chaos_picture *picture)
{
    struct chaos_verdict *v = picture->verdict;
    const uint64_t order = v->counts[CHAOS_ORDER] + v->counts[CHAOS_GAP] + v->counts[CHAOS_CHILD];
    const uint64_t stale = v->counts[CHAOS_STALE_CALL] + v->counts[CHAOS_STALE_WRITE];
    FILE *out = picture->out;
    char text[96];

    (void)fputs("<div class=\"cards\">\n", out);
    (void)snprintf(
        text, sizeof text, "%" PRIu64 " more without acknowledgement", v->records_unknown);
    write_card(out, "records put", v->records_put, text, false);
    (void)snprintf(text, sizeof text, "%" PRIu64 " of them again", v->redelivered);
    write_card(out, "deliveries", v->deliveries, text, false);
    write_card(out, "lost", v->lost_count, "acknowledged, never processed", v->lost_count > 0);
    write_card(out, "out of order", order, "in a shard or of a key", order > 0);
    write_card(out, "stale owner accepted", stale, "calls and checkpoints", stale > 0);
    (void)snprintf(text, sizeof text, "again after a planned move, of %zu", v->handoff.count);
    write_card(
        out, "hand-offs redelivered", v->counts[CHAOS_PLANNED], text, v->counts[CHAOS_PLANNED] > 0);
    write_time_card(out, "fail-over", &v->failover);
    write_time_card(out, "hang takeover", &v->hang);
    write_time_card(out, "hand-off", &v->handoff);
    (void)snprintf(text, sizeof text, "%zu starts of workers", picture->ledger->life_count);
    write_card(out, "changes of owner", v->span_count, text, false);
    (void)fputs("</div>\n", out);
}

/* --- the rest -------------------------------------------------------------------------------- */

static void
write_legend(FILE *out)
{
    (void)fputs(
        "<div class=\"legend\"><span><i class=\"key bar\"></i>owner, in the colour of its seat"
        "</span><span><i class=\"key gap\"></i>no owner that could work</span><span><i class=\"key "
        "stop\"></i>stopped</span><span><i class=\"key again\"></i>records came again</span><span>"
        "<i class=\"key lost\"></i>lost</span><span><i class=\"key lineage\"></i>parent to child"
        "</span><span class=\"hint\">drag to zoom, double click for all <button id=\"all\" "
        "type=\"button\" hidden>show all</button></span></div>\n",
        out);
}

static void
write_drawn(const struct chaos_picture *picture)
{
    const struct chaos_verdict *v = picture->verdict;
    FILE *out = picture->out;

    (void)fprintf(
        out,
        "<li>Drawn: <span id=\"drawn\" data-bars=\"%zu\" data-gaps=\"%zu\" data-again=\"%zu\" "
        "data-faults=\"%zu\" data-lost=\"%zu\">%zu of %zu owners, %zu of %zu gaps, %zu of %zu "
        "batches with records that came again, %zu of %zu faults, %zu of %zu lost records</span>. "
        "Of more than %d owners, %d gaps or %d such batches the largest are drawn; of faults and "
        "lost records the first %d and %d.</li>\n</ul></section>\n",
        picture->bars,
        picture->gaps,
        picture->again_count,
        picture->faults,
        picture->lost,
        picture->bars,
        v->span_count,
        picture->gaps,
        v->gap_count,
        picture->again_count,
        v->again_count,
        picture->faults,
        picture->ledger->fault_count,
        picture->lost,
        v->lost_count,
        CHAOS_BARS_MAX,
        CHAOS_GAPS_MAX,
        CHAOS_AGAIN_MAX,
        CHAOS_FAULTS_MAX,
        CHAOS_LOST_MAX);
}

static void
write_notes(const struct chaos_picture *picture)
{
    const struct chaos_run *run = picture->run;
    const struct chaos_verdict *v = picture->verdict;
    FILE *out = picture->out;

    (void)fputs("<section id=\"notes\"><h2>How it was done</h2><ul>\n<li>Disk: ", out);
    (void)fputs(
        run->place.disk == CHAOS_DISK_TMPFS
            ? "stream and table lie in a small tmpfs of their own, which is filled."
        : run->place.disk == CHAOS_DISK_LIMIT
            ? "no mount is permitted here; the producer gets a limit of its file size instead."
            : "it is never full in this run.",
        out);
    (void)fprintf(
        out,
        "</li>\n<li>Slow disk and clock: %s; %" PRIu64 " syncs were delayed, a clock that was off "
        "was read %" PRIu64 " times.</li>\n",
        run->preloaded ? "by a library that is preloaded into the processes"
                       : "not in this run, no library could be preloaded",
        run->syncs_delayed,
        run->clock_reads);
    (void)fprintf(
        out,
        "<li>Checkpoints of the processor itself: %" PRIu64 ", of which %" PRIu64
        " were refused. Puts that failed: %" PRIu64 ". Calls after a SIGSTOP that came between the "
        "check of the deadline and the call: %" PRIu64 ".</li>\n",
        v->checkpoints,
        v->checkpoints_refused,
        picture->ledger->puts_refused,
        v->late_calls_excused);
    (void)fputs("<li>The history ", out);
    if (v->checked_events > 0) {
        (void)fputs("was also given to the checker of histories, which took ", out);
        chaos_html_count(out, v->checked_events);
        (void)fputs(" events.</li>\n", out);
    } else {
        (void)fputs(
            "was not given to the checker of histories: it does not say enough.</li>\n", out);
    }
    if (run->options->processor != NULL) {
        (void)fprintf(
            out,
            "<li>The command's journal had %" PRIu64 " lines that could not be read. Owners are "
            "those that the lease table showed; records count as processed when their line was "
            "read.</li>\n",
            run->lines_bad);
    }
    write_drawn(picture);
}

static void
write_page(struct chaos_picture *picture)
{
    FILE *out = picture->out;

    write_head(picture);
    write_header(picture);
    (void)fputs("<main>\n", out);
    write_cards(picture);
    chaos_violations_write(picture);
    (void)fputs("<section id=\"timeline\"><h2>Timeline</h2>\n", out);
    write_legend(out);
    chaos_picture_write(picture);
    (void)fputs("</section>\n<section id=\"times\"><h2>How long it took</h2>\n", out);
    chaos_histograms_write(picture);
    (void)fputs("</section>\n", out);
    chaos_faults_write(picture);
    write_notes(picture);
    (void)fputs("</main>\n<div id=\"tip\" hidden></div>\n<script>\n", out);
    (void)fwrite(chaos_asset_script, 1, chaos_asset_script_size, out);
    (void)fputs("</script></body></html>\n", out);
}

bool
chaos_report_write(const struct chaos_run *run, struct chaos_verdict *verdict, const char *path)
{
    struct chaos_picture *picture = chaos_zeroed(1, sizeof *picture);
    const struct chaos_ledger *ledger = &run->ledger;
    bool whole;
    int error;

    picture->run = run;
    picture->ledger = ledger;
    picture->verdict = verdict;
    picture->length_ms = (double)(ledger->end_ns - ledger->begin_ns) / 1e6;
    picture->length_ms = picture->length_ms < 1 ? 1 : picture->length_ms;
    picture->out = fopen(path, "we");
    if (picture->out == NULL) {
        free(picture);
        return false;
    }
    write_page(picture);
    whole = ferror(picture->out) == 0;
    error = whole ? 0 : EIO;
    if (fclose(picture->out) != 0) {
        whole = false;
        error = errno;
    }
    free(picture);
    errno = error;
    return whole;
}
