/** Copies in processes of their own, run to their end or killed on the way. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Compiled from "../support/Compiled.ts"
import type { Report } from "./copying.ts"
import * as Killed from "./Killed.ts"

export type { Moment } from "./Killed.ts"

class Script extends Context.Tag("effect-oci/test/CopyScript")<Script, string>() {}

/** The compiled copy. */
export const layer = Layer.scoped(Script, Compiled.make("test/integration/copying.ts"))

/** `from`: a repository; `to`: another or `oci:<folder>`. */
export interface Task {
  readonly from: string
  readonly to: string
  readonly tags: ReadonlyArray<string>
}

const argumentsOf = ({ from, tags, to }: Task) => [from, to, ...tags]

export const run = Effect.fnUntraced(function* (task: Task) {
  const report: Report = JSON.parse(yield* Killed.lastLine(yield* Script, argumentsOf(task)))
  return report
})

/** Kills the copy at a moment. Whether there was anything left to kill. */
export const kill = (task: Task, moment: Killed.Moment) =>
  Effect.flatMap(Script, (script) => Killed.kill(script, argumentsOf(task), moment))
