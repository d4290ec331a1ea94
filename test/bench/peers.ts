/** What our code is measured beside: programs on PATH, each with registries and folders of its own. */
import * as Effect from "effect/Effect"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import type { Case, Row } from "./runs.ts"

/** A case of a program that may not be there. */
export const foreign = (name: string, command: string, rest: Omit<Case, "name">): ReadonlyArray<Case> =>
  Program.has(command) ? [{ name, ...rest }] : []

export const withFolder = (use: (folder: string) => Promise<Row>): Promise<Row> =>
  Folder.temporary("bench").pipe(
    Effect.flatMap((folder) => Effect.promise(() => use(folder))),
    Effect.scoped,
    Effect.runPromise
  )

/** A registry of its own for each push: one that was asked before has nothing left to do, and tools remember what they pushed where. */
export const withRegistry = (use: (registry: DockerRegistry.Service) => Promise<Row>): Promise<Row> =>
  DockerRegistry.make().pipe(
    Effect.flatMap((registry) => Effect.promise(() => use(registry))),
    Effect.scoped,
    Effect.runPromise
  )
