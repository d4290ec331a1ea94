/** What copies between places of several kinds may fail with; `npm run check:types` is what runs this. */
import { describe, it } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import { type Archive, Copy, type OciLayout, type RemoteRepository } from "effect-oci"
import { expectTypeOf } from "vitest"

declare const layout: OciLayout.OciLayout
declare const archive: Archive.WriteArchive
declare const remote: RemoteRepository.RemoteRepository

type Failure<Program> = Program extends Effect.Effect<unknown, infer E> ? E : "none"
type ResultFailure<Program> = Program extends Effect.Effect<ReadonlyArray<Either.Either<unknown, infer E>>, unknown> ? E : "none"

describe("the types of copies between places of several kinds", () => {
  it("from one place to many", () => {
    const copied = () => Copy.copyToMany(layout, "v1", [{ target: remote }, { target: archive, tags: ["app:v1"] }])
    expectTypeOf<Failure<ReturnType<typeof copied>>>().toEqualTypeOf<OciLayout.LayoutError | Copy.CopyError>()
    expectTypeOf<ResultFailure<ReturnType<typeof copied>>>().toEqualTypeOf<
      OciLayout.LayoutError | RemoteRepository.RemoteError | Archive.WriteError | Copy.CopyError
    >()
  })

  it("many copies at once", () => {
    const entries = () => [
      { source: remote, reference: "v1", target: layout },
      { source: layout, reference: "v1", target: remote }
    ]
    const copied = () => Copy.copyMany(entries())
    expectTypeOf<Failure<ReturnType<typeof copied>>>().toEqualTypeOf<
      OciLayout.LayoutError | RemoteRepository.RemoteError | Copy.CopyError
    >()
  })

  it("places that are known by what they fail with alone", () => {
    const copied = <E>(destinations: ReadonlyArray<Copy.Destination<E>>, entries: ReadonlyArray<Copy.Entry<E, "other">>) =>
      [Copy.copyToMany(layout, "v1", destinations), Copy.copyMany(entries)] as const
    type Copied = ReturnType<typeof copied<"own">>
    expectTypeOf<ResultFailure<Copied[0]>>().toEqualTypeOf<"own" | OciLayout.LayoutError | Copy.CopyError>()
    expectTypeOf<Failure<Copied[1]>>().toEqualTypeOf<"own" | "other" | Copy.CopyError>()
  })
})
