import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { fails, ok, type Ran } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";
import { asking, sshing } from "./watch.ts";

stories((board, story) => {
  const get = (url = "/", how = {}) => board.get(url, { host: "blog.test", ...how });
  let app: ReturnType<typeof board.repo>;

  story("maintenance:on shows a page in the place of everything, maintenance:off ends it", () => {
    // Error pages of the app's own do not take the place of this one.
    const own = "error_page 404 503 /missing;\nlocation /own { error_page 500 /broken; }\n";
    const files = { ...webProbe("blog.test"), "public/a.txt": "file", "errors.conf": own };
    app = board.repo(undefined, {
      ...files,
      ENV: "NGINX_SERVER_NAME=blog.test\nNGINX_STATIC_PATHS=/public:public\nNGINX_INCLUDE_FILE=errors.conf\n",
    });
    ok(board.push(app, "blog"));
    expect(get("/public/a.txt").body).toBe("file");
    expect(get("/.piku-maintenance").status).toBe(404);
    ok(board.ssh("maintenance:on", "blog", "--message", "Back <b>soon</b> & 'well'"));
    for (const [url, how] of [
      ["/", {}],
      ["/public/a.txt", {}],
      ["/.git/config", {}],
      // A `$` of PCRE's also stands before a line break at the end.
      ["/.piku-maintenance%0a", {}],
      ["/", { https: true }],
      ["/own", {}],
    ] as const) {
      const { status, headers, body } = get(url, how);
      expect([status, headers["retry-after"], headers["cache-control"]]).toEqual([
        503,
        "300",
        "no-store",
      ]);
      expect(headers["content-type"]).toStartWith("text/html");
      expect(body).toContain("<p>Back &lt;b&gt;soon&lt;/b&gt; &amp; &#39;well&#39;</p>");
    }
    const posted = [
      "curl",
      "-s",
      "-d",
      "a=b",
      "-H",
      "Host: blog.test",
      board.url(board.address, "/form"),
    ];
    expect(ok(board.run(posted)).stdout).toContain("Back &lt;b&gt;soon");
    // A certificate is renewed all the same.
    const challenges = `${board.pikuRoot}/acme/.well-known/acme-challenge`;
    fs.mkdirSync(challenges, { recursive: true });
    fs.writeFileSync(`${challenges}/token`, "answer");
    expect(get("/.well-known/acme-challenge/token").body).toBe("answer");
    ok(board.ssh("maintenance:off", "blog"));
    expect([get().body, get("/public/a.txt").body]).toEqual(["one", "file"]);
    expect(ok(board.ssh("maintenance:off", "blog")).stdout).toContain("was not closed");
  });

  story(
    "a closed app stays closed over a push, config:set and stop, and is there when it is opened",
    () => {
      ok(board.ssh("maintenance:on", "blog"));
      app.commit("Two", { "app.py": probeSource("two") });
      expect(ok(board.push(app, "blog")).output).toContain("to open it: maintenance:off blog");
      expect(get().status).toBe(503);
      ok(board.ssh("stop", "blog"));
      expect([get().status, get().body.includes("come back")]).toEqual([503, true]);
      ok(board.ssh("config:set", "blog", "NGINX_HTTPS_ONLY=true"));
      expect([get().status, get("/", { https: true }).status]).toEqual([301, 503]);
      ok(board.ssh("maintenance:off", "blog"));
      expect(get("/", { https: true }).body).toBe("two");
    },
  );

  story("no request fails while it is switched", async () => {
    ok(board.push(board.repo(undefined, wsgiProbe("shop.test")), "shop"));
    const seen = { open: 0, closed: 0, bare: 0, other: [] as string[] };
    let ended = false;
    const visitors = Array.from({ length: 4 }, async () => {
      while (!ended) {
        const answer = await asking(board, "shop.test", "/");
        if (answer === "200 one") seen.open++;
        else if (answer.startsWith("503 ") && answer.includes("being worked on")) seen.closed++;
        else if (answer.startsWith("503 ")) seen.bare++;
        else seen.other.push(answer.slice(0, 200));
      }
    });
    const said: Ran[] = [];
    for (let i = 0; i < 4; i++)
      for (const word of ["on", "off"])
        said.push(await sshing(board, `maintenance:${word}`, "shop"));
    ended = true;
    await Promise.all(visitors);
    said.forEach(ok);
    console.log(`       8 switches: ${JSON.stringify(seen)}`);
    expect(seen.other).toEqual([]);
    expect(Math.min(seen.open, seen.closed)).toBeGreaterThan(100);
    // Its page may go between the look at the file and its being read.
    expect(seen.bare).toBeLessThanOrEqual(4);
  });

  story("an app without a site cannot be closed, and a site from before is named", () => {
    ok(board.push(board.repo(undefined, { Procfile: "worker: exec sleep 1000\n" }), "nosite"));
    expect(fails(board.ssh("maintenance:on", "nosite"), 1).stderr).toContain("no site");
    const site = `${board.pikuRoot}/nginx/shop.conf`;
    fs.writeFileSync(site, fs.readFileSync(site, "utf8").replaceAll("shop.html", "x"));
    expect(fails(board.ssh("maintenance:on", "shop"), 1).stderr).toContain("restart shop");
    fails(board.ssh("maintenance:on", "nobody"), 1);
  });

  story("destroy asks for the name on a terminal, and for nothing elsewhere; data stays", () => {
    const terminal = (line: string, input: string) =>
      board.run(["ssh", "-tt", "board", line], { input });
    fs.writeFileSync(`${board.pikuRoot}/data/blog/kept`, "kept");
    ok(board.ssh("maintenance:on", "blog"));
    for (const typed of ["Blog\n", "blo\x04\x04"])
      expect(fails(terminal("destroy blog", typed), 1).output).toMatch(
        /Type its name to confirm: [\s\S]*nothing was removed/,
      );
    expect(get("/", { https: true }).status).toBe(503);
    ok(terminal("destroy blog", "blog\n"));
    expect(fs.readFileSync(`${board.pikuRoot}/data/blog/kept`, "utf8")).toBe("kept");
    expect(board.inventory().filter((name) => /\/blog\b/.test(name))).toEqual(["data/blog"]);
    expect(fs.existsSync(`${board.pikuRoot}/sockets/blog.html`)).toBe(false);
    ok(terminal("destroy nosite --force", ""));
    expect(ok(board.ssh("destroy", "shop")).output).not.toContain("Its name");
    expect(ok(board.ssh("apps")).stdout).toBe("");
  });
}, longOnAnyBoard);
