/** Apps that leave memory when nobody asks for them (PIKU_IDLE), and are back for whoever asks. */
import { expect } from "bun:test";
import fs from "node:fs";
import { slowSource, wsgiProbe } from "./probe.ts";
import { alive, eventually, type Files, filesBelow, ok, read } from "./sandbox.ts";
import { onlyLong, skipped, stories, unlessLong } from "./story.ts";
import { hasPlugin } from "./tools.ts";
import { asking, running } from "./watch.ts";

/** A wsgi app that sleeps after two seconds, with a page that takes as long as its path says. */
const napping = (app: string, version = "one", settings = ""): Files => ({
  ...wsgiProbe(`${app}.test`, version),
  ENV: `NGINX_SERVER_NAME=${app}.test\nPIKU_IDLE=2s\nUWSGI_PROCESSES=1\n${settings}`,
});

interface Status {
  process: string;
  up: boolean;
  asleep?: boolean;
  restarts?: number;
  port?: number;
}

stories((board, story) => {
  const long = onlyLong(story);
  const ps = (app: string): Status[] => JSON.parse(ok(board.ssh("ps", app, "--json")).stdout);
  const wsgi = (app: string) => ps(app).find(({ process }) => process === "wsgi.1")!;
  const asleep = (app: string) => eventually(() => expect(wsgi(app).asleep).toBe(true), 20);
  const get = (app: string) => asking(board, `${app}.test`, "/");
  /** How many masters of its releases run. */
  const masters = (app: string) =>
    filesBelow(`${board.pikuRoot}/releases/${app}`).filter(
      (file) => file.endsWith("/wsgi.1.pid") && alive(Number(read(file))),
    ).length;

  story("an app that nobody asks for leaves memory, and the next request starts it", async () => {
    const files = { ...napping("nap"), Procfile: "wsgi: app:app\nworker: exec sleep 4321\n" };
    const pushed = ok(board.push(board.repo(undefined, files), "nap"));
    expect(pushed.stderr).not.toContain("Warning");
    const other = { ...napping("doze"), Procfile: "web: exec python3 app.py\n" };
    ok(board.push(board.repo(undefined, other), "doze"));
    expect(await get("nap")).toBe("200 one");
    expect(wsgi("nap")).toMatchObject({ up: true, restarts: 0 });
    expect(wsgi("nap").asleep).toBeUndefined();
    asleep("nap");
    expect(masters("nap")).toBe(0);
    expect(running(board, "sleep 4321")).toHaveLength(1);
    expect(wsgi("nap")).toEqual({ ...wsgi("nap"), up: true, asleep: true, restarts: 0 });
    expect(ok(board.ssh("ps", "nap")).stdout).toMatch(/^wsgi\.1 +asleep +0 restarts/m);
    expect(ok(board.ssh("apps")).stdout).toContain("*nap\n");
    expect(JSON.parse(ok(board.ssh("apps", "--json")).stdout)).toContainEqual(
      expect.objectContaining({ app: "nap", running: true, up: 2, asleep: 1, wanted: 2 }),
    );
    expect(board.ssh("doctor").output).not.toMatch(/wsgi\.1|sleeps/);
    // Nor does it wake anybody to see whether they answer.
    expect(wsgi("nap").asleep).toBe(true);
    // Nobody but piku and its nginx may wake it, or talk to it.
    expect(fs.statSync(`${board.pikuRoot}/sockets`).mode & 0o007).toBe(0);
    expect(await get("nap")).toBe("200 one");
    expect(wsgi("nap")).toMatchObject({ up: true, restarts: 0 });
    const web = () => ps("doze")[0]!;
    eventually(() => expect(web()).toMatchObject({ up: true, asleep: true, restarts: 0 }));
    expect(await get("doze")).toBe("200 one");
    expect(web()).toMatchObject({ up: true, restarts: 0 });
    expect(web().asleep).toBeUndefined();
  });

  const others = [
    ["php", "php", "php", "Hello from PHP\n"],
    ["ruby-rack", "rwsgi", "rack", "Hello from Rack\n"],
    ["java-jwsgi", "jwsgi", "jwsgi", "Hello from JWSGI, at /\n"],
  ] as const;
  for (const [example, kind, plugin, says] of others) {
    const title = `a ${kind} app sleeps, and is back for the next request`;
    if (!hasPlugin(plugin)) {
      skipped(title, `uWSGI's plugin ${plugin} is not installed`);
      continue;
    }
    long(title, () => {
      const name = `nap-${kind}`;
      ok(board.ssh("config:set", name, `NGINX_SERVER_NAME=${name}.test`, "PIKU_IDLE=3s"));
      ok(board.push(board.repo(example), name));
      const ask = () => board.get("/", { host: `${name}.test` }).body;
      const first = () => ps(name)[0]!;
      for (let i = 0; i < 2; i++) {
        expect(ask()).toBe(says);
        expect(first().asleep).toBeUndefined();
        eventually(
          () => expect(first()).toMatchObject({ asleep: true, up: true, restarts: 0 }),
          30,
        );
      }
      ok(board.ssh("destroy", name));
    });
  }

  long("no request of many is lost while an app falls asleep", async () => {
    const names = ["edge-a", "edge-b", "edge-web"];
    for (const name of names) {
      const kind: Files = name === "edge-web" ? { Procfile: "web: exec python3 app.py\n" } : {};
      ok(board.push(board.repo(undefined, { ...napping(name), ...kind }), name));
    }
    const asked: string[] = [];
    const end = performance.now() + (process.env.PIKU_LONG ? 120_000 : 12_000);
    await Promise.all(
      names.map(async (name) => {
        for (let i = 0; performance.now() < end; i++) {
          // uWSGI looks once a second, so it falls asleep in the fourth after the last request; what
          // brings connections to a port ends after two.
          await Bun.sleep(name === "edge-web" ? 1960 + 10 * (i % 9) : 2900 + 130 * (i % 9));
          const some = Array.from({ length: 10 }, (_, k) => Bun.sleep(8 * k).then(() => get(name)));
          asked.push(...(await Promise.all(some)));
        }
      }),
    );
    console.log(`${asked.length} requests at the edge of sleep`);
    expect(asked.length).toBeGreaterThan(80);
    expect(asked.filter((answer) => answer !== "200 one")).toEqual([]);
    const logs = ["edge-a", "edge-b"]
      .map((name) => read(`${board.pikuRoot}/logs/${name}/wsgi.1.log`))
      .join("");
    expect(logs.split("have been inactive").length).toBeGreaterThan(2);
  });

  long("a sleeping app is deployed, rolled back, restarted, stopped and destroyed", async () => {
    const repo = board.repo(undefined, napping("drowsy"));
    ok(board.push(repo, "drowsy"));
    asleep("drowsy");
    repo.commit("Two", napping("drowsy", "two"));
    ok(board.push(repo, "drowsy"));
    expect(await get("drowsy")).toBe("200 two");
    asleep("drowsy");
    ok(board.ssh("rollback", "drowsy"));
    expect(await get("drowsy")).toBe("200 one");
    asleep("drowsy");
    ok(board.ssh("restart", "drowsy"));
    expect(await get("drowsy")).toBe("200 one");
    asleep("drowsy");
    // A deploy that fails leaves it as it was, also where it had to be stopped first.
    ok(board.ssh("config:set", "drowsy", "PIKU_OVERLAP=false"));
    asleep("drowsy");
    repo.commit("Three", { "app.py": "import nowhere\n" });
    expect(board.push(repo, "drowsy").status).toBe(1);
    expect(wsgi("drowsy")).toMatchObject({ up: true, asleep: true });
    expect(await get("drowsy")).toBe("200 one");
    asleep("drowsy");
    ok(board.ssh("stop", "drowsy"));
    expect(await get("drowsy")).toStartWith("503 ");
    expect(ok(board.ssh("apps")).stdout).toContain(" drowsy\n");
    ok(board.ssh("restart", "drowsy"));
    expect(await get("drowsy")).toBe("200 one");
    asleep("drowsy");
    ok(board.ssh("destroy", "drowsy"));
    for (const folder of ["uwsgi-enabled", "sockets"])
      expect(fs.readdirSync(`${board.pikuRoot}/${folder}`).join(" ")).not.toContain("drowsy");
  });

  story("an app that does not start when it is woken is down, and its log says why", async () => {
    ok(board.push(board.repo(undefined, napping("broken")), "broken"));
    asleep("broken");
    const file = `${board.pikuRoot}/apps/broken/app.py`;
    const good = read(file);
    fs.writeFileSync(file, `raise OSError("the disk is gone")\n`);
    const answer = await get("broken");
    expect(answer).toStartWith("502 ");
    expect(answer).toContain("<html");
    eventually(() => expect(wsgi("broken")).toMatchObject({ up: false }));
    expect(ok(board.ssh("ps", "broken")).stdout).toMatch(/^wsgi\.1 +down/m);
    expect(ok(board.ssh("logs", "broken", "--no-follow")).stdout).toContain("the disk is gone");
    expect(board.ssh("doctor").output).toContain("wsgi.1 of app 'broken' is down");
    fs.writeFileSync(file, good);
    eventually(() => expect(board.get("/", { host: "broken.test" }).body).toBe("one"));
    expect(wsgi("broken")).toMatchObject({ up: true });
  });

  long("a long request keeps an app awake; walls and limits do not", async () => {
    const source = `import time\n\ndef app(environ, start_response):\n    path = environ["PATH_INFO"][1:]\n    time.sleep(int(path) if path.isdigit() else 0)\n    start_response("200 OK", [])\n    return [b"slept"]\n`;
    const walls = "PIKU_ISOLATION=true\nPIKU_PROCESSES=50\n";
    ok(
      board.push(
        board.repo(undefined, { ...napping("far", "one", walls), "app.py": source }),
        "far",
      ),
    );
    const web = {
      ...napping("slow"),
      Procfile: "web: exec python3 app.py\n",
      "app.py": slowSource,
    };
    ok(board.push(board.repo(undefined, web), "slow"));
    const long = [asking(board, "far.test", "/7"), asking(board, "slow.test", "/7")];
    await Bun.sleep(5500);
    expect(masters("far")).toBe(1);
    expect(running(board, "python3 app.py")).toHaveLength(1);
    expect(await Promise.all(long)).toEqual(["200 slept", "200 done"]);
    asleep("far");
    eventually(() => expect(ps("slow")[0]).toMatchObject({ up: true, asleep: true }));
    expect(masters("far")).toBe(0);
    expect(await get("far")).toBe("200 slept");
    expect(wsgi("far").asleep).toBeUndefined();
  });

  long("a web app sleeps too, and is asked by a socket that wakes it", async () => {
    const files = (version: string): Files => ({
      ...napping("port", version),
      Procfile: "web: exec python3 app.py\nworker: exec sleep 5432\n",
    });
    const web = () => ps("port").find(({ process }) => process === "web.1")!;
    const sleeps = () => eventually(() => expect(web().asleep).toBe(true), 20);
    const repo = board.repo(undefined, files("one"));
    expect(ok(board.push(repo, "port")).stderr).not.toContain("Warning");
    expect(await get("port")).toBe("200 one");
    expect(web()).toMatchObject({ up: true, restarts: 0 });
    sleeps();
    expect(running(board, "python3 app.py")).toHaveLength(0);
    expect(running(board, "sleep 5432")).toHaveLength(1);
    expect(board.ssh("doctor").output).not.toMatch(/web\.1|still runs/);
    const some = Array.from({ length: 10 }, () => get("port"));
    expect(new Set(await Promise.all(some))).toEqual(new Set(["200 one"]));
    expect(web()).toMatchObject({ up: true, restarts: 0 });
    expect(board.ssh("doctor").output).not.toMatch(/web\.1|still runs/);
    sleeps();
    const former = web().port;
    repo.commit("Two", files("two"));
    ok(board.push(repo, "port"));
    expect(await get("port")).toBe("200 two");
    // What brought connections to the former processes has ended with them.
    for (const left of [`${board.pikuRoot}/releases/port/run-1/web.1.sleep`, `127.0.0.1:${former}`])
      eventually(() => expect(running(board, left)).toHaveLength(0));
    sleeps();
    ok(board.ssh("rollback", "port"));
    expect(await get("port")).toBe("200 one");
    // Without it nginx asks the port again.
    ok(board.ssh("config:set", "port", "PIKU_IDLE=false"));
    expect(await get("port")).toBe("200 one");
    ok(board.ssh("config:set", "port", "PIKU_IDLE=2s", "PIKU_ISOLATION=true", "PIKU_PROCESSES=50"));
    expect(await get("port")).toBe("200 one");
    sleeps();
    expect(await get("port")).toBe("200 one");
    expect(board.ssh("doctor").output).not.toMatch(/web\.1|still runs/);
    const file = `${board.pikuRoot}/apps/port/app.py`;
    const good = read(file);
    sleeps();
    fs.writeFileSync(file, 'raise SystemExit("the disk is gone")\n');
    expect(await get("port")).toStartWith("502 ");
    eventually(() => expect(web()).toMatchObject({ up: false }), 20);
    expect(ok(board.ssh("logs", "port", "--no-follow")).stdout).toContain("the disk is gone");
    fs.writeFileSync(file, good);
    eventually(() => expect(board.get("/", { host: "port.test" }).body).toBe("one"), 30);
    ok(board.ssh("destroy", "port"));
    eventually(() => expect(running(board, "socket-proxyd")).toHaveLength(0));
  });

  long("a request that finds it awake takes at most 10 ms longer", async () => {
    const quiet = "import logging, sys; sys.stderr = open('/dev/null', 'w')\n";
    const kinds = { wsgi: "wsgi: app:app\n", web: "web: exec python3 app.py\n" };
    for (const [kind, Procfile] of Object.entries(kinds)) {
      const took: Record<string, number[]> = { plain: [], sleeps: [] };
      for (const how of Object.keys(took)) {
        const files = wsgiProbe(`${kind}-${how}.test`);
        const idle = how === "sleeps" ? "PIKU_IDLE=15m\n" : "";
        const more = {
          Procfile,
          ENV: `${files.ENV}${idle}`,
          "app.py": `${quiet}${files["app.py"]}`,
        };
        ok(board.push(board.repo(undefined, { ...files, ...more }), `${kind}-${how}`));
      }
      // Taking turns, so that what else the machine does falls on both.
      for (let i = 0; i < 2000; i++) {
        const how = i % 2 === 0 ? "plain" : "sleeps";
        const began = performance.now();
        expect(await get(`${kind}-${how}`)).toBe("200 one");
        took[how]!.push(performance.now() - began);
      }
      const [plain, sleeps] = Object.values(took).map((all) => {
        const sorted = all.sort((a, b) => a - b);
        return { median: sorted[500]!, most: sorted[990]! };
      }) as [{ median: number; most: number }, { median: number; most: number }];
      console.log(
        `${kind}: ${plain.median.toFixed(2)} ms, with PIKU_IDLE ${sleeps.median.toFixed(2)} ms (99%: ${plain.most.toFixed(1)}, ${sleeps.most.toFixed(1)})`,
      );
      expect(sleeps.median - plain.median).toBeLessThan(10);
    }
  });

  long("with an emperor of an earlier version no app sleeps, and doctor says so", async () => {
    const file = `${board.pikuRoot}/uwsgi/uwsgi.ini`;
    const ours = read(file);
    const again = async () => {
      await board.killEmperor();
      board.startEmperor();
    };
    fs.writeFileSync(file, ours.replace(/^(emperor-on-demand|env =|reload-mercy).*\n/gm, ""));
    await again();
    ok(board.push(board.repo(undefined, napping("early")), "early"));
    expect(await get("early")).toBe("200 one");
    await Bun.sleep(4500);
    expect(masters("early")).toBe(1);
    expect(board.ssh("doctor").output).toContain("no app sleeps (PIKU_IDLE)");
    ok(board.piku("recover"));
    expect(read(file)).toBe(ours);
    await again();
    // Its worker of before ends a moment after the emperor that was killed.
    eventually(() => expect(masters("early")).toBe(0));
    asleep("early");
    expect(await get("early")).toBe("200 one");
    expect(board.ssh("doctor").output).not.toContain("PIKU_IDLE");
  });
}, unlessLong);
