import { exit, host } from "#host";
import { hasConnections, isListening, isSocketConnected } from "../../src/processes.ts";

/** Looks once for each thing that piku asks of the machine's tables of sockets; port and path are its arguments. */
const [port, path] = host.args;
const memory = () => /^VmHWM:\s+(\d+)/m.exec(host.read("/proc/self/status")!)![1];
const looks = {
  listening: () => isListening(host, Number(port)),
  connected: () => hasConnections(host, Number(port)),
  elsewhere: () => hasConnections(host, 1),
  unix: () => isSocketConnected(host, path!),
};
for (const [name, look] of Object.entries(looks)) {
  const start = host.ticks();
  const found = look();
  host.say(`${name} ${found} ${Math.round(host.ticks() - start)} ms`);
}
host.say(`memory ${memory()}`);
exit(0);
