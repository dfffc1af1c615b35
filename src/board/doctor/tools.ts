import type { Host } from "../../host/host.ts";
import { type Check, findings } from "./check.ts";

/** A program that piku runs. */
interface Tool {
  name: string;
  /** How it is asked for its version; one that has none to tell is only looked for. */
  argv: string[];
  /** Debian packages that bring it. */
  packages: string;
}

const lookFor = (name: string) => ["sh", "-c", `command -v ${name}`];

const needed: Tool[] = [
  { name: "git", argv: ["git", "--version"], packages: "git" },
  { name: "uwsgi", argv: ["uwsgi", "--version"], packages: "uwsgi-core uwsgi-plugin-python3" },
  { name: "nginx", argv: ["nginx", "-v"], packages: "nginx-light" },
  { name: "openssl", argv: ["openssl", "version"], packages: "openssl" },
  { name: "curl", argv: ["curl", "--version"], packages: "curl" },
  { name: "ssh-keygen", argv: lookFor("ssh-keygen"), packages: "openssh-client" },
  { name: "tar", argv: lookFor("tar"), packages: "tar" },
  { name: "flock", argv: lookFor("flock"), packages: "util-linux" },
];

/** Whether all programs that piku runs are installed. */
export const tools: Check = (host) => {
  const looked = needed.map((tool) => ({ ...tool, version: toolVersion(host, tool) }));
  return findings(
    looked.map(({ version }) => version).join(", "),
    looked
      .filter(({ version }) => version === undefined)
      .map(({ name, packages }) => ({
        says: `${name} is not installed`,
        remedy: `sudo apt install ${packages}`,
      })),
  );
};

/** A tool's name and version, or its name; undefined when it is not there. */
function toolVersion(host: Host, { name, argv }: Tool): string | undefined {
  const { status, stdout, stderr } = host.capture(argv);
  if (status !== 0) return undefined;
  const version = argv[0] === "sh" ? undefined : /\d+(\.\d+)+\w*/.exec(stdout || stderr)?.[0];
  return version === undefined ? name : `${name} ${version}`;
}
