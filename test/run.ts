/**
 * Runs the tests and sums them up in one last line: N passed, N failed, N skipped.
 *
 *   bun test/run.ts                  lint, unit tests, stories
 *   bun test/run.ts long             the longer proofs
 *   bun test/run.ts machines         whole machines, one after the other
 *   bun test/run.ts stories push     only those stories whose file name contains the word
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dir, "..");
const [share = "all", filter = ""] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };

const wanted = (name: string) => share === name || (share === "all" && !["long", "machines"].includes(name));
if (wanted("lint")) command("lint", ["npm", "run", "--silent", "lint"]);
if (wanted("unit")) for (const what of ["src", "test/quickjs", "test/fuzz"]) bunTest(what, `./${what}`);
if (wanted("stories")) for (const file of testFiles("test/e2e")) bunTest(file, `./${file}`);
if (wanted("long")) {
  process.env.PIKU_LONG = "1";
  const both = ["harm", "faults", "input"].map((name) => `test/e2e/${name}.test.ts`);
  const files = [...testFiles("test/long"), ...testFiles("test/e2e").filter((file) => both.includes(file))];
  for (const file of ["test/fuzz", ...files]) bunTest(file, `./${file}`);
}
if (wanted("machines")) for (const file of testFiles("test/machines")) bunTest(file, `./${file}`);
if (sum.passed + sum.failed === 0 && !(share === "machines" && sum.skipped > 0)) {
  console.log("No test ran.");
  sum.failed++;
}
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 ? 1 : 0;

function testFiles(folder: string): string[] {
  const names = fs.readdirSync(path.join(root, folder)).sort();
  return names.filter((name) => name.endsWith(".test.ts") && name.includes(filter)).map((name) => `${folder}/${name}`);
}

/** One command that counts as one test. */
function command(title: string, argv: string[]) {
  const { status } = run(title, argv);
  if (status === 0) sum.passed++;
  else sum.failed++;
}

/** `bun test` on a file or folder; its own count is added up, and a crash counts as a failure. */
function bunTest(title: string, what: string) {
  const report = path.join(fs.mkdtempSync("/tmp/piku-report-"), "junit.xml");
  const { status } = run(title, [
    ...[process.execPath, "test", "--timeout", "60000", "--reporter=junit", `--reporter-outfile=${report}`, what],
  ]);
  const counts = fs.existsSync(report) ? /<testsuites [^>]*>/.exec(fs.readFileSync(report, "utf8"))?.[0] : undefined;
  fs.rmSync(path.dirname(report), { recursive: true });
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(counts ?? "")?.[1] ?? 0);
  const [tests, failed, skipped] = [count("tests"), count("failures") + count("errors"), count("skipped")];
  sum.passed += tests - failed - skipped;
  sum.failed += Math.max(failed, status === 0 ? 0 : 1);
  sum.skipped += skipped;
}

function run(title: string, argv: string[]) {
  const began = performance.now();
  console.log(`\n=====> ${title}`);
  const { status } = spawnSync(argv[0]!, argv.slice(1), { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  console.log(`       ${title}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return { status };
}
