// The WebSocket of Java's own java.net.http, which offers no permessage-deflate.
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class BuiltIn implements WebSocket.Listener {
    private final byte[] voice;
    private final byte[] face;
    private final StringBuilder text = new StringBuilder();
    private final CountDownLatch closed = new CountDownLatch(1);
    private int number = 0;

    BuiltIn(Path folder) throws Exception {
        voice = Files.readAllBytes(folder.resolve("voice.pcm"));
        face = Files.readAllBytes(folder.resolve("face.jpg"));
    }

    private void send(WebSocket socket, int kind, byte[] payload, int from, int to) {
        ByteBuffer message = ByteBuffer.allocate(5 + to - from); // of another order Java 17 masks wrongly
        message.put((byte) kind).putInt(Integer.reverseBytes(++number)).put(payload, from, to - from).flip();
        socket.sendBinary(message, true).join();
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
        text.append(part);
        socket.request(1);
        if (!last) {
            return null;
        }
        String message = text.toString();
        text.setLength(0);
        System.out.println(message);
        if (message.contains("\"type\":\"ready\"")) {
            for (int at = 0; at < 12; at++) {
                send(socket, 1, voice, at * 3200, (at + 1) * 3200);
            }
        } else if (message.contains("\"fused\":{\"state\":\"ok\"")) {
            socket.sendClose(1000, "");
            return null;
        } else {
            send(socket, 1, voice, 38400, 48000);
        }
        send(socket, 2, face, 0, face.length);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        System.out.println("{\"type\": \"closed\", \"code\": " + code + ", \"extensions\": \"\"}");
        closed.countDown();
        return null;
    }

    public static void main(String[] arguments) throws Exception {
        HttpClient.Builder builder = HttpClient.newBuilder();
        if (!arguments[2].equals("-")) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null);
            try (FileInputStream file = new FileInputStream(arguments[2])) {
                store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(file));
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            builder.sslContext(context);
        }
        BuiltIn client = new BuiltIn(Path.of(arguments[1]));
        builder.build().newWebSocketBuilder().buildAsync(URI.create(arguments[0]), client).join();
        client.closed.await();
        System.exit(0);
    }
}
