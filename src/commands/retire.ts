import { findApp } from "../app/app.ts";
import { retire } from "../deploy/retire.ts";
import { appArg, command } from "./command.ts";

export const retireCommand = command({
  name: "retire",
  group: "Internal",
  description: "End what an app's last deploy has replaced",
  examples: ["ssh piku@board retire blog"],
  args: { app: appArg },
  run: ({ args, host }) => retire(host, findApp(host, args.app)),
});
