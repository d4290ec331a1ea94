import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as fc from "effect/FastCheck"
import * as Place from "../../src/content/Place.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"

const digest = Digest.fromBytes(new Uint8Array([1]))
const reference = (text: string) => Either.getOrThrow(Reference.parse(text))

const good: ReadonlyArray<readonly [string, Place.Place]> = [
  ["alpine", Place.Registry({ reference: reference("docker.io/library/alpine:latest") })],
  ["ghcr.io/acme/app:v1", Place.Registry({ reference: reference("ghcr.io/acme/app:v1") })],
  [`localhost:5000/app@${digest}`, Place.Registry({ reference: reference(`localhost:5000/app@${digest}`) })],
  ["docker://ghcr.io/acme/app:v1", Place.Registry({ reference: reference("ghcr.io/acme/app:v1") })],
  ["docker://oci:5000/app:v1", Place.Registry({ reference: reference("oci:5000/app:v1") })],
  ["oci-archive", Place.Registry({ reference: reference("docker.io/library/oci-archive:latest") })],
  ["oci:.", Place.OciLayout({ path: "." })],
  ["oci:./images:v1", Place.OciLayout({ path: "./images", tag: "v1" })],
  ["oci:/a b/images:docker.io/library/alpine:3.20", Place.OciLayout({ path: "/a b/images", tag: "docker.io/library/alpine:3.20" })],
  [`oci:images@${digest}`, Place.OciLayout({ path: "images", digest })],
  ["oci:node_modules/@acme/images:v1", Place.OciLayout({ path: "node_modules/@acme/images", tag: "v1" })],
  ["oci:@images:v1", Place.OciLayout({ path: "@images", tag: "v1" })],
  ["oci:C:\\images", Place.OciLayout({ path: "C:\\images" })],
  ["oci:C:\\images:v1", Place.OciLayout({ path: "C:\\images", tag: "v1" })],
  ["oci:c:/images:v1", Place.OciLayout({ path: "c:/images", tag: "v1" })],
  ["oci:c:v1", Place.OciLayout({ path: "c", tag: "v1" })],
  ["oci-archive:app.tar", Place.OciArchive({ path: "app.tar" })],
  ["oci-archive:app.tar:v1", Place.OciArchive({ path: "app.tar", tag: "v1" })],
  [`oci-archive:D:\\a\\app.tar@${digest}`, Place.OciArchive({ path: "D:\\a\\app.tar", digest })],
  ["docker-archive:app.tar", Place.DockerArchive({ path: "app.tar" })],
  ["docker-archive:app.tar:alpine", Place.DockerArchive({ path: "app.tar", name: reference("alpine:latest") })],
  ["docker-archive:C:\\app.tar:ghcr.io/acme/app:v1", Place.DockerArchive({ path: "C:\\app.tar", name: reference("ghcr.io/acme/app:v1") })]
]

const bad: ReadonlyArray<string> = [
  "",
  "oci:",
  "oci::v1",
  "oci:images:",
  "oci:images:a b",
  "oci:images@sha256:abc",
  `oci:images:v1@${digest}`,
  `oci:images:${digest}`,
  "oci-archive:",
  "docker-archive:",
  "docker-archive:app.tar:",
  "docker-archive:app.tar:lower/CASE",
  `docker-archive:app.tar:alpine@${digest}`,
  "lower/CASE",
  "https://ghcr.io/acme/app"
]

describe("reading", () => {
  for (const [text, place] of good) {
    it(text, () => {
      const read = Either.getOrThrow(Place.parse(text))
      assert.deepStrictEqual(read, place)
      assert.isTrue(Equal.equals(read, place))
    })
  }
  for (const text of bad) {
    it(`not ${JSON.stringify(text)}`, () => {
      const read = Place.parse(text)
      assert.isTrue(Either.isLeft(read), JSON.stringify(read))
      assert.strictEqual(Either.isLeft(read) ? read.left._tag : undefined, "InvalidReference")
    })
  }
})

describe("printing", () => {
  const path = fc.oneof(fc.stringMatching(/^[A-Za-z0-9._@/ -]+$/), fc.stringMatching(/^[A-Z]:\\[A-Za-z0-9._@\\ -]*$/))
  const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/)
  const anyDigest = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((_) => Digest.fromBytes(_))
  const inLayout = fc.oneof(
    path.map((path) => ({ path })),
    fc.record({ path, tag }),
    fc.record({ path, digest: anyDigest })
  )
  const name = fc
    .tuple(fc.constantFrom("alpine", "ghcr.io/acme/app", "localhost:5000/app", "oci:5000/app", "docker-archive:5000/app"), tag)
    .map(([repository, tag]) => reference(`${repository}:${tag}`))
  const place: fc.Arbitrary<Place.Place> = fc.oneof(
    name.map((reference) => Place.Registry({ reference })),
    inLayout.map(Place.OciLayout),
    inLayout.map(Place.OciArchive),
    path.map((path) => Place.DockerArchive({ path })),
    fc.record({ path, name }).map(Place.DockerArchive)
  )

  it("what is printed reads as the same place", () => {
    fc.assert(
      fc.property(place, (place) => {
        assert.deepStrictEqual(Place.parse(Place.format(place)), Either.right(place))
      })
    )
  })

  it("any text is read or refused, and what is read prints to a text that reads the same", () => {
    const prefix = fc.constantFrom("", "oci:", "oci-archive:", "docker-archive:", "docker://")
    fc.assert(
      fc.property(prefix, fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z:@/\\.-]{0,30}$/)), (prefix, text) => {
        const read = Place.parse(prefix + text)
        if (Either.isRight(read)) assert.deepStrictEqual(Place.parse(Place.format(read.right)), read)
      })
    )
  })
})
