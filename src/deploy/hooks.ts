import type { App } from "../app/app.ts";
import { pathVariables } from "../app/paths.ts";
import { jobFile } from "../app/releases.ts";
import { isExecutable, programEnvironment } from "../host/tools.ts";
import { explain, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { waitForJob } from "./build.ts";
import type { AskedDeploy } from "./plan.ts";
import type { Recorder } from "./transcript.ts";

// Hooks that only notify: a deploy must not hang on a network that is down.
const notifyTimeout = 10_000;

/** The variables that tell a hook about a deploy; its first argument is the app's name. */
export const hookFacts = (
  app: App,
  release: number,
  { cause, target: { commit, branch } }: AskedDeploy,
): Record<string, string> => ({
  PIKU_APP: app.name,
  PIKU_RELEASE: String(release),
  PIKU_CAUSE: cause,
  PIKU_COMMIT: commit.id,
  PIKU_BRANCH: branch ?? "",
});

/** Runs `~/.piku/hooks/pre-deploy`, if there is one. Throws when it refuses the deploy. */
export function askHook(recorder: Recorder, app: App, facts: Record<string, string>): void {
  const status = runHook(recorder, app, "pre-deploy", facts);
  if (status)
    throw new PikuError(
      `the server's pre-deploy hook refuses it (exit status ${status})`,
      "what it said stands above",
    );
}

/** Runs `post-deploy` or `deploy-failed` for at most 10 seconds; its failure changes nothing. */
export function tellHook(
  recorder: Recorder,
  app: App,
  name: "post-deploy" | "deploy-failed",
  facts: Record<string, string>,
): void {
  const voice = voiceOf(recorder.host);
  try {
    const status = runHook(recorder, app, name, facts, notifyTimeout);
    if (status) voice.warn(`the server's ${name} hook failed with exit status ${status}.`);
  } catch (error) {
    voice.warn(`the server's ${name} hook could not be run: ${explain(error).message}`);
  }
}

function runHook(
  recorder: Recorder,
  app: App,
  name: string,
  facts: Record<string, string>,
  limit?: number,
): number | undefined {
  const { host, transcript } = recorder;
  const file = `${hooksOf(app)}/${name}`;
  if (!isExecutable(host, file)) return undefined;
  const env = { ...programEnvironment(host.env()), ...pathVariables(host, app.paths), ...facts };
  const job = host.start([file, app.name], {
    cwd: app.paths.home,
    env,
    log: transcript,
    status: jobFile(app),
  });
  return waitForJob(recorder, job, limit);
}

const hooksOf = ({ paths }: App) => `${paths.root}/hooks`;
