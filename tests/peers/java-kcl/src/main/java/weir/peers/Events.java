package weir.peers;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/** Lines on stdout that say what happened and when. */
final class Events {
    static final AtomicLong RECORDS = new AtomicLong();

    private Events() {
    }

    static synchronized void write(String name, String detail) {
        System.out.println("EV " + System.currentTimeMillis() + " " + name + " " + detail);
        System.out.flush();
    }

    /** Records so far, CPU seconds and resident memory of this process. */
    static String used() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        String resident = "0";
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmRSS")) {
                    resident = line.replaceAll("\\D+", "");
                }
            }
        } catch (IOException e) {
            resident = "0";
        }
        return "records=" + RECORDS.get() + " cpu_s=" + system.getProcessCpuTime() / 1e9 + " rss_kb=" + resident;
    }
}
