/**
 * Runs the tests and sums them up in one last line: N passed, N failed, N skipped.
 *
 *   bun test/run.ts                  lint, unit tests, stories, and what an installed board shows in a few minutes (as root)
 *   bun test/run.ts long             the longer proofs
 *   bun test/run.ts machines         the stories again on installed boards, then whole machines one after the other (as root)
 *   bun test/run.ts machines push    only those whose file name contains the word
 *   bun test/run.ts boards           32-bit boards as a whole, an hour (as root)
 *   bun test/run.ts stories push     only those stories whose file name contains the word
 *
 * Stories wait more than they work, so several files are told at once, each on boards of its own;
 * what one has said is shown when it has ended.
 */
import fs from "node:fs";
import path from "node:path";
import { targets } from "./e2e/board.ts";
import { machine, noMachines } from "./machines/command.ts";
import { installed, nameOfInstalled } from "./machines/installed.ts";

// Installed boards of all files are copies of the same machines, which are ours.
process.env.PIKU_MACHINE_OWNER = String(process.pid);
const root = path.resolve(import.meta.dir, "..");
const [share = "all", filter = ""] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };

const wanted = (name: string) =>
  share === name || (share === "all" && !["long", "machines", "boards"].includes(name));
if (wanted("lint")) await command("lint", ["npm", "run", "--silent", "lint"]);
if (wanted("unit"))
  for (const what of ["test/unit", "test/host", "test/quickjs", "test/fuzz"]) await bunTest(what);
// It waits for its machines more than the others do for theirs, so it begins first.
const shortProof = "test/machines/board.test.ts";
if (wanted("stories")) await together(3, [...named([shortProof]), ...testFiles("test/e2e")]);
if (wanted("long")) {
  process.env.PIKU_LONG = "1";
  // What takes longest begins first; those that take all of the machine are told alone.
  const longest = ["attacks-site", "attacks", "web", "faults", "harm", "input", "mistakes"].map(
    (name) => `test/e2e/${name}.test.ts`,
  );
  const isLonger = (file: string) =>
    /\b(unlessLong|longOnAnyBoard|onlyLong)\b/.test(fs.readFileSync(path.join(root, file), "utf8"));
  const e2e = [...new Set([...longest, ...testFiles("test/e2e").filter(isLonger)])];
  const alone = ["concurrency", "load", "wrk"].map((name) => `test/long/${name}.test.ts`);
  const others = testFiles("test/long").filter((file) => !alone.includes(file));
  const first = "test/long/harm.test.ts";
  await together(
    3,
    named([first, ...e2e, ...others.filter((file) => file !== first), "test/fuzz"]),
  );
  for (const file of named(alone)) await bunTest(file);
}
if (wanted("machines")) {
  process.env.PIKU_LONG = "1";
  const others = testFiles("test/machines").filter((file) => file !== shortProof);
  // Stories that no installed board can tell would only be skipped.
  const tellable = (file: string) =>
    /anyBoard/i.test(fs.readFileSync(path.join(root, file), "utf8"));
  if (!noMachines()) for (const target of targets) installed(target);
  await together(2, [...named([shortProof]), ...testFiles("test/e2e").filter(tellable)], {
    PIKU_BOARD: "installed",
  });
  for (const file of others) await bunTest(file);
}
if (wanted("boards")) for (const file of testFiles("test/boards")) await bunTest(file);
if (!noMachines()) for (const target of targets) machine("destroy", nameOfInstalled(target));
if (sum.passed + sum.failed === 0 && !(["machines", "boards"].includes(share) && sum.skipped > 0)) {
  console.log("No test ran.");
  sum.failed++;
}
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 ? 1 : 0;

function testFiles(folder: string): string[] {
  const names = fs.readdirSync(path.join(root, folder)).sort();
  return names
    .filter((name) => name.endsWith(".test.ts") && name.includes(filter))
    .map((name) => `${folder}/${name}`);
}

function named(files: string[]): string[] {
  return files.filter((name) => name.includes(filter));
}

/** So many at a time; a file that takes long should not be the last to begin. */
async function together(lanes: number, files: string[], env: Record<string, string> = {}) {
  const waiting = [...files];
  const lane = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) await bunTest(file, env);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** One command that counts as one test. */
async function command(title: string, argv: string[]) {
  if ((await run(title, argv)) === 0) sum.passed++;
  else sum.failed++;
}

/** `bun test` on a file or folder; its own count is added up, and a crash counts as a failure. */
async function bunTest(what: string, env: Record<string, string> = {}) {
  const report = path.join(fs.mkdtempSync("/tmp/piku-report-"), "junit.xml");
  const words = [
    "test",
    "--timeout",
    "60000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    `./${what}`,
  ];
  const status = await run(what, [process.execPath, ...words], env);
  const counts = fs.existsSync(report)
    ? /<testsuites [^>]*>/.exec(fs.readFileSync(report, "utf8"))?.[0]
    : undefined;
  fs.rmSync(path.dirname(report), { recursive: true });
  const count = (name: string) =>
    Number(new RegExp(` ${name}="(\\d+)"`).exec(counts ?? "")?.[1] ?? 0);
  const [tests, failed, skipped] = [
    count("tests"),
    count("failures") + count("errors"),
    count("skipped"),
  ];
  sum.passed += tests - failed - skipped;
  sum.failed += Math.max(failed, status === 0 ? 0 : 1);
  sum.skipped += skipped;
}

async function run(
  title: string,
  argv: string[],
  env: Record<string, string> = {},
): Promise<number> {
  const began = performance.now();
  console.log(`-----> ${title}`);
  // One pipe, so that errors stand where they belong.
  const child = Bun.spawn(["sh", "-c", 'exec "$@" 2>&1', "sh", ...argv], {
    cwd: root,
    // Without it Bun hands on the environment that it was started with.
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
  });
  const [said, status] = await Promise.all([child.stdout.text(), child.exited]);
  console.log(
    `\n=====> ${title}\n${said.trimEnd()}\n       ${title}: ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  return status;
}
