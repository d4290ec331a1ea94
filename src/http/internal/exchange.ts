/**
 * One request and its answer on one connection: sent with the platform's own tracing off, watched for stalls, read at most once, and its
 * socket freed however it ends.
 *
 * @internal
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as Headers from "@effect/platform/Headers"
import * as Body from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { sanitizeText, sanitizeUrl } from "../../model/internal/sanitize.ts"
import { LimitExceeded, type RequestContext, TransportError } from "../../model/RegistryError.ts"
import * as Failure from "./failure.ts"
import * as Watchdog from "./watchdog.ts"

/** What one hop sends; headers are lower case. @internal */
export interface Outgoing {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** Absolute and without fragment. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body.HttpBody
  readonly context: RequestContext
}

/** Milliseconds, except where the name says otherwise. @internal */
export interface Settings {
  readonly answerMillis: number
  readonly idleMillis: number
  readonly propagateTrace: boolean
  readonly requestInit: RequestInit | undefined
}

/** @internal */
export interface Exchange {
  readonly status: number
  readonly headers: Headers.Headers
  readonly body: Stream.Stream<Uint8Array, TransportError>
  readonly bytes: (limitBytes: number) => Effect.Effect<Uint8Array, TransportError | LimitExceeded>
  readonly discard: Effect.Effect<void>
  readonly contentEncoding: string | undefined
  readonly source: HttpClientResponse
}

/** As much of an unwanted body is read to keep its connection; more costs more than a new connection. */
const drainBytes = 64 * 1024
const drainMillis = 2000

/** A body this small arrives in one go, so that one buffer is the cheapest way to have it. */
const bufferedBytes = 64 * 1024

const credentialHeaders = ["authorization", "proxy-authorization", "cookie", "x-registry-auth"]

/** The header values that must not be seen in an error, with and without their scheme. */
const secretsOf = (headers: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  credentialHeaders.flatMap((name) => {
    const value = headers[name]
    return value === undefined ? [] : [value, value.slice(value.indexOf(" ") + 1)].filter((secret) => secret.length > 3)
  })

const errorOf = (request: Outgoing, failure: Failure.Failure): TransportError =>
  new TransportError({
    registry: request.context.registry,
    repository: request.context.repository,
    operation: request.context.operation,
    method: request.method,
    url: sanitizeUrl(request.url),
    reason: failure.reason,
    detail: sanitizeText(failure.detail, secretsOf(request.headers)).slice(0, 500),
    retryable: failure.retryable
  })

const stalled = (request: Outgoing, reason: "timeout" | "idle", limitMillis: number): TransportError =>
  errorOf(request, {
    reason,
    detail: `${reason === "timeout" ? "no answer" : "no data"} for ${Duration.format(Duration.millis(limitMillis))}`,
    retryable: true
  })

const lengthOf = (headers: Headers.Headers): number | undefined => {
  const text = headers["content-length"]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

const encodingOf = (headers: Headers.Headers): string | undefined => {
  const text = headers["content-encoding"]?.trim().toLowerCase()
  return text === undefined || text === "" || text === "identity" ? undefined : text
}

const isEmptyBody = (cause: Cause.Cause<unknown>): boolean => {
  const error = Cause.squash(cause)
  return Predicate.hasProperty(error, "reason") && error.reason === "EmptyBody"
}

/**
 * The request body with the watchdog told whose turn it is: while its source is asked for more, the server is not late. `failed` keeps
 * why the source broke, which clients report as some failure of their own.
 */
const watchedBody = (
  body: Body.HttpBody,
  upload: { open: boolean; failed: Cause.Cause<unknown> | undefined },
  watchdog: Watchdog.Watchdog
) => {
  if (body._tag !== "Stream") return body
  const onlyWhileOpen = (note: () => void) => {
    if (upload.open) note()
  }
  const ask: Channel.Channel<Chunk.Chunk<Uint8Array>, Chunk.Chunk<Uint8Array>, unknown, unknown, unknown, unknown> = Channel.suspend(() => {
    onlyWhileOpen(watchdog.pause)
    return Channel.readWithCause({
      onInput: (chunk: Chunk.Chunk<Uint8Array>) => {
        onlyWhileOpen(watchdog.touch)
        return Channel.flatMap(Channel.write(chunk), () => ask)
      },
      onFailure: (cause) => {
        upload.failed = cause
        return Channel.failCause(cause)
      },
      onDone: () => {
        onlyWhileOpen(watchdog.touch)
        return Channel.void
      }
    })
  })
  return Body.stream(Stream.pipeThroughChannel(body.stream, ask), body.contentType, body.contentLength)
}

const requestOf = (request: Outgoing, body: Body.HttpBody, trace: Headers.Headers | undefined) =>
  // The type of `make` ties a body to some methods only; a registry takes one with any.
  HttpClientRequest.setBody(
    HttpClientRequest.make(request.method as "POST")(request.url, { headers: { ...request.headers, ...trace } }),
    body
  )

const spanOptions = (request: Outgoing): Tracer.SpanOptions => {
  const url = new URL(request.url)
  return {
    kind: "client",
    captureStackTrace: false,
    attributes: {
      "http.request.method": request.method,
      "server.address": url.hostname,
      "server.port": url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
      "url.full": sanitizeUrl(request.url)
    }
  }
}

/** Sends and waits for the answer's headers. */
const answer = (client: HttpClient.HttpClient, request: Outgoing, settings: Settings, scope: Scope.Scope, watchdog: Watchdog.Watchdog) =>
  Effect.useSpan(`http ${request.method}`, spanOptions(request), (span) => {
    const upload: { open: boolean; failed: Cause.Cause<unknown> | undefined } = { open: true, failed: undefined }
    const trace = settings.propagateTrace ? HttpTraceContext.toHeaders(span) : undefined
    const sent = HttpClient.withScope(client)
      .execute(requestOf(request, watchedBody(request.body, upload, watchdog), trace))
      .pipe(
        Effect.provideService(Scope.Scope, scope),
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual", ...settings.requestInit }),
        Effect.locally(HttpClient.currentTracerDisabledWhen, () => true),
        Effect.locally(HttpClient.currentTracerPropagation, false)
      )
    return watchdog.guard(
      sent,
      settings.answerMillis,
      (exit): Effect.Effect<HttpClientResponse, TransportError> => {
        upload.open = false
        if (Exit.isFailure(exit)) return Effect.fail(errorOf(request, sendFailure(exit.cause, upload.failed)))
        if (exit.value.status === 0) return Effect.fail(errorOf(request, hiddenAnswer))
        span.attribute("http.response.status_code", exit.value.status)
        return Effect.succeed(exit.value)
      },
      Effect.suspend(() => Effect.fail(stalled(request, "timeout", settings.answerMillis)))
    )
  })

/** A browser gives an opaque answer to a redirect it was told not to follow. */
const hiddenAnswer: Failure.Failure = {
  reason: "protocol",
  detail: "this runtime hides redirects; let its fetch follow them (redirect: follow)",
  retryable: false
}

const sendFailure = (cause: Cause.Cause<unknown>, bodyFailure: Cause.Cause<unknown> | undefined): Failure.Failure => {
  if (bodyFailure === undefined) return Failure.classifyCause(cause, "request")
  const source = Cause.squash(bodyFailure)
  const message = Predicate.hasProperty(source, "message") ? String(source.message) : String(source)
  return {
    reason: "aborted",
    detail: `the request body broke off: ${message}`,
    retryable: Predicate.hasProperty(source, "retryable") && source.retryable === true
  }
}

/** Reads the body of an answer, at most once. */
const reader = (
  request: Outgoing,
  settings: Settings,
  source: HttpClientResponse,
  headers: Headers.Headers,
  watchdog: Watchdog.Watchdog,
  release: Effect.Effect<void>
) => {
  const declared = lengthOf(headers)
  const contentEncoding = encodingOf(headers)
  const empty = request.method === "HEAD" || source.status === 204 || source.status === 304 || declared === 0
  let state: "unread" | "reading" | "done" = empty ? "done" : "unread"

  const fail = (reason: "idle" | "aborted" | "protocol", detail: string) =>
    Effect.suspend(() => Effect.fail(errorOf(request, { reason, detail, retryable: reason !== "protocol" })))
  const claim = Effect.suspend(() => {
    if (state !== "unread") return fail("protocol", "the body of this answer was already read")
    state = "reading"
    return Effect.void
  })
  const finish = Effect.suspend(() => {
    state = "done"
    return release
  })
  const broken = (cause: Cause.Cause<unknown>) =>
    Effect.zipRight(
      release,
      Effect.suspend(() => Effect.fail(errorOf(request, Failure.classifyCause(cause, "body"))))
    )
  const idle = Effect.zipRight(
    release,
    Effect.suspend(() => Effect.fail(stalled(request, "idle", settings.idleMillis)))
  )
  // Behind a fetch that decoded the body, Content-Length counts the bytes before that.
  const complete = (seen: number) =>
    declared === undefined || seen === declared || contentEncoding !== undefined
      ? finish
      : Effect.zipRight(release, fail("aborted", `the body ended after ${seen} of ${declared} bytes`))

  type Pulled = Either.Either<Chunk.Chunk<Uint8Array>, unknown>
  const pulled = Effect.gen(function* () {
    yield* claim
    yield* Effect.addFinalizer(() => (state === "done" ? Effect.void : release))
    const pull = yield* Channel.toPull(Stream.toChannel(source.stream))
    let seen = 0
    const onExit = (exit: Exit.Exit<Pulled, unknown>): Effect.Effect<Pulled, TransportError> => {
      if (Exit.isFailure(exit)) return isEmptyBody(exit.cause) ? Effect.as(complete(seen), Either.left(undefined)) : broken(exit.cause)
      if (Either.isLeft(exit.value)) return Effect.as(complete(seen), exit.value)
      for (const bytes of exit.value.right) seen += bytes.byteLength
      return Effect.succeed(exit.value)
    }
    const next = watchdog.guard(pull, settings.idleMillis, onExit, idle)
    const loop: Channel.Channel<Chunk.Chunk<Uint8Array>, unknown, TransportError, unknown, void> = Channel.flatMap(
      Channel.fromEffect(next),
      (either) => (Either.isLeft(either) ? Channel.void : Channel.flatMap(Channel.write(either.right), () => loop))
    )
    return loop
  })
  const body: Stream.Stream<Uint8Array, TransportError> = Stream.suspend(() =>
    empty ? Stream.empty : Stream.fromChannel(Channel.unwrapScoped(pulled))
  )

  const tooLarge = (limitBytes: number) =>
    Effect.zipRight(
      release,
      Effect.suspend(() =>
        Effect.fail(
          new LimitExceeded({
            registry: request.context.registry,
            repository: request.context.repository,
            operation: request.context.operation,
            what: "response body",
            limit: limitBytes
          })
        )
      )
    )
  const buffered = Effect.zipRight(
    claim,
    watchdog.guard(
      source.arrayBuffer,
      settings.idleMillis,
      (exit) => (Exit.isFailure(exit) ? broken(exit.cause) : Effect.as(complete(exit.value.byteLength), new Uint8Array(exit.value))),
      idle
    )
  )
  const collected = (limitBytes: number) =>
    Effect.suspend(() => {
      const parts: Array<Uint8Array> = []
      let seen = 0
      return body.pipe(
        Stream.runForEach((bytes) => {
          seen += bytes.byteLength
          if (seen > limitBytes) return tooLarge(limitBytes)
          parts.push(bytes)
          return Effect.void
        }),
        Effect.map(() => concat(parts, seen))
      )
    })
  const bytes = (limitBytes: number): Effect.Effect<Uint8Array, TransportError | LimitExceeded> => {
    if (empty) return Effect.succeed(new Uint8Array(0))
    if (contentEncoding !== undefined)
      return Effect.zipRight(release, fail("protocol", `the answer has Content-Encoding ${contentEncoding}, asked for was identity`))
    if (declared !== undefined && declared > limitBytes) return tooLarge(limitBytes)
    return declared !== undefined && declared <= bufferedBytes ? buffered : collected(limitBytes)
  }

  const drain = Effect.suspend(() => {
    let seen = 0
    return body.pipe(
      Stream.runForEachWhile((bytes) => Effect.sync(() => (seen += bytes.byteLength) <= drainBytes)),
      Effect.interruptible,
      Effect.timeout(drainMillis),
      Effect.catchAllCause(() => Effect.void)
    )
  })
  const discard = Effect.suspend(() =>
    state === "unread" && (declared === undefined || declared <= drainBytes) ? Effect.zipRight(drain, release) : release
  )
  /** At the end of a successful scope, only what is known to be small is worth reading. */
  const settle = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.suspend(() =>
      state === "unread" && Exit.isSuccess(exit) && declared !== undefined && declared <= drainBytes ? drain : Effect.void
    )
  /** Tells a client that does not heed the abort signal, by taking hold of the body and letting it go. */
  const letGo = Effect.suspend(() => {
    if (state !== "unread") return Effect.void
    state = "done"
    return Stream.runDrain(Stream.take(source.stream, 1)).pipe(
      Effect.interruptible,
      Effect.raceFirst(Effect.yieldNow()),
      Effect.catchAllCause(() => Effect.void)
    )
  })

  return { body, bytes, discard, settle, letGo, contentEncoding }
}

const concat = (parts: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const [only] = parts
  if (only !== undefined && parts.length === 1) return only
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}

const converse = (client: HttpClient.HttpClient, request: Outgoing, settings: Settings, scope: Scope.CloseableScope) =>
  Effect.gen(function* () {
    const release = Scope.close(scope, Exit.void)
    const watchdog = yield* Scope.extend(Watchdog.make(Math.min(settings.answerMillis, settings.idleMillis)), scope)
    const source = yield* answer(client, request, settings, scope, watchdog)
    const headers = source.headers
    const read = reader(request, settings, source, headers, watchdog, release)
    yield* Scope.addFinalizer(scope, read.letGo)
    yield* Scope.addFinalizerExit(scope, read.settle)
    const exchange: Exchange = {
      status: source.status,
      headers,
      body: read.body,
      bytes: read.bytes,
      discard: read.discard,
      contentEncoding: read.contentEncoding,
      source
    }
    return exchange
  })

/** Sends the request; the answer's connection lives no longer than the scope, and ends at once when there is no answer. @internal */
export const open = (
  client: HttpClient.HttpClient,
  request: Outgoing,
  settings: Settings
): Effect.Effect<Exchange, TransportError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (parent) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.fork(parent, ExecutionStrategy.sequential), (scope) =>
        Effect.onError(restore(converse(client, request, settings, scope)), () => Scope.close(scope, Exit.void))
      )
    )
  )
