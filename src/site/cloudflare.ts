import type { Machine } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { changeNginx } from "./change.ts";

/**
 * The file that sites include which let nobody in but Cloudflare. Its name is none that nginx takes
 * for a site.
 */
export const rangesFile = (paths: Paths) => `${paths.nginx}/cloudflare.acl`;

/**
 * The ranges of addresses in Cloudflare's answer, of both families; undefined when it is none of
 * its answers.
 */
export function parseRanges(answer: string): string[] | undefined {
  try {
    const { success, result } = JSON.parse(answer) as {
      success?: unknown;
      result?: Record<string, unknown>;
    };
    const ranges = [result?.ipv4_cidrs, result?.ipv6_cidrs].flat();
    const isRange = (range: unknown) =>
      typeof range === "string" && /^[0-9a-fA-F.:]{2,45}\/\d{1,3}$/.test(range);
    return success === true && ranges.length > 1 && ranges.every(isRange)
      ? (ranges as string[])
      : undefined;
  } catch {
    return undefined;
  }
}

/** The text of the file of ranges. */
export const renderRanges = (ranges: readonly string[]) =>
  `# Written by piku; refreshed every day.\n${ranges.map((range) => `allow ${range};\n`).join("")}`;

/** Asks Cloudflare. Throws with the reason when there is no answer, or one that is none. */
function askCloudflare(host: Host, source: string): string {
  const ran = host.capture(["curl", "-fsS", "--max-time", "20", "--", source]);
  const ranges = ran.status === 0 ? parseRanges(ran.stdout) : undefined;
  if (ranges) return renderRanges(ranges);
  throw new PikuError(
    `the addresses of Cloudflare could not be got: ${ran.stderr.trim().split("\n").at(-1) || "the answer is not a list of them"}`,
    "look at the server's network and try again, or unset NGINX_CLOUDFLARE_ACL",
  );
}

/**
 * Sees to it that there is a list of ranges: without one a site would let nobody in. Throws when it
 * cannot be got.
 */
export function ensureRanges(host: Host, paths: Paths, { cloudflare }: Machine): void {
  if (!host.stat(rangesFile(paths))) host.write(rangesFile(paths), askCloudflare(host, cloudflare));
}

/**
 * Brings the list up to date where there is one, and has nginx read it; nothing when it is as it
 * was. For those who hold the machine's turn. Throws when it cannot be got: the last good one
 * stays.
 */
export function refreshRanges(host: Host, paths: Paths, { cloudflare, reload }: Machine): void {
  const file = rangesFile(paths);
  const before = host.read(file);
  if (before === undefined) return;
  const now = askCloudflare(host, cloudflare);
  if (now === before) return;
  changeNginx(host, paths, reload, {
    make: () => host.write(file, now),
    undo: () => host.write(file, before),
  });
}
