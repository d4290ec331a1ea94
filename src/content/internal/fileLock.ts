// A lock that processes share: a file that only one of them can create. One that its owner left behind is taken over.
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { StoreError } from "../../model/RegistryError.ts"
import { fromPlatform, isReason, storeError } from "./localError.ts"

/** @internal */
export interface Options {
  /** For errors. */
  readonly label: string
  /** The file. */
  readonly file: string
  /** How long a lock may show no sign of life. */
  readonly expiry: Duration.DurationInput
  /** How long to wait for one that does. */
  readonly timeout: Duration.DurationInput
}

/** @internal */
export interface FileLock {
  /**
   * Runs an effect as the only one of all processes. It is told how to find out whether it still is: after a pause of more than `expiry`
   * (a process that was stopped) another may have taken over.
   */
  readonly run: <A, E, R>(use: (held: Effect.Effect<boolean>) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
}

/** @internal */
export interface TryLock extends FileLock {
  /** As `run`, and nothing where another process has the lock and lives. */
  readonly runIfFree: <A, E, R>(
    use: (held: Effect.Effect<boolean>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<Option.Option<A>, E | StoreError, R>
}

// Renaming over a stale lock is atomic, but two may do so one after the other; the last one has it, and this is how long each looks.
const settling = Duration.millis(100)

/** @internal */
export const make = (fs: FileSystem.FileSystem, { expiry, file, label, timeout }: Options): TryLock => {
  const failed = fromPlatform(label, "lock")
  const expiryMillis = Duration.toMillis(expiry)
  const timeoutMillis = Duration.toMillis(timeout)

  const create = (owner: string): Effect.Effect<boolean, StoreError> =>
    fs.open(file, { flag: "wx" }).pipe(
      // On a full disk it is there without an owner, and everybody would wait for it.
      Effect.flatMap((made) => Effect.onError(made.writeAll(new TextEncoder().encode(owner)), () => Effect.ignore(fs.remove(file)))),
      Effect.scoped,
      Effect.as(true),
      Effect.catchIf(isReason("AlreadyExists"), () => Effect.succeed(false)),
      Effect.mapError(failed),
      // An interrupted one would leave an empty file, which nobody owns.
      Effect.uninterruptible
    )

  const isOwner = (owner: string): Effect.Effect<boolean> =>
    fs.readFileString(file).pipe(
      Effect.map((content) => content === owner),
      Effect.orElseSucceed(() => false)
    )

  /** Who has it and the last sign of life. Clocks of machines differ, so what counts is only that it changes. */
  const look: Effect.Effect<Option.Option<string>, StoreError> = Effect.zipWith(
    fs.readFileString(file),
    fs.stat(file),
    (owner, info) => `${owner} ${Option.match(info.mtime, { onNone: () => "", onSome: (time) => time.getTime() })}`
  ).pipe(
    Effect.asSome,
    Effect.catchIf(isReason("NotFound"), () => Effect.succeedNone),
    Effect.mapError(failed)
  )

  const takeOver = Effect.fnUntraced(function* (owner: string) {
    const beside = `${file}.${owner}`
    yield* fs.writeFileString(beside, owner, { flag: "wx" }).pipe(
      Effect.zipRight(fs.rename(beside, file)),
      Effect.onError(() => Effect.ignore(fs.remove(beside))),
      Effect.mapError(failed)
    )
    yield* Effect.sleep(settling)
    return yield* isOwner(owner)
  })

  /** Whether the lock could be had in time. */
  const acquire = Effect.fnUntraced(function* (owner: string) {
    const start = yield* Clock.currentTimeMillis
    let seen: string | undefined
    let since = start
    for (let attempt = 0; !(yield* create(owner)); attempt++) {
      const now = yield* Clock.currentTimeMillis
      const state = Option.getOrUndefined(yield* look)
      if (state !== undefined && state === seen && now - since >= expiryMillis) {
        if (yield* takeOver(owner)) return true
        seen = undefined
        continue
      }
      if (state !== seen) {
        seen = state
        since = now
      }
      if (now - start >= timeoutMillis) return false
      yield* Effect.sleep(Duration.millis(yield* Random.nextRange(1, Math.min(100, 4 * 2 ** attempt))))
    }
    return true
  })

  const release = (owner: string) => Effect.whenEffect(Effect.ignore(fs.remove(file)), isOwner(owner))

  /** Signs of life. */
  const heartbeat = (owner: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.ignore(fs.utimes(file, now / 1000, now / 1000))).pipe(
      Effect.whenEffect(isOwner(owner)),
      Effect.schedule(Schedule.spaced(Duration.millis(expiryMillis / 4)))
    )

  /** Also while what was interrupted comes to its end. */
  const alive = <A, E, R>(owner: string, use: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(Effect.forkDaemon(Effect.interruptible(heartbeat(owner))), () => use, Fiber.interrupt)

  const runIfFree: TryLock["runIfFree"] = (use) =>
    Effect.suspend(() => {
      const owner = globalThis.crypto.randomUUID()
      return Effect.acquireUseRelease(
        // Waiting can be interrupted. What an interrupted attempt may have created is released all the same.
        Effect.interruptible(acquire(owner)).pipe(Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : release(owner)))),
        (acquired) => (acquired ? Effect.asSome(alive(owner, use(isOwner(owner)))) : Effect.succeedNone),
        () => release(owner)
      )
    })

  return {
    runIfFree,
    run: (use) =>
      Effect.flatMap(
        runIfFree(use),
        Option.match({
          onNone: () => storeError(label, "lock", `another process has held ${file} for too long`),
          onSome: Effect.succeed
        })
      )
  }
}
