import type { BoardSettings } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { changeNginx } from "./change.ts";
import { rangesFile } from "./site.ts";

/** The IP ranges in Cloudflare's answer, IPv4 and IPv6; undefined for any other text. */
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

/** The text of that file. */
export const renderRanges = (ranges: readonly string[]) =>
  `# Written by piku; refreshed every day.\n${ranges.map((range) => `allow ${range};\n`).join("")}`;

/** Downloads the text of the file. Throws with the reason when that fails. */
function downloadRanges(host: Host, source: string): string {
  const ran = host.capture(["curl", "-fsS", "--max-time", "20", "--", source]);
  const ranges = ran.status === 0 ? parseRanges(ran.stdout) : undefined;
  if (ranges) return renderRanges(ranges);
  throw new PikuError(
    `could not download Cloudflare's IP ranges: ${ran.stderr.trim().split("\n").at(-1) || "the answer is not a list of ranges"}`,
    "check the server's network and try again, or unset NGINX_CLOUDFLARE_ACL",
  );
}

/**
 * Downloads the ranges where there are none yet: without them a site would let nobody in. Throws
 * when that fails.
 */
export function ensureRanges(host: Host, paths: Paths, { cloudflare }: BoardSettings): void {
  if (!host.stat(rangesFile(paths)))
    host.write(rangesFile(paths), downloadRanges(host, cloudflare));
}

/**
 * Updates the ranges where a site uses them, and reloads nginx when they have changed. For callers
 * that hold the board's lock. Throws when the download fails; the last good ranges stay.
 */
export function refreshRanges(
  host: Host,
  paths: Paths,
  { cloudflare, reload }: BoardSettings,
): void {
  const file = rangesFile(paths);
  const before = host.read(file);
  if (before === undefined) return;
  const now = downloadRanges(host, cloudflare);
  if (now === before) return;
  changeNginx(host, paths, reload, {
    make: () => host.write(file, now),
    undo: () => host.write(file, before),
  });
}
