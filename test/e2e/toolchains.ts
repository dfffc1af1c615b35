import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { type Board, quote } from "./sandbox.ts";

const folders = (process.env.PATH ?? "").split(":");

/** Where a program of this machine is. */
export const toolOf = (name: string) =>
  folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));

/** Why a story that needs these programs cannot be told here. */
export function lackOf(...names: string[]): string | undefined {
  const missing = names.filter((name) => !toolOf(name));
  return missing.length > 0
    ? `no ${missing.join(", ")} on this machine: sh test/setup.sh tests`
    : undefined;
}

/**
 * Why cargo cannot get its packages: before 1.70 it wants all of the index by git, which takes
 * longer than a push may.
 */
export function oldCargo(): string | undefined {
  const version =
    spawnSync(toolOf("cargo") ?? "false", ["--version"], { encoding: "utf8" }).stdout ?? "";
  const [, minor = ""] = /^cargo 1\.(\d+)\./.exec(version) ?? [];
  return Number(minor) >= 70 ? undefined : `${version.trim() || "cargo"} is older than 1.70`;
}

/**
 * Why Java's tools cannot get their packages: they trust what Java's own store of certificates has,
 * not the machine's.
 */
export function lackOfMaven(): string | undefined {
  const folder = fs.mkdtempSync("/tmp/piku-maven-");
  const words = [
    "-B",
    "-q",
    "-ntp",
    `-Dmaven.repo.local=${folder}`,
    "dependency:get",
    "-Dartifact=junit:junit:4.13.2:pom",
  ];
  const ran = spawnSync(toolOf("mvn") ?? "false", words, { cwd: folder });
  fs.rmSync(folder, { recursive: true });
  return ran.status === 0 ? undefined : "Maven cannot reach its repository";
}

/**
 * Puts a program on piku's path: one of this machine, which may lie where only we look, with
 * variables that it needs.
 */
export function link(
  board: Board,
  name: string,
  variables: Record<string, string> = {},
  words: string[] = [],
): void {
  const exports = Object.entries(variables).map(
    ([key, value]) => `export ${key}=${quote(value)}\n`,
  );
  // rustup's programs go by the name that they are called by.
  standIn(board, name, `${exports.join("")}exec ${quote(toolOf(name)!)} ${words.join(" ")} "$@"\n`);
}

/** Puts a shell script on piku's path, for a program that cannot be had here. */
export function standIn(board: Board, name: string, script: string): void {
  fs.mkdirSync(`${board.home}/bin`, { recursive: true });
  fs.writeFileSync(`${board.home}/bin/${name}`, `#!/bin/sh\nset -eu\n${script}`, { mode: 0o755 });
}

/** A script that writes down how it was called; `recorded` reads it. */
export const recording = (script: string, ...variables: string[]) =>
  `echo "\${0##*/} $*${variables.map((name) => ` ${name}=\${${name}:-}`).join("")}" >>"$HOME/recorded"\n${script}`;

/** What stand-ins wrote down since the last time. */
export function recorded(board: Board): string[] {
  const file = `${board.home}/recorded`;
  const lines = fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim().split("\n") : [];
  fs.rmSync(file, { force: true });
  return lines;
}
