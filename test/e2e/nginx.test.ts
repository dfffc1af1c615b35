/** What nginx does for an app, as its NGINX_ settings and the board's own say. */
import { afterAll, beforeAll, expect } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { type Board, type Files, fails, ok } from "./sandbox.ts";
import { anyBoard, skipped, stories } from "./story.ts";

/** The probe, with its settings and a page that counts how often it was asked. */
const counting = (files: Files, settings: Record<string, string>): Files => ({
  ...files,
  ENV: `${files.ENV}${Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("")}`,
  "app.py": `${probeSource("one").replace(
    '    if path.startswith("/env/"):',
    `    headers = []
    if path.startswith("/thumbs/") or path.startswith("/mine/"):
        global count
        count += 1
        body = f"{path} {count}".encode()
        headers = [("Cache-Control", "private")] if path.startswith("/mine/") else []
    elif path.startswith("/env/"):`,
  )}`
    .replace("def app(", "count = 0\n\n\ndef app(")
    .replace(
      '("Content-Length", str(len(body)))])',
      '("Content-Length", str(len(body)))] + headers)',
    ),
});

/** Changes the board's own ENV file. */
function onBoard(board: Board, line: string) {
  const file = `${board.pikuRoot}/ENV`;
  const [key] = line.split("=");
  const kept = board.settings
    .split("\n")
    .filter((other) => other !== "" && !other.startsWith(`${key}=`));
  fs.writeFileSync(file, `${[...kept, ...(line.endsWith("=") ? [] : [line])].join("\n")}\n`);
}

/** An address of this machine other than that of whoever deploys. */
const stranger = (board: Board, host: string, ...headers: string[]) =>
  board.run([
    ...["curl", "-s", "--noproxy", "*", "--interface", "127.0.0.2", "-H", `Host: ${host}`],
    ...headers.flatMap((header) => ["-H", header]),
    ...["-w", "%{http_code}", "-o", "/dev/null", board.url(board.address)],
  ]).stdout;

/** What Cloudflare says, until it says something else. */
const ranges = {
  success: true,
  result: { ipv4_cidrs: ["192.0.2.0/24"], ipv6_cidrs: ["2001:db8::/32"] },
};
const answers = `${fs.mkdtempSync("/tmp/piku-cloudflare-")}/ips.json`;
const cloudflare = Bun.spawn(
  [
    "python3",
    "-c",
    `import http.server, sys, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open(sys.argv[1], "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()`,
    answers,
  ],
  { stdout: "pipe", stderr: "ignore" },
);
const say = (now: typeof ranges) => fs.writeFileSync(answers, JSON.stringify(now));
let source = "";
beforeAll(async () => {
  say(ranges);
  const { value } = await cloudflare.stdout.getReader().read();
  source = `http://127.0.0.1:${new TextDecoder().decode(value).trim()}/`;
});
afterAll(() => {
  cloudflare.kill();
  fs.rmSync(path.dirname(answers), { recursive: true });
});

stories((board, story) => {
  for (const [kind, probe] of [
    ["web", webProbe],
    ["wsgi", wsgiProbe],
  ] as const)
    story(
      `nginx keeps the replies of a ${kind} app below NGINX_CACHE_PREFIXES, and no others`,
      () => {
        const host = `kept-${kind}.test`;
        const settings = {
          NGINX_CACHE_PREFIXES: "/thumbs,/mine",
          NGINX_CACHE_CONTROL: "77",
          UWSGI_PROCESSES: "1",
        };
        ok(board.push(board.repo(undefined, counting(probe(host), settings)), `kept-${kind}`));
        const first = board.get("/thumbs/a?size=1", { host });
        expect(first).toMatchObject({ status: 200, body: "/thumbs/a 1" });
        expect(first.headers).toMatchObject({
          "x-cache": "MISS",
          "cache-control": "public, max-age=77",
        });
        const second = board.get("/thumbs/a?size=1", { host });
        expect(second.body).toBe("/thumbs/a 1");
        expect(second.headers).toMatchObject({ "x-cache": "HIT", "x-deployed-by": "Piku" });
        // Another query is another reply.
        expect(board.get("/thumbs/a?size=2", { host }).body).toBe("/thumbs/a 2");
        const mine = ["/mine/x", "/mine/x"].map((url) => board.get(url, { host }));
        expect(mine.map(({ body }) => body)).toEqual(["/mine/x 3", "/mine/x 4"]);
        expect(mine[1]!.headers["cache-control"]).toBe("private");
        expect(board.get("/", { host }).headers["x-cache"]).toBeUndefined();
        // A deploy changes nothing in the site, so the cache stays.
        ok(board.ssh("config:set", `kept-${kind}`, "A=1"));
        expect(board.get("/thumbs/a?size=1", { host }).headers["x-cache"]).toBe("HIT");
      },
    );

  story("a value of a cache setting that is none is refused, naming it", () => {
    expect(fails(board.ssh("config:set", "kept-web", "NGINX_CACHE_TIME=1h"), 1).output).toContain(
      "NGINX_CACHE_TIME: invalid number of seconds '1h'",
    );
    expect(board.get("/", { host: "kept-web.test" }).body).toBe("one");
  });

  const acl = board.isInstalled
    ? (name: string) => skipped(name, "other addresses than ours cannot ask it")
    : story;
  acl(
    "NGINX_CLOUDFLARE_ACL lets in Cloudflare alone; its list is got once, and a site is never left open without",
    () => {
      const host = "shielded.test";
      say(ranges);
      const app = board.repo(undefined, counting(webProbe(host), { NGINX_CLOUDFLARE_ACL: "true" }));
      onBoard(board, "PIKU_CLOUDFLARE_IPS=http://127.0.0.1:9/");
      expect(fails(board.push(app, "shielded"), 1).output).toMatch(
        /could not download Cloudflare's IP ranges: .*127/,
      );
      onBoard(board, `PIKU_CLOUDFLARE_IPS=${source}`);
      ok(board.push(app, "shielded"));
      expect(stranger(board, host)).toBe("403");
      expect(board.get("/", { host }).body).toBe("one");
      // Whom Cloudflare asks for is told to the app.
      const headers = board.get("/headers", {
        host,
        headers: { "CF-Connecting-IP": "203.0.113.9" },
      }).body;
      expect(headers).toContain("HTTP_X_REMOTE_ADDRESS=203.0.113.9\n");
      // The list that there is will do when the network is away.
      onBoard(board, "PIKU_CLOUDFLARE_IPS=http://127.0.0.1:9/");
      ok(board.ssh("config:set", "shielded", "A=1"));
      expect(board.piku("daily").stderr).toContain(
        "Cloudflare: could not download Cloudflare's IP ranges",
      );
      expect(stranger(board, host)).toBe("403");
      // A new one is read without a deploy.
      say({
        success: true,
        result: { ipv4_cidrs: ["127.0.0.2/32"], ipv6_cidrs: ["2001:db8::/32"] },
      });
      onBoard(board, `PIKU_CLOUDFLARE_IPS=${source}`);
      ok(board.piku("daily"));
      expect(stranger(board, host)).toBe("200");
    },
  );

  story("NGINX_DEFAULT answers for unknown names, by http and https, for one app at a time", () => {
    const unknown = () => board.get("/", { host: "nobody-knows.test" });
    expect(unknown().status).toBe(404);
    const app = board.repo(undefined, { ...webProbe("x", "default"), ENV: "NGINX_DEFAULT=true\n" });
    expect(ok(board.push(app, "front")).output).toContain(board.url(board.address));
    expect(unknown()).toMatchObject({ status: 200, body: "default" });
    expect(board.get("/", { host: "nobody-knows.test", https: true }).body).toBe("default");
    expect(board.get("/", { host: "kept-web.test" }).body).toBe("one");
    const refused = fails(board.ssh("config:set", "kept-web", "NGINX_DEFAULT=1"), 1).output;
    expect(refused).toContain("app 'front' answers for unknown names already");
    expect(refused).toContain("config:set front NGINX_DEFAULT=false");
    ok(board.ssh("config:set", "front", "NGINX_DEFAULT=false"));
    expect(unknown().status).toBe(404);
    ok(board.ssh("config:set", "kept-web", "NGINX_DEFAULT=1"));
    expect(unknown().body).toBe("one");
    ok(board.ssh("destroy", "kept-web"));
    expect(unknown().status).toBe(404);
  });

  story("NGINX_REDIRECT_FROM sends other names to the first, with path and query", () => {
    const files = webProbe("new.test");
    ok(
      board.push(
        board.repo(undefined, {
          ...files,
          ENV: `${files.ENV}NGINX_REDIRECT_FROM=old.test,www.old.test\n`,
        }),
        "moved",
      ),
    );
    for (const [host, scheme] of [
      ["old.test", "http"],
      ["www.old.test", "https"],
    ] as const) {
      const answer = board.get("/page?x=1", { host, https: scheme === "https" });
      expect(answer.status).toBe(301);
      expect(answer.headers.location).toBe(board.url("new.test", "/page?x=1", scheme));
    }
    const taken = fails(board.ssh("config:set", "front", "NGINX_SERVER_NAME=old.test"), 1).output;
    expect(taken).toContain("the server name 'old.test' belongs to app 'moved'");
  });

  story("PIKU_DOMAIN gives an app a name, unless it has one or serves nothing", () => {
    onBoard(board, "PIKU_DOMAIN=pi.test");
    const bare = { ...webProbe("x", "named"), ENV: "A=1\n" };
    ok(board.push(board.repo(undefined, bare), "domain"));
    expect(board.get("/", { host: "domain.pi.test" }).body).toBe("named");
    ok(board.ssh("config:set", "domain", "NGINX_SERVER_NAME=own.test"));
    expect(board.get("/", { host: "own.test" }).body).toBe("named");
    expect(board.get("/", { host: "domain.pi.test" }).status).toBe(404);
    const worker = { Procfile: "worker: exec sleep 1000\n", ENV: "A=1\n" };
    ok(board.push(board.repo(undefined, worker), "bot"));
    expect(fs.existsSync(`${board.pikuRoot}/nginx/bot.conf`)).toBe(false);
    onBoard(board, "PIKU_DOMAIN=not a domain");
    expect(fails(board.ssh("restart", "domain"), 1).output).toContain(
      "PIKU_DOMAIN: invalid domain 'not a domain'",
    );
    onBoard(board, "PIKU_DOMAIN=");
  });
}, anyBoard);
