/** All of weir's public API. C99 and C++11. */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/* IWYU pragma: begin_exports */
#include <weir/app.h>
#include <weir/checkpointer.h>
#include <weir/dedupe.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/sim.h>
#include <weir/stream.h>
#include <weir/types.h>
#include <weir/version.h>
#include <weir/worker.h>
/* IWYU pragma: end_exports */

#endif
