import type { Host } from "./host.ts";

/** Whether nothing more can be written to the disk that a folder lies on. */
export function isDiskFull(host: Host, folder: string): boolean {
  const { bytes, inodes } = host.free(folder);
  return bytes < 64 * 1024 || inodes < 2;
}

/**
 * Megabytes of memory that new processes can have (proc(5): MemAvailable, in kilobytes); undefined
 * where the kernel does not say.
 */
export function memoryLeft(host: Host): number | undefined {
  const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(host.read("/proc/meminfo") ?? "")?.[1];
  return kilobytes === undefined ? undefined : Math.floor(Number(kilobytes) / 1024);
}
