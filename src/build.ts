import { isComplete, markComplete } from "./environment.ts";
import { PikuError } from "./errors.ts";
import type { Plan } from "./plan.ts";
import { jobFile } from "./releases.ts";
import { programEnvironment } from "./tools.ts";
import type { Recorder } from "./transcript.ts";
import { buildTree, prepareBuildTree } from "./tree.ts";
import { voiceOf } from "./voice.ts";

/** preflight, and the folder of dependencies; in the build tree. Gives whether anything ran there. */
export function build(recorder: Recorder, plan: Plan): boolean {
  const { host } = recorder;
  const voice = voiceOf(host);
  const { app, environment, procfile, runtime, source, request } = plan;
  const installs = environment !== undefined && !isComplete(host, environment.folder);
  if (!procfile.preflight && !installs) {
    voice.start(`${runtime.name} app detected.`);
    return false;
  }
  prepareBuildTree(host, request.commit);
  if (procfile.preflight) {
    voice.start("Running preflight.");
    runJob(recorder, plan, ["sh", "-c", procfile.preflight], "preflight");
  }
  voice.start(`${runtime.name} app detected.`);
  if (!installs) return true;
  // A folder without its mark was never finished.
  host.remove(environment.folder);
  host.mkdir(app.envs);
  try {
    for (const { title, argv } of runtime.install?.(source, environment.folder) ?? []) {
      voice.start(`${title} for '${app.name}'`);
      runJob(recorder, plan, argv, argv.slice(0, 4).join(" "));
    }
  } catch (error) {
    host.remove(environment.folder);
    throw error;
  }
  markComplete(host, environment.folder);
  return true;
}

// The first to go when memory is short, and the last to be served, so that what runs goes on running.
const politely = ["sh", "-c", 'echo 500 >/proc/$$/oom_score_adj; exec nice -n 10 "$@"', "sh"];

const killed = 137;

/** Runs one command of a deploy to its end, showing what it prints. Throws when it fails. */
function runJob(
  { host, show, transcript }: Recorder,
  { app, settings }: Plan,
  argv: string[],
  what: string,
  cwd = buildTree(app),
): void {
  const env = { ...programEnvironment(host.env()), ...settings, PWD: cwd };
  const job = host.start(cwd === app.tree ? argv : [...politely, ...argv], {
    cwd,
    env,
    log: transcript,
    status: jobFile(app),
  });
  let status = host.poll(job);
  while (status === undefined) {
    host.sleep(50);
    show();
    status = host.poll(job);
  }
  show();
  if (status === 0) return;
  const why =
    status === killed ? "was killed; most likely the server's memory ran out" : `failed with exit status ${status}`;
  throw new PikuError(`${what} ${why}`, "what it said stands above");
}

/** Runs the Procfile's `release` in the app's work tree. Throws when it fails. */
export function runRelease(recorder: Recorder, plan: Plan): void {
  voiceOf(recorder.host).start("Releasing");
  runJob(recorder, plan, ["sh", "-c", plan.procfile.release!], "release", plan.app.tree);
}
