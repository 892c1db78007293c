/* Curves and histograms. */
#include <stdint.h>
#include <stdio.h>

#include "chaos/html.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/picture.h"

#define BINS      15
#define BIN_FIRST 0.25 /* ms: the first bin ends here, each next one at twice as much */
#define BIN_WIDTH 22
#define BIN_TALL  96
#define LEFT      8
#define BASE      118

/* --- curves ---------------------------------------------------------------------------------- */

static size_t
bucket_of(const struct chaos_picture *picture, int64_t time_ns)
{
    const double ms = chaos_picture_ms(picture, time_ns);

    if (ms <= 0) {
        return 0;
    }
    return ms / picture->bucket_ms >= (double)picture->buckets ? picture->buckets - 1
                                                               : (size_t)(ms / picture->bucket_ms);
}

/* The record waits in these buckets: its age at their ends counts. */
static void
add_wait(struct chaos_picture *picture, int64_t put_ns, int64_t done_ns)
{
    const size_t last = bucket_of(picture, done_ns);
    const double put_ms = chaos_picture_ms(picture, put_ns);
    const double age_ms = (double)(done_ns - put_ns) / 1e6;

    for (size_t i = bucket_of(picture, put_ns); i <= last; i++) {
        const double end_ms = (double)(i + 1) * picture->bucket_ms - put_ms;
        const double lag_ms = end_ms < age_ms ? end_ms : age_ms;

        picture->lag_ms[i] = lag_ms > picture->lag_ms[i] ? lag_ms : picture->lag_ms[i];
    }
}

/* 1, 2, 5, 10, ... at or above. */
static double
round_up(double value)
{
    static const double steps[] = {1, 2, 5};

    for (double unit = 1;; unit *= 10) {
        for (size_t i = 0; i < 3; i++) {
            if (value <= unit * steps[i]) {
                return unit * steps[i];
            }
        }
    }
}

void
chaos_curves_measure(struct chaos_picture *picture)
{
    const struct chaos_ledger *ledger = picture->ledger;
    double rate_most = 1;
    double lag_most = 1;

    picture->bucket_ms = picture->length_ms / CHAOS_BUCKETS;
    if (picture->bucket_ms < CHAOS_BUCKET_MS_MIN) {
        picture->bucket_ms = CHAOS_BUCKET_MS_MIN;
    }
    picture->buckets = (size_t)(picture->length_ms / picture->bucket_ms) + 1;
    if (picture->buckets > CHAOS_BUCKETS) {
        picture->buckets = CHAOS_BUCKETS;
    }
    for (size_t i = 0; i < ledger->put_count; i++) {
        const int64_t put_ns = ledger->puts[i].time_ns;
        const int64_t done_ns = picture->verdict->done_ns[i];

        if (put_ns != 0) {
            picture->put_rate[bucket_of(picture, put_ns)] += 1000 / picture->bucket_ms;
        }
        if (done_ns != 0) {
            picture->done_rate[bucket_of(picture, done_ns)] += 1000 / picture->bucket_ms;
        }
        if (put_ns != 0 && done_ns > put_ns) {
            add_wait(picture, put_ns, done_ns);
        }
    }
    for (size_t i = 0; i < picture->buckets; i++) {
        rate_most = picture->put_rate[i] > rate_most ? picture->put_rate[i] : rate_most;
        rate_most = picture->done_rate[i] > rate_most ? picture->done_rate[i] : rate_most;
        lag_most = picture->lag_ms[i] > lag_most ? picture->lag_ms[i] : lag_most;
    }
    picture->rate_top = round_up(rate_most);
    picture->lag_top = round_up(lag_most);
}

/* A step for each bucket; an area goes down to the base at both ends. */
static void
write_curve(
    const struct chaos_picture *picture,
    const char *class,
    const double *values,
    double top,
    double y)
{
    const double base = y + CHAOS_CURVE_HEIGHT;

    (void)fprintf(picture->out, "<path class=\"curve %s\" d=\"M0 %.1f", class, base);
    for (size_t i = 0; i < picture->buckets; i++) {
        (void)fprintf(
            picture->out,
            "L%.0f %.1f",
            ((double)i + 0.5) * picture->bucket_ms,
            base - values[i] / top * CHAOS_CURVE_HEIGHT);
    }
    (void)fprintf(picture->out, "L%.0f %.1f\"/>\n", picture->length_ms, base);
}

static void
write_rules(const struct chaos_picture *picture, double y)
{
    for (int i = 0; i <= 2; i++) {
        (void)fprintf(
            picture->out,
            "<path class=\"rule\" d=\"M0 %.1fH%.1f\"/>\n",
            y + i * CHAOS_CURVE_HEIGHT / 2.0,
            picture->length_ms);
    }
}

void
chaos_curves_write(struct chaos_picture *picture)
{
    write_rules(picture, picture->rates_y);
    write_curve(picture, "done", picture->done_rate, picture->rate_top, picture->rates_y);
    write_curve(picture, "put", picture->put_rate, picture->rate_top, picture->rates_y);
    write_rules(picture, picture->lag_y);
    write_curve(picture, "lag", picture->lag_ms, picture->lag_top, picture->lag_y);
}

/* --- histograms ------------------------------------------------------------------------------ */

static size_t
bin_of(double ms)
{
    double end = BIN_FIRST;
    size_t bin = 0;

    while (ms >= end && bin < BINS - 1) {
        end *= 2;
        bin++;
    }
    return bin;
}

static void
write_bins(FILE *out, const size_t *bins, size_t most)
{
    double end = BIN_FIRST;

    for (size_t i = 0; i < BINS; i++) {
        const double height = most == 0 ? 0 : (double)bins[i] / (double)most * BIN_TALL;
        const size_t x = LEFT + i * BIN_WIDTH;

        if (bins[i] > 0) {
            (void)fprintf(
                out,
                "<rect class=\"bin\" x=\"%zu\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"2\">"
                "<title>%zu times below %g ms</title></rect><text class=\"n\" x=\"%zu\" "
                "y=\"%.1f\">%zu</text>\n",
                x,
                BASE - height,
                BIN_WIDTH - 3,
                height,
                bins[i],
                end,
                x + BIN_WIDTH / 2 - 1,
                BASE - height - 4,
                bins[i]);
        }
        if (i % 2 == 1) {
            (void)fprintf(out, "<text x=\"%zu\" y=\"%d\">", x + BIN_WIDTH - 2, BASE + 14);
            (void)fprintf(
                out, end < 1000 ? "%g</text>\n" : "%.0fk</text>\n", end < 1000 ? end : end / 1000);
        }
        end *= 2;
    }
}

static void
write_histogram(FILE *out, const char *title, const char *what, struct chaos_times *times)
{
    size_t bins[BINS] = {0};
    size_t most = 0;

    for (size_t i = 0; i < times->count; i++) {
        const size_t bin = bin_of(times->ms[i]);

        bins[bin]++;
        most = bins[bin] > most ? bins[bin] : most;
    }
    (void)fprintf(
        out,
        "<figure class=\"histogram\"><figcaption><b>%s</b> <small>%s</small></figcaption>",
        title,
        what);
    if (times->count == 0) {
        (void)fputs("<p class=\"none\">none in this run</p></figure>\n", out);
        return;
    }
    (void)fprintf(
        out,
        "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\"><path class=\"base\" "
        "d=\"M%d %dH%d\"/>\n",
        LEFT * 2 + BINS * BIN_WIDTH,
        BASE + 20,
        title,
        LEFT,
        BASE,
        LEFT + BINS * BIN_WIDTH);
    write_bins(out, bins, most);
    (void)fputs("</svg><p>p50 <b>", out);
    chaos_html_ms(out, chaos_times_quantile(times, 0.5));
    (void)fputs("</b> p99 <b>", out);
    chaos_html_ms(out, chaos_times_quantile(times, 0.99));
    (void)fputs("</b> max <b>", out);
    chaos_html_ms(out, chaos_times_quantile(times, 1));
    (void)fprintf(out, "</b> <small>of %zu, in ms</small></p></figure>\n", times->count);
}

void
chaos_histograms_write(struct chaos_picture *picture)
{
    struct chaos_verdict *verdict = picture->verdict;

    (void)fputs("<div class=\"histograms\">\n", picture->out);
    write_histogram(
        picture->out, "Fail-over", "a process died; the next owner starts", &verdict->failover);
    write_histogram(
        picture->out,
        "Hang takeover",
        "a process was stopped; the next owner starts",
        &verdict->hang);
    write_histogram(
        picture->out, "Hand-off", "a planned move; the next owner starts", &verdict->handoff);
    (void)fputs("</div>\n", picture->out);
}
