import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ContentStore from "../../src/content/ContentStore.ts"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import { storeLaws } from "./placeLaws.ts"
import { blob, noise, readBlob } from "./sampleImages.ts"

storeLaws("memory", MemoryStore.make())

it.effect("a memory store has a name, all capabilities but mounts, and nothing in it", () =>
  Effect.gen(function* () {
    const place = yield* MemoryStore.make({ label: "a test" })
    assert.strictEqual(place.label, "a test")
    assert.isTrue(ContentStore.hasTags(place))
    assert.isTrue(ContentStore.hasReferrers(place))
    assert.isTrue(ContentStore.hasDeletes(place))
    assert.isFalse(ContentStore.hasMounts(place))
    const { descriptor } = blob(noise(10, 1))
    assert.isFalse(yield* place.exists(descriptor))
  })
)

it.effect("two stores share nothing, and bytes that were given may be written to", () =>
  Effect.gen(function* () {
    const [one, two] = [yield* MemoryStore.make(), yield* MemoryStore.make()]
    const { bytes, descriptor } = blob(noise(10, 1))
    const given = bytes.slice()
    yield* one.pushBlob(descriptor, given)
    given.fill(0)
    assert.isTrue((yield* readBlob(one, descriptor)).equals(bytes))
    assert.isFalse(yield* two.exists(descriptor))
  })
)
