/** A client that answers from a script, line by line of each header, and keeps what it was asked. */
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { concat } from "../../src/model/internal/bytes.ts"

export interface Asked {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array<ArrayBuffer>
}

export interface Answer {
  readonly status: number
  /** Several lines of one header with ` || ` between them. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | undefined
}

/** No answer at all is a connection that is refused. */
export type Script = (asked: Asked, index: number) => Answer | undefined

const bytesOf = (body: HttpBody.HttpBody): Effect.Effect<Uint8Array<ArrayBuffer>, unknown> => {
  if (body._tag === "Uint8Array") return Effect.succeed(concat([body.body]))
  if (body._tag !== "Stream") return Effect.succeed(new Uint8Array(0))
  return Effect.map(Stream.runCollect(body.stream), (chunks) => concat(Chunk.toReadonlyArray(chunks)))
}

const headersOf = (lines: Readonly<Record<string, string>>): Headers => {
  const headers = new Headers()
  for (const [name, values] of Object.entries(lines)) for (const value of values.split(" || ")) headers.append(name, value)
  return headers
}

const withoutBody: ReadonlySet<number> = new Set([204, 304])

export const make = (script: Script) => {
  const asked: Array<Asked> = []
  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const broken = (cause: unknown) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
      const body = yield* Effect.mapError(bytesOf(request.body), broken)
      const one = { method: request.method, url, headers: { ...request.headers }, body }
      const answer = script(one, asked.push(one) - 1)
      if (answer === undefined) return yield* broken(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }))
      const { status } = answer
      const sent = withoutBody.has(status) ? null : (answer.body ?? null)
      return HttpClientResponse.fromWeb(request, new Response(sent, { status, headers: headersOf(answer.headers ?? {}) }))
    })
  )
  return { asked, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

/** The answers in order, and then none. */
export const inOrder =
  (...answers: ReadonlyArray<Answer | undefined>): Script =>
  (_, index) =>
    answers[index]

/** Method and URL of what was asked. */
export const lines = (asked: ReadonlyArray<Asked>): ReadonlyArray<string> => asked.map(({ method, url }) => `${method} ${url.href}`)

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
