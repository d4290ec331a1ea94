/**
 * Lists that come in pages: what a page is, where the next one is, and how pages become a stream.
 *
 * The next page is where the registry's `Link` says (distribution-spec «Listing Tags»). Neither the number of entries nor their order says
 * whether there is another one.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Digest from "../model/Digest.ts"
import { LimitExceeded, MalformedContent } from "../model/RegistryError.ts"

/**
 * Where a page is: text to be given back as it is, to the same method for the same registry. It may be kept and used by another process.
 *
 * @since 0.1.0
 */
export const Cursor = Schema.String.pipe(
  Schema.pattern(/^(?:\/|https?:\/\/)[^\s#]*$/),
  Schema.brand("effect-oci/Cursor"),
  Schema.annotations({ identifier: "Cursor" })
)

/** @since 0.1.0 */
export type Cursor = typeof Cursor.Type

/** Some entries of a list; `next` is absent on the last page. @since 0.1.0 */
export interface Page<A = string> {
  readonly items: ReadonlyArray<A>
  readonly next?: Cursor
}

/**
 * Which page.
 *
 * - `n`: how many entries are asked for, `pageSize` of the host's settings unless given; 0 leaves it to the registry
 * - `last`: the entry after which the page begins, as the registry orders them
 * - `cursor`: the `next` of another page; `n` and `last` are in it already and mean nothing beside it
 *
 * @since 0.1.0
 */
export interface PageOptions {
  readonly n?: number | undefined
  readonly last?: string | undefined
  readonly cursor?: Cursor | undefined
}

/**
 * How a whole list is read.
 *
 * - `pageSize`: how many entries are asked for at once, that of the host's settings unless given; 0 leaves it to the registry
 * - `last`: the entry after which the list begins, as the registry orders them
 * - `maxPages`: how many pages are read before it is called endless, default 10 000
 *
 * @since 0.1.0
 */
export interface ListOptions {
  readonly pageSize?: number | undefined
  readonly last?: string | undefined
  readonly maxPages?: number | undefined
}

/**
 * - `start`: where the first page is, if not where the list begins
 * - `maxPages`: default 10 000
 * - `origin`: what failures tell about the list
 *
 * @since 0.1.0
 */
export interface StreamOptions {
  readonly start?: Cursor | undefined
  readonly maxPages?: number | undefined
  readonly origin?: Digest.Origin | undefined
}

const defaultMaxPages = 10_000

const endless = (maxPages: number, origin: Digest.Origin | undefined) =>
  new LimitExceeded({ ...origin, what: "the number of pages", limit: maxPages })

const circular = (origin: Digest.Origin | undefined) =>
  new MalformedContent({ ...origin, kind: "list", reason: "its next page is one that was read before" })

/**
 * All entries of a list. Pages are fetched as they are needed.
 *
 * A registry that leads back to a page already read would be listed for ever or cut short unnoticed, so that is `MalformedContent`; only an
 * empty page that does so ends the list. More than `maxPages` pages are `LimitExceeded`.
 *
 * @since 0.1.0
 */
export const stream = <A, E, R>(
  fetch: (cursor: Cursor | undefined) => Effect.Effect<Page<A>, E, R>,
  options: StreamOptions = {}
): Stream.Stream<A, E | LimitExceeded | MalformedContent, R> =>
  Stream.suspend(() => {
    const { start, maxPages = defaultMaxPages, origin } = options
    const seen = new Set<Cursor | undefined>([start])
    let pages = 0

    const read = Effect.fnUntraced(function* (cursor: Cursor | undefined) {
      if (pages++ >= maxPages) return yield* endless(maxPages, origin)
      const { items, next } = yield* fetch(cursor)
      const entries = Chunk.fromIterable(items)
      if (next === undefined || (seen.has(next) && items.length === 0)) return [entries, Option.none<Cursor>()] as const
      if (seen.has(next)) return yield* circular(origin)
      seen.add(next)
      return [entries, Option.some(next)] as const
    })
    return Stream.paginateChunkEffect(start, read)
  })
