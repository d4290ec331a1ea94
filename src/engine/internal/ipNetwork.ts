/**
 * IP addresses and networks as Go reads, prints and compares them (`net.ParseIP`, `net.ParseCIDR`): an IPv4 address in IPv6 clothes is the IPv4
 * address.
 *
 * @internal
 */

/** Four bytes or sixteen. @internal */
export type Address = ReadonlyArray<number>

/** The addresses that begin as this one does, for so many bits. @internal */
export interface Network {
  readonly address: Address
  readonly bits: number
}

const octet = /^(?:0|[1-9]\d{0,2})$/

const parse4 = (text: string): Address | undefined => {
  const parts = text.split(".")
  return parts.length === 4 && parts.every((part) => octet.test(part) && Number(part) < 256) ? parts.map(Number) : undefined
}

/** The bytes of a run of groups, of which the last may be an IPv4 address. */
const parseGroups = (text: string, mayEndInIpv4: boolean): Address | undefined => {
  if (text === "") return []
  const bytes: Array<number> = []
  const groups = text.split(":")
  for (const [index, group] of groups.entries()) {
    const four = mayEndInIpv4 && index === groups.length - 1 ? parse4(group) : undefined
    if (four !== undefined) bytes.push(...four)
    else if (/^[0-9a-f]{1,4}$/i.test(group)) bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff)
    else return undefined
  }
  return bytes
}

const parse6 = (text: string): Address | undefined => {
  const [head = "", tail, ...more] = text.split("::")
  if (!text.includes(":") || more.length > 0) return undefined
  const before = parseGroups(head, tail === undefined)
  const after = parseGroups(tail ?? "", true)
  if (before === undefined || after === undefined) return undefined
  const missing = 16 - before.length - after.length
  // The two colons stand for one group at least.
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined
  return [...before, ...Array.from({ length: missing }, () => 0), ...after]
}

const isMapped = (bytes: Address): boolean =>
  bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff

const shortest = (bytes: Address): Address => (isMapped(bytes) ? bytes.slice(12) : bytes)

/** An IP literal without brackets; of an IPv6 address with a zone, the address. @internal */
export const parseAddress = (text: string): Address | undefined => {
  const bytes = parse4(text) ?? parse6(text.replace(/%.+$/, ""))
  return bytes === undefined ? undefined : shortest(bytes)
}

/** Whether the text is an IP address and nothing else: no brackets, no zone. @internal */
export const isAddress = (text: string): boolean => (parse4(text) ?? parse6(text)) !== undefined

const masked = (bytes: Address, bits: number): Address =>
  bytes.map((byte, index) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - index * 8))))

/** `10.0.0.0/8`, `2001:db8::/32`. What the mask leaves out of the address is dropped. @internal */
export const parseNetwork = (text: string): Network | undefined => {
  const [, address = "", length = ""] = /^([^/]*)\/(\d{1,7})$/.exec(text) ?? []
  const bytes = parse4(address) ?? parse6(address)
  const bits = Number(length)
  if (bytes === undefined || length === "" || bits > bytes.length * 8) return undefined
  const network = masked(bytes, bits)
  return isMapped(network) ? { address: network.slice(12), bits: bits - 96 } : { address: network, bits }
}

/** Whether the address is in the network. @internal */
export const contains = ({ address, bits }: Network, other: Address): boolean =>
  other.length === address.length && masked(other, bits).every((byte, index) => byte === address[index])

/** The longest run of zeros of at least two groups becomes `::`, the first of several (RFC 5952). */
const print6 = (bytes: Address): string => {
  const groups = Array.from({ length: 8 }, (_, index) => (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16))
  let start = 0
  let length = 0
  for (let from = 0; from < 8; from++) {
    let to = from
    while (to < 8 && groups[to] === "0") to++
    if (to - from > Math.max(length, 1)) [start, length] = [from, to - from]
  }
  return length === 0 ? groups.join(":") : `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`
}

/** The one spelling of a network. @internal */
export const printNetwork = ({ address, bits }: Network): string => `${address.length === 4 ? address.join(".") : print6(address)}/${bits}`
