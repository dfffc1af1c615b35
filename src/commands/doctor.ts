import { pathsOf } from "../app/paths.ts";
import { examineBoard } from "../board/doctor/index.ts";
import { expireKept } from "../deploy/kept.ts";
import { minFree } from "../deploy/space.ts";
import { Ended } from "../text/errors.ts";
import { hasColours } from "../text/output.ts";
import { columns } from "../text/text.ts";
import { command, jsonArg } from "./command.ts";

export const doctor = command({
  name: "doctor",
  group: "The board",
  description: "Check the board and suggest fixes",
  details: "One line for each check; exit status 1 when something is wrong.",
  examples: ["ssh piku@board doctor"],
  alias: ["check", "diagnose"],
  args: { json: jsonArg },
  run({ args, host }) {
    const paths = pathsOf(host);
    expireKept(host, paths, minFree.doctor);
    const found = examineBoard(host, paths);
    if (args.json) host.say(JSON.stringify(found));
    else {
      const lines = columns(
        found.map(({ check, ok, says, remedy }) => [
          ok ? "ok" : "wrong",
          check,
          remedy === undefined ? says : `${says}. To do: ${remedy}`,
        ]),
      );
      for (const line of lines)
        host.say(
          hasColours(host, 1)
            ? line.replace(
                /^(ok|wrong)/,
                (word) => `\u001b[${word === "ok" ? 32 : 31}m${word}\u001b[0m`,
              )
            : line,
        );
    }
    if (found.some(({ ok }) => !ok)) throw new Ended(1);
  },
});
