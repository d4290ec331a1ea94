/** What a command reads and writes, and whether a person sits at the other end. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { StoreError } from "../model/RegistryError.ts"

export interface Service {
  /** Standard output: results. Slow readers are waited for. */
  readonly out: (content: string | Uint8Array) => Effect.Effect<void, StoreError>
  /** Standard error: everything else. */
  readonly err: (text: string) => Effect.Effect<void>
  /** Standard input to its end. */
  readonly input: Stream.Stream<Uint8Array, StoreError>
  /** Whether results go to a terminal, which may be sent colours. */
  readonly colors: boolean
  /** Whether questions can be asked. */
  readonly interactive: boolean
  /** Where progress bars are drawn; undefined when standard error is no terminal. */
  readonly screen: NodeJS.WritableStream | undefined
}

/** Whether the terminal, or who set `FORCE_COLOR`, wants colours; in the order in which Node looks at these variables. */
export const hasColors = (environment: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean => {
  const { FORCE_COLOR: force = "", NO_COLOR: none = "", TERM: terminal } = environment
  if (force !== "") return force !== "0" && force !== "false"
  return isTerminal && none === "" && terminal !== "dumb"
}

/** What stands for standard input or output where a file is named. */
export const dash = "-"

export class Streams extends Context.Tag("effect-oci/cli/Streams")<Streams, Service>() {}
