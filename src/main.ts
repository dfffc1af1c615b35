import { exit, host } from "#host";
import { isClient } from "./client/called.ts";
import { dispatch } from "./commands/index.ts";
import { calledWords } from "./commands/ssh.ts";
import type { Host } from "./host/host.ts";
import { cleanEnvironment } from "./host/tools.ts";
import { pushOf } from "./repository/push.ts";
import { Ended, explain, PikuError } from "./text/errors.ts";
import { voiceOf } from "./text/output.ts";

/** Runs the command that this call asks for, and gives the exit code. */
async function main(host: Host): Promise<number> {
  const env = host.env();
  try {
    if (isClient(host, host.args)) {
      const { runClient } = await import("./client/client.ts");
      await runClient(host, host.args);
    } else {
      host.setEnv(cleanEnvironment(env));
      await dispatch(host, calledWords(host.args, env), pushOf(env));
    }
    return 0;
  } catch (error) {
    return report(host, error);
  }
}

/** Shows an error, here and nowhere else, as the sentence that it is, and gives its exit code. */
function report(host: Host, error: unknown): number {
  if (error instanceof Ended) return error.exitCode;
  // Nobody reads any more; there is nobody to tell.
  if (/^EPIPE\b/.test((error as Error).message)) return 0;
  const { message, hint } = explain(error);
  voiceOf(host).error(message);
  if (hint) host.sayError(`Hint: ${hint}`);
  return error instanceof PikuError ? error.exitCode : 1;
}

exit(await main(host));
