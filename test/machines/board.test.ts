/**
 * What only an installed board shows, in the minutes that `npm test` has for it: a whole machine is
 * made a board by install.sh from dist/, and a class comes. `npm run test:machines` asks for more
 * of everything.
 */
import { expect } from "bun:test";
import { eventually, type Files, fails, ok, type Ran } from "../e2e/board.ts";
import { webProbe, wsgiProbe } from "../e2e/probe.ts";
import { installedStories } from "../e2e/story.ts";
import { watching } from "../e2e/watch.ts";
import type { InstalledBoard } from "./installed.ts";

const many = process.env.PIKU_LONG ? 40 : 12;
const class30 = Array.from({ length: 30 }, (_, i) => `pupil${i + 1}`);

/** Apps of every kind, by turns. */
const appOf = (name: string, i: number): Files =>
  [
    wsgiProbe(`${name}.test`, name),
    webProbe(`${name}.test`, name),
    { Procfile: "static: .\n", ENV: `NGINX_SERVER_NAME=${name}.test\n`, "index.html": name },
  ][i % 3]!;

installedStories((board, story) => {
  // What root leaves behind is to be seen.
  board.settles = false;
  const page = (name: string, one = board) => one.get("/", { host: `${name}.test` }).body;
  const live = (names: readonly string[], one = board) =>
    names.filter((name) => page(name, one) !== name);
  const doctor = (one = board) =>
    (JSON.parse(one.ssh("doctor", "--json").stdout) as { check: string; ok: boolean }[])
      // A machine in a container does not set its own clock.
      .filter((check) => !check.ok && check.check !== "clock");

  story("install.sh makes a board, and says each step", () => {
    const { stdout, stderr } = board.installation();
    expect(stdout).toMatch(/^-----> Getting piku-\S+ from /m);
    expect(stdout).toMatch(/^-----> Making the user piku$/m);
    expect(stdout).toMatch(/^-----> Done\. /m);
    expect(stderr).toBe("");
    expect(doctor()).toEqual([]);
  });

  story(
    "30 first pushes at once: 30 are live, and the app that was there misses no request",
    async () => {
      ok(board.push(board.repo(undefined, webProbe("before.test", "before")), "before"));
      const repos = class30.map((name, i) => board.repo(undefined, appOf(name, i)));
      const watch = watching(board, "before.test");
      const began = performance.now();
      const pushes = await Promise.all(repos.map((repo, i) => board.pushing(repo, class30[i]!)));
      console.log(`30 first pushes: ${((performance.now() - began) / 1000).toFixed(1)} s`);
      const { asked, failed } = await watch();
      expect(pushes.filter(({ status }) => status !== 0).map(({ output }) => output)).toEqual([]);
      expect(live(class30)).toEqual([]);
      expect(asked).toBeGreaterThan(100);
      expect(failed).toEqual([]);
      expect(doctor()).toEqual([]);
    },
  );

  story(
    `${many} site changes in a row: each is answered by its new name, by its former one no more`,
    () => {
      const change = (name: string) =>
        ok(board.ssh("config:set", "pupil1", `NGINX_SERVER_NAME=${name}.test`));
      for (let i = 1; i <= many; i++) {
        change(`name${i}`);
        expect(page(`name${i}`)).toBe("pupil1");
        if (i > 1) expect(page(`name${i - 1}`)).not.toBe("pupil1");
      }
      change("pupil1");
      expect(doctor()).toEqual([]);
    },
  );

  story("a backup of 12 apps comes back on a board that has nothing but piku", () => {
    const apps = class30.slice(0, 12);
    for (const name of class30.slice(12)) ok(board.ssh("destroy", name, "--force"));
    const file = `${board.folder}/board.tar.gz`;
    ok(board.run(["sh", "-c", `ssh board backup >${file}`], { limit: 120 }));
    const fresh = board.another();
    try {
      fresh.settles = false;
      fresh.start();
      const ran = ok(fresh.run(["sh", "-c", `ssh board restore --force <${file}`], { limit: 240 }));
      console.log(`restore of 13 apps: ${(ran.ms / 1000).toFixed(1)} s`);
      expect(live([...apps, "before"], fresh)).toEqual([]);
      expect(doctor(fresh)).toEqual([]);
      expect(wrong(fresh)).toBe("");
    } finally {
      fresh.stop();
    }
  });

  story("after a reboot every app answers; after a power cut, too", () => {
    for (const way of ["stop", "cut"] as const) {
      board.reboot(way);
      eventually(() => expect(live([...class30.slice(0, 12), "before"])).toEqual([]), 60);
    }
    expect(doctor()).toEqual([]);
  });

  // The settings that an app of every sort leaves room for come to 3.8 in the eyes of Debian 12's
  // systemd.
  story("both services are as closed as an app of a school allows", () => {
    for (const [unit, most] of [
      ["uwsgi-piku", 3.8],
      ["piku-web", 2.4],
    ] as const) {
      const { stdout } = ok(
        board.asRoot(["systemd-analyze", "security", "--no-pager", `${unit}.service`]),
      );
      expect(
        Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]),
      ).toBeLessThanOrEqual(most);
    }
  });

  /**
   * What lies below piku's home and should not: files of root, what others may write, what others
   * may read of secrets.
   */
  const wrong = (one: InstalledBoard) => {
    const find = (...words: string[]) => ok(one.asRoot(["find", "/home/piku", ...words])).stdout;
    return [
      find("(", "!", "-user", "piku", "-o", "!", "-group", "piku", ")"),
      find("!", "-type", "l", "-perm", "/o+w"),
      find("-perm", "/u+s,g+s"),
      find("-type", "s", "!", "-perm", "0600"),
      find(
        "-type",
        "f",
        "(",
        "-name",
        "ENV",
        "-o",
        "-name",
        "LIVE_ENV",
        "-o",
        "-name",
        "*.LIVE_ENV",
        ")",
        "-path",
        "*/.piku/*",
        "!",
        "-path",
        "*/apps/*",
        "!",
        "-path",
        "*/releases/*/tree/*",
        "!",
        "-path",
        "*/destroyed/*/tree/*",
        "!",
        "-perm",
        "0600",
      ),
      find("-path", "/home/piku/.ssh/*", "!", "-perm", "0600"),
    ].join("");
  };

  story("nothing below piku's home is root's, or open to others", () => {
    expect(wrong(board)).toBe("");
  });

  story(`${many} apps are destroyed in a row, and nothing of them is left but their data`, () => {
    const names = Array.from({ length: many }, (_, i) => `gone${i + 1}`);
    const repos = names.map((name) => board.repo(undefined, appOf(name, 2)));
    for (const [i, name] of names.entries()) ok(board.push(repos[i]!, name));
    const ran: Ran[] = names.map((name) => board.ssh("destroy", name, "--force"));
    expect(ran.filter(({ status }) => status !== 0).map(({ output }) => output)).toEqual([]);
    expect(
      ok(
        board.asRoot([
          ...["find", "/home/piku", "-name", "*gone[0-9]*"],
          ...["!", "-path", "*/data/*", "!", "-path", "*/destroyed/*"],
        ]),
      ).stdout,
    ).toBe("");
    expect(ok(board.asRoot(["ls", "/home/piku/.piku/destroyed"])).stdout).toContain("gone1\n");
  });

  story("--uninstall takes away what was put there, and leaves apps and data", () => {
    const ran = ok(board.install("--uninstall"));
    expect(ran.output).toContain("The apps and their data are left in /home/piku/.piku");
    const { stdout } = board.asRoot([
      "sh",
      "-c",
      "ls -A /home/piku /etc/systemd/system /etc/ssh/sshd_config.d; cat /home/piku/.ssh/authorized_keys; ls /home/piku/.piku/repos/*/hooks; ps -o args= -u piku",
    ]);
    expect(stdout).not.toMatch(/uwsgi|piku-|piku\.conf|pre-receive|ssh-ed25519|^piku/m);
    expect(page("before")).not.toBe("before");
    expect(board.asRoot(["ls", "/home/piku/.piku/apps"]).stdout).toContain("before\n");
    fails(board.ssh("apps"), 255);
    expect(ok(board.install("--key", "/srv/story/ssh/id.pub")).output).toContain("-----> Done. ");
    eventually(() => expect(page("before")).toBe("before"), 30);
  });
});
