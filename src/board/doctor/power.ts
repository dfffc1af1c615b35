import type { Host } from "../../host/host.ts";
import { type Check, findings } from "./check.ts";

/** Whether a Raspberry Pi has had enough power, and is cool enough. */
export const power: Check = (host) => {
  const throttled = throttledBits(host);
  if (throttled === undefined) return [{ says: "this board does not report it" }];
  return findings(
    "enough, and cool",
    bits.filter(({ mask }) => throttled & mask).map(({ says, remedy }) => ({ says, remedy })),
  );
};

const supply = "use the power supply that came with the board, and a short cable";
const cooling = "add a heat sink, or more air";

/**
 * What the bits of the firmware mean (vcgencmd get_throttled): what is, and what has been since the
 * board was started.
 */
const bits = [
  { mask: 0x1, says: "the voltage is too low right now", remedy: supply },
  {
    mask: 0x10000,
    says: "the voltage has been too low since the board was started",
    remedy: supply,
  },
  { mask: 0x6, says: "the processor is slowed down right now", remedy: `${supply}; ${cooling}` },
  { mask: 0x8, says: "the board is too hot right now", remedy: cooling },
  { mask: 0x80000, says: "the board has been too hot since it was started", remedy: cooling },
];

/**
 * What a Raspberry Pi's firmware says of its power; its driver tells only of the voltage, but
 * everybody. Undefined on other boards.
 */
function throttledBits(host: Host): number | undefined {
  const told = /throttled=0x([0-9a-f]+)/i.exec(
    host.capture(["vcgencmd", "get_throttled"]).stdout,
  )?.[1];
  if (told !== undefined) return Number.parseInt(told, 16);
  const sensors = "/sys/class/hwmon";
  const sensor = host
    .list(sensors)
    .find((name) => host.read(`${sensors}/${name}/name`)?.trim() === "rpi_volt");
  return sensor === undefined
    ? undefined
    : Number(host.read(`${sensors}/${sensor}/in0_lcrit_alarm`) ?? 0);
}
