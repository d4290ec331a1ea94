/**
 * What a registry asks for in `WWW-Authenticate`: the reader of the header (RFC 9110 §11.6.1) and the choice between several challenges.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Credentials from "./Credentials.ts"

/**
 * One challenge. The scheme and the names of the parameters are in lower case; of a parameter named twice the last one counts, and one
 * with an empty value is as if it were not there.
 *
 * @since 0.1.0
 */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

/** @since 0.1.0 */
export const make = (scheme: string, parameters: Readonly<Record<string, string>> = {}): Challenge => ({
  scheme: scheme.toLowerCase(),
  parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name.toLowerCase(), value]))
})

const separators = /[ \t,]*/y
const blanks = /[ \t]*/y
const schemeName = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
// Values that should have been quoted, such as a bare URL, are read up to the next blank or comma.
const parameter = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\[\s\S])*)"|([^\s,"]+))/y
// Of no scheme that is answered here, so it is only stepped over.
const token68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y
const restOfItem = /(?:[^",]|"(?:[^"\\]|\\[\s\S])*"?)*/y

const unescaped = (quoted: string) => quoted.replace(/\\([\s\S])/g, "$1")

interface Open {
  readonly scheme: string
  readonly parameters: Map<string, string>
}

/**
 * Reads one header value, which may hold several challenges. Nothing is an error: what does not fit is left out, up to the next comma.
 *
 * @since 0.1.0
 */
export const parseHeader = (value: string): ReadonlyArray<Challenge> => {
  const found: Array<Open> = []
  let position = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position
    const match = pattern.exec(value) ?? undefined
    if (match !== undefined) position = pattern.lastIndex
    return match
  }
  const takeParameter = (into: Open): boolean => {
    const match = take(parameter)
    if (match === undefined) return false
    const [, name = "", quoted, bare] = match
    const text = bare ?? unescaped(quoted ?? "")
    if (text !== "") into.parameters.set(name.toLowerCase(), text)
    return true
  }
  // A scheme stands at the start, or after a comma and before a blank, a comma or the end.
  const takeChallenge = (): void => {
    const name = take(schemeName)
    if (name === undefined) return
    const next = value[position]
    if (found.length > 0 && next !== undefined && next !== " " && next !== "\t" && next !== ",") return
    const challenge: Open = { scheme: name[0].toLowerCase(), parameters: new Map() }
    found.push(challenge)
    take(blanks)
    if (take(token68) === undefined) takeParameter(challenge)
  }
  take(separators)
  while (position < value.length) {
    const open = found.at(-1)
    if (open === undefined || !takeParameter(open)) takeChallenge()
    take(restOfItem)
    take(separators)
  }
  return found.map(({ scheme, parameters }) => ({ scheme, parameters: Object.fromEntries(parameters) }))
}

/** Reads the values of all `WWW-Authenticate` lines of a response, in their order. @since 0.1.0 */
export const parse = (headerLines: ReadonlyArray<string>): ReadonlyArray<Challenge> => headerLines.flatMap(parseHeader)

/** The challenges of a response: only a 401 asks for anything (RFC 9110 §15.5.2). @since 0.1.0 */
export const fromResponse = (status: number, headerLines: ReadonlyArray<string>): ReadonlyArray<Challenge> =>
  status === 401 ? parse(headerLines) : []

/** @since 0.1.0 */
export const isBearer = (challenge: Challenge): boolean => challenge.scheme === "bearer"

/** @since 0.1.0 */
export const isBasic = (challenge: Challenge): boolean => challenge.scheme === "basic"

/**
 * The challenge to answer with these credentials: a Bearer challenge that names a realm, else a Basic challenge if there are a user name
 * and a password, else a Bearer challenge that names none. A registry token answers either scheme. None: the credentials answer nothing.
 *
 * @since 0.1.0
 */
export const select = (challenges: ReadonlyArray<Challenge>, credentials: Credentials.Credentials): Option.Option<Challenge> => {
  const bearer = challenges.filter(isBearer)
  const basic = challenges.filter(isBasic)
  const answersBasic = Credentials.isRegistryToken(credentials) || Credentials.userAndPassword(credentials) !== undefined
  return Option.fromNullable(bearer.find((_) => _.parameters["realm"] !== undefined) ?? (answersBasic ? basic[0] : undefined) ?? bearer[0])
}
