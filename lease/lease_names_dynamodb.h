/* Names of attributes of lease rows in DynamoDB, for the files that read and write them. */
#ifndef WI_LEASE_LEASE_NAMES_DYNAMODB_H
#define WI_LEASE_LEASE_NAMES_DYNAMODB_H

#include "lease/lease_row_dynamodb.h"

/* Java's attributes. */
#define LEASE_KEY         WI_DYNAMODB_LEASE_KEY
#define LEASE_OWNER       WI_DYNAMODB_LEASE_OWNER
#define LEASE_COUNTER     "leaseCounter"
#define CHECKPOINT_OWNER  "checkpointOwner"
#define CHECKPOINT        "checkpoint"
#define CHECKPOINT_SUB    "checkpointSubSequenceNumber"
#define PENDING           "pendingCheckpoint"
#define PENDING_SUB       "pendingCheckpointSubSequenceNumber"
#define PENDING_STATE     "pendingCheckpointState"
#define OWNER_SWITCHES    "ownerSwitchesSinceCheckpoint"
#define PARENT_SHARD_IDS  "parentShardId"
#define CHILD_SHARD_IDS   "childShardIds"
#define STARTING_HASH_KEY "startingHashKey"
#define ENDING_HASH_KEY   "endingHashKey"
#define THROUGHPUT_KBPS   "throughputKBps"
#define SHARD_ID          "shardId"
#define STREAM_NAME       "streamName"
#define ENTITY_TYPE       "entityType"
#define ENTITY_LEASE      "LEASE"
/* weir's. */
#define WEIR_EPOCH           "weirEpoch"
#define WEIR_OWNER           "weirOwner"
#define WEIR_COUNTER         "weirCounter"
#define WEIR_ORDER           "weirOrder"
#define WEIR_CHECKPOINT      "weirCheckpoint"
#define WEIR_PENDING         "weirPendingCheckpoint"
#define WEIR_REVOKED         "weirRevoked"
#define WEIR_PINNED          "weirPinned"
#define WEIR_HANDOFF_REASON  "weirHandoffReason"
#define WEIR_HANDOFF_TIMEOUT "weirHandoffTimeoutMs"
#define WEIR_REPLAY          "weirReplay"
#define WEIR_REPLAY_EXACT    "weirReplayExact"

#endif
