/**
 * Lints what Biome does not read: Python by ruff, checks and format, and shell scripts by
 * shellcheck. A tool that is missing is a failure.
 */
import fs from "node:fs";
import path from "node:path";
import { type Diagnostic, PositionEncoding, Workspace } from "@astral-sh/ruff-wasm-nodejs";

const root = path.resolve(import.meta.dir, "..");
const ruff = new Workspace(
  {
    "line-length": 100,
    // Boards run what their distribution has.
    "target-version": "py37",
    lint: { select: ["E", "F", "W", "B", "I", "UP"] },
  },
  PositionEncoding.Utf16,
);

const python = filesOf("*.py").flatMap(lintPython);
const shell = lintShell(filesOf("*.sh"));
for (const line of [...python, ...shell]) console.log(line);
if (python.length + shell.length > 0) process.exit(1);

/** Files of the checkout, those not yet committed too. */
function filesOf(pattern: string): string[] {
  const words = ["ls-files", "--cached", "--others", "--exclude-standard", "--", pattern];
  const ran = Bun.spawnSync(["git", ...words], { cwd: root, stderr: "inherit" });
  const names = ran.stdout.toString().split("\n");
  const files = names.filter((name) => name !== "" && fs.existsSync(path.join(root, name)));
  if (files.length === 0) throw new Error(`no ${pattern} file was found to lint`);
  return files;
}

function lintPython(file: string): string[] {
  const source = fs.readFileSync(path.join(root, file), "utf8");
  const found = (ruff.check(source) as Diagnostic[]).map(
    ({ code, message, start_location: { row } }) =>
      `${file}:${row}: ${code ?? "syntax"} ${message}`,
  );
  if (found.length > 0) return found;
  const formatted = ruff.format(source);
  if (formatted === source) return [];
  if (process.argv.includes("--write")) {
    fs.writeFileSync(path.join(root, file), formatted);
    return [];
  }
  return [`${file}: not formatted; run: bun test/lint.ts --write`];
}

function lintShell(files: string[]): string[] {
  if (!Bun.which("shellcheck"))
    return ["shellcheck is missing; install it with: sudo apt-get install shellcheck"];
  const ran = Bun.spawnSync(["shellcheck", "-s", "sh", "-f", "gcc", ...files], { cwd: root });
  const said = `${ran.stdout}${ran.stderr}`.trim();
  return ran.success ? [] : said.split("\n");
}
