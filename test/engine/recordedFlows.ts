/** The recorded logins and searches of the container engine, and a registry that answers as it did then. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as EngineConfig from "../../src/engine/EngineConfig.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import { load } from "../vectors/Vectors.ts"

const Headers = Schema.Record({ key: Schema.String, value: Schema.String })

const Exchange = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  headers: Headers,
  body: Schema.optional(Schema.String),
  responseStatus: Schema.Number,
  responseHeaders: Schema.optional(Headers),
  responseBody: Schema.optional(Schema.String)
})

const Row = Schema.Struct({
  name: Schema.String,
  operation: Schema.String,
  authConfig: Schema.NullOr(
    Schema.Struct({
      username: Schema.optional(Schema.String),
      password: Schema.optional(Schema.String),
      identitytoken: Schema.optional(Schema.String)
    })
  ),
  v2Only: Schema.Boolean,
  expectedRequests: Schema.Array(Exchange),
  expectedResult: Schema.optional(Schema.Unknown),
  expectedError: Schema.optional(Schema.String)
})

export type Row = typeof Row.Type

export const rows = load("service-auth-and-search", Row)

/** On this machine, so that it is an insecure registry without any configuration. */
export const registry = "127.0.0.1:5000"

export const credentialsOf = ({ authConfig }: Row): Credentials.Credentials => {
  const { identitytoken, password, username } = authConfig ?? {}
  if (identitytoken !== undefined) return Credentials.identityToken(identitytoken)
  return username === undefined ? Credentials.anonymous : Credentials.basic(username, password ?? "")
}

export const configOf = ({ v2Only }: Row): EngineConfig.EngineConfig => ({ ...EngineConfig.empty, v2Only })

const here = (text: string) => text.replaceAll("REGISTRY", registry)

/** A client that answers a script by plain http; by https nobody answers. */
export const byPlainHttp = (script: ScriptedHttp.Script) => {
  const { layer, received } = ScriptedHttp.make(script)
  const client = Effect.map(HttpClient.HttpClient, (plain) =>
    HttpClient.make((request, url) =>
      url.protocol === "https:"
        ? Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: new Error("no TLS here") }))
        : plain.execute(request)
    )
  )
  return { received, layer: Layer.provide(Layer.effect(HttpClient.HttpClient, client), layer) }
}

/** A client that answers by URL. */
export const recording = (answer: (url: string) => { readonly status: number; readonly body?: string }) => ({
  layer: Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.sync(() => {
        const { body, status } = answer(url.href)
        return HttpClientResponse.fromWeb(request, new Response(body ?? null, { status }))
      })
    )
  )
})

/** A registry that answers as in the row. */
export const registryOf = ({ expectedRequests }: Row) =>
  byPlainHttp((_, index) => {
    const exchange = expectedRequests[index]
    if (exchange === undefined) return { status: 599, body: "more than was recorded" }
    const headers = Object.entries(exchange.responseHeaders ?? {}).map(([name, value]) => [name, here(value)])
    return { status: exchange.responseStatus, headers: Object.fromEntries(headers), body: exchange.responseBody }
  })

const tokens = ["authorization", "x-docker-token"]

/** What matters of requests: where they go, with which credentials and which form. */
export const essence = (
  requests: ReadonlyArray<{
    readonly method: string
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string | undefined
  }>
) =>
  requests.map(({ body, headers, method, url }) => ({
    line: `${method} ${url}`,
    headers: Object.fromEntries(
      Object.entries(headers)
        .map(([name, value]) => [name.toLowerCase(), value] as const)
        .filter(([name]) => tokens.includes(name))
    ),
    form: body ?? ""
  }))

/** Whether the requests are those that were recorded. */
export const assertRecorded = (row: Row, received: ReadonlyArray<ScriptedHttp.Received>, formOf = (form: string) => form): void => {
  assert.deepStrictEqual(
    essence(received.map(({ target, ...request }) => ({ ...request, url: target }))),
    essence(row.expectedRequests).map((request) => ({ ...request, form: formOf(request.form) }))
  )
  for (const { headers } of received) assert.isTrue(headers["user-agent"]?.startsWith("ua/1 "))
}
