import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as ContentStore from "../../content/ContentStore.ts"
import * as Ending from "../../model/internal/ending.ts"
import * as Jobs from "../../model/internal/jobs.ts"
import type * as Progress from "../Progress.ts"

/** What became of the content of a run, by number and bytes. @internal */
export interface Tally {
  blobs: number
  manifests: number
  bytes: number
  skipped: number
  mounted: number
}

/** @internal */
export const emptyTally = (): Tally => ({ blobs: 0, manifests: 0, bytes: 0, skipped: 0, mounted: 0 })

/** The blobs that move or wait to. @internal */
export interface Crowd {
  readonly jobs: number
  blobs: number
  /** Whether so many have waited at once that it pays to find out how a target is asked for them cheaply. */
  large: boolean
}

/** What all copies of a run share; `E` is how its places fail. @internal */
export interface Run<E> {
  readonly jobs: Jobs.Jobs
  readonly crowd: Crowd
  readonly listener: Progress.Listener | undefined
  readonly nondistributable: boolean
  /** Where blobs are known to be: space and digest to the name a mount calls the place. */
  readonly locations: Map<string, string>
  /** Spaces that did not let a blob be mounted that one of their places held. */
  readonly refusing: Set<string>
  /** Blobs on their first way into a space, by the same keys. */
  readonly arriving: Map<string, Deferred.Deferred<void>>
  /** What moves or has moved to each place. */
  readonly flights: Map<ContentStore.Target<E>, Map<string, Deferred.Deferred<void, E>>>
  /** What places are called in the ids of events. */
  readonly names: Map<ContentStore.Target<E>, string>
  readonly tally: Tally
}

/** @internal */
export const make = <E>(options: {
  readonly jobs: number
  readonly listener: Progress.Listener | undefined
  readonly nondistributable: boolean
}): Run<E> => ({
  jobs: Jobs.make(options.jobs),
  crowd: { jobs: options.jobs, blobs: 0, large: false },
  listener: options.listener,
  nondistributable: options.nondistributable,
  locations: new Map(),
  refusing: new Set(),
  arriving: new Map(),
  flights: new Map(),
  names: new Map(),
  tally: emptyTally()
})

/** What a place is called in the ids of events: its label, which others may have as well. @internal */
export const nameOf = <E>({ names }: Pick<Run<E>, "names">, target: ContentStore.Target<E>): string => {
  const known = names.get(target)
  if (known !== undefined) return known
  const before = [...names.keys()].filter(({ label }) => label === target.label).length
  const name = before === 0 ? target.label : `${target.label} ${before + 1}`
  names.set(target, name)
  return name
}

/** So many more blobs than move at once are many. */
const manyWaiting = 8

/** Tells of blobs that are about to move: the first of them are to know already that there are many. @internal */
export const expect = ({ crowd }: Pick<Run<never>, "crowd">, blobs: number): void => {
  crowd.large ||= crowd.blobs + blobs - crowd.jobs >= manyWaiting
}

/** Moves a blob as one of the jobs, and counts it for as long as it moves or waits to. @internal */
export const moving = <A, E, R>(run: Pick<Run<never>, "crowd" | "jobs">, move: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const { crowd, jobs } = run
    const { leave, taken } = jobs.place()
    return Ending.between(
      () => {
        expect(run, 1)
        crowd.blobs++
      },
      Effect.zipRight(taken, move),
      () => {
        leave()
        crowd.blobs--
      }
    )
  })

/** @internal */
export const locationKey = (space: string, digest: string) => `${space} ${digest}`
