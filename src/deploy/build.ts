import { jobFile } from "../app/releases.ts";
import type { Host, Job } from "../host/host.ts";
import { isDiskFull } from "../host/space.ts";
import { programEnvironment } from "../host/tools.ts";
import { waitUntil } from "../host/wait.ts";
import { buildTree, type Outputs, prepareBuildTree } from "../repository/build-tree.ts";
import { isComplete, markComplete } from "../runtimes/dependencies.ts";
import type { Step } from "../runtimes/runtime.ts";
import { PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { withSettings } from "../workers/isolation.ts";
import { shellFor, withOddNames } from "../workers/launcher.ts";
import { limitStep } from "../workers/limits.ts";
import { explainFailure } from "./explain.ts";
import type { Plan } from "./plan.ts";
import type { Recorder } from "./transcript.ts";

/**
 * preflight, dependencies and the runtime's own build, in the build tree. Gives which of the files
 * there go live; undefined when nothing can have made any.
 */
export function build(recorder: Recorder, plan: Plan): Outputs | undefined {
  const { host } = recorder;
  const voice = voiceOf(host);
  const { app, environment, procfile, runtime, source, target } = plan;
  const folder = environment?.folder ?? app.envs;
  const installs = environment !== undefined && !isComplete(host, folder);
  // Scaling and restarting never build, but for a folder that is gone or was never made.
  const preflight = target.builds ? procfile.preflight : undefined;
  const builds = (target.builds && runtime.build?.(source, folder)) || [];
  const makes = preflight !== undefined || builds.length > 0;
  if (makes || installs) prepareBuildTree(host, target.commit);
  if (preflight !== undefined) {
    voice.start("Running preflight.");
    runJob(recorder, plan, { title: "preflight", argv: shellFor(plan.settings, preflight) });
  }
  if (target.builds) voice.start(`${runtime.name} app detected.`);
  if (installs) install(recorder, plan, folder);
  if (builds.length > 0 && runtime.scratch) host.mkdir(`${folder}/${runtime.scratch}`);
  runSteps(recorder, plan, builds);
  const { goesLive = () => true, isOutput = () => false } = runtime;
  return makes ? { goesLive, isOutput } : undefined;
}

/** Installs the dependencies into their folder, or removes the folder if that fails. */
function install(recorder: Recorder, plan: Plan, folder: string): void {
  const { host } = recorder;
  // A folder without its mark was never finished.
  host.remove(folder);
  host.mkdir(folder);
  try {
    runSteps(recorder, plan, plan.runtime.install?.(plan.source, folder) ?? []);
  } catch (error) {
    host.remove(folder);
    throw error;
  }
  markComplete(host, folder);
}

function runSteps(recorder: Recorder, plan: Plan, steps: readonly Step[]): void {
  for (const step of steps) {
    voiceOf(recorder.host).start(`${step.title} for '${plan.app.name}'`);
    runJob(recorder, plan, step, step.cwd);
  }
}

// Builds are the first to be killed when memory is short and get the processor last, so that
// running apps are not disturbed.
const politely = ["sh", "-c", 'echo 500 >/proc/$$/oom_score_adj; exec nice -n 10 "$@"', "sh"];

const killed = 137;

/**
 * Waits for a job and shows its output meanwhile; ends it after `limit` milliseconds. Returns its
 * exit status.
 */
export function waitForJob(
  { host, show }: Recorder,
  job: Job,
  limit = Number.POSITIVE_INFINITY,
): number {
  let status: number | undefined;
  const hasEnded = () => {
    status = host.poll(job);
    show();
    return status !== undefined;
  };
  if (!waitUntil(host, hasEnded, { every: 50, atMost: limit })) {
    host.end(job, 1_000);
    waitUntil(host, hasEnded, { every: 50 });
  }
  return status!;
}

const maxPrintedBytes = 256 * 1024;

/** The end of what a step has printed. */
function printedSince(host: Host, transcript: string, from: number): string {
  const size = host.stat(transcript)?.size ?? 0;
  return host.readFrom(transcript, Math.max(from, size - maxPrintedBytes), true, maxPrintedBytes)
    .text;
}

/** Runs one command of a deploy and shows what it prints. Throws when it fails. */
function runJob(recorder: Recorder, plan: Plan, step: Step, cwd = buildTree(plan.app)): void {
  const { host, transcript } = recorder;
  const { app, settings, target, wall } = plan;
  // Builds often call `git describe`, and git finds the commit being pushed only in this folder.
  const { incoming } = target.commit;
  const objects: Record<string, string> = incoming
    ? // JGit takes what stands here in the place of objects/info/alternates, so that is named too.
      { GIT_ALTERNATE_OBJECT_DIRECTORIES: `${incoming}:${app.repo}/objects` }
    : {};
  const isBuild = cwd !== app.tree;
  const walled = {
    kind: isBuild ? "build" : "run",
    wall,
    outside: programEnvironment(host.env()),
    inside: { ...objects, ...settings, ...step.env, PWD: cwd },
    argv: withOddNames(settings, step.argv),
    mark: "job",
  } as const;
  const from = host.stat(transcript)?.size ?? 0;
  const status = withSettings(host, app, walled, (argv, env) => {
    const limited = limitStep(host, settings, isBuild ? "build" : "release", argv);
    const words = isBuild ? [...politely, ...limited] : limited;
    const how = { cwd, env, log: transcript, status: jobFile(app) };
    return waitForJob(recorder, host.start(words, how));
  });
  if (status === 0) return;
  if (isDiskFull(host, app.paths.root))
    throw new PikuError(
      `${step.title} failed: the server's disk is full`,
      "make room and try again",
    );
  const why =
    status === killed
      ? "was killed; most likely the server's memory ran out"
      : `failed with exit status ${status}`;
  // The other steps are not lines of the Procfile.
  const line = ["preflight", "release"].find((one) => one === step.title) ?? "";
  const failed = {
    name: `${step.title} ${why}`,
    kind: line,
    command: step.argv.at(-1)!,
    tree: cwd,
  };
  const said = status === killed ? "" : printedSince(host, transcript, from);
  throw (
    explainFailure(host, plan, failed, said) ??
    new PikuError(failed.name, "what it said stands above")
  );
}

/** Runs the Procfile's `release` in the app's work tree. Throws when it fails. */
export function runRelease(recorder: Recorder, plan: Plan): void {
  voiceOf(recorder.host).start("Releasing");
  runJob(
    recorder,
    plan,
    { title: "release", argv: shellFor(plan.settings, plan.procfile.release!) },
    plan.app.tree,
  );
}
