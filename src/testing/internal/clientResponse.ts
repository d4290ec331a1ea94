import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PullStream from "../../http/internal/pullStream.ts"
import { concat } from "../../model/internal/bytes.ts"
import { noBytes, RequestAborted } from "./exchange.ts"

/** An answer before it is a platform response. @internal */
export interface Source {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly body: Uint8Array | Stream.Stream<Uint8Array, unknown>
  /** Told of the bytes as they are read. */
  readonly sent?: ((bytes: number) => void) | undefined
}

/** As undici names it. */
const abortion = () =>
  new RequestAborted({ cause: Object.assign(new Error("Request aborted"), { name: "AbortError", code: "UND_ERR_ABORTED" }) })

/** One pull, in a fiber of its own that the signal ends. */
const unlessAborted = (signal: AbortSignal, pull: PullStream.Pull<unknown>): PullStream.Pull<unknown> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDaemon(Effect.interruptible(pull)), (fiber) => {
      const stop = () => fiber.unsafeInterruptAsFork(FiberId.none)
      signal.addEventListener("abort", stop)
      if (signal.aborted) stop()
      const forget = Effect.suspend(() => {
        signal.removeEventListener("abort", stop)
        return Fiber.interrupt(fiber)
      })
      return Effect.flatMap(Effect.ensuring(restore(Fiber.await(fiber)), forget), (exit) =>
        signal.aborted && Exit.isInterrupted(exit) ? Effect.fail(Option.some(abortion())) : exit
      )
    })
  )

/** The same bytes until the signal says otherwise. `Stream.interruptWhen` may wait for ever when it is interrupted early. */
const untilAborted = (signal: AbortSignal, bytes: Stream.Stream<Uint8Array, unknown>): Stream.Stream<Uint8Array, unknown> =>
  PullStream.make((scope) => Effect.map(PullStream.openIn(scope, bytes), (pull) => unlessAborted(signal, pull)))

/**
 * A response that behaves as the platform's undici client's does: the body is pulled as it is wanted, can be read once, is empty rather
 * than an error for 204, and breaks off when the signal says so.
 */
class Response extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: Cookies.Cookies
  readonly remoteAddress: Option.Option<string> = Option.none()
  readonly stream: Stream.Stream<Uint8Array, HttpClientError.ResponseError>
  readonly arrayBuffer: Effect.Effect<ArrayBuffer, HttpClientError.ResponseError>
  readonly text: Effect.Effect<string, HttpClientError.ResponseError>
  readonly json: Effect.Effect<unknown, HttpClientError.ResponseError>
  readonly urlParamsBody: Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError>
  readonly formData: Effect.Effect<FormData, HttpClientError.ResponseError>

  constructor(request: HttpClientRequest.HttpClientRequest, source: Source, signal: AbortSignal) {
    super()
    this.request = request
    this.status = source.status
    this.headers = Headers.fromInput(source.headers)
    this.cookies = Cookies.empty
    const failure = (cause: unknown) =>
      new HttpClientError.ResponseError({
        request,
        response: this,
        reason: "Decode",
        cause: cause instanceof RequestAborted ? cause.cause : cause
      })
    const { body, sent } = source
    let taken = false
    /** The body for its first reader; nobody gets it twice. */
    const take = (): Effect.Effect<typeof body, HttpClientError.ResponseError> =>
      Effect.suspend(() => {
        if (taken) return Effect.succeed(noBytes)
        taken = true
        return signal.aborted ? Effect.fail(failure(abortion())) : Effect.succeed(body)
      })
    const whole = (bytes: Uint8Array) => {
      sent?.(bytes.length)
      return bytes
    }
    const flowing = (bytes: Stream.Stream<Uint8Array, unknown>) => {
      // One piece at a time, so that a reader that stops has not been served the rest.
      const told = sent === undefined ? bytes : Stream.mapEffect(bytes, (piece) => Effect.sync(() => whole(piece)))
      return Stream.mapError(untilAborted(signal, told), failure)
    }
    this.stream = Stream.unwrap(
      Effect.map(take(), (body) =>
        body instanceof Uint8Array ? (body.length === 0 ? Stream.empty : Stream.sync(() => whole(body))) : flowing(body)
      )
    )
    this.arrayBuffer = Effect.flatMap(take(), (body) =>
      body instanceof Uint8Array
        ? Effect.sync(() => whole(body).slice().buffer)
        : Effect.map(Stream.runCollect(flowing(body)), (pieces) => concat(pieces).buffer)
    )
    this.text = Effect.map(this.arrayBuffer, (bytes) => new TextDecoder().decode(bytes))
    this.json = Effect.flatMap(this.text, (text) =>
      Effect.try({ try: (): unknown => (text === "" ? null : JSON.parse(text)), catch: failure })
    )
    this.urlParamsBody = Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
    this.formData = Effect.suspend(() => Effect.fail(failure(new Error("a registry sends no form data"))))
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

/** @internal */
export const make = (
  request: HttpClientRequest.HttpClientRequest,
  source: Source,
  signal: AbortSignal
): HttpClientResponse.HttpClientResponse => new Response(request, source, signal)
