/** How results are told: lines for people, or one JSON document. */
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StoreError } from "../model/RegistryError.ts"
import type * as Streams from "./streams.ts"

export interface Service {
  readonly json: boolean
  /** One result. */
  readonly result: (json: unknown, lines: ReadonlyArray<string>) => Effect.Effect<void, StoreError>
  /** A list, whose lines appear as they become known. */
  readonly list: <A, E, R>(
    items: Stream.Stream<A, E, R>,
    as: { readonly line: (item: A) => string; readonly json: (items: ReadonlyArray<A>) => unknown }
  ) => Effect.Effect<void, E | StoreError, R>
  /** Content as it is. */
  readonly raw: (bytes: Uint8Array) => Effect.Effect<void, StoreError>
  /** Something beside the result. */
  readonly note: (text: string) => Effect.Effect<void>
}

export class Report extends Context.Tag("effect-oci/cli/Report")<Report, Service>() {}

/** Names come from others: a terminal must not obey them, nor a script take one for several. */
const lineOf = (text: string): string =>
  `${text.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`

export const make = (streams: Streams.Service, json: boolean): Service => {
  const document = (value: unknown) => streams.out(`${JSON.stringify(value, null, 2)}\n`)
  return {
    json,
    result: (value, lines) => (json ? document(value) : streams.out(lines.map(lineOf).join(""))),
    list: (items, as) =>
      json
        ? Effect.flatMap(Stream.runCollect(items), (all) => document(as.json(Chunk.toReadonlyArray(all))))
        : Stream.runForEachChunk(items, (chunk) =>
            streams.out(
              Chunk.toReadonlyArray(chunk)
                .map((item) => lineOf(as.line(item)))
                .join("")
            )
          ),
    raw: streams.out,
    note: (text) => streams.err(json ? `${JSON.stringify({ note: text })}\n` : `effect-oci: ${text}\n`)
  }
}
