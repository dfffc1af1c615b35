/** The private networks, such as a home's: RFC 1918, 3927, 4193, 4291 and 6598. */
export const privateNetworks = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
  "fe80::/10",
];

/** Whether an IP address lies in a private network; false for what is none. */
export function isPrivate(address: string): boolean {
  const bits = leadingBits(address.replace(/^::ffff:(?=\d+\.)/i, ""));
  return privateNetworks.some((network) => {
    const [base = "", length] = network.split("/");
    return bits.startsWith(leadingBits(base).slice(0, "4:".length + Number(length)));
  });
}

/** The family of an address and its bits, of IPv6 the first group only: `4:00001010…`. */
const leadingBits = (address: string) =>
  address.includes(":")
    ? `6:${binary(Number.parseInt(address, 16), 16)}`
    : `4:${address
        .split(".")
        .map((part) => binary(Number(part), 8))
        .join("")}`;

const binary = (value: number, width: number) => value.toString(2).padStart(width, "0");
