import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { alive, eventually, type Files, fails, freePorts, kill, ok } from "./sandbox.ts";
import { longOnAnyBoard, onlyLong, stories } from "./story.ts";

/**
 * A server like gunicorn: it listens, and then each of its processes loads the app. One that cannot
 * be loaded ends the server, unless `keeps`: then it is tried again for ever.
 */
const prefork = (keeps: boolean) => `import os, socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])))
s.listen()
while True:
    if os.fork() == 0:
        try:
            import site_of
            while True:
                c = s.accept()[0]
                c.recv(9999)
                c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\nConnection: close\\r\\n\\r\\none")
                c.close()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(3)
    status = os.wait()[1]
    time.sleep(0.2)
    if status and not ${keeps ? "True" : "False"}:
        raise SystemExit("a process could not boot")
`;

/** A server in few lines of Python; \`s\` is its socket. */
const server = (address: string, family: string, rest: string) => `import os, socket, time
s = socket.socket(socket.${family})
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((${address}, int(os.environ["PORT"])))
s.listen()
print("it has begun", flush=True)
${rest}
`;

const answers = `while True:
    c = s.accept()[0]
    c.recv(9999)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\nConnection: close\\r\\n\\r\\none")
    c.close()`;

const here = 'os.environ["BIND_ADDRESS"]';

stories((board, story) => {
  const named = (name: string, files: Files, ENV = ""): Files => ({
    Procfile: "web: exec python3 app.py\n",
    ...files,
    ENV: `NGINX_SERVER_NAME=${name}.test\n${ENV}`,
  });

  story("what listens before it has loaded the app took a good release's place", () => {
    const good = named("late", { "app.py": prefork(false), "site_of.py": "" });
    const app = board.repo(undefined, good);
    ok(board.push(app, "late"));
    const broken: [string, Files, RegExp][] = [
      ["cannot be imported", { "site_of.py": "import nowhere\n" }, /nowhere/],
      [
        "takes its time",
        { "site_of.py": "import time\ntime.sleep(3)\nimport nowhere\n" },
        /nowhere/,
      ],
      [
        "is tried again for ever",
        {
          "app.py": prefork(true),
          "site_of.py": "import nowhere\n",
          ENV: "NGINX_SERVER_NAME=late.test\nPIKU_HEALTHCHECK_TIMEOUT=2\n",
        },
        /does not answer when it is asked for \/ after 2 seconds/,
      ],
    ];
    for (const [what, files, reason] of broken) {
      app.commit(`It ${what}`, files);
      expect(fails(board.push(app, "late"), 1).output).toMatch(reason);
      expect(board.get("/", { host: "late.test" })).toMatchObject({ status: 200, body: "one" });
    }
  });

  onlyLong(story)("what listens and is not reached, or does not answer, was live", () => {
    const [port] = freePorts(1);
    const own = (rest: string) => server(here, "AF_INET", rest);
    const ill: Record<string, [string, RegExp, string?]> = {
      localhost: [
        server('"::1"', "AF_INET6", answers),
        /it listens on \[::1\]:\d+ instead of 127\.0\.0\.1:\d+.*\n(.*\n)*.*HOST=127\.0\.0\.1/,
      ],
      six: [
        server('"::"', "AF_INET6", answers).replace(
          "s.bind",
          "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\ns.bind",
        ),
        /it listens on \[::\]:\d+ instead of/,
      ],
      once: [own(answers.replace("while True", "for _ in [1]")), /ended at once/],
      mute: [own("time.sleep(600)"), /does not answer when it is asked for \//, "2"],
      other: [
        own('while True:\n    s.accept()[0].sendall(b"\\x16\\x03\\x01 no http" * 9)'),
        /something other than http\/1\.1.*\n(.*\n)*.*PIKU_HEALTHCHECK=false/,
      ],
      hangup: [
        own("while True:\n    c = s.accept()[0]\n    c.recv(9999)\n    c.close()"),
        /closes the connection/,
        "2",
      ],
      elsewhere: [
        server('"127.0.0.1"', "AF_INET", answers).replace('int(os.environ["PORT"])', String(port)),
        new RegExp(`So far 'web.1': it listens on port ${port} instead(.*\n)*.*PORT=${port}`),
      ],
    };
    for (const [name, [source, reason, timeout]] of Object.entries(ill)) {
      const ENV = timeout ? `PIKU_HEALTHCHECK_TIMEOUT=${timeout}\n` : "";
      const app = board.repo(undefined, named(name, { "app.py": source }, ENV));
      const push = fails(board.push(app, name), 1);
      expect(push.output).toMatch(reason);
      // Not the sixty seconds that it has to become healthy.
      expect(push.ms).toBeLessThan(40_000);
    }
    // As it is told: the program keeps its port, and the board asks there.
    ok(board.ssh("config:set", "elsewhere", `PORT=${port}`));
    const app = board.repo(undefined, named("elsewhere", { "app.py": ill.elsewhere![0] }));
    ok(board.push(app, "elsewhere"));
    expect(board.get("/", { host: "elsewhere.test" }).body).toBe("one");
  });

  story("who opens a port for metrics first has the time to open its own", () => {
    const metrics = `import threading, http.server
m = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=m.serve_forever, daemon=True).start()
import time
time.sleep(5)
`;
    const app = board.repo(
      undefined,
      named("metrics", { "app.py": metrics + server(here, "AF_INET", answers) }),
    );
    expect(ok(board.push(app, "metrics")).output).toContain("So far 'web.1': it listens on port");
    expect(board.get("/", { host: "metrics.test" }).body).toBe("one");
  });

  story("PIKU_HEALTHCHECK=false: it is enough that it listens", () => {
    const source = server(here, "AF_INET", "time.sleep(600)");
    const app = board.repo(
      undefined,
      named("port", { "app.py": source }, "PIKU_HEALTHCHECK=false\n"),
    );
    expect(ok(board.push(app, "port")).output).not.toContain("does not answer");
  });

  story("a release that answers with an error is live, and the pusher is told", () => {
    const error = probeSource("one").replace('status, body = "200 OK"', 'status, body = "@"');
    for (const [name, probe, status, words] of [
      ["ill-web", webProbe, "500 Broken", /answers with an error of its own \(500\) for \//],
      [
        "name-web",
        webProbe,
        "400 Bad Request",
        /may not know its name \(Django: ALLOWED_HOSTS\) \(400\)/,
      ],
      ["ill-wsgi", wsgiProbe, "503 Down", /answers with an error of its own \(503\) for \//],
    ] as const) {
      const files = { ...probe(`${name}.test`), "app.py": error.replace("@", status) };
      const { output } = ok(board.push(board.repo(undefined, files), name));
      expect(output).toMatch(words);
      expect(output).toContain("is live");
    }
  });

  story("a folder of static files or of php that is not there is refused", () => {
    // An installed board has no plugin for PHP before somebody installs it.
    for (const kind of board.isInstalled ? ["static"] : ["static", "php"]) {
      const Procfile = `${kind}: public\n`;
      const app = board.repo(undefined, named(`no-${kind}`, { Procfile, "site/index.html": "x" }));
      expect(fails(board.push(app, `no-${kind}`), 1).output).toMatch(
        /the folder 'public' of '\w+' is neither in the repository nor made by its build(.*\n)*.*site/,
      );
    }
  });

  onlyLong(story)("what an app has started in a session of its own ends with it", () => {
    const pids = `${board.folder}/pids`;
    const note = `echo $$ >>${board.inside(pids)}; exec sleep 1000`;
    const detach = `import os, subprocess
subprocess.Popen(["sh", "-c", "${note}"], start_new_session=True)
subprocess.Popen(["setsid", "env", "-i", "/bin/sh", "-c", "${note}"])
subprocess.Popen("(setsid sh -c '${note}' &)", shell=True)
`;
    const started = (count: number) =>
      eventually(() => {
        const found = fs.existsSync(pids)
          ? fs.readFileSync(pids, "utf8").trim().split("\n").map(Number)
          : [];
        expect(found).toHaveLength(count);
        return found.slice(-3).map((pid) => board.pidOf(pid));
      });
    const gone = (those: number[]) =>
      eventually(() => expect(those.filter((pid) => alive(pid))).toEqual([]));
    for (const [name, probe] of [
      ["own-web", webProbe],
      ["own-wsgi", wsgiProbe],
    ] as const) {
      fs.rmSync(pids, { force: true });
      const files = probe(`${name}.test`);
      const source = `${detach}${files["app.py"]}`;
      const app = board.repo(undefined, { ...files, "app.py": source });
      ok(board.push(app, name));
      const first = started(3);
      expect(ok(board.ssh("ps", name)).stdout).toMatch(/sleep \(\d+\) was started by w\w+\.1/);
      app.commit("Second", { "app.py": `${source}# two\n` });
      ok(board.push(app, name));
      gone(first);
      const second = started(6);
      expect(second.every((pid) => alive(pid))).toBe(true);
      ok(board.ssh("restart", name));
      gone(second);
      const third = started(9);
      app.commit("Broken", { "app.py": `${detach}raise SystemExit("no")\n` });
      const { output } = fails(board.push(app, name), 1);
      // What has cleaned its environment and has lost its parent may be anybody's: it is told.
      const told = [...output.matchAll(/sleep runs in the directory .* kill (\d+)/g)];
      expect(told).not.toEqual([]);
      for (const [, pid] of told) kill(board.pidOf(Number(pid)), "SIGKILL");
      expect(third.every((pid) => alive(pid))).toBe(true);
      ok(board.ssh("stop", name));
      gone(third);
      ok(board.ssh("restart", name));
      ok(board.ssh("destroy", name));
      for (const pid of fs.readFileSync(pids, "utf8").trim().split("\n").map(Number))
        gone([board.pidOf(pid)]);
    }
  });

  story("a kind that ends is scaled to 0 before the first push, as the refusal says", () => {
    const files = named("oneoff", {
      Procfile: 'web: exec python3 app.py\nconsole: python3 -c "print(42)"\n',
      "app.py": server(here, "AF_INET", answers),
    });
    const app = board.repo(undefined, files);
    expect(fails(board.push(app, "oneoff"), 1).output).toMatch(
      /console\.1.*\n(.*\n)*.*goes on until it is stopped.*ps:scale oneoff console=0, and push again/,
    );
    expect(ok(board.ssh("ps:scale", "oneoff", "console=0")).output).toContain("its first push");
    ok(board.push(app, "oneoff"));
    expect(ok(board.ssh("ps", "oneoff")).stdout).toContain("console:0\n");
    // The same without a push that failed before.
    ok(board.ssh("ps:scale", "oneoff-two", "console=0"));
    ok(board.push(board.repo(undefined, { ...files, ENV: "" }), "oneoff-two"));
  });
}, longOnAnyBoard);
