/*
 * The picture: one SVG whose horizontal unit is a millisecond, stretched to the width of the page;
 * strokes keep their width. Text stands over it as HTML, so that it is not stretched.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "chaos/base.h"
#include "chaos/fault.h"
#include "chaos/html.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/picture.h"

#define TICKS_MAX 12
/* At the right edge there is no room for a word. */
#define TICKS_PART 0.97
/* Width that the picture probably has: a script corrects what depends on it. */
#define WIDTH_GUESS 1150.0
/* A shard's number is written where there is room for it. */
#define LABEL_WIDTH 16.0
#define BAR_INSET   4.0

double
chaos_picture_ms(const struct chaos_picture *picture, int64_t time_ns)
{
    return (double)(time_ns - picture->ledger->begin_ns) / (double)CHAOS_NS_PER_MS;
}

/* --- places
 * ------------------------------------------------------------------------------------------- */

static void
arrange(struct chaos_picture *picture)
{
    const struct chaos_ledger *ledger = picture->ledger;
    double y = CHAOS_AXIS_HEIGHT;

    for (size_t i = 0; i < ledger->fault_count; i++) {
        picture->has_kind[ledger->faults[i].kind] = true;
    }
    for (size_t i = 0; i < ledger->life_count; i++) {
        picture->seats =
            ledger->lives[i].seat > picture->seats ? ledger->lives[i].seat : picture->seats;
    }
    picture->has_violations = picture->verdict->violation_count > 0;
    chaos_lanes_arrange(picture);
    picture->kinds_y = y + CHAOS_HEAD_HEIGHT;
    y = picture->kinds_y + (picture->has_violations ? CHAOS_KIND_HEIGHT : 0);
    for (size_t kind = 0; kind < CHAOS_FAULT_KINDS; kind++) {
        y += picture->has_kind[kind] ? CHAOS_KIND_HEIGHT : 0;
    }
    picture->seats_y = y + CHAOS_HEAD_HEIGHT;
    picture->lanes_y = picture->seats_y + picture->seats * CHAOS_SEAT_HEIGHT + CHAOS_HEAD_HEIGHT;
    picture->rates_y = picture->lanes_y + picture->lanes * CHAOS_LANE_HEIGHT + CHAOS_HEAD_HEIGHT;
    picture->lag_y = picture->rates_y + CHAOS_CURVE_HEIGHT + CHAOS_HEAD_HEIGHT;
    picture->height = picture->lag_y + CHAOS_CURVE_HEIGHT + CHAOS_AXIS_HEIGHT;
}

static double
kind_y(const struct chaos_picture *picture, enum chaos_fault_kind kind)
{
    double y = picture->kinds_y + (picture->has_violations ? CHAOS_KIND_HEIGHT : 0);

    for (uint32_t i = 0; i < (uint32_t)kind; i++) {
        y += picture->has_kind[i] ? CHAOS_KIND_HEIGHT : 0;
    }
    return y;
}

static double
lane_y(const struct chaos_picture *picture, uint32_t shard)
{
    return picture->lanes_y + picture->places[shard].lane * CHAOS_LANE_HEIGHT;
}

/* --- labels at the left ---------------------------------------------------------------------- */

static void
write_label(FILE *out, double y, int height, const char *class, const char *text)
{
    (void)fprintf(
        out, "<div class=\"label %s\" style=\"top:%.0fpx;height:%dpx\">", class, y, height);
    chaos_html_text(out, text);
    (void)fputs("</div>\n", out);
}

static void
write_head(FILE *out, double y, const char *text, const char *more)
{
    (void)fprintf(out, "<div class=\"head\" style=\"top:%.0fpx\">%s", y - CHAOS_HEAD_HEIGHT, text);
    (void)fprintf(out, " <small>%s</small></div>\n", more);
}

static void
write_scale(FILE *out, double y, double top, bool time)
{
    (void)fprintf(out, "<div class=\"label scale\" style=\"top:%.0fpx\">", y);
    if (time) {
        chaos_html_ms(out, top);
    } else {
        chaos_html_count(out, (uint64_t)top);
        (void)fputs("/s", out);
    }
    (void)fprintf(
        out,
        "</div>\n<div class=\"label scale\" style=\"top:%.0fpx\">0</div>\n",
        y + CHAOS_CURVE_HEIGHT - 14);
}

static void
write_labels(const struct chaos_picture *picture)
{
    FILE *out = picture->out;
    char text[64];

    (void)fputs("<div class=\"labels\">\n", out);
    write_head(out, picture->kinds_y, "Faults", "as they were made");
    if (picture->has_violations) {
        write_label(out, picture->kinds_y, CHAOS_KIND_HEIGHT, "bad", "violations");
    }
    for (uint32_t kind = 0; kind < CHAOS_FAULT_KINDS; kind++) {
        if (picture->has_kind[kind]) {
            write_label(
                out, kind_y(picture, kind), CHAOS_KIND_HEIGHT, "", chaos_fault_info(kind)->title);
        }
    }
    write_head(out, picture->seats_y, "Workers", "one colour for each seat of the fleet");
    for (uint32_t seat = 1; seat <= picture->seats; seat++) {
        (void)snprintf(text, sizeof text, "seat %u", seat);
        write_label(
            out, picture->seats_y + (seat - 1) * CHAOS_SEAT_HEIGHT, CHAOS_SEAT_HEIGHT, "", text);
    }
    write_head(
        out, picture->lanes_y, "Shards", "who had which; a child goes on in the lane of a parent");
    for (uint32_t lane = 0; lane < picture->lanes; lane++) {
        (void)snprintf(text, sizeof text, "lane %u", lane + 1);
        write_label(
            out, picture->lanes_y + lane * CHAOS_LANE_HEIGHT, CHAOS_LANE_HEIGHT, "quiet", text);
    }
    write_head(
        out,
        picture->rates_y,
        "Throughput",
        "<i class=\"key put\"></i>put <i class=\"key done\"></i>processed");
    write_scale(out, picture->rates_y, picture->rate_top, false);
    write_head(out, picture->lag_y, "Lag", "age of the oldest record not yet processed");
    write_scale(out, picture->lag_y, picture->lag_top, true);
    (void)fputs("</div>\n", out);
}

/* --- bars and marks -------------------------------------------------------------------------- */

static uint32_t
colour_of(const struct chaos_picture *picture, uint32_t worker)
{
    const struct chaos_life *life = chaos_ledger_life(picture->ledger, worker);

    return life == NULL ? 0 : (life->seat - 1) % CHAOS_COLOURS + 1;
}

static void
write_grid(const struct chaos_picture *picture)
{
    FILE *out = picture->out;

    for (uint32_t lane = 0; lane < picture->lanes; lane++) {
        (void)fprintf(
            out,
            "<rect class=\"track\" x=\"0\" y=\"%.0f\" width=\"%.1f\" height=\"%d\"/>\n",
            picture->lanes_y + lane * CHAOS_LANE_HEIGHT + BAR_INSET,
            picture->length_ms,
            CHAOS_LANE_HEIGHT - 2 * (int)BAR_INSET);
    }
    for (size_t i = 0; i < picture->ledger->fault_count && i < CHAOS_FAULTS_MAX; i++) {
        const struct chaos_fault *fault = &picture->ledger->faults[i];

        (void)fprintf(
            out,
            "<path class=\"thread\" d=\"M%.1f %.0fV%.0f\"/>\n",
            chaos_picture_ms(picture, fault->begin_ns),
            kind_y(picture, fault->kind) + CHAOS_KIND_HEIGHT / 2.0,
            picture->lag_y + CHAOS_CURVE_HEIGHT);
    }
}

static void
write_faults(struct chaos_picture *picture)
{
    FILE *out = picture->out;

    for (size_t i = 0; i < picture->ledger->fault_count && i < CHAOS_FAULTS_MAX; i++) {
        const struct chaos_fault *fault = &picture->ledger->faults[i];
        const double x = chaos_picture_ms(picture, fault->begin_ns);
        const double y = kind_y(picture, fault->kind) + CHAOS_KIND_HEIGHT / 2.0;
        const double end = chaos_picture_ms(picture, fault->end_ns);

        (void)fprintf(
            out,
            "<path class=\"fault %s\" d=\"M%.1f %.1fH%.1f\"><title>%s, %.3f s: ",
            chaos_fault_info(fault->kind)->name,
            x,
            y,
            end > x ? end : x + 0.1,
            chaos_fault_info(fault->kind)->title,
            x / 1000);
        chaos_html_text(out, fault->text);
        (void)fputs("</title></path>\n", out);
        picture->faults++;
    }
}

static void
write_lives(const struct chaos_picture *picture)
{
    FILE *out = picture->out;

    for (size_t i = 0; i < picture->ledger->life_count; i++) {
        const struct chaos_life *life = &picture->ledger->lives[i];
        const int64_t end_ns = life->end_ns == 0 ? picture->ledger->end_ns : life->end_ns;

        (void)fprintf(
            out,
            "<rect class=\"life s%u\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\">"
            "<title>worker %u, process %" PRId32 ", %.3f s to %.3f s%s</title></rect>\n",
            (life->seat - 1) % CHAOS_COLOURS + 1,
            chaos_picture_ms(picture, life->begin_ns),
            picture->seats_y + (life->seat - 1) * CHAOS_SEAT_HEIGHT + BAR_INSET,
            (double)(end_ns - life->begin_ns) / 1e6,
            CHAOS_SEAT_HEIGHT - 2 * (int)BAR_INSET,
            life->worker,
            life->pid,
            chaos_picture_ms(picture, life->begin_ns) / 1000,
            chaos_picture_ms(picture, end_ns) / 1000,
            life->killed ? ", killed" : "");
    }
}

/* A worker that was stopped, in its seat's row. */
static void
write_stops(const struct chaos_picture *picture)
{
    for (size_t i = 0; i < picture->ledger->fault_count && i < CHAOS_FAULTS_MAX; i++) {
        const struct chaos_fault *fault = &picture->ledger->faults[i];
        const struct chaos_life *life = fault->kind == CHAOS_FAULT_STOP
                                            ? chaos_ledger_life(picture->ledger, fault->worker)
                                            : NULL;

        if (life != NULL) {
            (void)fprintf(
                picture->out,
                "<rect class=\"stopped\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\"/>\n",
                chaos_picture_ms(picture, fault->begin_ns),
                picture->seats_y + (life->seat - 1) * CHAOS_SEAT_HEIGHT + BAR_INSET,
                (double)(fault->end_ns - fault->begin_ns) / 1e6,
                CHAOS_SEAT_HEIGHT - 2 * (int)BAR_INSET);
        }
    }
}

static const char *
end_name(enum chaos_span_end end)
{
    static const char *const names[] = {
        [CHAOS_SPAN_OPEN] = "held at the end",
        [CHAOS_SPAN_HANDED] = "handed over",
        [CHAOS_SPAN_FINISHED] = "shard end",
        [CHAOS_SPAN_LOST] = "lease lost",
        [CHAOS_SPAN_DIED] = "its process died"};

    return names[end];
}

static void
write_bar(struct chaos_picture *picture, const struct chaos_span *span)
{
    const double x = chaos_picture_ms(picture, span->begin_ns);

    (void)fprintf(
        picture->out,
        "<rect class=\"bar s%u\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\"><title>"
        "shard %u, worker %u, epoch %" PRIu64 ": %.3f s to %.3f s, %u records, %u again; %s"
        "</title></rect>\n",
        colour_of(picture, span->worker),
        x,
        lane_y(picture, span->shard) + BAR_INSET,
        (double)(span->end_ns - span->begin_ns) / 1e6,
        CHAOS_LANE_HEIGHT - 2 * (int)BAR_INSET,
        span->shard,
        span->worker,
        span->epoch,
        x / 1000,
        chaos_picture_ms(picture, span->end_ns) / 1000,
        span->records,
        span->redelivered,
        end_name(span->end));
    picture->bars++;
}

static int
largest_first(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;

    return *x > *y ? -1 : *x < *y;
}

/* The size of the smallest of `most` elements that are drawn, 0 if all are. */
static int64_t
threshold(const struct chaos_verdict *verdict, int what, size_t count, size_t most)
{
    int64_t *sizes;
    int64_t result;

    if (count <= most) {
        return 0;
    }
    sizes = chaos_zeroed(count, sizeof *sizes);
    for (size_t i = 0; i < count; i++) {
        sizes[i] = what == 'b'   ? verdict->spans[i].end_ns - verdict->spans[i].begin_ns
                   : what == 'g' ? verdict->gaps[i].end_ns - verdict->gaps[i].begin_ns
                                 : (int64_t)verdict->again[i].count;
    }
    qsort(sizes, count, sizeof *sizes, largest_first);
    result = sizes[most];
    free(sizes);
    return result;
}

static void
write_bars(struct chaos_picture *picture)
{
    const struct chaos_verdict *verdict = picture->verdict;
    const int64_t least = threshold(verdict, 'b', verdict->span_count, CHAOS_BARS_MAX);

    for (size_t i = 0; i < verdict->span_count && picture->bars < CHAOS_BARS_MAX; i++) {
        if (verdict->spans[i].end_ns - verdict->spans[i].begin_ns >= least) {
            write_bar(picture, &verdict->spans[i]);
        }
    }
}

static void
write_gaps(struct chaos_picture *picture)
{
    const struct chaos_verdict *verdict = picture->verdict;
    const int64_t least = threshold(verdict, 'g', verdict->gap_count, CHAOS_GAPS_MAX);

    for (size_t i = 0; i < verdict->gap_count && picture->gaps < CHAOS_GAPS_MAX; i++) {
        const struct chaos_gap *gap = &verdict->gaps[i];
        const double ms = (double)(gap->end_ns - gap->begin_ns) / 1e6;

        if (gap->end_ns - gap->begin_ns < least) {
            continue;
        }
        (void)fprintf(
            picture->out,
            "<rect class=\"gap\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\"><title>shard "
            "%u had no owner that could work for %.1f ms</title></rect>\n",
            chaos_picture_ms(picture, gap->begin_ns),
            lane_y(picture, gap->shard) + BAR_INSET,
            ms,
            CHAOS_LANE_HEIGHT - 2 * (int)BAR_INSET,
            gap->shard,
            ms);
        picture->gaps++;
    }
}

static void
write_again(struct chaos_picture *picture)
{
    const struct chaos_verdict *verdict = picture->verdict;
    const int64_t least = threshold(verdict, 'a', verdict->again_count, CHAOS_AGAIN_MAX);

    for (size_t i = 0; i < verdict->again_count && picture->again_count < CHAOS_AGAIN_MAX; i++) {
        const struct chaos_again *again = &verdict->again[i];

        if ((int64_t)again->count < least) {
            continue;
        }
        (void)fprintf(
            picture->out,
            "<path class=\"again\" d=\"M%.1f %.0fv7\"><title>%u records of shard %u came again, to "
            "worker %u</title></path>\n",
            chaos_picture_ms(picture, again->time_ns),
            lane_y(picture, again->shard) + CHAOS_LANE_HEIGHT - 8,
            again->count,
            again->shard,
            again->worker);
        picture->again_count++;
    }
}

static void
write_lost(struct chaos_picture *picture)
{
    for (size_t i = 0; i < picture->verdict->lost_count && i < CHAOS_LOST_MAX; i++) {
        const struct chaos_lost *lost = &picture->verdict->lost[i];
        const int64_t time_ns = lost->passed_ns != 0 ? lost->passed_ns : lost->put_ns;

        (void)fprintf(
            picture->out,
            "<path class=\"lost\" d=\"M%.1f %.0fv%d\"><title>record %" PRIu64
            " of shard %u was lost</title></path>\n",
            chaos_picture_ms(picture, time_ns),
            lane_y(picture, lost->shard),
            CHAOS_LANE_HEIGHT,
            lost->index,
            lost->shard);
        picture->lost++;
    }
}

static void
write_violation_marks(const struct chaos_picture *picture)
{
    for (size_t i = 0; i < picture->verdict->violation_count; i++) {
        const struct chaos_violation *v = &picture->verdict->violations[i];
        const double x = chaos_picture_ms(picture, v->time_ns);

        (void)fprintf(
            picture->out,
            "<path class=\"violation\" d=\"M%.1f %.1fh.1\"><title>",
            x,
            picture->kinds_y + CHAOS_KIND_HEIGHT / 2.0);
        chaos_html_text(picture->out, v->text);
        (void)fputs("</title></path>\n", picture->out);
    }
}

/* From where a parent ends to where its child goes on. */
static void
write_lineage(const struct chaos_picture *picture)
{
    for (size_t i = 0; i < picture->ledger->shard_count; i++) {
        const struct chaos_shard *shard = &picture->ledger->shards[i];

        for (size_t p = 0; p < 2; p++) {
            const uint32_t parent = shard->parents[p];

            if (parent == CHAOS_NONE || !picture->places[parent].used ||
                !picture->places[shard->number].used) {
                continue;
            }
            (void)fprintf(
                picture->out,
                "<path class=\"lineage\" d=\"M%.1f %.0fV%.0f\"/>\n",
                chaos_picture_ms(picture, picture->places[shard->number].begin_ns),
                lane_y(picture, parent) + CHAOS_LANE_HEIGHT / 2.0,
                lane_y(picture, shard->number) + CHAOS_LANE_HEIGHT / 2.0);
        }
    }
}

/* --- text over the picture ------------------------------------------------------------------- */

static double
tick_ms(double length_ms)
{
    static const double steps[] = {1, 2, 5};

    for (double unit = 1;; unit *= 10) {
        for (size_t i = 0; i < 3; i++) {
            if (length_ms / (unit * steps[i]) <= TICKS_MAX) {
                return unit * steps[i];
            }
        }
    }
}

static void
write_axis(const struct chaos_picture *picture)
{
    const double step = tick_ms(picture->length_ms);

    for (int i = 0; i * step <= picture->length_ms * TICKS_PART; i++) {
        (void)fprintf(
            picture->out,
            "<span class=\"tick\" data-t=\"%.1f\" style=\"left:%.3f%%\">%g s</span>\n",
            i * step,
            i * step / picture->length_ms * 100,
            i * step / 1000);
    }
}

static void
write_shard_names(const struct chaos_picture *picture)
{
    const double per_px = picture->length_ms / WIDTH_GUESS;

    for (uint32_t shard = 0; shard < CHAOS_LEDGER_SHARDS; shard++) {
        const struct chaos_lane_place *place = &picture->places[shard];
        const double x = chaos_picture_ms(picture, place->begin_ns);
        const double width = (double)(place->end_ns - place->begin_ns) / 1e6;

        if (place->used) {
            (void)fprintf(
                picture->out,
                "<span class=\"name\" data-t=\"%.1f\" data-w=\"%.1f\" style=\"left:%.3f%%;"
                "top:%.0fpx%s\">%u</span>\n",
                x,
                width,
                x / picture->length_ms * 100,
                lane_y(picture, shard) + BAR_INSET,
                width < LABEL_WIDTH * per_px ? ";display:none" : "",
                shard);
        }
    }
}

static void
write_svg(struct chaos_picture *picture)
{
    FILE *out = picture->out;

    (void)fprintf(
        out,
        "<svg id=\"picture\" width=\"100%%\" height=\"%.0f\" viewBox=\"0 0 %.1f %.0f\" "
        "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"timeline of the run\">\n<defs>\n",
        picture->height,
        picture->length_ms,
        picture->height);
    for (size_t i = 0; i < 2; i++) {
        (void)fprintf(
            out,
            "<pattern id=\"%s\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
            "patternTransform=\"scale(%.4f 1) rotate(45)\"><rect class=\"%s-ground\" width=\"6\" "
            "height=\"6\"/><rect class=\"%s-line\" width=\"2\" height=\"6\"/></pattern>\n",
            i == 0 ? "hatch-gap" : "hatch-stop",
            picture->length_ms / WIDTH_GUESS,
            i == 0 ? "gap" : "stop",
            i == 0 ? "gap" : "stop");
    }
    (void)fputs("</defs>\n", out);
    write_grid(picture);
    write_lineage(picture);
    write_lives(picture);
    write_stops(picture);
    write_bars(picture);
    write_gaps(picture);
    write_again(picture);
    write_lost(picture);
    write_faults(picture);
    if (picture->has_violations) {
        write_violation_marks(picture);
    }
    chaos_curves_write(picture);
    (void)fputs("</svg>\n", out);
}

void
chaos_picture_write(struct chaos_picture *picture)
{
    FILE *out = picture->out;

    picture->places = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *picture->places);
    chaos_curves_measure(picture);
    arrange(picture);
    (void)fprintf(out, "<div class=\"figure\" style=\"height:%.0fpx\">\n", picture->height);
    write_labels(picture);
    (void)fputs("<div class=\"plot\" id=\"plot\">\n", out);
    (void)fputs("<div class=\"axis\" id=\"axis\">\n", out);
    write_axis(picture);
    (void)fputs("</div>\n", out);
    write_svg(picture);
    (void)fputs("<div class=\"over\" id=\"over\">\n", out);
    write_shard_names(picture);
    (void)fputs("</div>\n<div id=\"brush\" hidden></div></div>\n</div>\n", out);
    free(picture->places);
    picture->places = NULL;
}
