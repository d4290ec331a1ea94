import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Credentials from "../../auth/Credentials.ts"
import { secretsOf } from "../../auth/internal/secrets.ts"
import { sanitizeBounded } from "../../model/internal/sanitize.ts"
import { bodyPatience } from "./namedWire.ts"
import { authorityOf } from "./v1Address.ts"
import { LoginRefused } from "./v1Errors.ts"
import type { Unanswered } from "./v1Exchange.ts"
import * as V1Wire from "./v1Wire.ts"

const bodyLimitBytes = 64 * 1024
const maxSaid = 2048

/** @internal */
export const login = Effect.fnUntraced(function* (
  endpoint: { readonly url: string },
  credentials: Credentials.Credentials,
  options: V1Wire.Options
): Effect.fn.Return<void, LoginRefused | Unanswered, HttpClient.HttpClient> {
  const url = `${endpoint.url}users/`
  const { headers, wire } = yield* V1Wire.open(url, options)
  const authorization = Credentials.basicAuthorization(credentials)
  const context = { registry: authorityOf(url), operation: "login", endpoint: "base", method: "GET", url } as const
  const asked = Effect.gen(function* () {
    const response = yield* wire.send({
      method: "GET",
      url,
      headers: { ...headers, ...(authorization !== undefined && { authorization: Redacted.value(authorization) }) },
      context
    })
    if (response.status === 200) return
    const body = yield* Effect.orElseSucceed(Effect.timeout(response.text(bodyLimitBytes), bodyPatience), () => "")
    const said = sanitizeBounded(body, secretsOf(credentials), maxSaid)
    return yield* new LoginRefused({ endpoint: endpoint.url, status: response.status, said })
  })
  return yield* Effect.scoped(asked)
})
