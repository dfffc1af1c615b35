import java.util.HashMap;

/** Served by uWSGI itself: each request is one call. */
public class Hello {
  public static Object[] application(HashMap<String, Object> env) {
    HashMap<String, Object> headers = new HashMap<>();
    headers.put("Content-Type", "text/plain");
    return new Object[] {200, headers, "Hello from JWSGI, at " + env.get("PATH_INFO") + "\n"};
  }
}
