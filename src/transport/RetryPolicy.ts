/**
 * Which requests are sent again, and when.
 *
 * Defaults follow go-containerregistry (`remote` options): three attempts, 1 s growing threefold with 10 % jitter, on broken connections
 * and on 408, 429, 499, 500, 502, 503, 504, 522. Beyond it, `Retry-After` is honoured, and a body that cannot be made again is sent once.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { TransportError } from "../model/RegistryError.ts"

/**
 * An exponential back-off: `attempts` requests at most, the first wait is `initial`, each next one `factor` times as long, each
 * lengthened by a random part of up to `jitter`. No wait is longer than `cap` before its jitter.
 *
 * @since 0.1.0
 */
export interface Backoff {
  readonly initial: Duration.DurationInput
  readonly factor: number
  readonly jitter: number
  readonly attempts: number
  readonly cap?: Duration.DurationInput | undefined
}

/** @since 0.1.0 */
export interface Options {
  /** The waits between attempts, one step for each further attempt. */
  readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
  /** Statuses that are worth another attempt; of content, too, if `PUT` is among the methods. */
  readonly statuses?: Iterable<number> | undefined
  /** Methods that may be sent again. `PATCH` is left to the upload, which asks the registry how far it got. */
  readonly methods?: Iterable<string> | undefined
  /** Transport failures that are worth another attempt. */
  readonly while?: ((error: TransportError) => boolean) | undefined
  /** The longest `Retry-After` that is waited for; a longer one ends the attempts. Default 5 minutes. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** Refusals with `Retry-After` that are waited out besides the schedule's attempts, of an upload in a row without progress. Default 10. */
  readonly maxThrottled?: number | undefined
  /** How often in a row content on its way may break off without one more byte being moved; after each byte it counts anew. Default 5. */
  readonly maxResumes?: number | undefined
}

/** @since 0.1.0 */
export interface Service {
  readonly schedule: Schedule.Schedule<unknown, unknown>
  readonly retriesStatus: (method: string, status: number) => boolean
  readonly retriesError: (method: string, error: TransportError) => boolean
  readonly maxRetryAfter: Duration.Duration
  readonly maxThrottled: number
  readonly maxResumes: number
}

/** @since 0.1.0 */
export class RetryPolicy extends Context.Tag("effect-oci/RetryPolicy")<RetryPolicy, Service>() {}

/** How long the wait is after so many others. */
const waits = (backoff: Backoff): ((step: number) => Duration.Duration) => {
  const cap = backoff.cap === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(backoff.cap)
  const initial = Duration.toMillis(backoff.initial)
  // A factor of 0 keeps the wait as it is, as in Go.
  const factor = backoff.factor === 0 ? 1 : backoff.factor
  return (step) => Duration.millis(Math.min(cap, initial * factor ** step))
}

/** The waits of a back-off without its jitter, one for each attempt after the first; throws when those are infinitely many. @since 0.1.0 */
export const delays = (backoff: Backoff): ReadonlyArray<Duration.Duration> => {
  const wait = waits(backoff)
  return Array.from({ length: Math.max(0, backoff.attempts - 1) }, (_, step) => wait(step))
}

/** A back-off as a schedule, without end when `attempts` is infinite. @since 0.1.0 */
export const backoff = (options: Backoff): Schedule.Schedule<Duration.Duration> => {
  return Schedule.recurs(Math.floor(options.attempts) - 1).pipe(
    Schedule.map(waits(options)),
    Schedule.addDelayEffect((wait) => Effect.map(Random.next, (random) => Duration.times(wait, 1 + options.jitter * random)))
  )
}

/** @since 0.1.0 */
export const defaultBackoff: Backoff = { initial: "1 second", factor: 3, jitter: 0.1, attempts: 3 }

/** @since 0.1.0 */
export const defaultStatuses: ReadonlyArray<number> = [408, 429, 499, 500, 502, 503, 504, 522]

/** @since 0.1.0 */
export const defaultMethods: ReadonlyArray<string> = ["GET", "HEAD", "PUT", "POST", "DELETE"]

/** @since 0.1.0 */
export const make = (options: Options = {}): Service => {
  const statuses = new Set(options.statuses ?? defaultStatuses)
  const methods = new Set(options.methods ?? defaultMethods)
  const accepts = options.while ?? ((error) => error.retryable)
  return {
    schedule: options.schedule ?? backoff(defaultBackoff),
    retriesStatus: (method, status) => methods.has(method) && statuses.has(status),
    retriesError: (method, error) => methods.has(method) && accepts(error),
    maxRetryAfter: Duration.decode(options.maxRetryAfter ?? "5 minutes"),
    maxThrottled: options.maxThrottled ?? 10,
    maxResumes: options.maxResumes ?? 5
  }
}

/** @since 0.1.0 */
export const layer = (options: Options = {}): Layer.Layer<RetryPolicy> => Layer.succeed(RetryPolicy, make(options))

/**
 * For networks that fail more often than not, and for work nobody sits and waits for: fifteen attempts, 250 ms doubling to 10 s with half of it
 * by chance, a hundred waits that the registry asks for, and content that breaks off twenty times in a row.
 *
 * @since 0.1.0
 */
export const patient: Options = {
  schedule: backoff({ initial: "250 millis", factor: 2, jitter: 0.5, attempts: 15, cap: "10 seconds" }),
  maxThrottled: 100,
  maxResumes: 20
}

/** Every request is sent once; content that breaks off is gone on with. @since 0.1.0 */
export const none: Service = make({ schedule: Schedule.stop, statuses: [], methods: [], maxThrottled: 0 })

/** Every request is sent once; content that breaks off is gone on with. @since 0.1.0 */
export const layerNone: Layer.Layer<RetryPolicy> = Layer.succeed(RetryPolicy, none)
