/**
 * Faults of what a deploy relies on: tools that hang, memory that runs out, nginx and the emperor;
 * then the next push.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { eventually, type Files, fails, ok, read } from "../e2e/sandbox.ts";
import { skipped, stories } from "../e2e/story.ts";
import { standIn, withdraw } from "../e2e/tools.ts";
import { live, running, sshing, watching } from "../e2e/watch.ts";
import { expectWhole, witness, witnessed, witnessProcfile } from "../e2e/whole.ts";

/**
 * A group of processes whose memory together is bounded, by cgroups of either version: the file
 * that takes a process, or none.
 */
function memoryGroup(
  name: string,
  megabytes: number,
): { tasks: string; remove(): void } | undefined {
  const [folder, limit] = fs.existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    ? [`/sys/fs/cgroup/memory/${name}`, "memory.limit_in_bytes"]
    : [`/sys/fs/cgroup/${name}`, "memory.max"];
  try {
    fs.mkdirSync(folder);
    const remove = () => fs.rmdirSync(folder);
    try {
      fs.writeFileSync(`${folder}/${limit}`, String(megabytes << 20));
      return { tasks: `${folder}/cgroup.procs`, remove };
    } catch {
      remove();
    }
  } catch {
    // Not root, or somewhere that gives no groups away.
  }
  return undefined;
}

stories((board, story) => {
  const host = (name: string) => `${name}.test`;

  for (const tool of ["git", "nginx", "openssl"])
    story(
      `${tool} hangs in the middle of a push: the app goes on, deploy:cancel ends the push, the next one goes live`,
      async () => {
        const name = `hang-${tool}`;
        const { repo } = witness(board, "web", name);
        const watch = watching(board, host(name));
        // A new name, so that nginx and openssl have something to do.
        const ENV = `NGINX_SERVER_NAME=${host(name)},new-${host(name)}\n`;
        repo.commit("1", witnessed("1", { ENV }));
        // What receives the push is git as well; only what the deploy asks it hangs.
        const real = ok(board.run(["which", tool])).stdout.trim();
        const hangs = tool === "git" ? '*" cat-file "*' : "*";
        standIn(
          board,
          tool,
          `case " $* " in ${hangs}) exec sleep 5555 ;; *) exec ${real} "$@" ;; esac\n`,
        );
        const push = board.pushing(repo, name);
        await until(() => running(board, "sleep 5555").length > 0);
        const cancel = sshing(board, "deploy:cancel", name);
        const { status, output } = await push;
        withdraw(board, tool);
        expect(status, output).toBe(1);
        expect(output).toContain("Error: ");
        expect(ok(await cancel).output).toContain("Release 1 is live");
        expect(running(board, "sleep 5555")).toEqual([]);
        await expectWhole(board, name, ["0"]);
        ok(await board.pushing(repo, name));
        expect(await expectWhole(board, name, ["1"])).toBe("1");
        expect((await watch()).failed).toEqual([]);
      },
    );

  story(
    "an answer that ssh-keygen never gives can be waited for or not: keys stay as they are, and the next key is added",
    async () => {
      const key = read(`${board.folder}/ssh/other.pub`);
      const file = `${board.home}/.ssh/authorized_keys`;
      const before = read(file);
      standIn(board, "ssh-keygen", "exec sleep 5556\n");
      const add = spawn("ssh", ["board", "keys:add", "slow"], {
        env: board.clientEnv(),
        stdio: ["pipe", "ignore", "ignore"],
      });
      add.stdin.end(key);
      await until(() => running(board, "sleep 5556").length > 0);
      add.kill("SIGKILL");
      withdraw(board, "ssh-keygen");
      for (const pid of running(board, "sleep 5556")) process.kill(pid, "SIGKILL");
      expect(read(file)).toBe(before);
      ok(board.sshRaw("keys:add quick", { input: key }));
      expect(read(file)).toContain("quick");
    },
  );

  const group = memoryGroup(`piku-test-${process.pid}`, 32);
  if (!group)
    skipped(
      "a build that takes more memory than there is",
      "needs root and a cgroup with a limit of memory",
    );
  else {
    group.remove();
    story(
      "a build that takes more memory than there is: it is said, and what was live goes on",
      async () => {
        const { repo } = witness(board, "web", "memory");
        const watch = watching(board, host("memory"));
        const { tasks, remove } = memoryGroup(`piku-test-${process.pid}`, 32)!;
        const eats = `echo $$ >${tasks}; python3 -c 'x = b"x" * (200 << 20)' || exit`;
        repo.commit("1", witnessed("1", { Procfile: witnessProcfile("web", eats) }));
        const { output } = fails(await board.pushing(repo, "memory"), 1);
        remove();
        expect(output).toContain("most likely the server's memory ran out");
        await expectWhole(board, "memory", ["0"]);
        repo.commit("2", witnessed("2", { Procfile: witnessProcfile("web", ":") }));
        ok(await board.pushing(repo, "memory"));
        await expectWhole(board, "memory", ["2"]);
        expect((await watch()).failed).toEqual([]);
      },
    );
  }

  story("a build with a limit of memory of its own fails by itself", async () => {
    const { repo } = witness(board, "wsgi", "ulimit");
    const eats = "ulimit -v 100000 && python3 -c 'x = bytearray(1 << 30)'";
    repo.commit("1", witnessed("1", { Procfile: witnessProcfile("wsgi", `${eats} || exit`) }));
    expect(fails(await board.pushing(repo, "ulimit"), 1).output).toMatch(
      /MemoryError[\s\S]*preflight failed with exit status 1/,
    );
    await expectWhole(board, "ulimit", ["0"]);
  });

  story(
    "nginx does not answer: the site stays as it was, and the next push goes live",
    async () => {
      const { repo } = witness(board, "web", "reload");
      const nginx = Number(read(`${board.pikuRoot}/web/nginx.pid`));
      const watch = watching(board, host("reload"));
      repo.commit("1", witnessed("1", { ENV: `NGINX_SERVER_NAME=${host("reload")},more.test\n` }));
      // Its workers go on.
      process.kill(nginx, "SIGSTOP");
      const push = await board.pushing(repo, "reload");
      process.kill(nginx, "SIGCONT");
      expect(fails(push, 1).output).toContain(
        "nginx did not read its new configuration within 10 seconds",
      );
      await expectWhole(board, "reload", ["0"]);
      expect(board.get("/", { host: "more.test" }).status).toBe(404);
      ok(await board.pushing(repo, "reload"));
      await expectWhole(board, "reload", ["1"]);
      expect(board.get("/", { host: "more.test" }).body).toBe("1");
      expect((await watch()).failed).toEqual([]);
    },
  );

  story(
    "the client of a push is killed with a megabyte of output unread: the push ends, whole, and the next one goes live",
    async () => {
      const { repo } = witness(board, "web", "unread");
      const talks = "sleep 1; head -c 1200000 /dev/zero | tr '\\0' x | fold -w 100; sleep 1";
      const versions = ["0"];
      for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
        versions.push(String(versions.length));
        repo.commit(
          signal,
          witnessed(versions.at(-1)!, { Procfile: witnessProcfile("web", talks) }),
        );
        const how = {
          cwd: repo.folder,
          env: board.clientEnv(),
          stdio: "ignore",
          detached: true,
        } as const;
        const push = spawn("git", ["push", "board:unread", "+main"], how);
        await until(() => running(board, "sleep 1").length > 0);
        // ssh as well as git: it is ssh that reads.
        process.kill(-push.pid!, signal);
        await until(() => running(board, "git-hook unread").length === 0);
        if (signal === "SIGSTOP") process.kill(-push.pid!, "SIGKILL");
        await until(() => running(board, "git-receive-pack").length === 0);
        ok(board.piku("recover"));
        await expectWhole(board, "unread", versions);
      }
      repo.commit("Quiet", witnessed("quiet", { Procfile: witnessProcfile("web", ":") }));
      ok(await board.pushing(repo, "unread", "+main"));
      await expectWhole(board, "unread", ["quiet"]);
    },
  );

  story(
    "the emperor dies in the middle of a push: the push says so, and with the emperor the old release comes back",
    async () => {
      const files: Files = {
        ENV: `NGINX_SERVER_NAME=${host("emperor")}\nPIKU_HEALTHCHECK_TIMEOUT=5\n`,
      };
      const { repo } = witness(board, "web", "emperor", files);
      repo.commit("1", witnessed("1", { Procfile: witnessProcfile("web", "sleep 2") }));
      const push = board.pushing(repo, "emperor");
      await until(() => running(board, "sleep 2").length > 0);
      await board.killEmperor();
      expect(fails(await push, 1).output).toMatch(
        /not healthy: uWSGI's emperor, which would start it, is not running/,
      );
      expect(fails(await board.pushing(repo, "emperor"), 1).output).toContain(
        "uWSGI's emperor is not running",
      );
      board.startEmperor();
      eventually(() => expect(board.get("/", { host: host("emperor") }).body).toBe("0"), 20);
      await expectWhole(board, "emperor", ["0"]);
      ok(await board.pushing(repo, "emperor"));
      await expectWhole(board, "emperor", ["1"]);
      expect(live(board, "emperor").commit).toBe(repo.head());
    },
  );
});

/** Waits for something to come about while everything else goes on; throws after 20 seconds. */
async function until(isSo: () => boolean) {
  for (let i = 0; !isSo(); i++) {
    if (i === 400) throw new Error("it has not come about within 20 seconds");
    await Bun.sleep(50);
  }
}
