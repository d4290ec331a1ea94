/**
 * A copy alone in a process, so that it can be killed: `copying <host>/<repository>:<tag> <target>` where the target is another repository
 * or `oci:<folder>`. Prints a line for each event.
 */
import { writeSync } from "node:fs"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Keychain from "../../src/auth/Keychain.ts"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as OciLayout from "../../src/content/OciLayout.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"

const [from = "", to = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const { repository, tag = "latest" } = yield* Reference.parse(from)
  const source = yield* RemoteRepository.make(repository)
  const copyTo = <E>(target: ContentStore.Target<E>) =>
    Copy.copy(source, tag, target, { onProgress: (event) => writeSync(1, `${event._tag}\n`) })
  if (to.startsWith("oci:")) yield* copyTo(yield* OciLayout.create(to.slice("oci:".length)))
  else yield* copyTo(yield* RemoteRepository.make(yield* Reference.parseRepository(to)))
})

const layer = Layer.merge(NodeContext.layer, NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous }))

Effect.runPromise(Effect.provide(program, layer))
