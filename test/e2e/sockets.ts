import { exit, host } from "#host";
import { hasConnections, isListening, isSocketConnected } from "../../src/host/processes.ts";

/**
 * Looks once for each thing that piku asks of the machine's sockets, and says what it found and
 * what that took.
 */
const port = Number(host.args[0]);
const asked: Record<string, () => boolean> = {
  listening: () => isListening(host, port),
  connected: () => hasConnections(host, port),
  elsewhere: () => hasConnections(host, 1),
  unix: () => isSocketConnected(host, "/nowhere.sock"),
};
const looks: Record<string, boolean> = {};
const milliseconds: Record<string, number> = {};
for (const [name, look] of Object.entries(asked)) {
  const start = host.ticks();
  looks[name] = look();
  milliseconds[name] = Math.round(host.ticks() - start);
}
let sockets = 0;
host.search("/proc/net/tcp", (lines) => {
  sockets += lines.split("\n").length - 1;
  return false;
});
const kilobytes = Number(/^VmHWM:\s+(\d+)/m.exec(host.read("/proc/self/status")!)![1]);
host.say(JSON.stringify({ looks, milliseconds, sockets, kilobytes }));
exit(0);
