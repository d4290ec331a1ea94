import type * as Headers from "@effect/platform/Headers"

/** What a registry has to say to its users (distribution-spec «Warnings»). @since 0.1.0 */
export interface Warning {
  readonly host: string
  readonly text: string
}

/** Of one text. @internal */
export const maxLength = 4096
const maxPerAnswer = 16
const maxRemembered = 1000

/** What a terminal could take for a command. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to be found
const control = /[\u0000-\u001f\u007f-\u009f]+/g

const entry = /(?<![^\s,])299\s+-\s+"((?:[^"\\]|\\.)*)"/g

/** The texts of `Warning: 299 - "…"`, at most 16 of at most 4096 characters; other codes are caches talking. @internal */
export const parse = (header: string | undefined): ReadonlyArray<string> =>
  Array.from((header ?? "").slice(0, maxPerAnswer * maxLength).matchAll(entry), (found) =>
    (found[1] ?? "").replace(/\\(.)/g, "$1").replace(control, " ").slice(0, maxLength)
  ).slice(0, maxPerAnswer)

/** Tells each warning of a host once. @internal */
export const seen = () => {
  const told = new Set<string>()
  return {
    fresh: (host: string, headers: Headers.Headers): ReadonlyArray<Warning> =>
      parse(headers["warning"]).flatMap((text) => {
        const key = `${host} ${text}`
        if (told.has(key) || told.size >= maxRemembered) return []
        told.add(key)
        return [{ host, text }]
      })
  }
}
