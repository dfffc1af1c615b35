import type { Host } from "../host/host.ts";

/** The kernel's switches that keep user namespaces from everybody but root (sysctl(8)). */
const switches: readonly (readonly [key: string, off: string, on: number])[] = [
  ["kernel.apparmor_restrict_unprivileged_userns", "1", 0],
  ["kernel.unprivileged_userns_clone", "0", 1],
  ["user.max_user_namespaces", "0", 10_000],
];

/** What to type on the server for user namespaces; undefined where no switch keeps them back. */
export function namespaceRemedy(host: Host): string | undefined {
  const lines = switches.flatMap(([key, off, on]) =>
    host.read(`/proc/sys/${key.replaceAll(".", "/")}`)?.trim() === off ? [`${key}=${on}`] : [],
  );
  return lines.length === 0
    ? undefined
    : `printf '%s\\n' ${lines.join(" ")} | sudo tee /etc/sysctl.d/60-piku.conf; sudo sysctl --system`;
}
