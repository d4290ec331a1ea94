// One source, many targets. Each target is a lane of its own, which ends with its first failure and leaves the others alone; what lanes need
// of the same blob at the same time, they read together.
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Jobs from "../../model/internal/jobs.ts"
import type * as Graph from "../Graph.ts"
import * as Delivery from "./delivery.ts"
import * as Embedded from "./embedded.ts"
import { blobsOf, flightOf, type Mover } from "./mover.ts"
import * as Run from "./run.ts"
import * as SharedRead from "./sharedRead.ts"
import * as Standing from "./standing.ts"

/** What goes to one target. @internal */
export interface Lane<E> {
  readonly target: ContentStore.Target<E>
  readonly run: Run.Run<E>
  readonly deliver: Delivery.Delivery<E>
  /** What moves or has moved. */
  readonly flights: Map<string, Deferred.Deferred<void, E>>
  /** Manifests that are in place with all that is behind them. */
  readonly holds: Set<string>
  /** Never done but by the first failure. */
  readonly failure: Deferred.Deferred<never, E>
  failed: boolean
}

/** Counts and jobs are those of the lane; all else is shared. @internal */
export const lane = <E>(
  run: Run.Run<E>,
  jobs: number,
  source: ContentStore.Source<E>,
  target: ContentStore.Target<E>
): Effect.Effect<Lane<E>> =>
  Effect.map(Deferred.make<never, E>(), (failure) => {
    const own: Run.Run<E> = { ...run, jobs: Jobs.make(jobs), tally: Run.emptyTally() }
    const deliver = Delivery.make(own, source, target)
    return { target, run: own, deliver, flights: new Map(), holds: new Set(), failure, failed: false }
  })

/** For the time that the lane goes well; its first failure ends whatever it does. @internal */
export const within = <E, A>(lane: Lane<E>, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.raceFirst(effect, Deferred.await(lane.failure)).pipe(
    Effect.tapErrorCause((cause) => {
      lane.failed = true
      return Deferred.failCause(lane.failure, cause)
    })
  )

/** @internal */
export interface FanOut<E> extends Mover<never> {
  /** As `move`, with tags for each lane. */
  readonly moveTo: (node: Graph.Node, tags: (lane: Lane<E>) => ReadonlyArray<string>) => Effect.Effect<void>
  /** Whether all lanes hold a manifest already, as `Graph.Options.skip`; what some of them hold is remembered. */
  readonly held: (descriptor: Descriptor.Descriptor) => Effect.Effect<boolean>
}

const going = <E>(lanes: ReadonlyArray<Lane<E>>) => lanes.filter(({ failed }) => !failed)

const together = { concurrency: "unbounded", discard: true } as const

/** A flight that has not begun. */
interface Claim<E> {
  readonly lane: Lane<E>
  readonly flight: Deferred.Deferred<void, E>
}

/** The flights of those lanes for which nobody has claimed it before. */
const claims = <E>(lanes: ReadonlyArray<Lane<E>>, key: string): Effect.Effect<ReadonlyArray<Claim<E>>> =>
  Effect.map(
    Effect.forEach(going(lanes), (lane) =>
      Effect.map(Deferred.make<void, E>(), (flight): ReadonlyArray<Claim<E>> => {
        if (lane.flights.has(key)) return []
        lane.flights.set(key, flight)
        return [{ lane, flight }]
      })
    ),
    Arr.flatten
  )

/** Flies, and says so to all who wait for it. A failure is the lane's and goes no further. */
const fly = <E>({ lane, flight }: Claim<E>, effect: Effect.Effect<void, E>): Effect.Effect<void> =>
  Effect.asVoid(Effect.exit(Effect.onExit(within(lane, effect), (exit) => Deferred.done(flight, exit))))

/** Waits until the lane has all that a manifest names. */
const arrived = <E>({ flights }: Lane<E>, keys: ReadonlyArray<string>): Effect.Effect<void, E> =>
  Effect.forEach(
    keys.flatMap((key) => flights.get(key) ?? []),
    Deferred.await,
    { discard: true }
  )

interface Group<E> {
  readonly space: string | undefined
  readonly first: Claim<E>
  readonly others: Array<Claim<E>>
}

/** Those who get a blob first, each with those who may then take it over from there. */
const groupsOf = <E>(run: Run.Run<E>, source: ContentStore.Source<E>, claimed: ReadonlyArray<Claim<E>>): ReadonlyArray<Group<E>> => {
  const home = ContentStore.hasMounts(source) ? source.mounts.space : undefined
  const spaceOf = ({ lane: { target } }: Claim<E>) => (ContentStore.hasMounts(target) ? target.mounts.space : undefined)
  const groups: Array<Group<E>> = []
  for (const one of claimed) {
    const space = spaceOf(one)
    // Those who share a space with the source take it over from there, all at once.
    const waits = space !== undefined && space !== home && !run.refusing.has(space)
    const group = waits ? groups.find((_) => _.space === space) : undefined
    if (group === undefined) groups.push({ space, first: one, others: [] })
    else group.others.push(one)
  }
  return groups
}

/** Fibers live in the scope, and so does what a lane that is late still has to do when the others are done with a blob. @internal */
export const make = <E>(run: Run.Run<E>, source: ContentStore.Source<E>, lanes: ReadonlyArray<Lane<E>>, scope: Scope.Scope): FanOut<E> => {
  const seatsFor = (content: Stream.Stream<Uint8Array, E>, readers: ReadonlyArray<Claim<E>>) =>
    Effect.map(SharedRead.make(content, readers.length), (seats) => new Map(Arr.zip(readers, seats)))

  /** Everything that is to do about one blob; `passed` is done when none of the lanes has to wait for another any more. */
  const share = (
    descriptor: Descriptor.Descriptor,
    claimed: ReadonlyArray<Claim<E>>,
    passed: Deferred.Deferred<void>
  ): Effect.Effect<void> =>
    Effect.gen(function* () {
      const content = yield* Embedded.blob(source, descriptor)
      const groups = groupsOf(run, source, claimed)
      const firsts = groups.map(({ first }) => first)
      const rest = groups.flatMap(({ others }) => others)
      // What is in memory already is nobody's to wait for.
      const read = content instanceof Uint8Array ? Stream.empty : content
      const seats = new Map([...(yield* seatsFor(read, firsts)), ...(yield* seatsFor(read, rest))])
      const released = (claim: Claim<E>) => seats.get(claim)?.released ?? Effect.void
      // Who is left behind takes those along who wait to take the blob over.
      const watch = ({ first, others }: Group<E>) =>
        Effect.zipRight(
          released(first),
          Effect.whenEffect(Effect.forEach(others, released, { discard: true }), Deferred.isDone(first.flight))
        )
      yield* Effect.forkScoped(Effect.zipRight(Effect.forEach(groups, watch, { discard: true }), Deferred.succeed(passed, undefined)))
      const push = (claim: Claim<E>) => {
        const seat = seats.get(claim)
        const shared = content instanceof Uint8Array || seat === undefined ? content : seat.content
        return Effect.ensuring(fly(claim, claim.lane.deliver.blob(descriptor, shared)), seat?.leave ?? Effect.void)
      }
      yield* Effect.forEach(groups, ({ first, others }) => Effect.zipRight(push(first), Effect.forEach(others, push, together)), together)
    }).pipe(Effect.scoped)

  /** One permit for a blob and all who want it: nobody waits for a permit while others wait for him. */
  const blob = (descriptor: Descriptor.Descriptor, audience: ReadonlyArray<Lane<E>>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const claimed = yield* claims(audience, descriptor.digest)
      if (claimed.length === 0) return
      const passed = yield* Deferred.make<void>()
      const moving = Effect.suspend(() =>
        share(
          descriptor,
          claimed.filter(({ lane }) => !lane.failed),
          passed
        )
      )
      const moved = Effect.ensuring(moving, Deferred.succeed(passed, undefined))
      yield* Jobs.one(run.jobs, Effect.zipRight(Effect.forkIn(moved, scope), Deferred.await(passed)))
    })

  /** Brings a node to those of the audience who need it: its blobs and children, and then, each on its own, the manifest. */
  const visit = (node: Graph.Node, audience: ReadonlyArray<Lane<E>>, tags: (lane: Lane<E>) => ReadonlyArray<string>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const claimed = (yield* Effect.forEach(audience, (lane) => claims([lane], flightOf(node.descriptor, tags(lane))))).flat()
      // Who does not need it, or gets it already, needs nothing behind it: there are far more ways through a graph than nodes in it.
      if (claimed.length === 0) return
      const lanes = claimed.map(({ lane }) => lane)
      const blobs = blobsOf(run, node)
      yield* Effect.all(
        [
          Effect.forEach(blobs, (descriptor) => blob(descriptor, lanes), together),
          Effect.forEach(
            node.children,
            (child) => {
              const needy = lanes.filter(({ holds }) => !holds.has(child.descriptor.digest))
              return visit(child, needy, () => [])
            },
            together
          )
        ],
        together
      )
      const before = [...blobs.map(({ digest }) => digest), ...node.children.map(({ descriptor }) => flightOf(descriptor, []))]
      yield* Effect.forEach(
        claimed,
        (one) => {
          const { lane } = one
          const push = Jobs.one(lane.run.jobs, lane.deliver.manifest(node.manifest, tags(lane)))
          return Effect.forkIn(fly(one, Effect.zipRight(arrived(lane, before), push)), scope)
        },
        { discard: true }
      )
    })

  const moveTo: FanOut<E>["moveTo"] = (node, tags) =>
    Effect.zipRight(
      visit(node, lanes, tags),
      Effect.forEach(
        going(lanes),
        (lane) => Effect.exit(Effect.raceFirst(arrived(lane, [flightOf(node.descriptor, tags(lane))]), Deferred.await(lane.failure))),
        { discard: true }
      )
    )

  return {
    moveTo,
    move: (node, tags) => moveTo(node, () => tags),
    held: (descriptor) =>
      Effect.map(
        Effect.forEach(
          going(lanes),
          (lane) =>
            Effect.map(Effect.exit(within(lane, Standing.holds(lane.target, descriptor))), (exit) => {
              if (Exit.isSuccess(exit) && exit.value) lane.holds.add(descriptor.digest)
              return Exit.isFailure(exit) || exit.value
            }),
          { concurrency: "unbounded" }
        ),
        (answers) => answers.every((held) => held)
      )
  }
}
