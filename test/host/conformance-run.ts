import { exit, host } from "#host";
import { fileChecks, roles, runChecks, systemChecks } from "./conformance.ts";

// `check FOLDER PORT PROGRAM...`, or one of the roles.
const [role, ...rest] = host.args;
if (role === "check") {
  const [folder, port, ...program] = rest;
  runChecks(host, { ...fileChecks, ...systemChecks(program, Number(port)) }, folder!, (line) =>
    host.say(line),
  );
} else {
  exit(roles[role!]!(host, rest));
}
