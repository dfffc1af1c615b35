import { defaultMaxBytes, type Exec, type Host, TooLarge } from "./host.ts";
import {
  type Child,
  type Collected,
  type System,
  SystemError,
  signals,
  tolerate,
} from "./system.ts";

/** What a Host does with other programs, jobs apart. */
export type Children = Pick<Host, "env" | "setEnv" | "run" | "capture" | "detach" | "signal"> & {
  launch(argv: readonly string[], how?: Exec): number;
};

/** That part of the Host; `sayError` is told of a program that cannot be run. */
export function childrenOf(system: System, sayError: (line: string) => void): Children {
  let environment = system.environment;
  return {
    env: () => ({ ...environment }),
    setEnv(env) {
      environment = { ...env };
    },
    run(argv, how = {}) {
      const child = childOf(argv, how, environment);
      try {
        return system.run(argv, child);
      } catch (error) {
        sayError(cannotRun(argv, error));
        return 127;
      }
    },
    capture(argv, how = {}) {
      const child = childOf(argv, how, environment);
      const input = how.input === undefined ? undefined : system.encode(how.input);
      const most = how.most ?? defaultMaxBytes;
      let ran: Collected;
      try {
        ran = system.capture(argv, { ...child, input, most });
      } catch (error) {
        return { status: 127, stdout: "", stderr: `${cannotRun(argv, error)}\n` };
      }
      if (ran.isCut) throw new TooLarge(`'${argv[0]}'`, "printed more than", most);
      return {
        status: ran.status,
        stdout: system.decode(ran.stdout),
        stderr: system.decode(ran.stderr),
      };
    },
    launch: (argv, how = {}) => system.launch(argv, childOf(argv, how, environment)),
    detach: (argv, how = {}) => void system.launch(argv, childOf(argv, how, environment)),
    signal: (pid, name) => signal(system, pid, name),
  };
}

/** Throws for what the kernel would cut at a NUL, or at the `=` of a name. */
function childOf(argv: readonly string[], how: Exec, environment: Record<string, string>): Child {
  const env = how.env ?? environment;
  const texts = [...argv, how.cwd ?? "", ...Object.keys(env), ...Object.values(env)];
  const bad =
    texts.some((text) => text.includes("\0")) ||
    Object.keys(env).some((name) => !name || name.includes("="));
  if (bad || !argv[0]) throw new SystemError("EINVAL", "run", argv[0] ?? "");
  return { cwd: how.cwd, env };
}

function cannotRun(argv: readonly string[], error: unknown): string {
  if (error instanceof SystemError) return `cannot run '${argv[0]}': ${error.message}`;
  throw error;
}

function signal(system: System, pid: number, name: string): boolean {
  const number = signals[name];
  // 0 and -1 mean "my own group" and "everybody" to the kernel.
  if (number === undefined || !Number.isInteger(pid) || pid === 0 || pid === -1) {
    throw new SystemError("EINVAL", `kill ${name}`, String(pid));
  }
  const sent = tolerate(
    () => {
      system.kill(pid, number);
      return true;
    },
    "ESRCH",
    "EPERM",
  );
  return sent === true;
}
