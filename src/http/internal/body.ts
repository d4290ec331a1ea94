/**
 * The body of an answer: read at most once, watched for stalls, checked against its declared length, and let go however it ends.
 *
 * @internal
 */
import type * as Headers from "@effect/platform/Headers"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { concat } from "../../model/internal/bytes.ts"
import type { LimitExceeded, TransportError } from "../../model/RegistryError.ts"
import * as Direct from "./direct.ts"
import type * as Fork from "./fork.ts"
import * as PullStream from "./pullStream.ts"
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
  /** Ends whatever is left, as the use of the answer ended, which is to be run at once; undefined when there never was anything. */
  readonly settle: Settle | undefined
  /** From now on the body keeps to the pace, and leaves with its end, which may have come already. */
  readonly keepTo: (pace: Pace) => void
}

/** @internal */
export type Settle = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** What a body moves by: a place that is lent to others while its consumer rests. @internal */
export interface Pace {
  /** Whether the place is still there; where it is not, `regain` waits for one. */
  readonly move: () => boolean
  readonly regain: Effect.Effect<void>
  readonly rest: () => void
  /** Gives the place back for good. */
  readonly leave: () => void
}

const ownPace: Pace = { move: () => true, regain: Effect.void, rest: () => {}, leave: () => {} }

/** An answer without body needs neither a watchdog nor a place. */
const emptyBody = (encoding: string | undefined): Body => ({
  encoding,
  stream: Stream.empty,
  bytes: () => Effect.sync(() => new Uint8Array(0)),
  discard: Effect.void,
  settle: undefined,
  keepTo: (pace) => pace.leave()
})

/** As much of an unwanted body is read to keep its connection; for more, a new connection is cheaper. */
const drainBytes = 64 * 1024
const drainMillis = 2000

/** A body this small comes in one go, and to have the client put it into one buffer is cheaper than its stream. */
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

/** Aborts an answer nobody reads. Taking hold of its body and letting it go is what every client understands. @internal */
export const letGo = (forks: Fork.Forks, watchdog: Watchdog.Watchdog, source: HttpClientResponse): Effect.Effect<void> =>
  Effect.suspend(() => {
    const direct = Direct.takeBody(source)
    return direct === undefined ? Pump.start(forks, watchdog, source.stream).close : Effect.sync(direct.abort)
  })

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
  if (empty) {
    watchdog.stop()
    return emptyBody(encoding)
  }
  let state: "unread" | "reading" | "done" = "unread"
  let pace = ownPace
  /** What reads the body, while it is read. */
  let reader: Pick<Pump.Pump<unknown>, "close" | "abandon"> | undefined

  const stop = () => {
    state = "done"
    reader = undefined
    watchdog.stop()
  }
  const done = () => {
    stop()
    pace.leave()
  }
  /** Aborts what is still open. */
  const release = Effect.suspend(() => {
    if (state === "done") return Effect.void
    const end = reader?.close ?? (state === "unread" ? letGo(forks, watchdog, source) : Effect.void)
    stop()
    return Effect.ensuring(
      end,
      Effect.sync(() => pace.leave())
    )
  })
  const refuse = (error: () => TransportError | LimitExceeded) => Effect.zipRight(release, Effect.failSync(error))

  const overdue = (): TransportError => {
    reader?.abandon()
    done()
    return errors.stalled()
  }
  const broken = (cause: Cause.Cause<unknown>): TransportError => {
    done()
    return errors.broken(cause)
  }
  /** A fetch that decoded the body has left the Content-Length of what came over the wire. */
  const ended = (seen: number): Option.Option<TransportError> => {
    done()
    return declared === undefined || seen >= declared || encoding !== undefined ? Option.none() : Option.some(errors.cut(seen, declared))
  }
  /** Takes the body, which is given once. */
  const claim = (): boolean => {
    const free = state === "unread"
    if (free) state = "reading"
    return free
  }
  const reread = Effect.failSync(errors.reread)

  let seen = 0
  const arrived = (chunk: Chunk.Chunk<Uint8Array>) => {
    for (const bytes of chunk) seen += bytes.byteLength
    pace.rest()
    return Effect.succeed(chunk)
  }
  /** One pull, as soon as there is a place for it. */
  const moving = <A, E>(pull: () => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (pace.move() ? pull() : Effect.flatMap(pace.regain, pull)))

  const openPump = (): PullStream.Pull<TransportError> => {
    const pump = Pump.start(forks, watchdog, source.stream)
    reader = pump
    const next = Effect.flatMap(
      pump.next(idleMillis, () => Effect.failSync(() => Option.some(overdue()))),
      (pulled) => {
        if (Either.isRight(pulled)) return arrived(pulled.right)
        const end = pulled.left
        return Effect.failSync(() => (Exit.isSuccess(end) || isEmptyBody(end.cause) ? ended(seen) : Option.some(broken(end.cause))))
      }
    )
    return moving(() => next)
  }

  const openDirect = (direct: Direct.DirectBody): PullStream.Pull<TransportError> => {
    reader = { close: Effect.sync(direct.abort), abandon: direct.abort }
    let late = false
    const giveUp = () => {
      late = true
      direct.abort()
    }
    const next = Effect.matchEffect(direct.pull, {
      onSuccess: (chunk) => {
        watchdog.arrived()
        return arrived(chunk)
      },
      onFailure: (end) => {
        watchdog.arrived()
        if (late) return Effect.fail(Option.some(overdue()))
        return Exit.fail(Option.isNone(end) ? ended(seen) : Option.some(broken(Cause.fail(end.value))))
      }
    })
    return moving(() => {
      watchdog.expect(idleMillis, giveUp)
      return next
    })
  }

  /** Gives the chunks one by one; undefined when somebody has the body already. */
  const open = (): PullStream.Pull<TransportError> | undefined => {
    if (!claim()) return undefined
    const direct = Direct.takeBody(source)
    return direct === undefined ? openPump() : openDirect(direct)
  }

  const stream = PullStream.make((scope) =>
    Effect.suspend(() => {
      const pull = open()
      return pull === undefined ? reread : Effect.as(Scope.addFinalizer(scope, release), pull)
    })
  )

  const buffered = (limitBytes: number) =>
    Effect.suspend(() => {
      if (!claim()) return reread
      // Nobody has taken hold of it yet: its place may have to be waited for.
      reader = { close: letGo(forks, watchdog, source), abandon: () => {} }
      const whole = moving(() =>
        Effect.uninterruptibleMask((restore) =>
          Watchdog.guard(
            watchdog,
            () => {
              reader = undefined
              return forks.fork(source.arrayBuffer)
            },
            restore,
            idleMillis,
            (exit): Effect.Effect<Uint8Array, TransportError | LimitExceeded> => {
              if (Exit.isFailure(exit)) return Effect.failSync(() => broken(exit.cause))
              const bytes = new Uint8Array(exit.value)
              const cut = ended(bytes.byteLength)
              if (bytes.byteLength > limitBytes) return Effect.failSync(() => errors.tooLarge(limitBytes))
              return Option.isSome(cut) ? Effect.fail(cut.value) : Effect.succeed(bytes)
            },
            () => Effect.failSync(overdue),
            () => Effect.void
          )
        )
      )
      return Effect.onInterrupt(whole, () => release)
    })

  /** Reads on while `wanted` says so, and lets go of the body when it is interrupted. */
  const readWhile = <A, E>(wanted: (bytes: Uint8Array) => boolean, end: () => Effect.Effect<A, E>): Effect.Effect<A, E | TransportError> =>
    Effect.uninterruptibleMask((restore) => {
      const pull = open()
      if (pull === undefined) return reread
      let more = true
      const reading = Effect.whileLoop({
        while: () => more,
        body: () => pull,
        step: (chunk) => {
          for (const bytes of chunk) more = more && wanted(bytes)
        }
      })
      return Effect.matchCauseEffect(restore(reading), {
        onSuccess: () => restore(end()),
        onFailure: (cause): Effect.Effect<A, E | TransportError> => {
          const error = Cause.failureOption(cause)
          if (Option.isNone(error)) return Effect.zipRight(release, Effect.failCause(Cause.stripFailures(cause)))
          return Option.isNone(error.value) ? end() : Effect.fail(error.value.value)
        }
      })
    })

  const collected = (limitBytes: number) =>
    Effect.suspend(() => {
      const parts: Array<Uint8Array> = []
      let size = 0
      return readWhile(
        (bytes) => {
          size += bytes.byteLength
          parts.push(bytes)
          return size <= limitBytes
        },
        () => (size > limitBytes ? refuse(() => errors.tooLarge(limitBytes)) : Effect.succeed(concat(parts)))
      )
    })

  const bytes = (limitBytes: number): Effect.Effect<Uint8Array, TransportError | LimitExceeded> => {
    if (encoding !== undefined && options.identity) return refuse(() => errors.encoded(encoding))
    if (declared !== undefined && declared > limitBytes) return refuse(() => errors.tooLarge(limitBytes))
    const small = declared !== undefined && declared <= bufferedBytes
    return small && !Direct.offersBody(source) ? buffered(limitBytes) : collected(limitBytes)
  }

  const drain = Effect.suspend(() => {
    let size = 0
    const enough = (bytes: Uint8Array) => {
      size += bytes.byteLength
      return size <= drainBytes
    }
    return readWhile(enough, () => Effect.void).pipe(
      Effect.interruptible,
      Effect.timeout(drainMillis),
      Effect.catchAllCause(() => Effect.void)
    )
  })
  const end = (worthIt: boolean): Effect.Effect<void> => {
    if (state === "done") return Effect.void
    const ending = state === "unread" && worthIt ? Effect.zipRight(drain, release) : release
    return Effect.catchAllCause(ending, () => Effect.void)
  }

  return {
    encoding,
    stream,
    bytes,
    discard: Effect.suspend(() => end(declared === undefined || declared <= drainBytes)),
    // Unasked, only what is known to be small is worth reading.
    settle: (exit) => {
      if (state === "done") return Effect.void
      const worthIt = Exit.isSuccess(exit) && declared !== undefined && declared <= drainBytes
      // Nor is a place that was lent worth waiting for.
      if (worthIt && state === "unread" && !pace.move()) pace = ownPace
      return Effect.uninterruptible(end(worthIt))
    },
    keepTo: (given) => {
      pace = given
      if (state === "done") pace.leave()
    }
  }
}
