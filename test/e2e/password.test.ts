import { expect } from "bun:test";
import { webProbe, wsgiProbe } from "./probe.ts";
import { fails, ok } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

/** A password for an app, or for the whole board. */
stories((board, story) => {
  const login = (user: string, word: string) => ({
    Authorization: `Basic ${Buffer.from(`${user}:${word}`).toString("base64")}`,
  });
  const get = (host: string, headers: Record<string, string> = {}, page = "/") =>
    board.get(page, { host, headers });
  const statuses = (host: string, word: string) => [
    get(host).status,
    get(host, login("piku", word)).status,
    get(host, login("piku", "wrong")).status,
  ];

  story("config:set PIKU_PASSWORD closes an app, and keeps a hash only", () => {
    ok(board.push(board.repo(undefined, webProbe("closed.test")), "closed"));
    ok(board.ssh("config:set", "closed", "PIKU_PASSWORD=open sesame"));
    expect(statuses("closed.test", "open sesame")).toEqual([401, 200, 401]);
    expect(get("closed.test", login("closed", "open sesame")).body).toBe("one");
    const kept = board.run(["grep", "-r", "open sesame", board.pikuRoot]).stdout;
    expect(kept).toBe("");
    expect(ok(board.ssh("config:get", "closed", "PIKU_PASSWORD")).stdout).toStartWith("$apr1$");
  });

  story("the app does not get it", () => {
    const { status } = get("closed.test", login("piku", "open sesame"), "/env/PIKU_PASSWORD");
    expect(status).toBe(404);
    expect(ok(board.ssh("config:live", "closed")).stdout).not.toContain("PIKU_PASSWORD");
  });

  story("an authority's challenges are answered without", () => {
    expect(get("closed.test", {}, "/.well-known/acme-challenge/none").status).toBe(404);
  });

  story("another password counts at once, and none opens the app", () => {
    ok(board.ssh("config:set", "closed", "PIKU_PASSWORD=second"));
    expect(statuses("closed.test", "second")).toEqual([401, 200, 401]);
    expect(get("closed.test", login("piku", "open sesame")).status).toBe(401);
    ok(board.ssh("config:unset", "closed", "PIKU_PASSWORD"));
    expect(get("closed.test").status).toBe(200);
  });

  story("a word in the repository's ENV is refused, with what to type", () => {
    const repo = board.repo(undefined, wsgiProbe("word.test"));
    repo.commit("A password", { ENV: "NGINX_SERVER_NAME=word.test\nPIKU_PASSWORD=secret\n" });
    const { output } = fails(board.push(repo, "word"));
    expect(output).toContain("config:set APP PIKU_PASSWORD=");
  });

  story(
    "for the whole board it closes the apps and the board's page; an empty one opens an app",
    () => {
      ok(board.push(board.repo(undefined, webProbe("open.test")), "open"));
      expect(get("127.0.0.1").status).toBe(200);
      ok(board.ssh("config:set", "--global", "PIKU_PASSWORD=class"));
      ok(board.ssh("restart", "closed"));
      ok(board.ssh("config:set", "open", "PIKU_PASSWORD="));
      expect(statuses("127.0.0.1", "class")).toEqual([401, 200, 401]);
      expect(statuses("closed.test", "class")).toEqual([401, 200, 401]);
      expect(get("open.test").status).toBe(200);
      expect(get("nobody.test").status).toBe(404);
      ok(board.ssh("config:unset", "--global", "PIKU_PASSWORD"));
      expect(get("127.0.0.1").status).toBe(200);
    },
  );
}, unlessLong);
