/**
 * A network that fails on request: a wrapper over any `HttpClient`, a real one or that of `MemoryRegistry`, which spoils the exchanges that
 * its rules choose and lets the others through. Waiting is done by the clock of the fiber, so `TestClock` decides how long it takes.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import type { Fault } from "./Fault.ts"

/**
 * Which exchanges a rule is for. All conditions must hold; one that is absent always does. `skip` lets that many matches pass first,
 * `count` is how often the rule applies at most, `probability` (0 to 1) leaves the rest to chance.
 *
 * @since 0.1.0
 */
export interface Match {
  readonly method?: string | ReadonlyArray<string> | undefined
  /** With the port if the URL has one. */
  readonly host?: string | undefined
  readonly path?: RegExp | undefined
  /** Tested against the query with its question mark. */
  readonly query?: RegExp | undefined
  readonly when?: ((request: HttpClientRequest.HttpClientRequest, url: URL) => boolean) | undefined
  readonly skip?: number | undefined
  readonly count?: number | undefined
  readonly probability?: number | undefined
}

/** @since 0.1.0 */
export interface Rule {
  readonly match?: Match | undefined
  readonly fault: Fault
}

/** One fault that was injected. `rule` is the position of its rule. @since 0.1.0 */
export interface Injection {
  readonly rule: number
  readonly fault: string
  readonly method: string
  readonly url: string
}

/** @since 0.1.0 */
export class FaultyHttp extends Context.Tag("effect-oci/FaultyHttp")<FaultyHttp, Service>() {}

/** @since 0.1.0 */
export interface Service {
  /** What was done, in order. */
  readonly injections: Effect.Effect<ReadonlyArray<Injection>>
  /** How often each rule applied, by its position. */
  readonly counts: Effect.Effect<ReadonlyArray<number>>
  /** Other rules from the next request on; their counting starts anew. */
  readonly setRules: (rules: ReadonlyArray<Rule>) => Effect.Effect<void>
  /** No more faults. */
  readonly heal: Effect.Effect<void>
}

/** @since 0.1.0 */
export interface FaultyHttpOptions {
  /** Of several rules that match, the first one that is due applies. */
  readonly rules: ReadonlyArray<Rule>
  /** The same seed makes the same choices where a rule has a probability. Default: 0. */
  readonly seed?: string | number | undefined
}

interface RuleState {
  readonly rule: Rule
  readonly seen: number
  readonly applied: number
}

const fresh = (rules: ReadonlyArray<Rule>): ReadonlyArray<RuleState> => rules.map((rule) => ({ rule, seen: 0, applied: 0 }))

const matches = (match: Match, request: HttpClientRequest.HttpClientRequest, url: URL): boolean =>
  (match.method === undefined || [match.method].flat().includes(request.method)) &&
  (match.host === undefined || match.host === url.host) &&
  (match.path === undefined || new RegExp(match.path.source, match.path.flags.replace(/[gy]/g, "")).test(url.pathname)) &&
  (match.query === undefined || new RegExp(match.query.source, match.query.flags.replace(/[gy]/g, "")).test(url.search)) &&
  (match.when === undefined || match.when(request, url))

interface Choice {
  readonly states: ReadonlyArray<RuleState>
  readonly chosen: Option.Option<readonly [position: number, fault: Fault]>
}

/** Finds the rule that is due and counts, for every rule that matched on the way, that it did. */
const choose = (
  states: ReadonlyArray<RuleState>,
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  chance: ReadonlyArray<number>
): Choice => {
  const next = [...states]
  for (const [position, state] of states.entries()) {
    const match = state.rule.match ?? {}
    if (!matches(match, request, url)) continue
    const due =
      state.seen >= (match.skip ?? 0) &&
      state.applied < (match.count ?? Number.POSITIVE_INFINITY) &&
      (chance[position] ?? 0) < (match.probability ?? 1)
    next[position] = { ...state, seen: state.seen + 1, applied: state.applied + (due ? 1 : 0) }
    if (due) return { states: next, chosen: Option.some([position, state.rule.fault]) }
  }
  return { states: next, chosen: Option.none() }
}

/**
 * Sends a request a fault has rewritten. The platform ties the life of a response to its request object, so a new one needs a scope of
 * its own that ends when the caller's request is aborted.
 */
const sendRewritten = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest,
  signal: AbortSignal
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    const response = yield* Scope.extend(HttpClient.withScope(client).execute(request), scope).pipe(Effect.onError(() => close))
    yield* Effect.sync(() => signal.addEventListener("abort", () => Effect.runFork(close), { once: true }))
    return response
  })

/** Wraps a client. @since 0.1.0 */
export const make: (
  client: HttpClient.HttpClient,
  options: FaultyHttpOptions
) => Effect.Effect<{ readonly client: HttpClient.HttpClient; readonly faults: Service }> = Effect.fnUntraced(function* (client, options) {
  const states = yield* Ref.make(fresh(options.rules))
  const injections = yield* Ref.make<ReadonlyArray<Injection>>([])
  const random = Random.make(options.seed ?? 0)
  // The wrapper is traced already; a span of the wrapped client would say the same twice.
  const inner = HttpClient.withTracerDisabledWhen(client, () => true)

  const faulty = HttpClient.make(
    Effect.fnUntraced(function* (request, url, signal) {
      const rules = yield* Ref.get(states)
      const chance = yield* Effect.forEach(rules, ({ rule }) => (rule.match?.probability === undefined ? Effect.succeed(0) : random.next))
      const chosen = yield* Ref.modify(states, (current) => {
        const choice = choose(current, request, url, chance)
        return [choice.chosen, choice.states]
      })
      if (Option.isNone(chosen)) return yield* inner.execute(request)
      const [position, fault] = chosen.value
      yield* Ref.update(injections, (all) => [...all, { rule: position, fault: fault.name, method: request.method, url: url.toString() }])
      return yield* fault.apply({
        request,
        url,
        signal,
        execute: (sent) => (sent === request ? inner.execute(sent) : sendRewritten(inner, sent, signal))
      })
    })
  )

  return {
    client: faulty,
    faults: {
      injections: Ref.get(injections),
      counts: Effect.map(Ref.get(states), (rules) => rules.map((state) => state.applied)),
      setRules: (rules) => Ref.set(states, fresh(rules)),
      heal: Ref.set(states, [])
    }
  }
})

/** Puts faults between everything above and the `HttpClient` below. @since 0.1.0 */
export const layer = (options: FaultyHttpOptions): Layer.Layer<FaultyHttp | HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { client, faults } = yield* make(yield* HttpClient.HttpClient, options)
      return Context.empty().pipe(Context.add(HttpClient.HttpClient, client), Context.add(FaultyHttp, faults))
    })
  )
