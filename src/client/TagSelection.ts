/**
 * Some of the tags of a repository: by pattern, by version, the newest ones. It works on any stream of tags, so on those of a registry, a
 * layout or an archive alike.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import Range from "semver/classes/range.js"
import type SemVer from "semver/classes/semver.js"
import compareVersions from "semver/functions/compare.js"
import parseVersion from "semver/functions/parse.js"

/**
 * All that is said must hold.
 *
 * - `glob`: one of these patterns is like the whole tag; `*` stands for any text and `?` for one character
 * - `exclude`: none of these patterns is
 * - `regex`: found anywhere in the tag
 * - `semver`: a range of versions such as `^1.4` or `>=1.2 <2` (the grammar of node-semver). Tags that are no whole version, `1.4` or `latest`, are
 *   in no range; `v1.4.2` is one
 * - `prereleases`: whether `1.4.2-rc.1` or `1.4.2-alpine` are in a range that does not name one, default no
 * - `latest`: at most so many, the highest first by `compare`; without it the tags come in the order of the place
 *
 * @since 0.1.0
 */
export interface Selection {
  readonly glob?: string | ReadonlyArray<string> | undefined
  readonly exclude?: string | ReadonlyArray<string> | undefined
  readonly regex?: RegExp | undefined
  readonly semver?: string | undefined
  readonly prereleases?: boolean | undefined
  readonly latest?: number | undefined
}

/** What selects nothing sensible: a range in no known grammar, or a number that is none. @since 0.1.0 */
export class InvalidSelection extends Schema.TaggedError<InvalidSelection>("effect-oci/InvalidSelection")("InvalidSelection", {
  member: Schema.Literal("semver", "latest"),
  input: Schema.String
}) {
  override get message(): string {
    return this.member === "semver" ? `${this.input} is no range of versions` : `${this.input} is no number of tags`
  }
}

/** Without the backtracking of a regular expression, whatever the pattern. */
const isLike = (pattern: string, tag: string): boolean => {
  let at = 0
  let inPattern = 0
  let star = -1
  let retry = 0
  while (at < tag.length) {
    const wanted = pattern[inPattern]
    if (wanted === "*") {
      star = inPattern++
      retry = at
    } else if (wanted === "?" || wanted === tag[at]) {
      inPattern++
      at++
    } else if (star >= 0) {
      // The last star takes one character more.
      inPattern = star + 1
      at = ++retry
    } else return false
  }
  while (pattern[inPattern] === "*") inPattern++
  return inPattern === pattern.length
}

const likeAny = (patterns: string | ReadonlyArray<string>, tag: string): boolean =>
  [patterns].flat().some((pattern) => isLike(pattern, tag))

const rangeOf = ({ prereleases, semver }: Selection): Either.Either<Range | undefined, InvalidSelection> =>
  semver === undefined
    ? Either.right(undefined)
    : Either.try({
        try: () => new Range(semver, { includePrerelease: prereleases === true }),
        catch: () => new InvalidSelection({ member: "semver", input: semver })
      })

const isCount = (latest: number | undefined): boolean => latest === undefined || (Number.isInteger(latest) && latest >= 0)

/** The range of a selection that selects something sensible. */
const checked = (selection: Selection): Either.Either<Range | undefined, InvalidSelection> =>
  isCount(selection.latest) ? rangeOf(selection) : Either.left(new InvalidSelection({ member: "latest", input: String(selection.latest) }))

/** Whether it selects anything sensible. @since 0.1.0 */
export const check = (selection: Selection): Either.Either<void, InvalidSelection> => Either.map(checked(selection), () => undefined)

const matching =
  ({ exclude, glob, regex }: Selection, range: Range | undefined) =>
  (tag: string): boolean => {
    if (glob !== undefined && !likeAny(glob, tag)) return false
    if (exclude !== undefined && likeAny(exclude, tag)) return false
    // Not `test`, which goes on where a global expression was found last.
    if (regex !== undefined && tag.search(regex) === -1) return false
    const version = range === undefined ? null : parseVersion(tag)
    return range === undefined || (version !== null && range.test(version))
  }

/** Whether a tag is one of those; `latest` is for `select`. @since 0.1.0 */
export const matcher = (selection: Selection): Either.Either<(tag: string) => boolean, InvalidSelection> =>
  Either.map(rangeOf(selection), (range) => matching(selection, range))

/** Made when names are first compared: the first collator of a process takes longer to make than most modules to load. */
let names: Intl.Collator | undefined

const compareNames = (a: string, b: string): number => {
  names ??= new Intl.Collator("en", { numeric: true })
  return names.compare(a, b)
}

const compareKeys = (a: Key, b: Key): number => {
  if (a.version !== null && b.version !== null) return compareVersions(a.version, b.version) || (a.tag < b.tag ? -1 : a.tag > b.tag ? 1 : 0)
  if (a.version !== null) return 1
  return b.version !== null ? -1 : compareNames(a.tag, b.tag)
}

interface Key {
  readonly tag: string
  readonly version: SemVer | null
}

const keyOf = (tag: string): Key => ({ tag, version: parseVersion(tag) })

/** Versions by their precedence (semver.org, 11), after all other tags, which stand by their names with numbers as numbers. @since 0.1.0 */
export const compare = (a: string, b: string): number => compareKeys(keyOf(a), keyOf(b))

interface Ranked<A> {
  readonly item: A
  readonly key: Key
}

/** Where it belongs among the highest, behind those that are as high. */
const placeOf = <A>(kept: ReadonlyArray<Ranked<A>>, key: Key): number => {
  let low = 0
  let high = kept.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = kept[middle]
    if (other !== undefined && compareKeys(key, other.key) > 0) high = middle
    else low = middle + 1
  }
  return low
}

/** The highest ones, of which no more are kept than are wanted. */
const highest = <A, E, R>(items: Stream.Stream<A, E, R>, tagOf: (item: A) => string, count: number): Stream.Stream<A, E, R> => {
  const insert = (kept: Array<Ranked<A>>, item: A): Array<Ranked<A>> => {
    const key = keyOf(tagOf(item))
    kept.splice(placeOf(kept, key), 0, { item, key })
    if (kept.length > count) kept.pop()
    return kept
  }
  const kept = Effect.suspend(() => Stream.runFold(items, [] as Ranked<A>[], insert))
  return Stream.map(Stream.fromIterableEffect(kept), ({ item }) => item)
}

/**
 * The tags of a stream that are selected.
 *
 * ```ts
 * client.tags(repository).pipe(TagSelection.select({ semver: "^1.4", exclude: "*-debug", latest: 3 }))
 * ```
 *
 * @since 0.1.0
 */
export const select = (
  selection: Selection
): (<E, R>(tags: Stream.Stream<string, E, R>) => Stream.Stream<string, E | InvalidSelection, R>) =>
  selectBy(selection, (tag: string) => tag)

/** {@link select} of what has a tag, such as the names in a docker archive. @since 0.1.0 */
export const selectBy =
  <A>(selection: Selection, tagOf: (item: A) => string) =>
  <E, R>(items: Stream.Stream<A, E, R>): Stream.Stream<A, E | InvalidSelection, R> => {
    const { latest } = selection
    return Stream.unwrap(
      Effect.map(checked(selection), (range) => {
        const matches = matching(selection, range)
        const selected = Stream.filter(items, (item) => matches(tagOf(item)))
        return latest === undefined ? selected : highest(selected, tagOf, latest)
      })
    )
  }
