import type { Files } from "./sandbox.ts";

/**
 * One file of Python, without packages, that is a wsgi app and a web server of its own, and shows
 * what it was given.
 */
const source = `import os, sys

VERSION = "@VERSION@"


def app(environ, start_response):
    path = environ["PATH_INFO"]
    status, body = "200 OK", VERSION.encode()
    if path.startswith("/env/"):
        body = os.environb.get(path[5:].encode())
        if body is None:
            status, body = "404 Not Found", b""
    elif path == "/names":
        body = "\\n".join(os.environ).encode()
    elif path == "/pid":
        # Under uWSGI several processes answer; their parent is the one that stays the same.
        body = str(os.getpid() if __name__ == "__main__" else os.getppid()).encode()
    elif path == "/headers":
        body = "".join(f"{k}={v}\\n" for k, v in environ.items() if isinstance(v, str)).encode()
    elif path == "/long":
        body = b"long " * 2000
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    print("probe", VERSION, "listens", flush=True)
    make_server(os.environ["BIND_ADDRESS"], int(os.environ["PORT"]), app).serve_forever()
`;

/** The probe's source; its front page says `version`. */
export const probeSource = (version: string) => source.replace("@VERSION@", version);

/** The probe as an app with a web worker (no manifest), reached by `name`. */
export const webProbe = (name: string, version = "one"): Files => ({
  Procfile: "web: exec python3 app.py\n",
  ENV: `NGINX_SERVER_NAME=${name}\n`,
  "app.py": probeSource(version),
});

/** The probe under uWSGI. */
export const wsgiProbe = (name: string, version = "one"): Files => ({
  ...webProbe(name, version),
  Procfile: "wsgi: app:app\n",
});

/** A web server that takes as many seconds for an answer as its path says. */
export const slowSource = `import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    def do_POST(self):
        time.sleep(int(self.path[1:] or 0))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")

    do_GET = do_POST


ThreadingHTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Page).serve_forever()
`;
