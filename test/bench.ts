/**
 * Figures: `npm run bench` measures each executable, the original (PIKU_PEER, its command) and the
 * floor below all of them, in turn, in one run, and prints a table for docs/benchmarks.md: medians
 * of as many rounds as PIKU_BENCH_ROUNDS says (30; a sixth of it for pushes). The floor is `true`
 * for a command, and for a push `git push` to a bare repository without a hook over the same ssh,
 * with a checkout where files are counted. As root everything lies in memory, since what else
 * writes to the disk would be measured too; PIKU_BENCH_DISK=1 uses the disk, PIKU_BENCH_CARD=1 a
 * disk for each board, whose flushes are counted. Words choose the rows that have one of them;
 * `counts` chooses what is counted and not timed.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import { countTable, instructionTable } from "./bench-counts.ts";
import { probeSource, webProbe, wsgiProbe } from "./e2e/probe.ts";
import { type Files, ok, type Ran, type Repo, read, Sandbox, targets } from "./e2e/sandbox.ts";
import { asking, commandOf } from "./e2e/watch.ts";

/**
 * One that is measured: an executable on a board of its own; the floor has the board of the first.
 */
interface Contestant {
  name: string;
  board: Sandbox;
  repo: Repo;
}

/**
 * What is measured: how to take one sample of a contestant, and how often. `floor` is a sample of
 * what nobody can beat.
 */
interface Row {
  title: string;
  rounds: number;
  sample(contestant: Contestant, round: number): number | Promise<number>;
  floor?(round: number): number;
  unit: string;
}

const words = process.argv.slice(2);
const many = Number(process.env.PIKU_BENCH_ROUNDS || 30);
const few = Math.max(3, Math.ceil(many / 6));
const folder = fs.mkdtempSync("/tmp/piku-bench-");
const inMemory = process.getuid?.() === 0 && !process.env.PIKU_BENCH_DISK;
const onCard = Boolean(process.env.PIKU_BENCH_CARD);
const peer = process.env.PIKU_PEER?.split(" ").reverse();
const contestants: Contestant[] = [];
const failures = new Map<string, { asked: number; failed: number }>();

const settingsFor = (host: string): Files => ({
  ENV: `NGINX_SERVER_NAME=${host}\nNGINX_IPV4_ADDRESS=127.0.0.1\nDISABLE_IPV6=true\n`,
});

/**
 * An app that every contestant takes for a generic one, so that no package registry has a part in
 * it.
 */
const appFiles = (host: string): Files => ({
  ...webProbe(host),
  ...settingsFor(host),
  Procfile: "release: true\nweb: exec python3 app.py\n",
});

function join(name: string, executable: string): Sandbox {
  const board = new Sandbox({ name, executable });
  contestants.push({ name, board, repo: undefined as unknown as Repo });
  return board.start(inMemory ? 2048 : undefined, onCard);
}

/**
 * The original as an executable, on the ports of its board, and beside it what on a real one is
 * piku-nginx.path.
 */
function joinOriginal([script = "", python = "/usr/bin/python3"]: string[]) {
  const executable = `${folder}/piku.py`;
  fs.writeFileSync(executable, read(script).replace(/^#!.*/, `#!${python}`), { mode: 0o755 });
  const board = join("the original", executable);
  const installed = `${board.home}/piku`;
  const moved = read(installed)
    .replace(/_ADDRESS:80;/g, `_ADDRESS:${board.httpPort};`)
    .replace(/443 ssl/g, `${board.httpsPort} ssl`);
  fs.writeFileSync(installed, moved);
  const watcher = `const { readFileSync, watch } = require("node:fs");
    watch("${board.pikuRoot}/nginx", (_, name) => name.endsWith(".conf") &&
      process.kill(Number(readFileSync("${board.pikuRoot}/web/nginx.pid", "utf8")), "SIGHUP"));`;
  return Bun.spawn([process.execPath, "-e", watcher], {
    env: board.boardEnv(),
    stdout: "ignore",
    stderr: "inherit",
  });
}

const median = (samples: number[]) =>
  samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)]!;

/** Milliseconds of one call of a program on a board. */
function call(board: Sandbox, ...argv: string[]): number {
  const how = {
    cwd: board.home,
    env: board.boardEnv(),
    stdout: "ignore",
    stderr: "ignore",
  } as const;
  const began = performance.now();
  Bun.spawnSync(argv, how);
  return performance.now() - began;
}

/**
 * Megabytes that a call held at most. Through GNU time: a child's peak counts that of the process
 * that it was forked from.
 */
function peak(board: Sandbox, ...argv: string[]): number {
  const ran = spawnSync("/usr/bin/time", ["-f", "%M", ...argv], {
    env: board.boardEnv(),
    encoding: "utf8",
  });
  return Number(ran.stderr.trim().split("\n").at(-1)) / 1024;
}

/**
 * Milliseconds from the start of a push until it has ended and what answers satisfies `isNew`. Asks
 * all the time, and for a second more, and counts what was no answer when the app has answered
 * before.
 */
async function untilNew(
  { board, name }: Contestant,
  host: string,
  url: string,
  push: () => Promise<Ran>,
  isNew: (answer: string) => boolean,
  counts = true,
): Promise<number> {
  const count = failures.get(name) ?? { asked: 0, failed: 0 };
  failures.set(name, count);
  const began = performance.now();
  let pushed = false;
  let answered: number | undefined;
  const pushing = push().then((ran) => {
    pushed = true;
    return { ran: ok(ran), at: performance.now() };
  });
  for (let end = Number.POSITIVE_INFINITY; performance.now() < end; await Bun.sleep(10)) {
    const answer = await asking(board, host, url);
    const isGood = answer.startsWith("200 ");
    if (counts) count.asked++;
    if (counts && !isGood) count.failed++;
    if (isGood && isNew(answer.slice(4))) answered ??= performance.now();
    if (pushed && answered !== undefined && end === Number.POSITIVE_INFINITY)
      end = performance.now() + 1000;
    if (performance.now() - began > 120_000)
      throw new Error(`${name}: ${host} never answered anew: ${answer}`);
  }
  return Math.max((await pushing).at, answered!) - began;
}

const redeployed = "redeploy.test";
const manyFiles = 5000;
let bares = 0;

/** A bare repository on the first board, which `other` may push to by a key without a command. */
function bareRepository(): string {
  const { board } = contestants[0]!;
  const bare = `${board.home}/bare-${++bares}`;
  ok(board.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare]));
  fs.mkdirSync(`${bare}-tree`);
  return bare;
}

/** Milliseconds of a plain `git push`, and of a checkout behind it when asked. */
function plainPush(repo: Repo, bare: string, checkout: boolean): number {
  const push = ok(repo.git("push", "--quiet", `other:${bare}`, "main")).ms;
  const words = [
    "--git-dir",
    bare,
    "--work-tree",
    `${bare}-tree`,
    "checkout",
    "--quiet",
    "-f",
    "main",
  ];
  return checkout ? push + ok(repo.board.run(["git", ...words])).ms : push;
}

/** The floor of a push of a small commit. */
function plainCommit(repo: Repo): number {
  const bare = bareRepository();
  plainPush(repo, bare, false);
  repo.commit("Empty");
  return plainPush(repo, bare, false);
}

/** Milliseconds of a push of many files, until it has ended. */
const pushMany = (repo: Repo, app: string) =>
  ok(
    repo.board.run(["git", "push", "--quiet", `board:${app}`, "main"], {
      cwd: repo.folder,
      limit: 120,
    }),
  ).ms;

const folderOfMany = (folder: string): Files => {
  const lines = (i: number) =>
    Array.from({ length: 40 }, (_, line) => `line ${line} of ${folder}, ${i * 7919}\n`);
  return Object.fromEntries(
    Array.from({ length: manyFiles }, (_, i) => [
      `public/${folder}/${i % 50}/${i}.txt`,
      lines(i).join(""),
    ]),
  );
};

const staticFiles = (host: string): Files => ({ ...appFiles(host), Procfile: "static: public\n" });

/**
 * Apps of each kind, for load; the original wants a release line, or a manifest of a language.
 * Under the original's own UWSGI_MAX_REQUESTS two threads that reach it at once answer nobody for a
 * minute, which would be measured instead.
 */
const loaded: Record<string, Files> = {
  wsgi: {
    ...wsgiProbe("wsgi.test"),
    ENV: `${settingsFor("wsgi.test").ENV}UWSGI_MAX_REQUESTS=100000000\n`,
    "requirements.txt": "",
  },
  web: appFiles("web.test"),
  static: {
    ...appFiles("static.test"),
    Procfile: "static: public\n",
    "public/index.html": "<p>hello\n",
  },
};

/** Requests a second that a board answers from 8 connections at once; how many were none. */
function requests({ board }: Contestant, host: string): number {
  const url = `http://127.0.0.1:${board.httpPort}/`;
  const ran = ok(
    board.run([
      "wrk",
      "-t",
      "2",
      "-c",
      "8",
      "-d",
      "1s",
      "--timeout",
      "10s",
      "-H",
      `Host: ${host}`,
      url,
    ]),
  );
  if (/Non-2xx|Socket errors/.test(ran.stdout)) throw new Error(ran.stdout);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(ran.stdout)![1]);
}

/**
 * Megabytes of a board's own processes whose command line has this in it, each page counted once
 * (proc(5): Pss).
 */
const resident = ({ board }: Contestant, wanted: RegExp) =>
  board
    .processes()
    .filter((pid) => wanted.test(commandOf(pid)))
    .reduce(
      (sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))![1]),
      0,
    ) / 1024;

/** So many apps with a worker each, as files say it; the emperor is gone by then. */
function fill({ board }: Contestant, count: number) {
  const root = board.pikuRoot;
  for (let i = 0; i < count; i++) {
    const app = `filler-${i}`;
    for (const kind of ["apps", "repos", "envs", "data", "logs"])
      fs.mkdirSync(`${root}/${kind}/${app}`, { recursive: true });
    fs.writeFileSync(`${root}/envs/${app}/SCALING`, "worker:1\n");
    fs.writeFileSync(`${root}/uwsgi-enabled/${app}_worker.1.ini`, "[uwsgi]\n");
  }
}

async function measure({
  title,
  rounds,
  sample,
  floor,
  unit,
}: Row): Promise<[string, (number | undefined)[]]> {
  const samples = contestants.map(() => [] as number[]);
  const lowest: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // To and fro, so that a drift of the machine's speed favours nobody.
    const turn =
      round % 2 === 0 ? [...contestants.entries()] : [...contestants.entries()].reverse();
    for (const [i, contestant] of turn) samples[i]!.push(await sample(contestant, round));
    if (floor) lowest.push(floor(round));
  }
  const all = [...samples.map(median), floor ? median(lowest) : undefined];
  console.error(`${title}: ${all.map((value) => value?.toFixed(1) ?? "-").join(", ")} ${unit}`);
  return [`${title}, ${unit}`, all];
}

const machine = () => {
  const cpu = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return `${new Date().toISOString().slice(0, 10)}, ${cpu.length} cores (${cpu[0]?.model.trim()}), ${memory} GB, Linux ${os.release()}, ${inMemory ? "in memory" : "on its disk"}`;
};

let watcher: ReturnType<typeof joinOriginal> | undefined;
try {
  for (const { name, executable } of targets) join(name, executable);
  if (peer) watcher = joinOriginal(peer);
  const [first] = contestants as [Contestant];
  await Bun.sleep(1000);
  const idle = contestants.map((contestant) => resident(contestant, /uwsgi|piku/));
  const idleNginx = contestants.map((contestant) => resident(contestant, /^nginx/));
  const chosen = (title: string) =>
    words.length === 0 || words.some((word) => title.includes(word));
  const grown = bareRepository();
  fs.appendFileSync(
    `${first.board.home}/.ssh/authorized_keys`,
    read(`${first.board.folder}/ssh/other.pub`),
  );
  const repos = new Map<string, Repo>();
  const growing = new Map<string, Repo>();
  for (const contestant of contestants) {
    const { board, name } = contestant;
    contestant.repo = board.repo(undefined, appFiles(redeployed));
    await untilNew(
      contestant,
      redeployed,
      "/",
      () => board.pushing(contestant.repo, "redeploy"),
      () => true,
      false,
    );
    const other = board.repo(undefined, appFiles("second.test"));
    ok(board.push(other, "second"));
    ok(board.ssh("config:set", "redeploy", "GREETING=hello"));
    repos.set(
      name,
      board.repo(undefined, { ...staticFiles("many.test"), ...folderOfMany("first") }),
    );
    const more = board.repo(undefined, {
      ...staticFiles("more.test"),
      "public/index.html": "more\n",
    });
    if (chosen("files")) ok(board.push(more, "more"));
    growing.set(name, more);
    if (chosen("requests a second"))
      for (const [app, files] of Object.entries(loaded))
        ok(await board.pushing(board.repo(undefined, files), app));
  }
  const piku = ({ board }: Contestant, ...words: string[]) =>
    call(board, `${board.home}/piku`, ...words);
  const command = (title: string, ...words: string[]): Row => ({
    title,
    rounds: many,
    sample: (contestant) => piku(contestant, ...words),
    floor: () => call(first.board, "/bin/true"),
    unit: "ms",
  });
  const rows: Row[] = [
    command("`apps`", "apps"),
    command("`config:get`", "config:get", "redeploy", "GREETING"),
    command("`--help`", "--help"),
    {
      title: "`apps`, resident memory",
      rounds: 3,
      sample: ({ board }) => peak(board, `${board.home}/piku`, "apps"),
      floor: () => peak(first.board, "/bin/true"),
      unit: "MB",
    },
    ...Object.keys(loaded).map(
      (app): Row => ({
        title: `requests a second, ${app}`,
        // Many short ones in turn: the speed of a machine drifts by more than what is looked for.
        rounds: Math.max(3, many),
        sample: (contestant) => requests(contestant, `${app}.test`),
        unit: "1/s",
      }),
    ),
    {
      title: "a push of an empty commit until it answers",
      rounds: few,
      sample: async (contestant) => {
        const { board, repo } = contestant;
        const before = (await asking(board, redeployed, "/pid")).slice(4);
        repo.commit("Empty");
        return untilNew(
          contestant,
          redeployed,
          "/pid",
          () => board.pushing(repo, "redeploy"),
          (pid) => pid !== before,
        );
      },
      floor: () => plainCommit(first.repo),
      unit: "ms",
    },
    {
      title: "a push of new code until it answers",
      rounds: few,
      sample: (contestant, round) => {
        const { board, repo } = contestant;
        repo.commit("Code", { "app.py": probeSource(`version ${round}`) });
        const push = () => board.pushing(repo, "redeploy");
        return untilNew(contestant, redeployed, "/", push, (body) => body === `version ${round}`);
      },
      floor: () => plainCommit(first.repo),
      unit: "ms",
    },
    {
      title: "a first push until it answers",
      rounds: few,
      sample: (contestant, round) => {
        const { board } = contestant;
        const host = `first${round}.test`;
        const repo = board.repo(undefined, appFiles(host));
        return untilNew(
          contestant,
          host,
          "/",
          () => board.pushing(repo, `first${round}`),
          () => true,
          false,
        );
      },
      unit: "ms",
    },
    {
      title: `a first push of ${manyFiles} files`,
      rounds: few,
      sample: ({ name }, round) => {
        const repo = repos.get(name)!;
        repo.commit("ENV", {
          ENV: read(`${repo.folder}/ENV`).replace(/many\d*\.test/, `many${round}.test`),
        });
        return pushMany(repo, `many${round}`);
      },
      floor: () => plainPush(repos.get(first.name)!, bareRepository(), true),
      unit: "ms",
    },
    {
      title: `a push of ${manyFiles} files to an app that is there`,
      rounds: few,
      sample: ({ name }, round) => {
        const repo = growing.get(name)!;
        repo.commit("More", folderOfMany(`more${round}`));
        return pushMany(repo, "more");
      },
      floor: () => plainPush(growing.get(first.name)!, grown, true),
      unit: "ms",
    },
  ];
  if (chosen("counts")) {
    const counted = new Map([
      ...countTable(contestants.map(({ board }) => board)),
      ...instructionTable(folder),
    ]);
    console.log(`\n|  | ${contestants.map(({ name }) => name).join(" | ")} |`);
    for (const [title, cells] of counted) console.log(`| ${[title, ...cells].join(" | ")} |`);
  }
  const table: [string, (number | undefined)[]][] = [];
  for (const row of rows) if (chosen(row.title)) table.push(await measure(row));
  for (const contestant of contestants) {
    await contestant.board.killEmperor();
    fill(contestant, 200);
  }
  const last = command("`apps` with 200 more apps", "apps");
  if (chosen(last.title)) table.push(await measure(last));

  const head = ["", ...contestants.map(({ name }) => name), "floor"];
  const lost = contestants.map(({ name }) => failures.get(name)!);
  const size = contestants.map(({ board }) => fs.statSync(`${board.home}/piku`).size / 1e6);
  const figure = (value: number | undefined) =>
    value === undefined
      ? ""
      : value >= 100
        ? value.toFixed(0)
        : value >= 10
          ? value.toFixed(1)
          : value.toFixed(2);
  console.log(`\n${machine()}; medians, taken in turn:\n`);
  for (const cells of [
    head,
    head.map((_, i) => (i === 0 ? "---" : "---:")),
    ...table.map(([title, values]) => [title, ...values.map(figure)]),
    [
      "requests that failed during the pushes above, of all",
      ...lost.map(({ asked, failed }) => `${failed} of ${asked}`),
      "",
    ],
    ["the file, MB", ...size.map(figure), ""],
    ["memory at idle, without apps, MB (PSS)", ...idle.map(figure), ""],
    ["memory of nginx at idle, MB (PSS)", ...idleNginx.map(figure), ""],
  ])
    console.log(`| ${cells.join(" | ")} |`);
} finally {
  watcher?.kill();
  for (const { board } of contestants) await board.stop();
  fs.rmSync(folder, { recursive: true });
}
