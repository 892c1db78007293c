package weir.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;

/** Writes each record to the ledger, then checkpoints: each batch, or every so often. */
final class LedgerProcessor implements ShardRecordProcessor {
    private static final AtomicInteger LIVES = new AtomicInteger();
    private final int life = LIVES.incrementAndGet();
    private final Ledger ledger;
    private final long checkpointMs;
    private final long stopAfter;
    private final CountDownLatch stop;
    private String shard;
    private boolean first = true;
    private long checkpointed = System.currentTimeMillis();

    LedgerProcessor(Ledger ledger, long checkpointMs, long stopAfter, CountDownLatch stop) {
        this.ledger = ledger;
        this.checkpointMs = checkpointMs;
        this.stopAfter = stopAfter;
        this.stop = stop;
    }

    @Override
    public void initialize(InitializationInput input) {
        shard = input.shardId();
        Events.write("initialize", shard + " " + input.extendedSequenceNumber().sequenceNumber());
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
        int count = input.records().size();
        if (count == 0) {
            return;
        }
        if (first) {
            first = false;
            Events.write("first", shard + " " + Events.used());
        }
        try {
            ledger.write(shard, life, input.records());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        long total = Events.RECORDS.addAndGet(count);
        if (System.currentTimeMillis() - checkpointed >= checkpointMs) {
            checkpoint(input.checkpointer());
        }
        if (stopAfter > 0 && total >= stopAfter) {
            stop.countDown();
        }
    }

    private void checkpoint(RecordProcessorCheckpointer checkpointer) {
        try {
            checkpointer.checkpoint();
            checkpointed = System.currentTimeMillis();
        } catch (Exception e) {
            Events.write("checkpoint_failed", shard + " " + e);
        }
    }

    @Override
    public void leaseLost(LeaseLostInput input) {
        Events.write("lease_lost", shard);
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
        Events.write("shard_ended", shard);
        checkpoint(input.checkpointer());
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
        Events.write("shutdown_requested", shard);
        checkpoint(input.checkpointer());
    }
}
