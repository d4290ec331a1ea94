/**
 * From which repositories a container engine tries to mount a layer before it uploads it, and in which order: the engine remembers where each of its
 * layers has been pushed to, or pulled from.
 *
 * @since 0.1.0
 */
import * as Order from "effect/Order"
import type * as Reference from "../model/Reference.ts"

/**
 * A place where the layer was seen. `account` stands for the credentials it was seen with, and can be any text that tells them apart, but none that
 * is secret; none for nobody's.
 *
 * @since 0.1.0
 */
export interface Candidate {
  readonly repository: Reference.Repository
  readonly account?: string | undefined
}

/**
 * Where the layer is to go, and with which credentials. `max`: so many are enough, all of them without it; docker takes 4 for layers of more than
 * 10 MiB, 3 above 100 KiB and 1 below, for a mount that fails costs a request.
 *
 * @since 0.1.0
 */
export interface Target extends Candidate {
  readonly max?: number | undefined
}

const partsOf = ({ repository }: Candidate): ReadonlyArray<string> => repository.toString().split("/")

/** How many parts of both names, from the first on, are the same. */
const likeness = (target: ReadonlyArray<string>, candidate: Candidate): number => {
  const parts = partsOf(candidate)
  const other = target.findIndex((part, index) => part !== parts[index])
  return other === -1 ? target.length : other
}

/**
 * Those of other repositories in the target's registry: first what was seen with the same credentials, then what has the most of the target's
 * path, then the youngest, which stand last in `candidates` (`getRepositoryMountCandidates`).
 *
 * @since 0.1.0
 */
export const select = <A extends Candidate>(target: Target, candidates: ReadonlyArray<A>): ReadonlyArray<A> => {
  const { account = "", max = Number.POSITIVE_INFINITY, repository } = target
  const parts = partsOf(target)
  const better = Order.combine(
    Order.mapInput(Order.reverse(Order.boolean), (candidate: A) => (candidate.account ?? "") === account),
    Order.mapInput(Order.reverse(Order.number), (candidate: A) => likeness(parts, candidate))
  )
  return candidates
    .filter((candidate) => candidate.repository.registry === repository.registry && candidate.repository.name !== repository.name)
    .reverse()
    .sort(better)
    .slice(0, Math.max(0, max))
}
