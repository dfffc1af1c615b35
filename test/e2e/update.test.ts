/** Releases, good and bad, as `update` and install.sh take them. */
import { expect } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { publish, signingKey } from "./publish.ts";
import { fails, list, ok, type Ran, read } from "./sandbox.ts";
import { onlyLong, stories, unlessLong } from "./story.ts";
import { sshing } from "./watch.ts";

stories((board, story) => {
  const name = `piku-${board.target.name}`;
  const place = () => fs.mkdtempSync(`${board.folder}/release-`);
  /** A release of this target that is a script: another version, as good as any. */
  const releaseOf = (script: string, how?: Parameters<typeof publish>[2]) =>
    publish(place(), { [name]: script }, how);
  const says = (version: string) => `#!/bin/sh\necho piku ${version}\n`;
  const executable = () => fs.readFileSync(`${board.home}/piku`);
  /** The executable that the board began with in its place again, and nothing beside it. */
  const asBefore = (before: Buffer) => {
    for (const file of list(board.home).filter((one) => one.startsWith("piku")))
      fs.rmSync(`${board.home}/${file}`);
    fs.writeFileSync(`${board.home}/piku`, before, { mode: 0o755 });
  };

  /** The laptop's end: install.sh, with a client in the place where it would put one. */
  const laptop = () => `${board.folder}/laptop`;
  const dist = path.dirname(board.target.executable);
  const install = (from: string, ...more: string[]) =>
    board.run(
      [
        "sh",
        `${dist}/install.sh`,
        "--client",
        "--target",
        board.target.name,
        "--from",
        from,
        ...more,
      ],
      { env: { ...board.clientEnv(), HOME: laptop(), XDG_BIN_HOME: "" } },
    );
  const client = `.local/bin/piku`;

  /** Both refuse it with this, and nothing has changed. */
  const refused = (from: string, message: RegExp, installs: RegExp = message) => {
    const before = executable();
    fs.mkdirSync(path.dirname(`${laptop()}/${client}`), { recursive: true });
    fs.writeFileSync(`${laptop()}/${client}`, says("0.0.1"), { mode: 0o755 });
    const end = (ran: Ran) => fails(ran, 1).output;
    expect(end(board.ssh("update", "--from", from))).toMatch(message);
    expect(executable().equals(before)).toBe(true);
    expect(list(board.home).filter((file) => file.startsWith("piku"))).toEqual(["piku"]);
    expect(end(install(from))).toMatch(installs);
    expect(fs.readFileSync(`${laptop()}/${client}`, "utf8")).toBe(says("0.0.1"));
    expect(list(path.dirname(`${laptop()}/${client}`))).toEqual(["piku"]);
  };
  const canary = () => `${board.folder}/canary`;
  const evil = () => `#!/bin/sh\n: >${canary()}\necho piku 9.9.9\n`;
  const notSigned = /is not signed with a key that this (piku|install\.sh) knows: /;

  story("what was replaced, or signed by others, is refused before anything of it is run", () => {
    const good = () => releaseOf(says("9.9.9"));
    const replaced = (file: string, content: (before: string) => string) => {
      const from = good();
      fs.writeFileSync(`${from}/${file}`, content(fs.readFileSync(`${from}/${file}`, "utf8")));
      return from;
    };
    refused(replaced(name, evil), new RegExp(`checksum mismatch: ${name}`));
    // With the sum that fits, too.
    const sums = releaseOf(evil(), { key: `${board.folder}/ssh/id` });
    const signature = fs.readFileSync(`${good()}/SHA256SUMS.sig`);
    refused(sums, notSigned);
    fs.writeFileSync(`${sums}/SHA256SUMS.sig`, signature);
    refused(sums, notSigned);
    refused(
      replaced("SHA256SUMS", (text) => text.replace("# piku 9.9.9", "# piku 9.9.8")),
      notSigned,
    );
    refused(
      replaced("SHA256SUMS", (text) => text.slice(0, 60)),
      notSigned,
    );
    refused(
      replaced("SHA256SUMS.sig", (text) =>
        text.replace(/\n(.+)\n(.+)\n(?=-----END)/, "\n$2\n$1\n"),
      ),
      notSigned,
    );
    refused(
      replaced("SHA256SUMS.sig", () => ""),
      notSigned,
    );
    expect(fs.existsSync(canary())).toBe(false);
  });

  story("a release that nobody has signed, or for another purpose, is refused", () => {
    const from = releaseOf(evil());
    const sign = (namespace: string) => {
      fs.rmSync(`${from}/SHA256SUMS.sig`, { force: true });
      const words = ["-Y", "sign", "-q", "-n", namespace, "-f", signingKey, `${from}/SHA256SUMS`];
      ok(board.run(["ssh-keygen", ...words]));
    };
    sign("git");
    refused(from, notSigned);
    fs.rmSync(`${from}/SHA256SUMS.sig`);
    refused(from, /could not download SHA256SUMS\.sig from /);
    sign("piku-release");
    fs.writeFileSync(`${from}/SHA256SUMS`, "");
    sign("piku-release");
    refused(from, /does not say its version/);
    expect(fs.existsSync(canary())).toBe(false);
  });

  story("an older release is refused without --force, though it is signed", () => {
    const before = executable();
    const from = releaseOf(says("0.0.0"), { version: "0.0.0" });
    refused(from, /is piku 0\.0\.0, and (this|here) is \d\S+, which is newer/);
    expect(ok(install(from, "--force")).stdout).toContain(`${client}: piku 0.0.0\n`);
    expect(ok(board.ssh("update", "--force", "--from", from)).stdout).toContain(
      "Update successful: piku 0.0.0",
    );
    asBefore(before);
  });

  story("what does not run here changes nothing, and neither does what has no such target", () => {
    refused(releaseOf("#!/bin/sh\nexit 3\n"), /does not run here/);
    refused(
      publish(place(), { "piku-linux-odd": "" }),
      /has no piku-/,
      /has no executable that runs here \(tried: /,
    );
    fails(board.ssh("update"), 1);
    fails(board.ssh("update", "--rollback"), 1);
  });

  story(
    "plain http is taken from a private network, with a warning, and never instead of https",
    async () => {
      const before = executable();
      const from = releaseOf(says("9.9.9"));
      const serve = (answer: (file: string) => Response) =>
        Bun.serve({
          port: 0,
          hostname: "127.0.0.1",
          fetch: ({ url }) => answer(new URL(url).pathname.slice(1)),
        });
      const web = serve((file) => new Response(Bun.file(`${from}/${file}`)));
      const away = serve((file) => Response.redirect(`http://127.0.0.1:${web.port}/${file}`));
      const at = ({ port }: { port?: number }) => `http://127.0.0.1:${port}`;
      const told = async (...words: string[]) => (await sshing(board, "update", ...words)).output;
      const installed = async (address: string) => {
        const words = ["sh", `${dist}/install.sh`, "--client", "--target", board.target.name];
        const child = Bun.spawn([...words, "--from", address], {
          env: { ...board.clientEnv(), HOME: laptop(), XDG_BIN_HOME: "" },
          stdout: "pipe",
          stderr: "pipe",
        });
        return (await child.stdout.text()) + (await child.stderr.text());
      };
      try {
        const redirected = /could not download SHA256SUMS from .*curl: .*[Pp]rotocol "?http"? /;
        expect(await told("--from", at(away))).toMatch(redirected);
        expect(await installed(at(away))).toMatch(redirected);
        expect(executable().equals(before)).toBe(true);
        const warned = /Warning: .*plain http can be read and changed on the way/;
        const updated = await told("--from", `${at(web)}/`);
        expect(updated).toMatch(warned);
        expect(updated).toContain("Update successful: piku 9.9.9");
        expect(await installed(at(web))).toMatch(warned);
      } finally {
        await web.stop(true);
        await away.stop(true);
      }
      asBefore(before);
      refused("http://piku.example.org/x", /is not an address of a private network/);
      refused("http://10.0.0.1@example.org", /is not an address of a private network/);
      refused("ftp://127.0.0.1/x", /is neither a directory nor a URL/, /there is no folder/);
    },
  );

  story("a download that is cut off is refused", async () => {
    const from = releaseOf(says("9.9.9"));
    const before = executable();
    // It promises more than it sends, or says nothing of it.
    for (const head of ["Content-Length: 100000\r\n", ""]) {
      const server = Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: {
          data(socket, bytes) {
            const file = /^GET \/(\S+)/.exec(bytes.toString())![1]!;
            const content = fs.readFileSync(`${from}/${file}`, "utf8");
            const isCut = file === name;
            const length = isCut ? head : `Content-Length: ${content.length}\r\n`;
            socket.end(`HTTP/1.0 200 OK\r\n${length}\r\n${isCut ? content.slice(0, 9) : content}`);
          },
        },
      });
      const ran = await sshing(board, "update", "--from", `http://127.0.0.1:${server.port}`);
      server.stop(true);
      expect(ran.status).toBe(1);
      expect(ran.output).toMatch(head ? /could not download piku-/ : /checksum mismatch: piku-/);
      expect(executable().equals(before)).toBe(true);
      expect(list(board.home).filter((file) => file.startsWith("piku"))).toEqual(["piku"]);
    }
  });

  story("a good one takes its place, and the one before can be taken back", () => {
    const before = executable();
    const same = publish(place(), { [name]: before }, { version: "9.9.9" });
    expect(ok(board.ssh("update", "--from", same)).stdout).toMatch(
      /^Updating piku\.\.\.\nThis is piku \d\S* already\.\n$/,
    );
    expect(ok(board.ssh("update", "--from", releaseOf(says("9.9.9")))).stdout).toContain(
      "Update successful: piku 9.9.9",
    );
    expect(ok(board.ssh("apps")).stdout).toBe("piku 9.9.9\n");
    ok(board.run(["cp", `${board.home}/piku.old`, `${board.home}/piku.kept`]));
    ok(board.run(["mv", `${board.home}/piku.kept`, `${board.home}/piku`]));
    expect(ok(board.ssh("update", "--rollback")).stdout).toContain("Back again: piku 0.");
    asBefore(before);
  });

  story("--check only says, and doctor and the board's page say it too", () => {
    const before = executable();
    const setting = (value: string) => ok(board.ssh("config:set", "--global", value));
    setting(`PIKU_RELEASES=${releaseOf(evil(), { version: "99.0.0" })}`);
    expect(ok(board.ssh("update", "--check")).stdout).toMatch(
      /^piku 99\.0\.0 is out, and this is \d\S+\. To update: update\n$/,
    );
    expect(board.ssh("doctor").output).toMatch(
      /^ok +release +this is piku \S+, and 99\.0\.0 is out/m,
    );
    ok(board.piku("daily"));
    const page = `${board.pikuRoot}/web/page/index.html`;
    expect(fs.readFileSync(page, "utf8")).toContain("A newer piku, 99.0.0, is out.");
    expect(executable().equals(before)).toBe(true);
    expect(fs.existsSync(canary())).toBe(false);
    setting(`PIKU_RELEASES=${releaseOf(evil(), { version: "0.0.1" })}`);
    expect(ok(board.ssh("update", "--check")).stdout).toContain(
      "which is newer than the 0.0.1 there",
    );
    ok(board.piku("daily"));
    expect(fs.readFileSync(page, "utf8")).not.toContain("A newer piku");
    ok(board.ssh("config:unset", "--global", "PIKU_RELEASES"));
  });

  story("PIKU_UPDATE=auto takes a newer release, and takes it back if what was well is not", () => {
    const before = executable();
    const real = `${board.folder}/real`;
    fs.copyFileSync(`${board.home}/piku`, real);
    fs.chmodSync(real, 0o755);
    /** The same piku by another version, whose doctor is this. */
    const wrapper = (version: string, doctor: string) =>
      `#!/bin/sh\ncase $1 in --version) echo piku ${version} ;; doctor) ${doctor} ;; *) exec ${real} "$@" ;; esac\n`;
    const published = (version: string, doctor: string) => {
      const from = releaseOf(wrapper(version, doctor), { version });
      ok(board.ssh("config:set", "--global", `PIKU_RELEASES=${from}`, "PIKU_UPDATE=auto"));
      return board.piku("daily");
    };
    const bad = published("98.0.0", `${real} "$@" | sed 's/"ok":true/"ok":false/g'`);
    expect(fails(bad, 1).output).toMatch(
      /piku 98\.0\.0 was taken back: with it, doctor found something wrong with emperor, nginx/,
    );
    expect(executable().equals(before)).toBe(true);
    expect(board.ssh("doctor").output).toContain("piku 98.0.0 was taken back by PIKU_UPDATE=auto");
    // It is not tried each day.
    expect(ok(board.piku("daily")).output).not.toContain("98.0.0");
    expect(ok(published("99.0.0", `exec ${real} "$@"`)).output).toContain(
      "Update successful: piku 99.0.0",
    );
    expect(ok(board.piku("--version")).stdout).toBe("piku 99.0.0\n");
    asBefore(before);
    ok(board.ssh("config:unset", "--global", "PIKU_RELEASES", "PIKU_UPDATE"));
  });

  onlyLong(story)("the emperor's own daily job takes it, with nobody there", async () => {
    const before = executable();
    const real = `${board.folder}/real`;
    const script = `#!/bin/sh\ncase $1 in --version) echo piku 99.0.0 ;; *) exec ${real} "$@" ;; esac\n`;
    const from = releaseOf(script, { version: "99.0.0" });
    ok(board.push(board.repo("static"), "files"));
    ok(board.ssh("config:set", "--global", `PIKU_RELEASES=${from}`, "PIKU_UPDATE=auto"));
    const vassal = `${board.pikuRoot}/uwsgi-enabled/~daily.ini`;
    const hourly = read(vassal);
    expect(hourly).toMatch(/^cron = \d+ -1 -1 -1 -1 /m);
    // Each minute instead of once an hour, and the last time long ago.
    fs.rmSync(`${board.pikuRoot}/uwsgi/daily.done`, { force: true });
    fs.writeFileSync(vassal, hourly.replace(/^cron = \d+ /m, "cron = -1 "));
    const said = () => ok(board.piku("--version")).stdout;
    for (let i = 0; i < 150 && said() !== "piku 99.0.0\n"; i++) await Bun.sleep(1000);
    expect(said()).toBe("piku 99.0.0\n");
    expect(read(`${board.pikuRoot}/uwsgi/daily.log`)).toContain("Update successful: piku 99.0.0");
    fs.writeFileSync(vassal, hourly);
    asBefore(before);
    ok(board.ssh("config:unset", "--global", "PIKU_RELEASES", "PIKU_UPDATE"));
    ok(board.ssh("destroy", "files", "--purge"));
  });

  story(
    "where an update that was cut off had left the earlier release, the next one was written into that",
    () => {
      const before = executable();
      fs.writeFileSync(`${board.home}/piku.old`, says("8.8"), { mode: 0o755 });
      fs.linkSync(`${board.home}/piku.old`, `${board.home}/piku.new`);
      fails(board.ssh("update", "--from", releaseOf("#!/bin/sh\nexit 3\n")), 1);
      expect(ok(board.ssh("update", "--rollback")).stdout).toContain("Back again: piku 8.8");
      asBefore(before);
    },
  );

  story("two updates at once took each other's file away", async () => {
    const before = executable();
    const release = releaseOf(`#!/bin/sh\nsleep 1\necho piku 9.9.9\n`);
    const both = await Promise.all([1, 2].map(() => sshing(board, "update", "--from", release)));
    // The second one finds a script in its own place, and has nothing to do.
    const said = both.map((ran) => ok(ran).stdout).join();
    expect(said).toContain("Update successful: piku 9.9.9");
    expect(said).toMatch(/This is piku \S+ already/);
    asBefore(before);
  });
}, unlessLong);
