import type { Host } from "./host.ts";

/**
 * Asks for a page by curl, redirects not followed, and gives the status of the answer (`000` for
 * none) and how curl ended (curl(1), "exit codes"; 127 where there is no curl). `patience`: seconds.
 * `options`: more of curl's own.
 */
export function askStatus(
  host: Host,
  url: string,
  patience: number,
  options: readonly string[],
): { status: string; exit: number } {
  const { stdout, status } = host.capture([
    ...["curl", "-s", "-o", "/dev/null", "-m", String(patience), "-w", "%{http_code}"],
    // The status is all that is wanted; a page may be a film.
    ...["--max-filesize", "1000000", "--noproxy", "*", "-A", "piku", ...options, "--", url],
  ]);
  return { status: stdout, exit: status };
}
