/** A worker process of the demo: `weir demo worker ...`, started by the demo itself. */
#ifndef WI_DEMO_WORKER_H
#define WI_DEMO_WORKER_H

#include "cli/cli.h"

/** Names that all processes of a run agree on. */
#define DEMO_APPLICATION "demo"
#define DEMO_STREAM      "packages"
/** Folder of the demo's own files when it is inside the data directory. */
#define DEMO_FOLDER "demo"
/** The word behind `weir demo` that makes a worker of the process. */
#define DEMO_WORKER_WORD "worker"

/** The options of a worker process, in the order of its command. */
int demo_worker_run(int argc, char **argv, struct cli *cli);

#endif
