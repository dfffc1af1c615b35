/** A whole virtual machine with a kernel of its own (virtual.sh), spoken to by ssh and http. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { type Files, freePorts, ok, type Ran, systemPath } from "../e2e/board.ts";
import { noMachines } from "./command.ts";
import { dist } from "./machine.ts";

const script = path.join(import.meta.dir, "virtual.sh");

/** Why no virtual machine can be made here; undefined where one can. */
export function noVirtual(): string | undefined {
  const lacking = ["qemu-system-x86_64", "mke2fs", "cpio", "depmod", "busybox"].filter(
    (name) => !Bun.which(name, { PATH: systemPath }),
  );
  return (
    noMachines() ??
    (process.arch === "x64" ? undefined : "for x86-64 only") ??
    (lacking.length > 0 ? `${lacking.join(", ")} missing: sh test/setup.sh machines` : undefined)
  );
}

export class Virtual {
  // On a disk: it is larger than what may be in memory.
  readonly folder = fs.mkdtempSync("/var/tmp/piku-virtual-");
  ssh = 0;
  http = 0;

  /** Makes its disk, on which this executable's release is installed. */
  create(target: string) {
    const release = `${this.folder}/release`;
    fs.mkdirSync(release);
    fs.copyFileSync(path.resolve(dist, "../install.sh"), `${release}/install.sh`);
    fs.copyFileSync(`${dist}/piku-${target}`, `${release}/piku-${target}`);
    const bytes = fs.readFileSync(`${dist}/piku-${target}`);
    const sum = createHash("sha256").update(bytes).digest("hex");
    fs.writeFileSync(`${release}/SHA256SUMS`, `${sum}  piku-${target}\n`);
    ok(this.#run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${this.folder}/id`]));
    ok(this.#run([script, "create", this.folder, "bookworm", target]));
  }

  /** Boots it, with these words on its kernel's command line, and waits until it answers. */
  async boot(...options: string[]) {
    [this.ssh, this.http] = freePorts(2) as [number, number];
    ok(this.#run([script, "boot", this.folder, `${this.ssh}`, `${this.http}`, options.join(" ")]));
    for (let tries = 0; tries < 100; tries++) {
      if (this.on("root", "systemctl is-system-running --wait").status < 2) return;
      await Bun.sleep(2000);
    }
    throw new Error(`it is not up:\n${fs.readFileSync(`${this.folder}/console`, "utf8")}`);
  }

  /** Shuts it down as its owner would. */
  async shutDown() {
    const pid = fs.readFileSync(`${this.folder}/pid`, "utf8").trim();
    this.on("root", "systemctl poweroff");
    for (let i = 0; i < 120 && fs.existsSync(`/proc/${pid}`); i++) await Bun.sleep(500);
    this.stop();
  }

  stop() {
    this.#run([script, "stop", this.folder]);
  }

  destroy() {
    this.stop();
    fs.rmSync(this.folder, { recursive: true });
  }

  #ssh = () => [
    ...["ssh", "-F", "none", "-i", `${this.folder}/id`, "-p", `${this.ssh}`],
    ...["BatchMode=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR", "ConnectTimeout=10"].flatMap(
      (option) => ["-o", option],
    ),
    ...["-o", "UserKnownHostsFile=/dev/null"],
  ];

  /** One line of a shell of root's, or a command of piku's. */
  on(user: "root" | "piku", line: string): Ran {
    return this.#run([...this.#ssh(), `${user}@127.0.0.1`, line]);
  }

  /** The status of an answer to a browser. */
  async get(host: string, page = "/"): Promise<number> {
    const words = ["-s", "--noproxy", "*", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}"];
    const url = `http://127.0.0.1:${this.http}${page}`;
    const child = Bun.spawn(["curl", ...words, "-H", `Host: ${host}`, url]);
    return Number(await child.stdout.text());
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

  /** These files as the next commit of an app, pushed. */
  push(app: string, files: Files): Ran {
    const folder = `${this.folder}/${app}`;
    const git = (...words: string[]) => ok(this.#run(["git", ...words], folder));
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
    return this.#run(["git", "push", `piku@127.0.0.1:${app}`, "main"], folder);
  }

  #run(argv: readonly string[], cwd = "/"): Ran {
    const began = performance.now();
    const ran = spawnSync(argv[0]!, argv.slice(1), {
      cwd,
      encoding: "utf8",
      timeout: 900_000,
      killSignal: "SIGKILL",
    });
    const [stdout, stderr] = [ran.stdout ?? "", ran.stderr ?? ""];
    const ms = performance.now() - began;
    return {
      ...{ command: argv.join(" "), status: ran.status ?? 128, ms },
      ...{ stdout, stderr, output: stdout + stderr },
    };
  }
}
