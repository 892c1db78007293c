package weir.peers;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/**
 * One line per record: `recv_ms put_ms index shard sequence sub_sequence life`, where life is the number of
 * the processor object, so of a time of ownership. A batch is one write to a file
 * opened for appending, without a sync: a kill loses nothing that was written.
 */
final class Ledger {
    private static final int HEAD_BYTES = 40;
    private final FileChannel file;

    Ledger(String name) throws IOException {
        file = name.isEmpty() ? null
            : FileChannel.open(Path.of(name), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static String head(KinesisClientRecord record) {
        ByteBuffer data = record.data().duplicate();
        byte[] bytes = new byte[Math.min(HEAD_BYTES, data.remaining())];
        data.get(bytes);
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    void write(String shard, int life, List<KinesisClientRecord> records) throws IOException {
        if (file == null) {
            return;
        }
        long now = System.currentTimeMillis();
        StringBuilder lines = new StringBuilder();
        for (KinesisClientRecord record : records) {
            String[] parts = head(record).split(":", 3);
            lines.append(now).append(' ').append(parts[0]).append(' ').append(parts[1]).append(' ')
                .append(shard).append(' ').append(record.sequenceNumber()).append(' ')
                .append(record.subSequenceNumber()).append(' ').append(life).append('\n');
        }
        ByteBuffer bytes = ByteBuffer.wrap(lines.toString().getBytes(StandardCharsets.US_ASCII));
        synchronized (file) {
            while (bytes.hasRemaining()) {
                file.write(bytes);
            }
        }
    }
}
