package weir.peers;

import java.util.ArrayList;
import java.util.List;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.StreamConfig;
import software.amazon.kinesis.common.StreamIdentifier;
import software.amazon.kinesis.processor.FormerStreamsLeasesDeletionStrategy;
import software.amazon.kinesis.processor.MultiStreamTracker;

/** Several streams, named by a list of `account:name:epoch` with commas between. */
final class Streams implements MultiStreamTracker {
    private final List<StreamConfig> streams = new ArrayList<>();

    Streams(String list, InitialPositionInStreamExtended from) {
        for (String identifier : list.split(",")) {
            streams.add(new StreamConfig(StreamIdentifier.multiStreamInstance(identifier), from));
        }
    }

    /** Whether a name is such a list, of one at least. */
    static boolean isList(String name) {
        return name.indexOf(':') >= 0;
    }

    @Override
    public List<StreamConfig> streamConfigList() {
        return streams;
    }

    @Override
    public FormerStreamsLeasesDeletionStrategy formerStreamsLeasesDeletionStrategy() {
        return new FormerStreamsLeasesDeletionStrategy.NoLeaseDeletionStrategy();
    }
}
