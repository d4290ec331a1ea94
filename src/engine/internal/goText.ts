/**
 * How Go quotes text in messages, and reads numbers.
 *
 * @internal
 */

const named: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\u000b": "\\v",
  "\\": "\\\\",
  '"': '\\"'
}

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

const escaped = (character: string): string => {
  const short = named[character]
  if (short !== undefined) return short
  if (printable.test(character)) return character
  const code = character.codePointAt(0) ?? 0
  // Half of a surrogate pair is no character.
  if (code >= 0xd800 && code <= 0xdfff) return "\ufffd"
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`
}

/** `%q`, `strconv.Quote`. @internal */
export const quote = (text: string): string => `"${Array.from(text, escaped).join("")}"`

const most = 2n ** 63n - 1n

/** `strconv.Atoi`: the number, or what Go says of the text. @internal */
export const readInteger = (text: string): number | string => {
  const problem = (reason: string) => `strconv.Atoi: parsing ${quote(text)}: ${reason}`
  if (!/^[+-]?[0-9]+$/.test(text)) return problem("invalid syntax")
  const value = BigInt(text.replace(/^\+/, ""))
  return value > most || value < -most - 1n ? problem("value out of range") : Number(value)
}
