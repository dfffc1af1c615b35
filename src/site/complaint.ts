import type { Paths } from "../app/paths.ts";

/**
 * What nginx holds against its files, of what it has printed or logged: its first `[emerg]`, with
 * files of sites by their bare names.
 */
export function readComplaint({ nginx }: Paths, said: string): string | undefined {
  const lines = said.split("\n").filter((line) => line.includes("[emerg]"));
  const first = lines.find((line) => !line.includes("still could not bind")) ?? lines[0];
  return first?.replace(/^.*\[emerg\]\s*(\d+#\d+:\s*)?/, "").replaceAll(`${nginx}/`, "");
}

/** The site that a complaint names: the app of `blog.conf:12`, `blog.crt`. */
export const blamedSite = (complaint: string): string | undefined =>
  /(?:^|[\s"'])([A-Za-z0-9][\w.-]*)\.(?:conf|crt|key)(?=[:"'\s]|$)/.exec(complaint)?.[1];
