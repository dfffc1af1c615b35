import type { Host } from "../host/host.ts";

/** What git's own files of a work tree need to say; everything else may name a program to run. */
const kept: Record<string, RegExp> = {
  core: /^(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|symlinks)$/i,
  extensions: /^objectformat$/i,
  remote: /^(url|fetch)$/i,
  branch: /^(remote|merge)$/i,
  submodule: /^(url|active)$/i,
};

/**
 * The text of a git-config(1) file without what could make git run a program, read other files or
 * work in another directory.
 */
export function cleanConfig(text: string): string {
  let keys: RegExp | undefined;
  const lines = text.split("\n").filter((line) => {
    const section = /^\[\s*([\w-]+)(?:\s+"[^"\\]*")?\s*\]\s*$/.exec(line)?.[1];
    if (/^\s*\[/.test(line)) keys = section === undefined ? undefined : kept[section.toLowerCase()];
    if (section !== undefined) return keys !== undefined;
    const key = /^\s*([\w-]+)\s*=[^\\#;"]*$/.exec(line)?.[1];
    return key !== undefined && keys?.test(key) === true;
  });
  return lines.map((line) => `${line}\n`).join("");
}

const maxConfigs = 1000;

/**
 * Takes out of the git configuration of a work tree, and of its submodules, what piku's git must not
 * do: whoever can write there is an app.
 */
export function cleanTree(host: Host, dir: string): void {
  if (host.stat(`${dir}/.git`)?.type !== "directory") return;
  for (const name of ["commondir", "config.worktree"]) host.remove(`${dir}/.git/${name}`);
  const found = host.stat(`${dir}/.git/modules`)
    ? host.capture(["find", `${dir}/.git/modules`, "-type", "f", "-name", "config"]).stdout
    : "";
  for (const file of [`${dir}/.git/config`, ...found.split("\n")].slice(0, maxConfigs)) {
    const text = file === "" ? "" : (host.read(file) ?? "");
    const clean = cleanConfig(text);
    if (clean !== text) host.write(file, clean);
  }
}
