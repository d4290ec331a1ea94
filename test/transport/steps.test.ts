import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import * as Direct from "../../src/http/internal/direct.ts"
import type { Reply } from "../../src/http/internal/Wire.ts"
import { attempt } from "../../src/transport/internal/attempt.ts"
import type { Connection, Endpoint } from "../../src/transport/internal/endpoint.ts"
import * as HostGate from "../../src/transport/internal/hostGate.ts"
import * as Transport from "../../src/transport/internal/transport.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import * as Steps from "../support/Steps.ts"
import { request } from "./requests.ts"

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Whether nothing comes of the body. */
  readonly stalls?: boolean
  /** Whether it comes at once, so that whoever gets it is interrupted later than in its wait. */
  readonly atOnce?: boolean
}

/** A client that answers when it is told to, and knows how many of its bodies are still open. */
const answering = ({ atOnce = false, headers = {}, stalls = false, status }: Answer) => {
  let open = 0
  let answer = () => {}
  const unused = { stream: Stream.empty, bytes: () => Effect.succeed(new Uint8Array()) }
  const client = Direct.withStart(
    HttpClient.make(() => Effect.die("the general way")),
    (sent) => {
      let ended = true
      let unread = true
      let broken = () => {}
      const abort = () => {
        if (!ended) open--
        ended = true
        broken()
      }
      const stalled = Effect.async<never, Option.Option<unknown>>((resume) => {
        broken = () => resume(Effect.fail(Option.some("aborted")))
      })
      const pull = Effect.suspend(() => {
        if (stalls) return stalled
        if (unread) {
          unread = false
          return Effect.succeed(Chunk.of(new Uint8Array(3)))
        }
        abort()
        return Effect.fail(Option.none())
      })
      const respond = () => {
        ended = false
        open++
        return new Direct.Response(sent, { status, headers: Headers.fromInput(headers) }, unused, () => ({ pull, abort }))
      }
      const told = Effect.async<Direct.Response>((resume) => {
        answer = () => resume(Effect.succeed(respond()))
      })
      return { abort, response: atOnce ? Effect.sync(respond) : told }
    }
  )
  return { client, answer: () => answer(), opened: () => open }
}

const transportOver = (client: HttpClient.HttpClient) =>
  Effect.flatMap(TokenCache.make(), (tokenCache) =>
    Transport.make({
      client,
      keychain: Keychain.make({}),
      tokenCache,
      policy: RetryPolicy.make(),
      hosts: RegistryHosts.make({}),
      wire: {},
      clientId: undefined,
      unwrapped: true
    })
  )

/** A clock by which the next few waits are over at once, and no other ever is. */
const hasty = (waits: number): Clock.Clock => {
  let left = waits
  return Object.assign(Clock.make(), { sleep: () => (left-- > 0 ? Effect.void : Effect.never) })
}

/** A request that waits for its token until another one has its place at the host, which has one. */
const lending = () => {
  const gate = HostGate.make({ concurrency: 1 })
  let other: HostGate.Pass | undefined
  let sent = 0
  const authorize = Effect.sync(() => {
    const { resume, scheduler } = Steps.yieldingBefore(0)
    const entered = Effect.runFork(Effect.withClock(gate.enter("read", "small"), hasty(3)), { scheduler })
    resume()
    const exit = entered.unsafePoll()
    if (exit !== null && Exit.isSuccess(exit)) other = exit.value
    return Option.none()
  })
  const reply: Reply = {
    status: 200,
    headers: Headers.empty,
    url: "https://registry.test/",
    origin: "https://registry.test",
    contentEncoding: undefined,
    body: Stream.empty,
    bytes: () => Effect.succeed(new Uint8Array()),
    text: () => Effect.succeed(""),
    discard: Effect.void,
    settle: undefined,
    keepTo: (pace) => pace.leave()
  }
  const open = Effect.sync(() => {
    sent++
    return reply
  })
  const wire = { send: () => Effect.die("scoped"), sendIn: () => Effect.die("scoped"), open: () => open }
  const connection: Connection = {
    origin: "https://registry.test",
    prefix: "",
    ping: { scheme: "https", status: 401, challenges: [], apiVersion: undefined },
    greeting: undefined,
    authenticator: {
      isAsked: () => true,
      authorize: () => authorize,
      answer: () => Effect.succeedNone,
      accepted: () => {},
      token: () => Effect.succeedNone
    }
  }
  const endpoint: Endpoint = {
    registry: "registry.test",
    host: "registry.test",
    mirror: undefined,
    gate,
    policy: RetryPolicy.make(),
    known: () => connection,
    connection: Effect.succeed(connection)
  }
  return {
    gate,
    request: Effect.uninterruptibleMask((restore) => attempt(wire, endpoint, connection, request(), restore)),
    /** The other one ends, if it ever began. */
    leave: () => other?.leave(),
    lent: () => other !== undefined,
    sent: () => sent
  }
}

describe("steps", () => {
  const answers: Readonly<Record<string, Answer>> = {
    "an answer": { status: 200 },
    "a refusal that is tried again": { status: 503, headers: { "retry-after": "7" } },
    "a 401": { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } },
    "an answer with a warning": { status: 200, headers: { warning: '299 - "soon"' } },
    "an answer that comes at once": { status: 200, atOnce: true },
    "a refusal that comes at once": { status: 503, atOnce: true },
    "a warning that comes at once": { status: 200, headers: { warning: '299 - "soon"' }, atOnce: true }
  }
  for (const [name, given] of Object.entries(answers)) {
    it.scoped(`nothing of ${name} is held, between whichever steps of its fiber the interruption comes`, () =>
      Effect.gen(function* () {
        for (let operation = 1; operation < 150; operation++) {
          const { answer, client, opened } = answering(given)
          const transport = yield* transportOver(client)
          const { resume, scheduler } = Steps.yieldingBefore(operation)
          const fiber = Effect.runFork(Effect.scoped(Effect.zipRight(transport.execute(request()), Effect.never)), { scheduler })
          answer()
          fiber.unsafeInterruptAsFork(FiberId.none)
          resume()
          const exit = fiber.unsafePoll()
          assert.isTrue(exit !== null && Exit.isInterrupted(exit), `before operation ${operation}`)
          assert.strictEqual(opened(), 0, `before operation ${operation}`)
          assert.deepStrictEqual(yield* transport.taken("registry.test"), { read: 0, write: 0 }, `before operation ${operation}`)
        }
      })
    )
  }

  it.scoped("the end of a redirect whose body stalls is not waited for by whoever is interrupted before it", () =>
    Effect.gen(function* () {
      const held: Array<number> = []
      for (let operation = 1; operation < 150; operation++) {
        const { answer, client, opened } = answering({
          status: 307,
          headers: { location: "https://registry.test/v2/" },
          stalls: true,
          atOnce: true
        })
        const transport = yield* transportOver(client)
        const { resume, scheduler } = Steps.yieldingBefore(operation)
        const fiber = Effect.runFork(Effect.scoped(Effect.zipRight(transport.execute(request()), Effect.never)), { scheduler })
        answer()
        fiber.unsafeInterruptAsFork(FiberId.none)
        resume()
        if (fiber.unsafePoll() === null) held.push(operation)
        else assert.strictEqual(opened(), 0, `before operation ${operation}`)
      }
      // `Effect.timeout` does not see what comes between its own start and that of its fibers.
      assert.isAtMost(held.length, 1)
    })
  )

  it.scoped("a request over another client ends, between whichever steps of its fiber the interruption comes", () =>
    Effect.gen(function* () {
      for (let operation = 1; operation < 150; operation++) {
        let running = 0
        const client = HttpClient.make(() =>
          Effect.acquireUseRelease(
            Effect.sync(() => running++),
            () => Effect.never,
            () => Effect.sync(() => running--)
          )
        )
        const transport = yield* transportOver(client)
        const { resume, scheduler } = Steps.yieldingBefore(operation)
        const fiber = Effect.runFork(Effect.scoped(transport.execute(request())), { scheduler })
        fiber.unsafeInterruptAsFork(FiberId.none)
        resume()
        assert.isNotNull(fiber.unsafePoll(), `before operation ${operation}`)
        assert.strictEqual(running, 0, `before operation ${operation}`)
        assert.deepStrictEqual(yield* transport.taken("registry.test"), { read: 0, write: 0 }, `before operation ${operation}`)
      }
    })
  )

  it("a place that is lent while a token is waited for is waited for, and nothing is held, whenever the interruption comes", () => {
    const free = { read: 0, write: 0 }
    for (let operation = 1; operation < 80; operation++) {
      for (const end of ["before", "after", "never"] as const) {
        const { gate, leave, lent, request, sent } = lending()
        const { resume, scheduler } = Steps.yieldingBefore(operation)
        const fiber = Effect.runFork(request, { scheduler })
        if (end === "before") leave()
        if (end !== "never") fiber.unsafeInterruptAsFork(FiberId.none)
        resume()
        if (end === "never") assert.strictEqual(sent(), 0)
        leave()
        resume()
        const name = `before operation ${operation}, ${end}`
        assert.isTrue(lent() || end !== "never", name)
        assert.isNotNull(fiber.unsafePoll(), name)
        if (end === "never") assert.strictEqual(sent(), 1, name)
        assert.deepStrictEqual(Effect.runSync(gate.taken), free, name)
      }
    }
  })
})
