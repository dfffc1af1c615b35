/**
 * From `git push` to the page in a real browser: Chromium on a second machine, the laptop. With
 * PIKU_PICTURES it writes the pictures of the docs, docs/img/*.png.
 */
import { afterAll, expect } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { ok } from "../e2e/board.ts";
import { dist, Machine, machines } from "./machine.ts";

const images = path.resolve(import.meta.dir, "../../docs/img");
const axe = Bun.resolveSync("axe-core/axe.min.js", import.meta.dir);

machines([{ arch: "amd64", suite: "bookworm", baked: true }], (board, story) => {
  const laptop = new Machine({ arch: "amd64", suite: "trixie" });
  afterAll(() => laptop.destroy(), 120_000);

  /** Chromium, which resolves names as its machine does: those below .local by mDNS. */
  const chromium = async (...words: string[]) => {
    const options = [
      "--headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=800,760",
      "--lang=en --virtual-time-budget=5000",
    ];
    const line = `chromium ${options.join(" ")} ${words.join(" ")} 2>/dev/null`;
    return ok(await laptop.sh(`cd /root && timeout 60 ${line}`)).stdout;
  };
  const open = (url: string) => chromium("--dump-dom", `'${url}'`);
  const picture = async (url: string, name: string) => {
    await chromium("--screenshot=/root/picture.png", `'${url}'`);
    const taken = fs.readFileSync(`${laptop.root}/root/picture.png`);
    expect(taken.length).toBeGreaterThan(3000);
    if (process.env.PIKU_PICTURES) fs.writeFileSync(`${images}/${name}.png`, taken);
  };
  /** What axe-core finds in a page, opened from a file with axe behind its content. */
  const violations = async (url: string, host = board.address) => {
    const html = ok(await laptop.run(["curl", "-s", "-H", `Host: ${host}`, url])).stdout;
    const report =
      "document.title = 'axe ' + JSON.stringify(found.violations.map((one) => one.id))";
    const run = `<script>${fs.readFileSync(axe, "utf8")}</script><script>axe.run().then((found) => { ${report} })</script>`;
    fs.writeFileSync(
      `${laptop.root}/root/axe.html`,
      html.replace("</body>", () => `${run}</body>`),
    );
    return /<title>(axe .*?)<\/title>/.exec(await open("file:///root/axe.html"))?.[1];
  };

  const get =
    "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends";
  const home = () => `http://${board.address}/`;
  let link = "";

  story("piku is installed, and a browser opens the board's page", async () => {
    await board.boot();
    await board.release(fs.readdirSync(dist));
    ok(await board.sh(`${get} avahi-daemon dbus && systemctl start dbus avahi-daemon`));
    ok(await board.sh("sh /root/release/install.sh --key /root/id.pub --hostname board"));
    await laptop.create();
    await laptop.boot();
    ok(await laptop.machine("cable", board.name));
    ok(await laptop.sh(`${get} chromium fonts-dejavu-core avahi-daemon dbus libnss-mdns`));
    ok(await laptop.sh("systemctl start dbus avahi-daemon"));
    expect(await open(home())).toContain("There are none yet.");
  });

  story("an app without any setting is pushed; its link on the page opens it", async () => {
    const page = { Procfile: "web: python3 app.py\n", "app.py": app, ENV: "" };
    const pushed = ok(await board.push("hello", undefined, page)).output;
    const printed = /-----> (http:\/\/[\d.]+:\d+\/)/.exec(pushed)?.[1];
    const dom = await open(home());
    link = /<a href="([^"]+)">hello<\/a>/.exec(dom)?.[1] ?? "";
    expect(link).toBe(printed!);
    expect(await open(link)).toContain("Hello from a very small computer");
    await picture(home(), "board-page");
  });

  story("the same by APP.local", async () => {
    ok(await board.ssh("config:set --global PIKU_DOMAIN=local"));
    const page = { Procfile: "web: python3 app.py\n", "app.py": app, ENV: "" };
    ok(await board.push("named", undefined, page));
    let found = "";
    for (let i = 0; i < 40 && found === ""; i++, await Bun.sleep(500))
      found = (await laptop.sh("getent ahostsv4 named.local")).stdout;
    const own = ok(await board.sh("hostname -I"))
      .stdout.trim()
      .split(" ");
    expect(own).toContain(found.split(" ")[0]!);
    expect(await open("http://named.local/")).toContain("Hello from a very small computer");
    expect(await open("http://board.local/")).toContain('<a href="http://named.local/">named</a>');
  });

  story("a stopped app's page says so", async () => {
    ok(await board.ssh("stop named"));
    expect(await open("http://named.local/")).toContain("This app is stopped.");
    expect(await open(home())).toMatch(/<li class="stopped"><a [^>]*>named</);
    await picture("http://named.local/", "stopped-page");
    ok(await board.ssh("restart named"));
    expect(await open("http://named.local/")).toContain("Hello from");
  });

  story(
    "axe-core finds nothing in the board's page and in those of an unknown and of a stopped app",
    async () => {
      expect(await violations(home())).toBe("axe []");
      expect(await violations(home(), "nobody.test")).toBe("axe []");
      ok(await board.ssh("stop named"));
      expect(await violations(home(), "named.local")).toBe("axe []");
    },
  );
});

const app = `import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"Hello from a very small computer")


HTTPServer((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])), Page).serve_forever()
`;
