import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Vectors from "../vectors/Vectors.ts"

const Answers = Schema.Struct({
  isConfig: Schema.Boolean,
  isDistributable: Schema.Boolean,
  isImage: Schema.Boolean,
  isIndex: Schema.Boolean,
  isLayer: Schema.Boolean,
  isSchema1: Schema.Boolean
})

const Row = Schema.Struct({ mediaType: Schema.String, goConstant: Schema.NullOr(Schema.String), expected: Answers })

const answers = (mediaType: string): typeof Answers.Type => ({
  isConfig: MediaType.isConfig(mediaType),
  isDistributable: MediaType.isDistributable(mediaType),
  isImage: MediaType.isImage(mediaType),
  isIndex: MediaType.isIndex(mediaType),
  isLayer: MediaType.isLayer(mediaType),
  isSchema1: MediaType.isSchema1(mediaType)
})

const rows = Vectors.load("media-types", Row)

/** Layer types in use that go-containerregistry does not name: what they are follows from the name alone. */
const unnamedLayer =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.(?:foreign\.diff\.tar(?:\.gzip)?|diff\.tar(?:\.(?:gzip|zstd))?))$/

interface Deviation extends Vectors.Deviation<typeof Row.Type> {
  readonly expected: (row: typeof Row.Type) => typeof Answers.Type
}

const deviations: ReadonlyArray<Deviation> = [
  {
    name: "the essence decides",
    reason: "parameters of a Content-Type are to be ignored and media types are case-insensitive",
    applies: ({ mediaType }) => mediaType !== mediaType.split(";")[0]?.trim().toLowerCase(),
    expected: ({ mediaType }) => answers(mediaType.split(";")[0]?.trim().toLowerCase() ?? "")
  },
  {
    name: "all layer types are layers",
    reason: "go-containerregistry does not know nondistributable tar+zstd and some of Docker's, and would push what must not be pushed",
    applies: ({ goConstant, mediaType }) => goConstant === null && unnamedLayer.test(mediaType),
    expected: ({ expected, mediaType }) => ({
      ...expected,
      isLayer: true,
      isDistributable: !/nondistributable|foreign/.test(mediaType)
    })
  }
]

describe("MediaType", () => {
  describe("media-types.json", () => {
    for (const row of rows) {
      const deviation = deviations.find((_) => _.applies(row))
      it(`${JSON.stringify(row.mediaType)}${deviation === undefined ? "" : ` (${deviation.name})`}`, () => {
        expect(answers(row.mediaType)).toEqual(deviation === undefined ? row.expected : deviation.expected(row))
      })
    }
  })

  it("strips parameters, white space and capitals", () => {
    expect(MediaType.essence(" Application/JSON ; charset=utf-8")).toBe("application/json")
    expect(MediaType.essence("")).toBe("")
    expect(MediaType.isIndex(`${MediaType.ociImageIndex}; charset=utf-8`)).toBe(true)
    expect(MediaType.isImage("Application/vnd.OCI.image.manifest.v1+json")).toBe(true)
  })

  it("knows the nondistributable layers, zstd among them", () => {
    const nondistributable = [
      MediaType.ociNondistributableLayerTar,
      MediaType.ociNondistributableLayerTarGzip,
      MediaType.ociNondistributableLayerTarZstd,
      MediaType.dockerForeignLayerTar,
      MediaType.dockerForeignLayerTarGzip
    ]
    for (const mediaType of nondistributable) {
      expect([mediaType, MediaType.isLayer(mediaType), MediaType.isDistributable(mediaType)]).toEqual([mediaType, true, false])
    }
  })

  it("every accepted type is a manifest and no other document is", () => {
    expect(MediaType.acceptManifest.filter((_) => !MediaType.isManifest(_))).toEqual([])
    expect(new Set(MediaType.acceptManifest).size).toBe(MediaType.acceptManifest.length)
    expect(MediaType.acceptManifestHeader.split(", ")).toEqual(MediaType.acceptManifest)
    const others = [MediaType.ociImageConfig, MediaType.ociEmpty, MediaType.ociLayerTar, MediaType.octetStream, "application/json", ""]
    expect(others.filter(MediaType.isManifest)).toEqual([])
    for (const mediaType of MediaType.acceptManifest) {
      const kinds = [MediaType.isImage, MediaType.isIndex, MediaType.isArtifact, MediaType.isSchema1].filter((is) => is(mediaType))
      expect([mediaType, kinds.length]).toEqual([mediaType, 1])
    }
  })

  it.each([
    [MediaType.ociLayerTar, Option.some("none")],
    [MediaType.ociLayerTarGzip, Option.some("gzip")],
    [MediaType.ociLayerTarZstd, Option.some("zstd")],
    [MediaType.dockerLayerTar, Option.some("none")],
    [MediaType.dockerLayerTarGzip, Option.some("gzip")],
    [MediaType.dockerLayerTarZstd, Option.some("zstd")],
    [MediaType.dockerForeignLayerTarGzip, Option.some("gzip")],
    [MediaType.ociNondistributableLayerTarZstd, Option.some("zstd")],
    ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", Option.some("gzip")],
    ["application/vnd.oci.image.layer.v1.tar+gzip+encrypted", Option.none()],
    [MediaType.ociImageManifest, Option.none()],
    ["", Option.none()]
  ])("compression of %s", (mediaType, expected) => {
    expect(MediaType.compression(mediaType)).toEqual(expected)
  })
})
