/** The picture of a run: what the parts of the report share. */
#ifndef WI_CHAOS_PICTURE_H
#define WI_CHAOS_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/run.h"

/** At most so many of each are drawn; the rule for what is left out is in the report. */
#define CHAOS_BARS_MAX       5000
#define CHAOS_AGAIN_MAX      4000
#define CHAOS_GAPS_MAX       2000
#define CHAOS_LOST_MAX       500
#define CHAOS_FAULTS_MAX     1500
#define CHAOS_TABLE_ROWS_MAX 600

/** Colours of seats in report.css. */
#define CHAOS_COLOURS 12

/** Most points of a curve, and how far apart they are at least. */
#define CHAOS_BUCKETS       480
#define CHAOS_BUCKET_MS_MIN 250.0

/** How a shard is drawn: several shards follow one another in a lane. */
struct chaos_lane_place {
    uint32_t lane;
    bool used;
    int64_t begin_ns;
    int64_t end_ns;
};

struct chaos_picture {
    const struct chaos_run *run;
    const struct chaos_ledger *ledger;
    struct chaos_verdict *verdict;
    FILE *out;
    double length_ms;
    struct chaos_lane_place *places; /**< by shard number */
    uint32_t lanes;
    bool has_kind[CHAOS_FAULT_KINDS];
    bool has_violations;
    uint32_t seats;
    double height;
    double kinds_y; /**< tops of the parts, in pixels */
    double seats_y;
    double lanes_y;
    double rates_y;
    double lag_y;
    size_t buckets;
    double bucket_ms;
    double put_rate[CHAOS_BUCKETS];
    double done_rate[CHAOS_BUCKETS];
    double lag_ms[CHAOS_BUCKETS];
    double rate_top;
    double lag_top;
    size_t bars; /**< drawn */
    size_t again_count;
    size_t gaps;
    size_t faults;
    size_t lost;
};

/** Milliseconds since the fleet started. */
double chaos_picture_ms(const struct chaos_picture *picture, int64_t time_ns);

/** report_lanes.c: who stands where; sets places and lanes. */
void chaos_lanes_arrange(struct chaos_picture *picture);

/** report_picture.c: lanes, labels, bars, marks. */
void chaos_picture_write(struct chaos_picture *picture);

/** report_charts.c: curves into the picture; histograms as figures of their own. */
void chaos_curves_measure(struct chaos_picture *picture);
void chaos_curves_write(struct chaos_picture *picture);
void chaos_histograms_write(struct chaos_picture *picture);

/** report_tables.c. */
void chaos_violations_write(struct chaos_picture *picture);
void chaos_faults_write(struct chaos_picture *picture);

/** Heights in pixels, the same in report.css. */
#define CHAOS_AXIS_HEIGHT  26
#define CHAOS_HEAD_HEIGHT  30
#define CHAOS_KIND_HEIGHT  18
#define CHAOS_SEAT_HEIGHT  20
#define CHAOS_LANE_HEIGHT  24
#define CHAOS_CURVE_HEIGHT 120

#endif
