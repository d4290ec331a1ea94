/** Inputs nobody would write: words of a language thrown together, and good examples with something done to them. */

/** What a parser is fed with: pieces of its language, and texts it takes. */
export interface Language {
  readonly words: ReadonlyArray<string>
  readonly examples: ReadonlyArray<string>
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const oddities = [
  "",
  "\u0000",
  "\r\n",
  "\t",
  " ",
  "%",
  "%00",
  "%2e%2e",
  "\\",
  '"',
  "é",
  "😀",
  "\ud800",
  "\u202e",
  "ſ",
  "__proto__",
  "0",
  "-1",
  "99999999999999999999",
  "1e309",
  "null"
]

type Random = ReturnType<typeof randomOf>

const pick = (random: Random, from: ReadonlyArray<string>): string => from[random(from.length)] ?? ""

const thrown = (random: Random, { words }: Language): string => {
  let text = ""
  for (let left = random(12); left >= 0; left--) text += random(6) === 0 ? pick(random, oddities) : pick(random, words)
  return text
}

const changed = (random: Random, text: string, language: Language): string => {
  const at = random(text.length + 1)
  const length = random(Math.max(1, text.length - at))
  switch (random(7)) {
    case 0:
      return text.slice(0, at) + text.slice(at + length)
    case 1:
      return text.slice(0, at) + pick(random, language.words) + text.slice(at)
    case 2:
      return text.slice(0, at) + pick(random, oddities) + text.slice(at)
    case 3:
      return text.slice(0, at) + String.fromCharCode(random(0x180)) + text.slice(at + 1)
    case 4:
      return text.slice(0, at) + pick(random, language.examples).slice(random(20))
    case 5:
      return text.slice(0, at) + text.slice(at, at + Math.min(length, 12)).repeat(random(8)) + text.slice(at)
    default:
      return text.toUpperCase() === text ? text.toLowerCase() : text.slice(0, at) + text.slice(at).toUpperCase()
  }
}

/** One text in a thousand is long, so that a parser that takes its time shows. */
const prolonged = (random: Random, text: string): string => (random(1000) === 0 ? text.repeat(1 + random(200)).slice(0, 20_000) : text)

/** Feeds a parser; what it throws comes with the input that made it throw. */
export const feed = (count: number, language: Language, parse: (input: string) => void, seed = 1): number => {
  const random = randomOf(seed)
  for (let round = 0; round < count; round++) {
    let input = random(4) === 0 ? thrown(random, language) : pick(random, language.examples)
    for (let changes = random(4); changes > 0; changes--) input = changed(random, input, language)
    input = prolonged(random, input)
    try {
      parse(input)
    } catch (cause) {
      throw new Error(`input ${round}: ${JSON.stringify(input.slice(0, 2000))}`, { cause })
    }
  }
  return count
}
