import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.UUID;

/**
 * Run an operation on one connection, with Java 17 or newer: {@code java Main.java [URL] [PARAMS]}.
 *
 * The result goes to standard output. HttpClient shows no 102, and gives up at the ninth: the usual
 * four that are asked for here only keep the connection from being idle.
 */
public class Main {
    public static void main(String... given) throws Exception {
        var url = given.length > 0 ? given[0] : "http://127.0.0.1:8000";
        var params = given.length > 1 ? given[1] : "{\"to\": 8, \"interval\": 1}";
        // Else it offers to speak HTTP/2, without TLS too, and a POST that does that is a 400 here.
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var held = HttpRequest.newBuilder(URI.create(url + "/legacy/count"))
                .header("Content-Type", "application/json")
                .header("Prefer", "processing")
                .header("Idempotency-Key", '"' + UUID.randomUUID().toString() + '"')
                .POST(BodyPublishers.ofString(params))
                .build();
        var answer = client.send(held, BodyHandlers.ofString());
        if (answer.statusCode() == 202) { // the time for which it is held is over
            answer = follow(client, answer);
        }
        if (answer.statusCode() >= 300) {
            System.err.println(answer.body()); // a problem document, which says what to do
            System.exit(1);
        }
        System.out.println(answer.body());
    }

    /** Ask again, with the same key and so for the same operation, whenever Retry-After says so. */
    private static HttpResponse<String> follow(HttpClient client, HttpResponse<String> answer)
            throws Exception {
        while (answer.statusCode() == 202) {
            System.err.println(answer.headers().firstValue("Progress").orElse(""));
            Thread.sleep(1000 * answer.headers().firstValueAsLong("Retry-After").orElse(1));
            answer = client.send(answer.request(), BodyHandlers.ofString());
        }
        return answer;
    }
}
