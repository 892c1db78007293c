/* Children of a crew, inside. */
#ifndef WI_TESTS_INTEGRATION_WORKER_CREW_PROCESS_H
#define WI_TESTS_INTEGRATION_WORKER_CREW_PROCESS_H

#include "tests/integration/worker/crew.h"

void crew_add_entry(void *context, const struct crew_entry *entry);
void crew_processes_open(struct crew *crew);
void crew_processes_close(struct crew *crew);

#endif
