/**
 * A whole Debian machine with its own systemd, as a board has it. PIKU_MACHINE names the command that makes one:
 * `create NAME ARCH SUITE`, `boot NAME [MEMORY]`, `exec NAME COMMAND...`, `copy NAME FILE... FOLDER`, `stop NAME`,
 * `destroy NAME`. The machine shares this one's network, so there is one at a time, and its root is the folder that
 * `exec` does not need: `PIKU_MACHINES/NAME` (/var/tmp/machines).
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import type { Block } from "../e2e/docs.ts";
import { examples, type Files, ok, type Ran } from "../e2e/sandbox.ts";
import { skipped } from "../e2e/story.ts";

const command = process.env.PIKU_MACHINE;
export const dist = path.resolve(import.meta.dir, "../../dist");

/** `dist` on a web server: machines share our network. */
export function serveDist() {
  const fetch = ({ url }: Request) => new Response(Bun.file(`${dist}/${new URL(url).pathname}`));
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
  return { address: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

/** What a page shows to root about install.sh, which does not know its own address here. */
export const installedFrom = ({ text }: Block, address: string) =>
  text
    .replace("https://example.org/piku", address)
    .replace(/\| sh(?: -s --)?(.*)$/, (_, options: string) => `| sh -s --${options} --from ${address}`);

export interface Kind {
  arch: string;
  suite: string;
  /** A cap such as 512M. */
  memory?: string;
}

export class Machine {
  readonly name = `piku-${process.pid}`;
  readonly folder = fs.mkdtempSync("/tmp/piku-machine-");
  readonly root = `${process.env.PIKU_MACHINES || "/var/tmp/machines"}/${this.name}`;
  readonly #repos = new Map<string, string>();

  constructor(readonly kind: Kind) {}

  async create() {
    ok(await this.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${this.folder}/id`]));
    fs.writeFileSync(`${this.folder}/gitconfig`, "[user]\n  name = A Pupil\n  email = pupil@example.test\n");
    ok(await this.run([command!, "create", this.name, this.kind.arch, this.kind.suite]));
  }

  async boot() {
    const { memory } = this.kind;
    // What is moved later keeps the memory that it has outside.
    const capped = `mkdir -p "$1" && echo ${memory} >"$1/memory.limit_in_bytes" && echo $$ >"$1/cgroup.procs" && shift && exec "$@"`;
    const words = memory ? ["sh", "-c", capped, "sh", `/sys/fs/cgroup/memory/${this.name}`] : [];
    ok(await this.run([...words, command!, "boot", this.name]));
  }

  async stop() {
    // An emulator gives the signal that means this another number. An emulated machine needs more time, too.
    const down = await this.run([command!, "exec", this.name, "systemctl", "poweroff"]);
    for (let i = 0; i < 90 && down.status === 0; i++, await Bun.sleep(1000))
      if ((await this.run([command!, "exec", this.name, "true"])).status !== 0) break;
    await this.run([command!, "stop", this.name]);
  }

  /** Most megabytes that were ever used, where there is a cap. */
  async mostMemory(): Promise<number> {
    const file = `/sys/fs/cgroup/memory/${this.name}/memory.max_usage_in_bytes`;
    return Math.round(Number(fs.readFileSync(file, "utf8")) / 2 ** 20);
  }

  async destroy() {
    await this.stop();
    await this.run([command!, "destroy", this.name]);
    fs.rmSync(this.folder, { recursive: true });
  }

  /** Puts these files into /root/release of the machine: the release that it is installed from. */
  async release(names: readonly string[]) {
    const place = `${this.root}/root/release`;
    fs.rmSync(place, { recursive: true, force: true });
    fs.mkdirSync(place);
    for (const name of names) fs.copyFileSync(`${dist}/${name}`, `${place}/${name}`);
    fs.copyFileSync(`${this.folder}/id.pub`, `${this.root}/root/id.pub`);
  }

  /** One line of shell, as root inside. */
  sh(line: string): Promise<Ran> {
    return this.run([command!, "exec", this.name, "sh", "-c", line]);
  }

  /** `ssh piku@machine LINE`, from outside. */
  ssh(line: string, input = ""): Promise<Ran> {
    return this.run([...this.#sshWords(), "piku@127.0.0.1", line], { input });
  }

  #sshWords() {
    const options = ["BatchMode=yes", "StrictHostKeyChecking=no", `UserKnownHostsFile=${this.folder}/known_hosts`];
    return ["ssh", "-F", "none", "-i", `${this.folder}/id`, ...options.flatMap((option) => ["-o", option])];
  }

  /** What nginx answers for a name: the status and the body. */
  async get(host: string, scheme: "http" | "https" = "http", page = "/"): Promise<string> {
    const resolve = [80, 443].flatMap((port) => ["--resolve", `${host}:${port}:127.0.0.1`]);
    const url = `${scheme}://${host}${page}`;
    const words = ["-sk", "--noproxy", "*", "--max-time", "30", ...resolve, "-w", "\n%{http_code}", url];
    const { stdout } = await this.run(["curl", ...words]);
    const end = stdout.lastIndexOf("\n");
    return `${stdout.slice(end + 1)} ${stdout.slice(0, end)}`;
  }

  /** Asks for a name's page until it is called; then the answers that were not these. */
  watch(host: string, wanted: string) {
    const others: string[] = [];
    let ended = false;
    const loop = (async () => {
      for (; !ended; await Bun.sleep(20)) {
        const answer = await this.get(host);
        if (answer !== wanted) others.push(answer);
      }
    })();
    return async () => {
      ended = true;
      await loop;
      return others;
    };
  }

  /** An example, or files, committed on top of what was pushed as this app before, and pushed. */
  async push(app: string, example: string | undefined, files: Files = {}): Promise<Ran> {
    const folder = this.#repos.get(app) ?? `${this.folder}/${app}`;
    const git = async (...words: string[]) => ok(await this.run(["git", ...words], { cwd: folder }));
    fs.mkdirSync(folder, { recursive: true });
    if (!this.#repos.has(app)) await git("init", "--quiet", "--initial-branch=main");
    this.#repos.set(app, folder);
    if (example) fs.cpSync(`${examples}/${example}`, folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) fs.writeFileSync(`${folder}/${name}`, content!);
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "-m", "Change");
    // The branch that the original knows.
    return this.run(["git", "push", `piku@127.0.0.1:${app}`, "main:master"], { cwd: folder });
  }

  /** Seconds, for the one who reads the tests' output. */
  told(what: string, { ms }: Pick<Ran, "ms">) {
    const { suite, arch, memory } = this.kind;
    console.log(`${suite} ${arch}${memory ? ` ${memory}` : ""}: ${what} ${(ms / 1000).toFixed(1)} s`);
  }

  async run(argv: readonly string[], how: { input?: string; cwd?: string } = {}): Promise<Ran> {
    const began = performance.now();
    const child = Bun.spawn([...argv], {
      cwd: how.cwd,
      env: {
        ...process.env,
        GIT_SSH_COMMAND: this.#sshWords().join(" "),
        GIT_CONFIG_GLOBAL: `${this.folder}/gitconfig`,
      },
      stdin: new TextEncoder().encode(how.input ?? ""),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { command: argv.join(" "), status, stdout, stderr, output: stdout + stderr, ms: performance.now() - began };
  }
}

type Tell = (name: string, body: () => Promise<void>) => void;

/** Tells stories of a fresh machine for each of these kinds, or says why it cannot. */
export function machines(kinds: readonly Kind[], tell: (machine: Machine, story: Tell) => void, why?: string) {
  for (const kind of kinds) {
    const title = `${kind.suite} ${kind.arch}`;
    const reason = command ? (process.getuid?.() === 0 ? why : "needs root") : "PIKU_MACHINE is not set";
    if (reason) {
      skipped(title, reason);
      continue;
    }
    describe(title, () => {
      const machine = new Machine(kind);
      beforeAll(() => machine.create(), 1_800_000);
      afterAll(() => machine.destroy(), 120_000);
      tell(machine, (name, body) => test(name, body, 1_800_000));
    });
  }
}
