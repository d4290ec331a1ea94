/** A process of its own that adds images to a layout: `addEntries.ts <folder> <name> <count>`. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as OciLayout from "../../src/content/OciLayout.ts"
import * as DirImage from "../support/DirImage.ts"
import { encode, push } from "./sampleImages.ts"

const [folder = "", name = "", count = "0"] = process.argv.slice(2)

const add = Effect.gen(function* () {
  const layout = yield* OciLayout.create(folder)
  yield* Effect.forEach(
    Array.from({ length: Number(count) }, (_, at) => `${name}-${at}`),
    (tag) => push(layout, DirImage.fromLayers([encode(tag), encode("the same in all of them")]), [tag]),
    { concurrency: 4 }
  )
})

await Effect.runPromise(Effect.provide(add, NodeContext.layer))
