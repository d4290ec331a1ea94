/** What a push may fail with and needs, for images that are put together from several places; `npm run check:types` is what runs this. */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import { describe, it } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { Image, Layer, type MemoryStore, type OciLayout, type RemoteRepository } from "effect-oci"
import { expectTypeOf } from "vitest"

declare const layout: OciLayout.OciLayout
declare const memory: MemoryStore.MemoryStore
declare const image: Image.Draft<Layer.Blob<RemoteRepository.RemoteError>>
declare const tar: Stream.Stream<Uint8Array, PlatformError, CommandExecutor.CommandExecutor>
declare const blob: Layer.Blob<"broken", "needed">
declare const remote: Layer.Blob<RemoteRepository.RemoteError>

type Failure<Program> = Program extends Effect.Effect<unknown, infer E, unknown> ? E : "none"
type Needs<Program> = Program extends Effect.Effect<unknown, unknown, infer R> ? R : "none"

describe("the types of images that are put together", () => {
  it("a layer of a command on top of a remote image", () => {
    const pushed = () => Image.push(layout, Image.appendLayer(image, Layer.fromStream(tar)))
    type Pushed = ReturnType<typeof pushed>
    expectTypeOf<Failure<Pushed>>().toEqualTypeOf<
      OciLayout.LayoutError | RemoteRepository.RemoteError | PlatformError | Failure<ReturnType<typeof nothing>>
    >()
    expectTypeOf<Needs<Pushed>>().toEqualTypeOf<CommandExecutor.CommandExecutor>()
  })

  const nothing = () => Image.push(memory, Image.empty())

  it("an image without layers needs nothing and fails as its place", () => {
    expectTypeOf<Needs<ReturnType<typeof nothing>>>().toEqualTypeOf<never>()
    expectTypeOf<Failure<ReturnType<typeof nothing>>>().toEqualTypeOf<MemoryStore.MemoryError>()
  })

  it("an image of blobs can be built, whatever each of them fails with", () => {
    const built = () => Image.build(Image.appendLayer(Image.appendLayer(Image.empty(), blob), remote))
    expectTypeOf<Extract<ReturnType<typeof built>, { readonly _tag: "Right" }>["right"]>().toEqualTypeOf<
      Image.Built<RemoteRepository.RemoteError | "broken", "needed">
    >()
  })
})
