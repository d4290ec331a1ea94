/**
 * The body of an answer: read at most once, watched for stalls, checked against its declared length, and let go however it ends.
 *
 * @internal
 */
import type * as Headers from "@effect/platform/Headers"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { LimitExceeded, TransportError } from "../../model/RegistryError.ts"
import type * as Fork from "./fork.ts"
import * as Pump from "./pump.ts"
import * as Watchdog from "./watchdog.ts"

/** The errors a body can end with, made for its request. @internal */
export interface Errors {
  readonly stalled: () => TransportError
  readonly broken: (cause: Cause.Cause<unknown>) => TransportError
  readonly cut: (seenBytes: number, declaredBytes: number) => TransportError
  readonly reread: () => TransportError
  readonly encoded: (encoding: string) => TransportError
  readonly tooLarge: (limitBytes: number) => LimitExceeded
}

/** @internal */
export interface Body {
  readonly encoding: string | undefined
  readonly stream: Stream.Stream<Uint8Array, TransportError>
  readonly bytes: (limitBytes: number) => Effect.Effect<Uint8Array, TransportError | LimitExceeded>
  /** Reads a little, else aborts. */
  readonly discard: Effect.Effect<void>
  /** Ends whatever is left when the scope of the answer closes. */
  readonly settle: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

/** As much of an unwanted body is read to keep its connection; for more, a new connection is cheaper. */
const drainBytes = 64 * 1024
const drainMillis = 2000

/** A body this small comes in one go, and one buffer is the cheapest way to have it. */
const bufferedBytes = 64 * 1024

const lengthOf = (headers: Headers.Headers): number | undefined => {
  const text = headers["content-length"]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

const encodingOf = (headers: Headers.Headers): string | undefined => {
  const text = headers["content-encoding"]?.trim().toLowerCase()
  return text === undefined || text === "" || text === "identity" ? undefined : text
}

/** Some clients fail instead of giving an empty stream. */
const isEmptyBody = (cause: Cause.Cause<unknown>): boolean => {
  const error = Cause.squash(cause)
  return Predicate.hasProperty(error, "reason") && error.reason === "EmptyBody"
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

/** Aborts an answer nobody reads. Taking hold of its body and letting it go is what every client understands. @internal */
export const letGo = (forks: Fork.Forks, watchdog: Watchdog.Watchdog, source: HttpClientResponse): Effect.Effect<void> =>
  Effect.suspend(() => Pump.start(forks, watchdog, source.stream).close)

/** @internal */
export const make = (options: {
  readonly source: HttpClientResponse
  readonly headers: Headers.Headers
  readonly method: string
  /** Whether nothing but identity was asked for, so that a compressed body is a mistake. */
  readonly identity: boolean
  readonly idleMillis: number
  readonly forks: Fork.Forks
  readonly watchdog: Watchdog.Watchdog
  readonly errors: Errors
}): Body => {
  const { errors, forks, headers, idleMillis, source, watchdog } = options
  const declared = lengthOf(headers)
  const encoding = encodingOf(headers)
  const empty = options.method === "HEAD" || source.status === 204 || source.status === 304 || declared === 0
  let state: "unread" | "reading" | "done" = empty ? "done" : "unread"
  let pump: Pump.Pump<unknown> | undefined
  if (empty) watchdog.stop()

  const done = () => {
    state = "done"
    pump = undefined
    watchdog.stop()
  }
  /** Aborts what is still open. */
  const release = Effect.suspend(() => {
    const end = pump?.close ?? (state === "unread" ? letGo(forks, watchdog, source) : Effect.void)
    done()
    return end
  })
  const refuse = (error: () => TransportError | LimitExceeded) => Effect.zipRight(release, Effect.failSync(error))

  const overdue = (): Effect.Effect<never, TransportError> => {
    pump?.abandon()
    done()
    return Effect.failSync(errors.stalled)
  }
  const broken = (cause: Cause.Cause<unknown>): Effect.Effect<never, TransportError> => {
    done()
    return Effect.failSync(() => errors.broken(cause))
  }
  /** A fetch that decoded the body has left the Content-Length of what came over the wire. */
  const ended = (seen: number): Effect.Effect<void, TransportError> => {
    done()
    return declared === undefined || seen >= declared || encoding !== undefined
      ? Effect.void
      : Effect.failSync(() => errors.cut(seen, declared))
  }
  const claim = Effect.suspend(() => {
    if (state !== "unread") return Effect.failSync(errors.reread)
    state = "reading"
    return Effect.void
  })

  /** Gives the chunks one by one, `undefined` after the last. */
  const open = Effect.map(claim, () => {
    const reading = Pump.start(forks, watchdog, source.stream)
    pump = reading
    let seen = 0
    return Effect.flatMap(
      reading.next(idleMillis, overdue),
      (pulled): Effect.Effect<Chunk.Chunk<Uint8Array> | undefined, TransportError> => {
        if (Either.isRight(pulled)) {
          for (const bytes of pulled.right) seen += bytes.byteLength
          return Effect.succeed(pulled.right)
        }
        return Exit.isSuccess(pulled.left) || isEmptyBody(pulled.left.cause) ? Effect.as(ended(seen), undefined) : broken(pulled.left.cause)
      }
    )
  })

  const chunks = Effect.gen(function* () {
    const next = yield* open
    yield* Effect.addFinalizer(() => release)
    const loop: Channel.Channel<Chunk.Chunk<Uint8Array>, unknown, TransportError, unknown, void> = Channel.flatMap(
      Channel.fromEffect(next),
      (chunk) => (chunk === undefined ? Channel.void : Channel.flatMap(Channel.write(chunk), () => loop))
    )
    return loop
  })
  const stream = empty ? Stream.empty : Stream.fromChannel(Channel.unwrapScoped(chunks))

  const buffered = (limitBytes: number) =>
    Effect.zipRight(
      claim,
      Watchdog.guard(
        watchdog,
        () => forks.fork(source.arrayBuffer),
        idleMillis,
        (exit): Effect.Effect<Uint8Array, TransportError | LimitExceeded> => {
          if (Exit.isFailure(exit)) return broken(exit.cause)
          const bytes = new Uint8Array(exit.value)
          const end = ended(bytes.byteLength)
          return bytes.byteLength > limitBytes ? Effect.failSync(() => errors.tooLarge(limitBytes)) : Effect.as(end, bytes)
        },
        overdue,
        () => Effect.sync(done)
      )
    )
  /** Reads on while `wanted` says so. */
  const readWhile = (wanted: (bytes: Uint8Array) => boolean) =>
    Effect.flatMap(open, (next) => {
      let more = true
      return Effect.whileLoop({
        while: () => more,
        body: () => next,
        step: (chunk) => {
          if (chunk === undefined) more = false
          else for (const bytes of chunk) more = more && wanted(bytes)
        }
      })
    }).pipe(Effect.onInterrupt(() => release))

  const collected = (limitBytes: number) =>
    Effect.suspend(() => {
      const parts: Array<Uint8Array> = []
      let seen = 0
      const collect = readWhile((bytes) => {
        seen += bytes.byteLength
        parts.push(bytes)
        return seen <= limitBytes
      })
      return Effect.flatMap(collect, () =>
        seen > limitBytes ? refuse(() => errors.tooLarge(limitBytes)) : Effect.succeed(concat(parts, seen))
      )
    })

  const bytes = (limitBytes: number): Effect.Effect<Uint8Array, TransportError | LimitExceeded> => {
    if (empty) return Effect.succeed(new Uint8Array(0))
    if (encoding !== undefined && options.identity) return refuse(() => errors.encoded(encoding))
    if (declared !== undefined && declared > limitBytes) return refuse(() => errors.tooLarge(limitBytes))
    return declared !== undefined && declared <= bufferedBytes ? buffered(limitBytes) : collected(limitBytes)
  }

  const drain = Effect.suspend(() => {
    let seen = 0
    return readWhile((bytes) => {
      seen += bytes.byteLength
      return seen <= drainBytes
    }).pipe(
      Effect.interruptible,
      Effect.timeout(drainMillis),
      Effect.catchAllCause(() => Effect.void)
    )
  })
  const drainIf = (worthIt: boolean) =>
    Effect.suspend(() => (state === "unread" && worthIt ? Effect.zipRight(drain, release) : release)).pipe(
      Effect.catchAllCause(() => Effect.void)
    )

  return {
    encoding,
    stream,
    bytes,
    discard: drainIf(declared === undefined || declared <= drainBytes),
    // Unasked, only what is known to be small is worth reading.
    settle: (exit) => drainIf(Exit.isSuccess(exit) && declared !== undefined && declared <= drainBytes)
  }
}
