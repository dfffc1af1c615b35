import { defineCommand } from "citty";
import { remainsOf } from "../app.ts";
import { destroy } from "../destroy.ts";
import type { Host } from "../host/host.ts";
import { appArg } from "./arguments.ts";

export const destroyApp = (host: Host) =>
  defineCommand({
    meta: { description: "Remove an app; its data stays", example: "piku destroy blog" },
    args: { app: appArg },
    run: ({ args }) => destroy(host, remainsOf(host, args.app)),
  });
