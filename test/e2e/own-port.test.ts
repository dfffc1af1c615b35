import { expect } from "bun:test";
import { freePorts } from "./board.ts";
import { probeSource, webProbe } from "./probe.ts";
import { fails, ok, type Repo } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

/** Apps that have no name: nginx serves each on a port of its own. */
stories((board, story) => {
  const [first] = freePorts(1) as [number];
  const nameless = (...more: string[]) => ({ ...webProbe("", "one"), ENV: more.join("\n") });
  const page = (port: number, path = "/") => board.get(path, { port });
  const portIn = (output: string) => Number(/-----> http:\/\/[\d.]+:(\d+)\/ *$/m.exec(output)?.[1]);
  let app: Repo;
  let port = 0;

  story("on loopback, or with PIKU_FIRST_PORT=false, an app gets none", () => {
    app = board.repo(undefined, nameless());
    expect(ok(board.push(app, "before")).output).toContain("on the server itself only");
    ok(board.ssh("config:set", "--global", `PIKU_FIRST_PORT=${first}`));
    app.commit("Again");
    // It has been live without one.
    expect(ok(board.push(app, "before")).output).toContain("on the server itself only");
  });

  story("a first push without a name prints an address that opens", () => {
    port = portIn(ok(board.push(app, "first")).output);
    expect(port).toBeGreaterThanOrEqual(first);
    expect(page(port).body).toBe("one");
    const listed = JSON.parse(ok(board.ssh("apps", "--json")).stdout) as {
      app: string;
      url: string;
    }[];
    expect(listed.find((one) => one.app === "first")?.url).toBe(`http://127.0.0.1:${port}/`);
    expect(board.ssh("doctor").stdout).toMatch(/^ok +sites/m);
  });

  story("the next app gets another port, and a page of files its own", () => {
    const second = portIn(ok(board.push(app, "second")).output);
    expect(second).not.toBe(port);
    const files = board.repo(undefined, { Procfile: "static: /\n", "index.html": "a page" });
    const third = portIn(ok(board.push(files, "files")).output);
    expect(page(third).body).toBe("a page");
    expect(page(second).body).toBe("one");
    expect(page(port).body).toBe("one");
  });

  story(
    "the port stays: after a push, a rollback and a restart, and without a failed request",
    async () => {
      app.commit("Two", { "app.py": probeSource("two") });
      const failed: number[] = [];
      let ended = false;
      const asking = (async () => {
        for (; !ended; await Bun.sleep(10)) {
          const { status } = await fetch(`http://127.0.0.1:${port}/`, { proxy: "" });
          if (status !== 200) failed.push(status);
        }
      })();
      const pushed = await board.pushing(app, "first");
      ended = true;
      await asking;
      expect(portIn(ok(pushed).output)).toBe(port);
      expect(failed).toEqual([]);
      expect(page(port).body).toBe("two");
      ok(board.ssh("rollback", "first"));
      expect(page(port).body).toBe("one");
      ok(board.ssh("restart", "first"));
      expect(page(port).body).toBe("one");
    },
  );

  story("the app is told the host and the port that the visitor typed", () => {
    const { body } = page(port, "/headers");
    expect(body.toLowerCase()).toContain(`http_host=127.0.0.1:${port}`);
  });

  story("a name takes the port's place, and without it the port is back", () => {
    ok(board.ssh("config:set", "first", "NGINX_SERVER_NAME=first.test"));
    expect(board.get("/", { host: "first.test" }).body).toBe("one");
    expect(page(port).status).toBe(0);
    ok(board.ssh("config:unset", "first", "NGINX_SERVER_NAME"));
    expect(page(port).body).toBe("one");
  });

  story("PORT, BIND_ADDRESS and an empty name keep an app from getting one", () => {
    const [fixed] = freePorts(1);
    for (const [name, line] of Object.entries({
      fixed: `PORT=${fixed}`,
      bound: "BIND_ADDRESS=127.0.0.1",
      hidden: "NGINX_SERVER_NAME=",
    })) {
      const repo = board.repo(undefined, nameless(line));
      expect([name, portIn(ok(board.push(repo, name)).output)]).toEqual([name, Number.NaN]);
    }
  });

  story("a port is free again when its app is gone for good", () => {
    ok(board.ssh("destroy", "first", "--purge"));
    expect(page(port).status).toBe(0);
    expect(portIn(ok(board.push(app, "later")).output)).toBe(port);
  });

  story("what cannot be a port is refused", () => {
    const refused = fails(board.ssh("config:set", "--global", "PIKU_FIRST_PORT=80000"));
    expect(refused.output).toContain("write a port such as 8001, or false");
  });
}, unlessLong);
