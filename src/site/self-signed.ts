import type { Host } from "../host/host.ts";
import { failedRun, PikuError } from "../text/errors.ts";

/**
 * Writes a self-signed certificate and its key (0600), of a type that even a slow board generates
 * quickly (openssl-req(1)). `names`: its subjectAltName, such as `DNS:localhost`. Throws when
 * openssl is missing or fails.
 */
export function selfSign(
  host: Host,
  { certificate, key }: { certificate: string; key: string },
  subject: string,
  days: number,
  names: readonly string[] = [],
): void {
  const type = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ran = host.capture([
    ...["openssl", "req", ...type, "-days", String(days), "-subj", subject],
    ...(names.length > 0 ? ["-addext", `subjectAltName=${names.join(",")}`] : []),
    ...["-keyout", key, "-out", certificate],
  ]);
  if (ran.status === 127)
    throw new PikuError(
      "openssl is not installed on the server",
      "on the server: sudo apt install openssl",
    );
  if (ran.status !== 0) throw failedRun("no certificate could be made", ran);
  host.chmod(key, 0o600);
}
