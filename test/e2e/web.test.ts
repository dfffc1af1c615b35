/** The nginx that is piku's own, under what people and apps do to its files and its connections. */
import { expect } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import { webProbe } from "./probe.ts";
import { eventually, fails, freePorts, list, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";
import { asking, sshing, watching } from "./watch.ts";

stories((board, story) => {
  const site = (name: string) => `${board.pikuRoot}/nginx/${name}.conf`;
  const findings = () =>
    JSON.parse(board.ssh("doctor", "--json").stdout) as {
      check: string;
      ok: boolean;
      says: string;
      remedy?: string;
    }[];

  story(
    "40 changes of a site in a row: each takes, and no request of another app fails",
    async () => {
      ok(board.push(board.repo(undefined, webProbe("calm.test")), "calm"));
      ok(board.push(board.repo("static", { ENV: "NGINX_SERVER_NAME=busy.test\n" }), "busy"));
      const watch = watching(board, "calm.test");
      for (let i = 0; i < 40; i++) {
        ok(await sshing(board, "config:set", "busy", `NGINX_SERVER_NAME=busy-${i}.test`));
        expect(await asking(board, `busy-${i}.test`, "/")).toStartWith("200 ");
      }
      const { asked, failed } = await watch();
      expect(failed).toEqual([]);
      expect(asked).toBeGreaterThan(500);
      ok(board.ssh("config:set", "busy", "NGINX_SERVER_NAME=busy.test"));
    },
  );

  story(
    "an app that fills the folder of sites with junk kept all others from changing theirs",
    () => {
      fs.writeFileSync(site("zz"), "no such directive;\n");
      const pushed = ok(board.ssh("config:set", "busy", "NGINX_SERVER_NAME=other.test")).output;
      expect(pushed).toContain(
        `nginx refuses the site of 'zz', which was set aside: unknown directive "no" in zz.conf:1`,
      );
      expect(board.get("/", { host: "other.test" }).status).toBe(200);
      expect(findings().find(({ check, ok }) => check === "sites" && !ok)).toMatchObject({
        says: `the site of 'zz' is set aside, since nginx refuses it: unknown directive "no" in zz.conf:1`,
        remedy: "deploy zz, or destroy it",
      });
      for (const ending of ["refused", "refusal"])
        fs.rmSync(`${board.pikuRoot}/nginx/zz.${ending}`);
      expect(findings().filter(({ check, ok }) => check === "sites" && !ok)).toEqual([]);
    },
  );

  const tricks: [title: string, script: string][] = [
    ["a folder", "mkdir nginx/trick.conf"],
    ["a pipe", "mkfifo nginx/trick.conf"],
    ["a link to a device", "ln -s /dev/zero nginx/trick.conf"],
    ["a link to nothing", "ln -s /nowhere nginx/trick.conf"],
    ["a file that nobody may read", "echo x >nginx/trick.conf && chmod 0 nginx/trick.conf"],
    ["a file of 5 MB", "yes junk | head -c 5000000 >nginx/trick.conf"],
    ["junk with a blank and a quote in its name", `echo junk >"nginx/it's a trick.conf"`],
    ["junk with a name of 250 letters", `echo junk >nginx/trick${"k".repeat(240)}.conf`],
    ["junk with a name that is no text", "echo junk >nginx/$(printf 'trick\\377').conf"],
    [
      "a pipe in place of a log of a site",
      "rm -f logs/calm/nginx.access.log && mkfifo logs/calm/nginx.access.log",
    ],
    [
      "30 files of junk",
      "for i in $(seq 30); do echo 'log_format main $nothing;' >nginx/trick$i.conf; done",
    ],
    ["nginx's log removed", "rm web/error.log && echo junk >nginx/trick.conf"],
    [
      "a folder in place of nginx's log",
      "rm -f web/error.log && mkdir web/error.log && echo junk >nginx/trick.conf",
    ],
    ["a pipe in place of nginx's log", "rm -rf web/error.log && mkfifo web/error.log"],
    ["another process's number", "sleep 1000 & echo $! >web/nginx.pid"],
    ["nginx's folder removed", "rm -r web"],
  ];
  for (const [i, [title, script]] of tricks.entries())
    story(`an app's trick with nginx's files stops no other app: ${title}`, () => {
      ok(
        board.on([
          "sh",
          "-c",
          `cd ${board.inside(board.pikuRoot)} && { ${script}; } >/dev/null 2>&1`,
        ]),
      );
      ok(board.ssh("config:set", "busy", `NGINX_SERVER_NAME=trick${i}.test`));
      expect(board.get("/", { host: `trick${i}.test` }).status).toBe(200);
      expect(board.get("/", { host: "calm.test" }).body).toBe("one");
      ok(board.on(["sh", "-c", `cd ${board.inside(board.pikuRoot)}/nginx && rm -rf *trick*`]));
    });

  story("a site that somebody spoilt is put right by the next change of another's", () => {
    const before = read(site("calm"));
    fs.writeFileSync(site("calm"), `${before}nonsense\n`);
    ok(board.ssh("config:set", "busy", "NGINX_SERVER_NAME=busy.test"));
    expect(read(site("calm"))).toBe(before);
    expect(board.get("/", { host: "calm.test" }).body).toBe("one");
  });

  story("what nginx refuses comes back in its own words, and the site is as it was", () => {
    const app = board.repo("static", {
      ENV: "NGINX_SERVER_NAME=inc.test\nNGINX_INCLUDE_FILE=extra.conf\n",
      "extra.conf": "expires never;\n",
    });
    const refused = fails(board.push(app, "inc"), 1).output;
    expect(refused).toMatch(
      /nginx refuses the site of app 'inc': "expires" directive invalid value in inc\.conf:\d+/,
    );
    expect(list(`${board.pikuRoot}/nginx`).filter((name) => name.startsWith("inc"))).toEqual([]);
    app.commit("Mend", { "extra.conf": "expires 1h;\n" });
    ok(board.push(app, "inc"));
    expect(board.get("/", { host: "inc.test" }).headers.expires).toBeDefined();
    app.commit("Break", { "extra.conf": "expires never;\n" });
    fails(board.push(app, "inc"), 1);
    expect(read(site("inc"))).toContain("expires 1h;");
    expect(board.get("/", { host: "inc.test" }).headers.expires).toBeDefined();
  });

  story("a port that another program has is named, and what was there goes on", async () => {
    const [port = 0] = freePorts(1);
    const end = board.begin(["python3", "-m", "http.server", "--bind", "127.0.0.1", String(port)]);
    eventually(() => expect(board.get("/", { port, local: true }).status).toBe(200));
    const app = board.repo("static", {
      ENV: "NGINX_SERVER_NAME=port.test\nNGINX_INCLUDE_FILE=extra.conf\n",
      "extra.conf": `listen 127.0.0.1:${port};\n`,
    });
    expect(fails(board.push(app, "port"), 1).output).toContain(
      `nginx refuses the site of app 'port': bind() to 127.0.0.1:${port} failed (98: Address already in use)`,
    );
    end();
    ok(board.push(app, "port"));
    expect(board.get("/", { port, host: "port.test", local: true }).status).toBe(200);
  });

  story(
    "1,700 connections of one address that say nothing, or little, kept everybody out",
    async () => {
      const sockets = Array.from({ length: 1700 }, (_, i) => {
        const socket = net.connect(board.httpPort, board.address);
        socket.on("error", () => {});
        if (i % 2 === 0)
          socket.on("connect", () => socket.write("GET / HTTP/1.1\r\nHost: calm.test\r\n"));
        return socket;
      });
      await Bun.sleep(1000);
      const answers = Array.from({ length: 5 }, () => board.get("/", { host: "calm.test" }).status);
      for (const socket of sockets) socket.destroy();
      expect(answers).toEqual([200, 200, 200, 200, 200]);
    },
  );
}, longOnAnyBoard);
