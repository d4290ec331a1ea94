/**
 * One request and its answer on one connection: sent with the platform's own tracing off, watched for stalls, read at most once, and its
 * socket freed however it ends.
 *
 * @internal
 */
import type * as Cookies from "@effect/platform/Cookies"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Tracer from "effect/Tracer"
import { sanitizeText, sanitizeUrl } from "../../model/internal/sanitize.ts"
import { LimitExceeded, type RequestContext, TransportError } from "../../model/RegistryError.ts"
import * as Body from "./body.ts"
import * as Direct from "./direct.ts"
import * as Failure from "./failure.ts"
import * as Fork from "./fork.ts"
import type * as Origin from "./origin.ts"
import * as PullStream from "./pullStream.ts"
import * as Watchdog from "./watchdog.ts"

/** What one hop sends; headers are lower case. @internal */
export interface Outgoing {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** Absolute and without fragment. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: HttpBody.HttpBody
  readonly context: RequestContext
}

/** Milliseconds, except where the name says otherwise. @internal */
export interface Settings {
  readonly answerMillis: number
  readonly idleMillis: number
  readonly propagateTrace: boolean
}

/** What all exchanges of a wire are made with. @internal */
export interface Means {
  readonly client: HttpClient.HttpClient
  readonly patrolOf: (clock: Clock.Clock) => Watchdog.Patrol
  /** Where a URL leads; undefined when it is no absolute http or https URL. */
  readonly targetOf: (url: string) => Origin.Target | undefined
}

/** @internal */
export interface Exchange {
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: () => Cookies.Cookies
  readonly body: Body.Body
}

const credentialHeaders = ["authorization", "proxy-authorization", "cookie", "x-registry-auth"]

/** The header values that must not be seen in an error, with and without their scheme. */
const secretsOf = (headers: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  credentialHeaders.flatMap((name) => {
    const value = headers[name]
    return value === undefined ? [] : [value, value.slice(value.indexOf(" ") + 1)].filter((secret) => secret.length > 3)
  })

/** The request as errors name it. @internal */
export const named = ({ context, method, url }: Outgoing) => ({
  registry: context.registry,
  repository: context.repository,
  operation: context.operation,
  method,
  url: sanitizeUrl(url)
})

const errorOf = (request: Outgoing, failure: Failure.Failure): TransportError =>
  new TransportError({
    ...named(request),
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

interface Upload {
  /** Until the answer is there. */
  open: boolean
  failed: Cause.Cause<unknown> | undefined
}

/**
 * The request body with the watchdog told whose turn it is: while its source is asked for more, the server is not late. `failed` keeps
 * why the source broke, which clients report as some failure of their own.
 */
const watchedBody = (body: HttpBody.HttpBody, upload: Upload, watchdog: Watchdog.Watchdog) => {
  if (body._tag !== "Stream") return body
  const onlyWhileOpen = (note: () => void) => {
    if (upload.open) note()
  }
  const watched = PullStream.make((scope) =>
    Effect.map(PullStream.openIn(scope, body.stream), (pull) => {
      const noted = Effect.matchCauseEffect(pull, {
        onSuccess: (chunk) => {
          onlyWhileOpen(watchdog.touch)
          return Effect.succeed(chunk)
        },
        onFailure: (cause) => {
          const failure = Cause.flipCauseOption(cause)
          if (Option.isNone(failure)) onlyWhileOpen(watchdog.touch)
          else if (!Cause.isInterruptedOnly(failure.value)) upload.failed = failure.value
          return Effect.failCause(cause)
        }
      })
      return Effect.suspend(() => {
        onlyWhileOpen(watchdog.pause)
        return noted
      })
    })
  )
  return HttpBody.stream(watched, body.contentType, body.contentLength)
}

const requestOf = (request: Outgoing, body: HttpBody.HttpBody, trace: Headers.Headers | undefined) => {
  const { headers, method, url } = request
  // The type of `make` ties a body to some methods only; a registry takes one with any.
  const sent = HttpClientRequest.make(method as "POST")(url, { headers: trace === undefined ? headers : { ...headers, ...trace } })
  // Of what belongs to a body there is mostly nothing to be taken away.
  const bare = body._tag === "Empty" && headers["content-type"] === undefined && headers["content-length"] === undefined
  return bare ? sent : HttpClientRequest.setBody(sent, body)
}

const spanOptions = ({ method, url }: Outgoing, { hostname, port }: Origin.Target): Tracer.SpanOptions => ({
  kind: "client",
  captureStackTrace: false,
  attributes: {
    "http.request.method": method,
    "server.address": hostname,
    "server.port": port,
    "url.full": sanitizeUrl(url)
  }
})

/**
 * What the platform's client finds in the fiber it runs in. Its tracer and its propagation are off: they record signed URLs and tell third
 * parties about us; and redirects are ours to follow.
 */
const surroundings = (refs: FiberRefs.FiberRefs, forkAs: FiberId.Runtime) => {
  const context = Context.add(FiberRefs.getOrDefault(refs, FiberRef.currentContext), FetchHttpClient.RequestInit, { redirect: "manual" })
  return FiberRefs.updateManyAs(refs, {
    forkAs,
    entries: [
      [HttpClient.currentTracerDisabledWhen, [[forkAs, () => true]]],
      [HttpClient.currentTracerPropagation, [[forkAs, false]]],
      [FiberRef.currentContext, [[forkAs, context]]]
    ]
  })
}

/** Lets its effect be interrupted, in a region that cannot be. @internal */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Sends and waits for the answer's headers; only the wait can be interrupted, so that no answer gets lost. */
const answer = (
  client: HttpClient.HttpClient,
  request: Outgoing,
  target: Origin.Target,
  settings: Settings,
  span: Tracer.Span,
  forks: Fork.Forks,
  watchdog: Watchdog.Watchdog,
  restore: Restore
): Effect.Effect<HttpClientResponse, TransportError> => {
  const upload: Upload = { open: true, failed: undefined }
  const trace = settings.propagateTrace ? HttpTraceContext.toHeaders(span) : undefined
  const sent = requestOf(request, watchedBody(request.body, upload, watchdog), trace)
  const onExit = (exit: Exit.Exit<HttpClientResponse, unknown>): Effect.Effect<HttpClientResponse, TransportError> => {
    upload.open = false
    if (Exit.isFailure(exit)) return Effect.failSync(() => errorOf(request, sendFailure(exit.cause, upload.failed)))
    if (exit.value.status === 0) return Effect.failSync(() => errorOf(request, hiddenAnswer))
    return Effect.succeed(exit.value)
  }
  const onOverdue = () => Effect.failSync(() => stalled(request, "timeout", settings.answerMillis))
  const start = Direct.startOf(client)
  if (start !== undefined) return Watchdog.guardDirect(watchdog, start(sent, target), restore, settings.answerMillis, onExit, onOverdue)
  return Watchdog.guard(
    watchdog,
    () => forks.fork(client.execute(sent), { updateRefs: surroundings }),
    restore,
    settings.answerMillis,
    onExit,
    onOverdue,
    (dropped) => Body.letGo(forks, watchdog, dropped)
  )
}

/** A browser gives an opaque answer to a redirect it was told not to follow. */
const hiddenAnswer: Failure.Failure = {
  reason: "protocol",
  detail: 'this runtime hides redirects; let it follow them (FetchRegistry: redirects: "follow")',
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

const bodyErrors = (request: Outgoing, settings: Settings): Body.Errors => {
  const aborted = (detail: string) => errorOf(request, { reason: "aborted", detail, retryable: true })
  const protocol = (detail: string) => errorOf(request, { reason: "protocol", detail, retryable: false })
  return {
    stalled: () => stalled(request, "idle", settings.idleMillis),
    broken: (cause) => errorOf(request, Failure.classifyCause(cause, "body")),
    cut: (seen, declared) => aborted(`the body ended after ${seen} of ${declared} bytes`),
    reread: () => protocol("the body of this answer was already read"),
    encoded: (encoding) => protocol(`the answer is compressed (Content-Encoding: ${encoding}), although identity was asked for`),
    tooLarge: (limit) =>
      new LimitExceeded({
        registry: request.context.registry,
        repository: request.context.repository,
        operation: request.context.operation,
        what: "response body",
        limit
      })
  }
}

/**
 * Sends the request. To be run uninterruptibly: `restore` is for the waits. The connection ends at once when there is no answer; whoever gets
 * one has to settle its body.
 *
 * @internal
 */
export const open = (
  { client, patrolOf }: Means,
  request: Outgoing,
  target: Origin.Target,
  settings: Settings,
  restore: Restore
): Effect.Effect<Exchange, TransportError> =>
  Effect.flatMap(Effect.makeSpan(`http ${request.method}`, spanOptions(request, target)), (span) =>
    Effect.withFiberRuntime((fiber, status) => {
      const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
      const timed = fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
      const forks = Fork.of(fiber, status.runtimeFlags)
      const watchdog = patrolOf(clock).start(forks.fork, Math.min(settings.answerMillis, settings.idleMillis))
      const endSpan = (exit: Exit.Exit<void, TransportError>) => span.end(timed ? clock.unsafeCurrentTimeNanos() : 0n, exit)
      return Effect.matchCauseEffect(answer(client, request, target, settings, span, forks, watchdog, restore), {
        onFailure: (cause) => {
          watchdog.stop()
          endSpan(Exit.failCause(cause))
          return Effect.failCause(cause)
        },
        onSuccess: (source) => {
          const { headers } = source
          span.attribute("http.response.status_code", source.status)
          endSpan(Exit.void)
          const body = Body.make({
            source,
            headers,
            method: request.method,
            identity: request.headers["accept-encoding"] === "identity",
            idleMillis: settings.idleMillis,
            forks,
            watchdog,
            errors: bodyErrors(request, settings)
          })
          return Effect.succeed({ status: source.status, headers, cookies: () => source.cookies, body })
        }
      })
    })
  )
