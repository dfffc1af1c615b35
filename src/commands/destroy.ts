import { type App, remainsOf } from "../app/app.ts";
import { destroy } from "../deploy/destroy.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { appArg, command } from "./command.ts";

export const destroyCommand = command({
  name: "destroy",
  group: "Apps",
  description: "Remove an app; its data stays",
  details: "On a terminal it asks for the app's name first.",
  examples: ["ssh piku@board destroy blog"],
  alias: ["remove", "rm", "delete", "apps:destroy", "apps:delete", "apps:remove"],
  args: {
    app: appArg,
    force: { type: "boolean", description: "do not ask for the app's name on a terminal" },
  },
  run({ args, host }) {
    const app = remainsOf(host, args.app);
    if (!args.force && host.isTerminal(0)) confirm(host, app);
    destroy(host, app);
  },
});

/** Asks for the app's name. A shell reads it: the host reads stdin only to its end. */
function confirm(host: Host, { name }: App): void {
  const question = `This removes app '${name}', all but its data. Type its name to confirm: `;
  const script = 'printf %s "$1" >&2; IFS= read -r typed && [ "$typed" = "$2" ]';
  if (host.run(["sh", "-c", script, "sh", question, name]) !== 0)
    throw new PikuError("that is not its name; nothing was removed");
}
