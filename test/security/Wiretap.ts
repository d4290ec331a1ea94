import { inspect } from "node:util"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schema from "effect/Schema"
import * as RegistryError from "../../src/model/RegistryError.ts"
import * as Traces from "../support/Traces.ts"

/** A request as it left this process, in one text, headers and body included. */
export interface Sent {
  readonly origin: string
  readonly text: string
}

const bodyText = (body: HttpBody.HttpBody): string => {
  if (body._tag === "Uint8Array") return new TextDecoder().decode(body.body)
  return body._tag === "Raw" ? String(body.body) : ""
}

/** Base64 and percent-encoding hide nothing from a listener. */
const spellings = (secret: string): ReadonlyArray<string> => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString("base64").replace(/=+$/, ""),
  Buffer.from(`ada:${secret}`).toString("base64").replace(/=+$/, "")
]

/** Whether the text tells the secret. */
export const tells = (text: string, secret: string): boolean => spellings(secret).some((spelling) => text.includes(spelling))

/** What a user can make visible of a failure. */
export const shown = (cause: Cause.Cause<unknown>): string =>
  [
    Cause.pretty(cause),
    Cause.pretty(cause, { renderErrorCause: true }),
    inspect(cause, { depth: Infinity, showHidden: true }),
    JSON.stringify(cause),
    ...Cause.failures(cause).pipe((failures) => [...failures].map(shownError)),
    ...[...Cause.defects(cause)].map((defect) => inspect(defect, { depth: Infinity }))
  ].join("\n")

const encode = Schema.encodeSync(Schema.parseJson(RegistryError.RegistryError))

const shownError = (error: unknown): string =>
  [
    String(error),
    error instanceof Error ? `${error.message}\n${error.stack}` : "",
    JSON.stringify(error),
    inspect(error, { depth: Infinity, showHidden: true }),
    RegistryError.isRegistryError(error) ? encode(error) : ""
  ].join("\n")

/** Listens to everything that leaves the library: to the network, to logs, to spans. */
export const make = () => {
  const sent: Array<Sent> = []
  const logs: Array<string> = []
  const failures: Array<string> = []
  const traces = Traces.make()

  const listen = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.make((request, url) => {
        const text = `${request.method} ${request.url} ${url.href}\n${JSON.stringify({ ...request.headers })}\n${bodyText(request.body)}`
        sent.push({ origin: url.origin, text })
        return client.execute(request)
      })
    )
  )

  const logger = Logger.make(({ message, annotations, cause, logLevel, spans }) => {
    const parts = [message, [...annotations], Cause.pretty(cause), [...spans]]
    logs.push(`${logLevel.label} ${parts.map((part) => inspect(part, { depth: Infinity })).join(" ")}`)
  })

  const spanTexts = () =>
    traces.spans.map(({ name, attributes, events, links, failure }) =>
      inspect([name, [...attributes], events, links, failure], { depth: Infinity })
    )

  return {
    sent,
    /** Put over the client of a test. */
    listen,
    listeners: Layer.mergeAll(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All), traces.layer),
    /** Runs an effect and keeps what it fails with. */
    run: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
      Effect.tap(Effect.exit(effect), (exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) failures.push(shown(exit.cause))
        })
      ),
    failures,
    /** Everything that was made visible, by where. */
    visible: () => ({ failures: failures.join("\n"), logs: logs.join("\n"), spans: spanTexts().join("\n") }),
    /** The origins that were told a secret. */
    knowing: (secret: string): ReadonlySet<string> => new Set(sent.filter(({ text }) => tells(text, secret)).map(({ origin }) => origin))
  }
}
