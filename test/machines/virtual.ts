/** Whole virtual machines with a kernel of their own, spoken to by ssh and http. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { type Files, freePorts, type How, ok, type Ran, systemPath } from "../e2e/board.ts";
import { sign } from "../e2e/publish.ts";
import { noMachines } from "./command.ts";
import { dist } from "./machine.ts";

/** Why no virtual machine can be made here; undefined where one can. */
export function noVirtual(): string | undefined {
  const lacking = ["qemu-system-x86_64", "mke2fs", "cpio", "depmod"].filter(
    (name) => !Bun.which(name, { PATH: systemPath }),
  );
  return (
    noMachines() ??
    (process.arch === "x64" ? undefined : "for x86-64 only") ??
    (lacking.length > 0 ? `${lacking.join(", ")} missing: sh test/setup.sh machines` : undefined)
  );
}

/** One that this script boots from a disk in a folder. */
export class Whole {
  // On a disk: it is larger than what may be in memory.
  readonly folder = fs.mkdtempSync("/var/tmp/piku-virtual-");
  ssh = 0;
  http = 0;

  /** With the seconds that a slow one may take for an answer. */
  constructor(
    readonly script: string,
    readonly patience: number,
  ) {}

  /** Makes its disk from a release of these executables. */
  make(targets: readonly string[], ...words: string[]) {
    const release = `${this.folder}/release`;
    fs.mkdirSync(release);
    for (const name of ["install.sh", ...targets.map((target) => `piku-${target}`)])
      fs.copyFileSync(`${dist}/${name}`, `${release}/${name}`);
    sign(release);
    ok(this.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${this.folder}/id`]));
    return ok(this.run([this.script, "create", this.folder, ...words]));
  }

  /** Turns it on, with these words on its kernel's command line. */
  turnOn(...options: string[]) {
    [this.ssh, this.http] = freePorts(2) as [number, number];
    ok(
      this.run([
        ...[this.script, "boot", this.folder, `${this.ssh}`, `${this.http}`],
        options.join(" "),
      ]),
    );
  }

  /** Waits until it answers, and all that starts at boot has. */
  async isUp() {
    for (let tries = 0; tries < 100; tries++) {
      if (this.on("root", "systemctl is-system-running --wait").status < 2) return;
      await Bun.sleep(2000);
    }
    throw new Error(`it is not up:\n${this.console}`);
  }

  get console() {
    const file = `${this.folder}/console`;
    return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  }

  /** Runs a command that ends the machine, and waits for that. */
  async end(command: string) {
    const pid = fs.readFileSync(`${this.folder}/pid`, "utf8").trim();
    this.on("root", command);
    for (let i = 0; i < 4 * this.patience && fs.existsSync(`/proc/${pid}`); i++)
      await Bun.sleep(500);
    this.stop();
  }

  /** Takes away its power. */
  stop() {
    this.run([this.script, "stop", this.folder]);
  }

  destroy() {
    this.stop();
    fs.rmSync(this.folder, { recursive: true });
  }

  #ssh = () => [
    ...["ssh", "-F", "none", "-i", `${this.folder}/id`, "-p", `${this.ssh}`],
    ...["BatchMode=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR"].flatMap((option) => [
      "-o",
      option,
    ]),
    ...["-o", `ConnectTimeout=${this.patience}`, "-o", "UserKnownHostsFile=/dev/null"],
  ];

  /** One line of a shell of root's, or a command of piku's. */
  on(user: string, line: string, how: How = {}): Ran {
    return this.run([...this.#ssh(), `${user}@127.0.0.1`, line], how);
  }

  /** What a browser gets: the status and the body. */
  async page(host: string, page = "/"): Promise<string> {
    const words = ["-s", "--noproxy", "*", "-m", `${6 * this.patience}`, "-w", "\n%{http_code}"];
    const url = `http://127.0.0.1:${this.http}${page}`;
    const text = await Bun.spawn(["curl", ...words, "-H", `Host: ${host}`, url]).stdout.text();
    const end = text.lastIndexOf("\n");
    return `${text.slice(end + 1)} ${text.slice(0, end)}`;
  }

  /** The status of such an answer. */
  async get(host: string, page = "/"): Promise<number> {
    return Number((await this.page(host, page)).split(" ")[0]);
  }

  /** Asks for a page until it is called; then how many answers there were, and the bad ones. */
  watch(host: string) {
    const answers: number[] = [];
    let ended = false;
    const loop = (async () => {
      while (!ended) answers.push(await this.get(host));
    })();
    return async () => {
      ended = true;
      await loop;
      return { asked: answers.length, failed: answers.filter((status) => status !== 200) };
    };
  }

  /** These files as the next commit of an app, pushed to this user. */
  push(app: string, files: Files, user = "piku"): Ran {
    const { argv, cwd } = this.commit(app, files, user);
    return this.run(argv, { cwd });
  }

  /** The commit, and the command that pushes it. */
  commit(app: string, files: Files, user: string) {
    const folder = `${this.folder}/${app}`;
    const git = (...words: string[]) => ok(this.run(["git", ...words], { cwd: folder }));
    if (!fs.existsSync(folder)) {
      fs.mkdirSync(folder);
      git("init", "--quiet", "--initial-branch=main");
      git("config", "user.name", "A Pupil");
      git("config", "user.email", "pupil@example.test");
    }
    git("config", "core.sshCommand", this.#ssh().join(" "));
    for (const [name, content] of Object.entries(files))
      fs.writeFileSync(`${folder}/${name}`, content!);
    git("add", "--all");
    git("commit", "--quiet", "--allow-empty", "-m", "Change");
    // The branch that the original knows.
    return { argv: ["git", "push", `${user}@127.0.0.1:${app}`, "main:master"], cwd: folder };
  }

  run(argv: readonly string[], { cwd = "/", input, limit = 1800 }: How = {}): Ran {
    const began = performance.now();
    const ran = spawnSync(argv[0]!, argv.slice(1), {
      ...{ cwd, input, encoding: "utf8", timeout: limit * 1000, killSignal: "SIGKILL" },
    });
    const [stdout, stderr] = [String(ran.stdout ?? ""), String(ran.stderr ?? "")];
    const ms = performance.now() - began;
    return {
      ...{ command: argv.join(" "), status: ran.status ?? 128, ms },
      ...{ stdout, stderr, output: stdout + stderr },
    };
  }
}

/** A PC with a baked Debian (virtual.sh). */
export class Virtual extends Whole {
  constructor() {
    super(path.join(import.meta.dir, "virtual.sh"), 10);
  }

  /** Makes its disk, on which this executable's release is installed. */
  create(target: string) {
    this.make([target], "bookworm", target);
  }

  async boot(...options: string[]) {
    this.turnOn(...options);
    await this.isUp();
  }

  /** Shuts it down as its owner would. */
  async shutDown() {
    await this.end("systemctl poweroff");
  }
}
