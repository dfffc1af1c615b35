import { defineCommand } from "citty";
import { pathsOf } from "../app/paths.ts";
import { examineBoard } from "../board/doctor/index.ts";
import type { Host } from "../host/host.ts";
import { Ended } from "../text/errors.ts";
import { columns } from "../text/text.ts";
import { jsonArg } from "./arguments.ts";

export const doctor = (host: Host) =>
  defineCommand({
    meta: {
      description: "Look for what is wrong with the board, and say what to do about it",
      example: "piku doctor",
    },
    args: { json: jsonArg },
    run({ args }) {
      const found = examineBoard(host, pathsOf(host));
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
            host.isTerminal(1)
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
