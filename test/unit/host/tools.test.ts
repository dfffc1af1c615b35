import { expect, test } from "bun:test";
import { cleanEnvironment, findTool } from "../../../src/host/tools.ts";
import { memoryHost } from "../../host/memory.ts";

const system = "/usr/local/sbin:/usr/sbin:/sbin";

test.each<[Record<string, string>, Record<string, string>]>([
  [{}, { PATH: `/usr/local/bin:/usr/bin:/bin:${system}` }],
  [{ PATH: "/a:/b:/a" }, { PATH: `/a:/b:${system}` }],
  [
    { PATH: "/usr/sbin:/bin", HOME: "/h" },
    { PATH: "/h/bin:/h/.local/bin:/usr/sbin:/bin:/usr/local/sbin:/sbin", HOME: "/h" },
  ],
  // An empty or a relative entry is the folder in which a program happens to run.
  [{ PATH: "" }, { PATH: `/usr/local/bin:/usr/bin:/bin:${system}` }],
  [{ PATH: "/a::/b:." }, { PATH: `/a:/b:${system}` }],
])("cleanEnvironment(%j)", (env, expected) => {
  expect(cleanEnvironment(env)).toEqual(expected);
});

test.each([
  ...[
    "GIT_DIR",
    "GIT_QUARANTINE_PATH",
    "GIT_CONFIG_COUNT",
    "BUN_OPTIONS",
    "BUN_BE_BUN",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
  ],
  ...[
    "NODE_OPTIONS",
    "BASH_ENV",
    "BASH_FUNC_ls%%",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "IFS",
    "CDPATH",
    "PYTHONPATH",
  ],
  ...[
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PYTHONUSERBASE",
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
  ],
  ...["SSH_ORIGINAL_COMMAND"],
])("cleanEnvironment takes %s out", (name) => {
  expect(cleanEnvironment({ [name]: "x", PATH: "/a" })).toEqual({ PATH: `/a:${system}` });
});

test.each([
  "LANG",
  "ENVIRONMENT",
  "MY_ENV",
  "SSH_CONNECTION",
  "USER",
  "PIKU_ROOT",
  "FINGERPRINT",
  "NAME",
  "PYTHONUNBUFFERED",
  "LDAP_HOST",
])("cleanEnvironment leaves %s", (name) => {
  expect(cleanEnvironment({ [name]: "x", PATH: "/a" })).toEqual({
    [name]: "x",
    PATH: `/a:${system}`,
  });
});

test.each([
  ["git", "/usr/bin/git"],
  ["linked", "/usr/bin/linked"],
  ["twice", "/first/twice"],
  ["plain", undefined],
  ["folder", undefined],
  ["dangling", undefined],
  ["hidden", undefined],
  ["nothing", undefined],
])("findTool(%s)", (name, path) => {
  const files = [
    "/usr/bin/git",
    "/usr/bin/twice",
    "/first/twice",
    "/usr/bin/plain",
    "/usr/bin/folder/x",
    "/rel/hidden",
  ];
  const host = memoryHost({
    env: { PATH: "/first:rel::/usr/bin" },
    files: Object.fromEntries(files.map((file) => [file, ""])),
  });
  for (const file of files.filter((file) => !file.endsWith("plain"))) host.chmod(file, 0o755);
  host.link("git", "/usr/bin/linked");
  host.link("nowhere", "/usr/bin/dangling");
  expect(findTool(host, name)).toBe(path);
});
