import { isInternal } from "../commands/index.ts";
import type { Host } from "../host/host.ts";

/** About the executable at hand, wherever it is. */
const local = ["setup", "recover", "--version", "-V", "-v", "version"];

/**
 * Whether this call is a client's: it is the board's own as a forced command, as a hook, with
 * PIKU_ROOT, and where `~/.piku` is a board. The original's client keeps plugins in `~/.piku` too.
 */
export function isClient(host: Host, [name = ""]: readonly string[]): boolean {
  const { SSH_ORIGINAL_COMMAND, GIT_DIR, PIKU_ROOT, HOME, USERPROFILE } = host.env();
  if (SSH_ORIGINAL_COMMAND !== undefined || GIT_DIR !== undefined || PIKU_ROOT) return false;
  if (isInternal(name)) return false;
  return !host.stat(`${HOME || USERPROFILE || ""}/.piku/repos`) && !local.includes(name);
}
