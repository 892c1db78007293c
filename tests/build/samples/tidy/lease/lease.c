#include "worker/shard_consumer.h"

#include "lease.h"

int wi_lease; // a hurried note
