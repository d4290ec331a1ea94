// One source, many targets. Each target is a lane of its own, which ends with its first failure and leaves the others alone; what lanes need
// of the same blob at the same time, they read together.
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Graph from "../Graph.ts"
import * as Delivery from "./delivery.ts"
import * as Embedded from "./embedded.ts"
import { blobsOf, flightOf, type Mover } from "./mover.ts"
import * as Run from "./run.ts"
import * as SharedRead from "./sharedRead.ts"

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
    const own: Run.Run<E> = { ...run, jobs: Effect.unsafeMakeSemaphore(jobs), tally: Run.emptyTally() }
    const deliver = Delivery.make(own, source, target)
    return { target, run: own, deliver, flights: new Map(), holds: new Set(), failure, failed: false }
  })

/** For the time that the lane goes well; its first failure ends whatever it does. @internal */
export const within = <E, A>(lane: Lane<E>, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.raceFirst(effect, Deferred.await(lane.failure)).pipe(
    Effect.tapErrorCause((cause) => {
      if (Cause.isInterruptedOnly(cause)) return Effect.void
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

/** A flight that has not begun; undefined when somebody has claimed it before. */
const claim = <E>({ flights }: Lane<E>, key: string): Effect.Effect<Deferred.Deferred<void, E> | undefined> =>
  Effect.map(Deferred.make<void, E>(), (flight) => {
    if (flights.has(key)) return undefined
    flights.set(key, flight)
    return flight
  })

interface Claim<E> {
  readonly lane: Lane<E>
  readonly flight: Deferred.Deferred<void, E>
}

const claims = <E>(lanes: ReadonlyArray<Lane<E>>, key: string): Effect.Effect<ReadonlyArray<Claim<E>>> =>
  Effect.map(
    Effect.forEach(going(lanes), (lane) => Effect.map(claim(lane, key), (flight) => (flight === undefined ? [] : [{ lane, flight }]))),
    (found) => found.flat()
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
  const seatsFor = (content: Stream.Stream<Uint8Array, E>, sizeBytes: number, readers: ReadonlyArray<Claim<E>>) =>
    Effect.map(SharedRead.make({ content, sizeBytes, readers: readers.length }), (seats) => new Map(Arr.zip(readers, seats)))

  /** Everything that is to do about one blob; `watched` is told how to wait until none of the lanes is held up by another. */
  const share = (
    descriptor: Descriptor.Descriptor,
    claimed: ReadonlyArray<Claim<E>>,
    watched: Deferred.Deferred<Effect.Effect<void>>
  ): Effect.Effect<void> =>
    Effect.gen(function* () {
      const content = yield* Embedded.blob(source, descriptor)
      const groups = groupsOf(run, source, claimed)
      const first = groups.map((group) => group.first)
      const others = groups.flatMap((group) => group.others)
      // What is in memory already is nobody's to wait for.
      const read = content instanceof Uint8Array ? Stream.empty : content
      const seats = new Map([...(yield* seatsFor(read, descriptor.size, first)), ...(yield* seatsFor(read, descriptor.size, others))])
      yield* Deferred.succeed(
        watched,
        Effect.forEach(seats.values(), ({ released }) => released, { discard: true })
      )
      const push = (claim: Claim<E>) => {
        const seat = seats.get(claim)
        const shared = content instanceof Uint8Array || seat === undefined ? content : seat.content
        return Effect.ensuring(fly(claim, claim.lane.deliver.blob(descriptor, shared)), seat?.leave ?? Effect.void)
      }
      yield* Effect.forEach(groups, (group) => Effect.zipRight(push(group.first), Effect.forEach(group.others, push, together)), together)
    }).pipe(Effect.scoped)

  /** One permit for a blob and all who want it: nobody waits for a permit while others wait for him. */
  const blob = (descriptor: Descriptor.Descriptor, audience: ReadonlyArray<Lane<E>>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const claimed = yield* claims(audience, descriptor.digest)
      if (claimed.length === 0) return
      const watched = yield* Deferred.make<Effect.Effect<void>>()
      const moving = Effect.suspend(() =>
        share(
          descriptor,
          claimed.filter(({ lane }) => !lane.failed),
          watched
        )
      )
      const moved = Effect.ensuring(moving, Deferred.succeed(watched, Effect.void))
      const released = Effect.flatten(Deferred.await(watched))
      yield* run.jobs.withPermits(1)(Effect.zipRight(Effect.forkIn(moved, scope), released))
    })

  /** Brings a node to those of the audience who need it: its blobs and children, and then, each on its own, the manifest. */
  const visit = (node: Graph.Node, audience: ReadonlyArray<Lane<E>>, tags: (lane: Lane<E>) => ReadonlyArray<string>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const claimed = (yield* Effect.forEach(audience, (lane) => claims([lane], flightOf(node.descriptor, tags(lane))))).flat()
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
          const push = lane.run.jobs.withPermits(1)(lane.deliver.manifest(node.manifest, tags(lane)))
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
            Effect.map(Effect.exit(within(lane, lane.target.exists(descriptor))), (exit) => {
              if (Exit.isSuccess(exit) && exit.value) lane.holds.add(descriptor.digest)
              return Exit.isFailure(exit) || exit.value
            }),
          { concurrency: "unbounded" }
        ),
        (answers) => answers.every((held) => held)
      )
  }
}
