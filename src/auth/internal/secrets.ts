import * as Redacted from "effect/Redacted"
import * as Credentials from "../Credentials.ts"

const clear = (credentials: Credentials.Credentials): ReadonlyArray<string> => {
  switch (credentials._tag) {
    case "Anonymous":
      return []
    case "Basic":
    case "IdentityToken": {
      const header = Credentials.basicAuthorization(credentials)
      return [
        ...(credentials._tag === "IdentityToken" ? [Redacted.value(credentials.token)] : []),
        ...(credentials.password === undefined ? [] : [Redacted.value(credentials.password)]),
        ...(header === undefined ? [] : [Redacted.value(header).slice("Basic ".length)])
      ]
    }
    case "RegistryToken":
      return [Redacted.value(credentials.token)]
  }
}

const asForm = (text: string) => new URLSearchParams([["", text]]).toString().slice(1)
const asJson = (text: string) => JSON.stringify(text).slice(1, -1)

/**
 * Every secret inside, in clear and in the spellings in which a server might repeat it; for masking only.
 *
 * @internal
 */
export const secretsOf = (credentials: Credentials.Credentials): ReadonlyArray<string> => {
  const spellings = clear(credentials).flatMap((text) => [text, asForm(text), asForm(text).replaceAll("+", "%20"), asJson(text)])
  // The longest first: a secret may be a part of another.
  return [...new Set(spellings)].filter((text) => text !== "").sort((a, b) => b.length - a.length)
}
