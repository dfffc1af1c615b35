import { expect } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import { webProbe } from "./probe.ts";
import { eventually, kill, ok } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";
import { running } from "./watch.ts";

/** The board's own page. */
stories((board, story) => {
  const hostname = os.hostname().split(".")[0]!;
  const home = (how: { host?: string; headers?: Record<string, string> } = {}) =>
    board.get("/", how);
  const unknown = "There is no site of this name on this board.";

  story("a fresh board's page says how to push to it", () => {
    ok(board.piku("setup"));
    const { status, body, headers } = home();
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(body).toContain("There are none yet.");
    expect(body).toContain(`@${board.address}:APP`);
    expect(body.length).toBeLessThan(20_000);
    expect(body).not.toContain("<!--#");
    expect(body).toContain('content: "● "');
  });

  story("it lists apps, with links that work from where the reader is", () => {
    ok(board.ssh("config:set", "--global", "PIKU_FIRST_PORT=8901"));
    ok(board.push(board.repo(undefined, webProbe("named.test")), "named"));
    const nameless = { ...webProbe(""), ENV: "" };
    ok(board.push(board.repo(undefined, nameless), "nameless"));
    ok(board.push(board.repo(undefined, { Procfile: "worker: sleep 1000\n" }), "bot"));
    const { body } = home();
    expect(body).toContain(`<a href="${board.url("named.test")}">named</a>`);
    const port = /<a href="http:\/\/127\.0\.0\.1:(\d+)\/">nameless<\/a>/.exec(body)?.[1];
    expect(board.get("/", { port: Number(port) }).body).toBe("one");
    expect(home({ host: `${hostname}.local` }).body).toContain(
      `http://${hostname.toLowerCase()}.local:${port}/`,
    );
    expect(body).toMatch(/bot\n<span>up, since <time datetime="[^"]+">[^<]+<\/time>, no page/);
  });

  story("it says what is stopped, closed and gone", () => {
    const stateOf = (app: string) =>
      new RegExp(`<li class="(\\w+)">(<a [^>]*>)?${app}[<\\n]`).exec(home().body)?.[1];
    expect(stateOf("named")).toBe("up");
    ok(board.ssh("stop", "named"));
    expect(stateOf("named")).toBe("stopped");
    ok(board.ssh("restart", "named"));
    ok(board.ssh("maintenance:on", "named"));
    expect(stateOf("named")).toBe("closed");
    ok(board.ssh("maintenance:off", "named"));
    expect(stateOf("named")).toBe("up");
    expect(stateOf("bot")).toBe("up");
    ok(board.ssh("destroy", "bot", "--force"));
    expect(stateOf("bot")).toBeUndefined();
  });

  story("an app that has died by itself shows so after the hourly run at the latest", () => {
    const line = "worker: test ! -e gone && exec sleep 1234\n";
    ok(board.push(board.repo(undefined, { Procfile: line }), "mortal"));
    const state = () => /<li class="(\w+)">mortal\n/.exec(home().body)?.[1];
    expect(state()).toBe("up");
    fs.writeFileSync(`${board.pikuRoot}/apps/mortal/gone`, "");
    for (const pid of running(board, "sleep 1234")) kill(pid, "SIGTERM");
    eventually(() => {
      ok(board.piku("daily", "--if-time"));
      expect(state()).toBe("down");
    });
    ok(board.ssh("destroy", "mortal", "--force"));
  });

  story("it speaks five languages, the reader's first one", () => {
    const heading = (language: string) =>
      /<html lang="(\w+)">[\s\S]*?<h2>(.*?)<\/h2>/
        .exec(home({ headers: { "Accept-Language": language } }).body)
        ?.slice(1);
    expect(heading("de-AT,de;q=0.9,en;q=0.8")).toEqual(["de", "Apps auf diesem Board"]);
    expect(heading("fr")).toEqual(["fr", "Applications sur cette carte"]);
    expect(heading("es-MX")).toEqual(["es", "Aplicaciones en esta placa"]);
    expect(heading("pt-BR")).toEqual(["pt", "Aplicações nesta placa"]);
    expect(heading("nl,de")).toEqual(["en", "Apps on this board"]);
  });

  story("strangers, tunnels and unknown names do not get it", () => {
    for (const name of ["X-Forwarded-For", "CF-Connecting-IP", "Forwarded"])
      expect(home({ headers: { [name]: "203.0.113.9" } })).toMatchObject({ status: 404 });
    expect(home({ host: "nobody.test" })).toMatchObject({ status: 404 });
    expect(home({ host: "nobody.test" }).body).toContain(unknown);
    expect(board.get("/index.html").status).toBe(404);
    expect(board.get("/for-all").status).toBe(404);
  });

  story("PIKU_PAGE=true shows it to everybody, false to nobody", () => {
    ok(board.ssh("config:set", "--global", "PIKU_PAGE=true"));
    expect(home({ headers: { "X-Forwarded-For": "203.0.113.9" } }).status).toBe(200);
    expect(home({ host: "nobody.test" }).status).toBe(404);
    ok(board.ssh("config:set", "--global", "PIKU_PAGE=false"));
    expect(home().status).toBe(404);
    expect(home().body).toContain(unknown);
    ok(board.ssh("config:unset", "--global", "PIKU_PAGE"));
    expect(home().status).toBe(200);
  });

  story(
    "an app that answers for unknown names comes first; the page has the board's own name",
    () => {
      ok(board.ssh("config:set", "nameless", "NGINX_DEFAULT=true"));
      expect(home().body).toBe("one");
      expect(home({ host: `${hostname}.local` }).body).toContain("Apps on this board");
      ok(board.ssh("config:unset", "nameless", "NGINX_DEFAULT"));
      expect(home().body).toContain("Apps on this board");
    },
  );

  story("names are shown as text", () => {
    const odd = `<!--#echo var="x"-->`;
    expect(home({ host: "127.0.0.1", headers: { "Accept-Language": odd } }).status).toBe(200);
    const typed = board.get("/", { headers: { Host: `${hostname}."><script>` } });
    expect(typed.body).not.toContain("<script>");
  });
}, unlessLong);
