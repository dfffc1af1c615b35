import { expect } from "bun:test";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { fails, freePorts, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, skipped, stories } from "./story.ts";
import { running } from "./watch.ts";

/** Waits until something is so, for at most 10 seconds, and lets others go on meanwhile. */
async function waiting(isSo: () => boolean) {
  for (let i = 0; i < 200 && !isSo(); i++) await Bun.sleep(50);
  expect(isSo()).toBe(true);
}

stories((board, story) => {
  for (const [kind, probe] of [
    ["web", webProbe],
    ["wsgi", wsgiProbe],
  ] as const)
    story(
      `rollback brings back code and settings of a ${kind} app, and says how to go forward`,
      () => {
        const name = `back-${kind}`;
        const host = `${name}.test`;
        const app = board.repo(undefined, probe(host));
        ok(board.push(app, name));
        ok(board.ssh("config:set", name, "MODE=first"));
        app.commit("Second", { "app.py": probeSource("two") });
        ok(board.push(app, name));
        ok(board.ssh("config:set", name, "MODE=second"));
        expect(ok(board.ssh("rollback", name)).output).toContain(`deploy ${name}`);
        expect(board.get("/env/MODE", { host }).body).toBe("first");
        expect(board.get("/", { host }).body).toBe("two");
        ok(board.ssh("rollback", name, "2"));
        expect(board.get("/", { host }).body).toBe("one");
        expect(ok(board.ssh("config:get", name, "MODE")).stdout).toBe("first\n");
        expect(read(`${board.pikuRoot}/apps/${name}/app.py`)).toBe(probeSource("one"));
        ok(board.ssh("deploy", name));
        expect(board.get("/", { host }).body).toBe("two");
        expect(fails(board.ssh("rollback", name, "99"), 1).stderr).toContain("99");
        expect(board.get("/", { host }).body).toBe("two");
      },
    );

  story("releases lists what was live, and releases:output what was said", () => {
    const app = board.repo(undefined, webProbe("list.test"));
    ok(board.push(app, "list"));
    ok(board.ssh("config:set", "list", "SECRET=do-not-show"));
    app.commit("Broken", { "app.py": "raise SystemExit('no luck')\n" });
    fails(board.push(app, "list"));
    const { stdout } = ok(board.ssh("releases", "list"));
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^\*2 .*config:set SECRET {2}id@client {2}First$/);
    expect(lines[1]).toMatch(/1 .* push .*First$/);
    expect(stdout).not.toContain("do-not-show");
    const records = JSON.parse(ok(board.ssh("releases", "list", "--json")).stdout);
    expect(records[0]).toMatchObject({
      number: 2,
      cause: "config:set",
      changed: ["SECRET"],
      live: true,
    });
    expect(ok(board.ssh("releases:output", "list", "1")).stdout).toContain(
      "-----> Deploying app 'list'",
    );
    expect(ok(board.ssh("releases:output", "list", "3")).stdout).toContain("no luck");
    fails(board.ssh("releases:output", "list", "77"), 1);
    fails(board.ssh("releases:output", "list", "x"), 2);
  });

  story("PIKU_HEALTHCHECK: a path that does not answer well rejects the push", () => {
    for (const [kind, probe] of [
      ["web", webProbe],
      ["wsgi", wsgiProbe],
    ] as const) {
      const name = `well-${kind}`;
      const host = `${name}.test`;
      const ENV = `NGINX_SERVER_NAME=${host}\nPIKU_HEALTHCHECK=/env/GOOD\nPIKU_HEALTHCHECK_TIMEOUT=2\n`;
      const app = board.repo(undefined, { ...probe(host), ENV: `${ENV}GOOD=1\n` });
      ok(board.push(app, name));
      app.commit("Ill", { ENV });
      expect(fails(board.push(app, name)).output).toMatch(/\/env\/GOOD answers 404/);
      expect(board.get("/env/GOOD", { host }).body).toBe("1");
    }
  });

  story("an app that listens on another port is told so, and on which", () => {
    const [port] = freePorts(1);
    const ENV = `NGINX_SERVER_NAME=port.test\nPIKU_HEALTHCHECK_TIMEOUT=3\nWRONG=${port}\n`;
    const Procfile = "web: PORT=$WRONG exec python3 app.py\n";
    const app = board.repo(undefined, { ...webProbe("port.test"), ENV, Procfile });
    expect(fails(board.push(app, "port")).output).toMatch(
      new RegExp(`listens on port ${port} instead`),
    );
  });

  const stayingUp = "a web worker without a site only has to stay up";
  if (board.isInstalled)
    skipped(
      stayingUp,
      "on an installed board each web worker has a site, by a port of nginx's own",
    );
  else
    story(stayingUp, () => {
      const app = board.repo(undefined, { Procfile: "web: exec sleep 1000\n" });
      ok(board.push(app, "bot"));
      expect(ok(board.ssh("apps")).stdout).toContain("*bot\n");
    });

  for (const [step, lines] of [
    ["its build", { Procfile: "web: exec python3 app.py\npreflight: sleep 61\n" }],
    ["its start", { Procfile: "web: exec sleep 61\n" }],
  ] as const)
    story(`deploy:cancel ends a push in ${step}, and what was live stays live`, async () => {
      const name = `cancel-${step.split(" ")[1]}`;
      const host = `${name}.test`;
      expect(fails(board.ssh("deploy:cancel", name), 1).output).toContain("not found");
      const app = board.repo(undefined, webProbe(host));
      ok(board.push(app, name));
      expect(fails(board.ssh("deploy:cancel", name), 1).output).toContain("being deployed");
      app.commit("Slow", { ...lines, "app.py": probeSource("two") });
      const push = board.pushing(app, name);
      await waiting(() => running(board, "sleep 61").length > 0);
      expect(ok(board.ssh("deploy:cancel", name)).output).toContain("Release 1 is live");
      expect(fails(await push).output).toMatch(/the deploy was cancelled by id@client/);
      expect(running(board, "sleep 61")).toEqual([]);
      expect(board.get("/", { host }).body).toBe("one");
      app.commit("Mended", { Procfile: "web: exec python3 app.py\n" });
      ok(board.push(app, name));
      expect(board.get("/", { host }).body).toBe("two");
    });
}, longOnAnyBoard);
