/** Sizes and numbers for people. */
const units = ["B", "kB", "MB", "GB", "TB"]

/** In powers of 1000: `12.3 MB`. */
export const format = (bytes: number): string => {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))
  const value = bytes / 1000 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`
}

/** `1 blob`, `2 blobs`. */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
