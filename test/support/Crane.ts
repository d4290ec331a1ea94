/** `crane`, a client that shares no code with ours and looks into images. Not every distribution has it: it is used where it is installed. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Folder from "./Folder.ts"
import * as Program from "./Program.ts"

export const program = "crane"

/** Downloads all there is behind a reference: digests, sizes, diff ids, platforms and the archives in the layers must be right. */
export const validate = (reference: string): Effect.Effect<void, Program.ProgramError> => {
  if (!Program.has(program)) return Console.warn(`\n*** ${program} is not installed: ${reference} is NOT VALIDATED ***\n`)
  return Effect.scoped(
    Effect.flatMap(Folder.temporary(program), (home) =>
      Program.run(program, ["validate", "--insecure", "--remote", reference], { HOME: home })
    )
  )
}
