package weir.peers;

import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URI;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.processor.StreamTracker;
import software.amazon.kinesis.retrieval.RetrievalConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A Java KCL worker for tests and measurements. Options are words `--name value`, see DEFAULTS; "" leaves
 * KCL's own default. What happens goes to stdout as lines `EV epoch_ms name detail`, records go to the ledger.
 * SIGTERM shuts down gracefully, within 30 s.
 */
public final class KclWorker {
    private static final long GRACE_SECONDS = 30;
    private static final Map<String, String> DEFAULTS = new HashMap<>(Map.ofEntries(
        Map.entry("stream", "stream"), // or a list of account:name:epoch, for multi-stream mode
        Map.entry("table", "table"),
        Map.entry("kinesis", "http://127.0.0.1:4567"),
        Map.entry("dynamodb", "http://127.0.0.1:8000"),
        Map.entry("worker-id", "java-" + ProcessHandle.current().pid()),
        Map.entry("from", "TRIM_HORIZON"),
        Map.entry("ledger", ""), // a file, appended to
        Map.entry("checkpoint-ms", "0"), // 0: after each batch
        Map.entry("stop-after", "0"), // end after so many records
        Map.entry("report-ms", "0"), // an event `used` each so often
        Map.entry("idle-ms", ""), // between reads
        Map.entry("max-records", ""),
        Map.entry("failover-ms", ""),
        Map.entry("reporter-ms", ""), // of worker metrics, which say who is alive
        Map.entry("leader-lease-ms", ""),
        Map.entry("leader-heartbeat-ms", ""),
        Map.entry("client-version", ""), // under which rules it begins
        Map.entry("handoff-ms", ""), // a graceful hand-off may take so long
        Map.entry("parent-poll-ms", ""),
        Map.entry("shard-sync-ms", "")));

    private KclWorker() {
    }

    private interface Setter {
        void set(long value);
    }

    private static void setLong(Map<String, String> options, String name, Setter setter) {
        if (!options.get(name).isEmpty()) {
            setter.set(Long.parseLong(options.get(name)));
        }
    }

    /** What KCL 2.x does not have, by name, so that this compiles with it too. */
    private static void setNew(Map<String, String> options, String name, Object config, String part, String setter) {
        if (options.get(name).isEmpty()) {
            return;
        }
        try {
            Object at = part.isEmpty() ? config : config.getClass().getMethod(part).invoke(config);
            at.getClass().getMethod(setter, long.class).invoke(at, Long.parseLong(options.get(name)));
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("--" + name + " is not known to this version of KCL", e);
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void setClientVersion(Map<String, String> options, Object coordinator) {
        if (options.get("client-version").isEmpty()) {
            return;
        }
        try {
            Method getter = coordinator.getClass().getMethod("clientVersionConfig");
            Class type = getter.getReturnType();
            coordinator.getClass().getMethod("clientVersionConfig", type)
                .invoke(coordinator, Enum.valueOf(type, options.get("client-version")));
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("--client-version is not known to this version of KCL", e);
        }
    }

    static Map<String, String> parse(String[] words) {
        Map<String, String> options = new HashMap<>(DEFAULTS);
        for (int i = 0; i < words.length; i += 2) {
            String name = words[i].replaceFirst("^--", "");
            if (!options.containsKey(name) || i + 1 == words.length) {
                System.err.println("unknown option or no value: " + words[i]);
                System.exit(2);
            }
            options.put(name, words[i + 1]);
        }
        return options;
    }

    private static void configureLeases(LeaseManagementConfig leases, Map<String, String> options) {
        setLong(options, "failover-ms", leases::failoverTimeMillis);
        setLong(options, "shard-sync-ms", leases::shardSyncIntervalMillis);
        setNew(options, "reporter-ms", leases, "workerUtilizationAwareAssignmentConfig",
            "workerMetricsReporterFreqInMillis");
        setNew(options, "handoff-ms", leases, "gracefulLeaseHandoffConfig", "gracefulLeaseHandoffTimeoutMillis");
        setNew(options, "leader-lease-ms", leases, "", "dynamoDbLockBasedLeaderLeaseDurationInMillis");
        setNew(options, "leader-heartbeat-ms", leases, "", "dynamoDbLockBasedLeaderHeartbeatPeriodInMillis");
    }

    private static Scheduler scheduler(Map<String, String> options, Ledger ledger, CountDownLatch stop) {
        AwsCredentialsProvider keys = StaticCredentialsProvider.create(AwsBasicCredentials.create("AKIDFAKE", "fake"));
        Region region = Region.US_EAST_1;
        KinesisAsyncClient kinesis = KinesisAsyncClient.builder().region(region).credentialsProvider(keys)
            .endpointOverride(URI.create(options.get("kinesis")))
            .httpClientBuilder(NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP1_1)).build();
        DynamoDbAsyncClient dynamodb = DynamoDbAsyncClient.builder().region(region).credentialsProvider(keys)
            .endpointOverride(URI.create(options.get("dynamodb"))).build();
        // Never called: NullMetricsFactory. But there must be one.
        CloudWatchAsyncClient cloudwatch = CloudWatchAsyncClient.builder().region(region).credentialsProvider(keys)
            .endpointOverride(URI.create("http://127.0.0.1:1")).build();

        String stream = options.get("stream");
        var from = InitialPositionInStreamExtended
            .newInitialPosition(InitialPositionInStream.valueOf(options.get("from")));
        long checkpointMs = Long.parseLong(options.get("checkpoint-ms"));
        long stopAfter = Long.parseLong(options.get("stop-after"));
        boolean isList = Streams.isList(stream);
        StreamTracker tracker = isList ? new Streams(stream, from) : new SingleStreamTracker(stream, from);
        ConfigsBuilder configs = new ConfigsBuilder(tracker, options.get("table"), kinesis, dynamodb, cloudwatch,
            options.get("worker-id"), () -> new LedgerProcessor(ledger, checkpointMs, stopAfter, stop));

        PollingConfig polling = isList ? new PollingConfig(kinesis) : new PollingConfig(stream, kinesis);
        setLong(options, "idle-ms", polling::idleTimeBetweenReadsInMillis);
        setLong(options, "max-records", value -> polling.maxRecords((int) value));
        RetrievalConfig retrieval = configs.retrievalConfig();
        retrieval.retrievalSpecificConfig(polling);
        LeaseManagementConfig leases = configs.leaseManagementConfig();
        configureLeases(leases, options);
        var coordinator = configs.coordinatorConfig();
        setLong(options, "parent-poll-ms", coordinator::parentShardPollIntervalMillis);
        setClientVersion(options, coordinator);
        var metrics = configs.metricsConfig();
        metrics.metricsFactory(new NullMetricsFactory());
        return new Scheduler(configs.checkpointConfig(), coordinator, leases, configs.lifecycleConfig(), metrics,
            configs.processorConfig(), retrieval);
    }

    private static void shutDown(Scheduler scheduler) {
        try {
            Events.write("graceful", "" + scheduler.startGracefulShutdown().get(GRACE_SECONDS, TimeUnit.SECONDS));
        } catch (Exception e) {
            Events.write("graceful", "" + e);
        }
        Events.write("exit", Events.used());
    }

    public static void main(String[] words) throws IOException, InterruptedException {
        Map<String, String> options = parse(words);
        CountDownLatch stop = new CountDownLatch(1);
        long reportMs = Long.parseLong(options.get("report-ms"));
        Ledger ledger = new Ledger(options.get("ledger"));
        Events.write("start", options.get("worker-id"));
        Scheduler scheduler = scheduler(options, ledger, stop);
        Thread thread = new Thread(scheduler, "scheduler");
        thread.setDaemon(true);
        thread.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> shutDown(scheduler)));
        while (!stop.await(reportMs == 0 ? Long.MAX_VALUE : reportMs, TimeUnit.MILLISECONDS)) {
            Events.write("used", Events.used());
        }
        Events.write("done", Events.used());
        System.exit(0);
    }
}
