import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { pathsOf } from "../../../src/app/paths.ts";
import { isStopped, stoppedFile } from "../../../src/app/releases.ts";
import { recover } from "../../../src/deploy/recover.ts";
import { stop } from "../../../src/deploy/stop.ts";
import { markStarted } from "../../../src/deploy/stopped.ts";
import {
  closeSite,
  isClosed,
  maintenanceFile,
  openSite,
  settlePage,
} from "../../../src/site/maintenance.ts";
import { renderPage } from "../../../src/site/page.ts";
import { memoryHost } from "../../host/memory.ts";

/** What is done to an app, and what else may happen to it. */
const events = {
  "maintenance:on": closes,
  "maintenance:off": opens,
  stop,
  restart: markStarted,
  reboot: recover,
  // A stop that ends when only its mark is there, and a start that ends when its mark is gone.
  "half a stop": (host, app) => host.write(stoppedFile(app), ""),
  "half a start": (host, app) => host.remove(stoppedFile(app)),
  "a page of an older piku": (host, app) => host.write(maintenanceFile(app), "<p>Back soon</p>"),
} satisfies Record<string, typeof recover>;

function closes(...[host, app]: Parameters<typeof recover>) {
  closeSite(host, app, "Back soon");
}

function opens(...[host, app]: Parameters<typeof recover>) {
  openSite(host, app, isStopped(host, app));
}

test.each<[(keyof typeof events)[], "open" | "closed" | "stopped"]>([
  [[], "open"],
  [["maintenance:on"], "closed"],
  [["maintenance:on", "maintenance:off"], "open"],
  [["maintenance:on", "reboot"], "closed"],
  [["maintenance:on", "restart"], "closed"],
  [["maintenance:on", "stop"], "closed"],
  [["maintenance:on", "stop", "reboot"], "closed"],
  [["maintenance:on", "stop", "maintenance:off"], "stopped"],
  [["maintenance:on", "stop", "maintenance:off", "restart"], "open"],
  [["maintenance:on", "stop", "restart"], "closed"],
  [["maintenance:on", "stop", "restart", "maintenance:off"], "open"],
  [["stop"], "stopped"],
  [["stop", "stop"], "stopped"],
  [["stop", "reboot"], "stopped"],
  [["stop", "restart"], "open"],
  [["stop", "restart", "reboot"], "open"],
  [["stop", "maintenance:on"], "closed"],
  [["stop", "maintenance:on", "reboot", "maintenance:off"], "stopped"],
  [["stop", "maintenance:off"], "stopped"],
  [["stop", "maintenance:on", "restart"], "closed"],
  [["stop", "maintenance:on", "restart", "maintenance:off"], "open"],
  [["half a stop", "reboot"], "stopped"],
  [["maintenance:on", "half a stop", "reboot"], "closed"],
  [["stop", "half a start", "reboot"], "open"],
  [["a page of an older piku", "stop"], "closed"],
  [["a page of an older piku", "restart"], "closed"],
  [["a page of an older piku", "stop", "maintenance:off"], "stopped"],
  [["a page of an older piku", "maintenance:off"], "open"],
])("%j", (done, expected) => {
  const env = { HOME: "/home/piku", PIKU_ROOT: "/p" };
  const host = memoryHost({
    env,
    files: { "/p/releases/blog/1.log": "", "/p/sockets/blog.b": "" },
  });
  const app = appOf(pathsOf(host), "blog");
  for (const event of done) events[event](host, app);
  const page = host.read(maintenanceFile(app));
  const seen =
    page === undefined ? "open" : page.includes("This app is stopped.") ? "stopped" : "closed";
  expect([seen, isClosed(host, app)]).toEqual([expected, expected === "closed"]);
});

test("a page says what somebody wrote, and nothing of it is HTML", () => {
  const page = renderPage({ title: "<i>", says: ["<b> & 'x'\n\"y\""] });
  expect(page).toContain("<p>&lt;b&gt; &amp; &#39;x&#39;<br>&quot;y&quot;</p>");
  expect(page).toContain("<title>&lt;i&gt;</title>");
});

test("a page that stays as it is is not written again", () => {
  const host = memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: "/p" } });
  const app = appOf(pathsOf(host), "blog");
  settlePage(host, app, true);
  const { inode } = host.stat(maintenanceFile(app))!;
  settlePage(host, app, true);
  expect(host.stat(maintenanceFile(app))?.inode).toBe(inode);
});
