import { execFileSync } from "node:child_process"
import { readdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Report from "../../src/cli/report.ts"
import * as Session from "../../src/cli/session.ts"
import type * as Streams from "../../src/cli/streams.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import type * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as World from "../support/World.ts"
import * as Cli from "./Cli.ts"

const app = `${Cli.host}/team/app`

const seeded = Effect.gen(function* () {
  const cli = yield* Cli.make()
  const image = yield* cli.registry.seedImage("team/app", { tag: "v1", layers: 2 })
  return { ...cli, image }
})

/** An index of two platforms, tagged `multi`. */
const withIndex = Effect.gen(function* () {
  const cli = yield* Cli.make()
  const platforms = [
    { os: "linux", architecture: "amd64" },
    { os: "linux", architecture: "arm64", variant: "v8" }
  ]
  return { ...cli, ...(yield* Cli.seedIndex(cli, platforms)) }
})

describe("ping", () => {
  it.scoped("tells how the registry is reached", () =>
    Effect.gen(function* () {
      const { run } = yield* Cli.make()
      const text = yield* run("ping", Cli.host)
      assert.deepStrictEqual([text.code, text.out, text.err], [0, "registry.test answers by https, open to everyone\n", ""])
      assert.deepInclude(Cli.json(yield* run("ping", "--json", Cli.host)), {
        registry: Cli.host,
        scheme: "https",
        status: 200,
        challenges: []
      })
    })
  )

  it.scoped("--plain-http takes http, for this host alone", () =>
    Effect.gen(function* () {
      const { run } = yield* Cli.make({ hosts: { [Cli.host]: { schemes: ["http"] }, [Cli.other]: {} } })
      assert.strictEqual((yield* run("ping", Cli.host)).code, 5)
      assert.include((yield* run("ping", Cli.host, "--plain-http", Cli.host)).out, "by http,")
      assert.include((yield* run("ping", Cli.host, "--plain-http=*")).out, "by http,")
      assert.include((yield* run("ping", Cli.other, "--plain-http", Cli.host)).out, "by https,")
    })
  )

  it.scoped("--insecure is asked for by all names of its host, and of no other", () =>
    Effect.gen(function* () {
      const verified: Record<string, boolean | undefined> = {}
      const names = ["a.test", "b.test", "c.test:5000", "c.test", "registry-1.docker.io"]
      const network = Effect.map(RegistryHosts.RegistryHosts, ({ get }) => {
        for (const name of names) verified[name] = get(name).tls.verify
        return HttpClient.make(() => Effect.never)
      })
      const streams: Streams.Service = {
        out: () => Effect.void,
        err: () => Effect.void,
        input: Stream.empty,
        colors: false,
        interactive: false,
        screen: undefined
      }
      const insecure = ["a.test:443", "c.test:5000", "docker.io"]
      yield* Layer.build(Session.layer({ plainHttp: [], insecure, registryConfig: Option.none() })).pipe(
        Effect.provideService(Session.Network, Layer.effect(HttpClient.HttpClient, network)),
        Effect.provideService(Report.Report, Report.make(streams, false)),
        Effect.provide(NodeContext.layer)
      )
      assert.deepStrictEqual(
        names.filter((name) => verified[name] === false),
        ["a.test", "c.test:5000", "registry-1.docker.io"]
      )
    })
  )

  it.scoped("a registry that lets nobody in is no success", () =>
    Effect.gen(function* () {
      const { run } = yield* Cli.make({ hosts: { [Cli.host]: { auth: RegistryOptions.basic({ users: {} }) } } })
      const { code, err } = yield* run("ping", Cli.host)
      assert.strictEqual(code, 4)
      assert.match(err, /^effect-oci: GET https:\/\/registry\.test\/v2\/: status 401: .*Check the credentials for registry\.test\n$/)
    })
  )
})

describe("lists", () => {
  it.scoped("ls: tags, one a line or as JSON", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* seeded
      yield* registry.seedImage("team/app", { tag: "v2" })
      assert.strictEqual((yield* run("ls", app)).out, "v1\nv2\n")
      assert.deepStrictEqual(Cli.json(yield* run("ls", app, "--json")), { name: app, tags: ["v1", "v2"] })
    })
  )

  it.scoped.each([
    [["--glob", "v1.*"], "v1.2.0\nv1.10.0\nv1.11.0-rc.1\n"],
    [["--glob=v1.2*", "--glob=edge", "--exclude=*0"], "edge\n"],
    [["--regex", "^v[12]\\.1"], "v1.10.0\nv1.11.0-rc.1\n"],
    [["--semver", "^1.2"], "v1.2.0\nv1.10.0\n"],
    [["--semver", ">=1.10", "--prereleases"], "v1.10.0\nv1.11.0-rc.1\nv2.0.0\n"],
    [["--latest", "2"], "v2.0.0\nv1.11.0-rc.1\n"],
    [["--semver=<2", "--latest=1"], "v1.10.0\n"],
    [["--glob=none"], ""]
  ] as const)("ls %j", ([options, out]) =>
    Effect.gen(function* () {
      const { registry, run } = yield* Cli.make()
      for (const [seed, tag] of ["edge", "v1.2.0", "v1.10.0", "v1.11.0-rc.1", "v2.0.0"].entries()) {
        yield* registry.seedImage("team/app", { tag, seed })
      }
      const { code, out: told } = yield* run("ls", app, ...options)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(told.split("\n").toSorted(), out.split("\n").toSorted())
      if (options.some((option) => option.startsWith("--latest"))) assert.strictEqual(told, out)
    })
  )

  it.scoped.each([
    [["--semver", "one.two"], "one.two is no range of versions"],
    [["--regex", "("], "--regex (: it is no regular expression"],
    [["--latest=-1"], "-1 is no number of tags"]
  ] as const)("ls %j is a mistake", ([options, message]) =>
    Effect.gen(function* () {
      const { run } = yield* seeded
      const { code, err } = yield* run("ls", app, ...options)
      assert.deepStrictEqual([code, err], [2, `effect-oci: ${message}\n`])
    })
  )

  it.scoped("ls of one image is a mistake", () =>
    Effect.gen(function* () {
      const { run } = yield* seeded
      const { code, err } = yield* run("ls", `${app}:v1`)
      assert.deepStrictEqual([code, err], [2, `effect-oci: ${app}:v1 names one image; ls takes the place without tag and digest\n`])
    })
  )

  it.scoped("catalog: repositories", () =>
    Effect.gen(function* () {
      const { run } = yield* seeded
      assert.strictEqual((yield* run("catalog", Cli.host)).out, "team/app\n")
      assert.deepStrictEqual(Cli.json(yield* run("catalog", Cli.host, "--json")), { registry: Cli.host, repositories: ["team/app"] })
    })
  )

  it.scoped("what registries warn of goes to standard error", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* seeded
      yield* registry.update((options) => ({ ...options, warnings: ["end of life"] }))
      const { code, err, out } = yield* run("ls", app)
      assert.deepStrictEqual([code, out, err], [0, "v1\n", "effect-oci: registry.test warns: end of life\n"])
    })
  )
})

const names = (folder: string) => Effect.promise(() => readdir(folder))

describe("looking at images", () => {
  it.scoped("digest, manifest, config and blob give what is stored, byte for byte", () =>
    Effect.gen(function* () {
      const { image, path, registry, run } = yield* seeded
      const { config, layers, manifest } = image
      assert.strictEqual((yield* run("digest", `${app}:v1`)).out, `${manifest.digest}\n`)
      assert.deepStrictEqual(Cli.json(yield* run("digest", `${app}:v1`, "--json")), {
        digest: manifest.digest,
        mediaType: manifest.mediaType,
        size: manifest.size
      })
      assert.deepStrictEqual(Buffer.from((yield* run("manifest", `${app}:v1`)).bytes), Buffer.from(image.bytes))
      assert.deepInclude(Cli.json(yield* run("manifest", `${app}@${manifest.digest}`, "--json")), {
        digest: manifest.digest,
        manifest: JSON.parse(Buffer.from(image.bytes).toString("utf8"))
      })
      assert.strictEqual(Digest.fromBytes((yield* run("config", `${app}:v1`)).bytes), config.digest)

      const layer = layers[0]?.digest ?? config.digest
      const stored = Option.getOrThrow(yield* registry.blob("team/app", layer))
      assert.deepStrictEqual(Buffer.from((yield* run("blob", `${app}@${layer}`)).bytes), Buffer.from(stored))
      const file = path("layer")
      assert.strictEqual((yield* run("blob", `${app}@${layer}`, "-o", "-")).out, (yield* run("blob", `${app}@${layer}`)).out)
      assert.deepStrictEqual(Cli.json(yield* run("blob", `${app}@${layer}`, "-o", file, "--json")), {
        digest: layer,
        size: stored.length,
        file
      })
      assert.deepStrictEqual(yield* Effect.promise(() => readFile(file)), Buffer.from(stored))
    })
  )

  it.scoped("--platform goes into an index", () =>
    Effect.gen(function* () {
      const { index, manifests, run } = yield* withIndex
      const [amd64, arm64] = manifests
      assert.strictEqual((yield* run("digest", `${app}:multi`)).out, `${index.digest}\n`)
      assert.strictEqual((yield* run("digest", `${app}:multi`, "--platform", "linux/arm64")).out, `${arm64?.digest}\n`)
      assert.include((yield* run("config", `${app}:multi`)).out, '"architecture":"amd64"')
      assert.include((yield* run("config", `${app}:multi`, "-p", "linux/arm64/v8")).out, '"architecture":"arm64"')
      assert.notStrictEqual(amd64?.digest, arm64?.digest)
      const { code, err } = yield* run("manifest", `${app}:multi`, "--platform", "windows/amd64")
      assert.strictEqual(code, 8)
      assert.include(err, "it has linux/amd64, linux/arm64/v8, and nothing for windows/amd64")
    })
  )

  it.scoped("a blob whose bytes are wrong fails, and its file does not stay", () =>
    Effect.gen(function* () {
      const { folder, image, path, registry, run } = yield* seeded
      yield* registry.update((options) =>
        RegistryOptions.merge(options, {
          adjustments: [
            {
              name: "wrong bytes",
              after: (request, endpoint, response) =>
                endpoint === "blob" && request.method === "GET" && !(response.body instanceof Uint8Array)
                  ? { ...response, body: Stream.map(response.body, (bytes) => bytes.map((byte) => byte ^ 1)) }
                  : response
            }
          ]
        })
      )
      const { code, err } = yield* run("blob", `${app}@${image.config.digest}`, "-o", path("config"), "--json")
      assert.strictEqual(code, 7)
      assert.deepInclude(JSON.parse(err).error, { tag: "DigestMismatch", exitCode: 7, expected: image.config.digest })
      assert.deepStrictEqual(yield* names(folder), [])
    })
  )

  it.scoped("a blob replaces a file when it is complete, and only then", () =>
    Effect.gen(function* () {
      const { folder, image, path, registry, run } = yield* seeded
      const file = path("keep.txt")
      yield* Effect.promise(() => writeFile(file, "the old one", { mode: 0o600 }))
      yield* Effect.promise(() => symlink(file, path("link")))
      const none = Digest.fromBytes(Buffer.from("nowhere"))
      assert.strictEqual((yield* run("blob", `${app}@${none}`, "-o", file)).code, 3)
      assert.strictEqual(yield* Effect.promise(() => readFile(file, "utf8")), "the old one")
      assert.deepStrictEqual(yield* names(folder), ["keep.txt", "link"])

      const { digest } = image.config
      assert.strictEqual((yield* run("blob", `${app}@${digest}`, "-o", path("link"))).out, `${path("link")}  ${digest}\n`)
      const stored = Option.getOrThrow(yield* registry.blob("team/app", digest))
      assert.deepStrictEqual(yield* Effect.promise(() => readFile(file)), Buffer.from(stored))
      assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* names(folder), ["keep.txt", "link"])
    })
  )

  it.scoped("a blob goes to what is no file as it is, also when it is empty", () =>
    Effect.gen(function* () {
      const { folder, image, path, registry, run } = yield* seeded
      assert.deepInclude(Cli.json(yield* run("blob", `${app}@${image.config.digest}`, "-o", "/dev/null", "--json")), { file: "/dev/null" })
      assert.strictEqual((yield* run("blob", `${app}@${image.config.digest}`, "-o", folder)).code, 10)
      const empty = yield* registry.seedBlob("team/app", "")
      assert.deepInclude(Cli.json(yield* run("blob", `${app}@${empty.digest}`, "-o", path("empty"), "--json")), { size: 0 })
      assert.deepStrictEqual(yield* names(folder), ["empty"])
    })
  )

  it.scoped("a blob of a folder is not asked for at Docker Hub, as one of a repository called oci", () =>
    Effect.gen(function* () {
      const { image, path, run } = yield* seeded
      for (const place of [`oci:${path("app")}`, "oci:app", "docker-archive:app.tar"]) {
        const { code, err } = yield* run("blob", `${place}@${image.config.digest}`)
        assert.strictEqual(code, 2, place)
        assert.include(err, "it is on this machine, and a repository of a registry is wanted", place)
      }
      assert.strictEqual((yield* run("blob", `docker://${app}@${image.config.digest}`)).code, 0)
    })
  )

  it.scoped("a blob goes to a pipe as to a file", () =>
    Effect.gen(function* () {
      const { image, path, run } = yield* seeded
      const pipe = path("pipe")
      execFileSync("mkfifo", [pipe])
      const reading = yield* Effect.fork(Effect.promise(() => readFile(pipe)))
      const { code } = yield* run("blob", `${app}@${image.config.digest}`, "-o", pipe)
      assert.strictEqual(code, 0)
      assert.strictEqual((yield* Fiber.join(reading)).byteLength, image.config.size)
    })
  )
})

describe("changing what is there", () => {
  it.scoped("tag and rm", () =>
    Effect.gen(function* () {
      const { image, registry, run } = yield* seeded
      const tagged = yield* run("tag", `${app}:v1`, "latest", "stable")
      assert.strictEqual(tagged.out, `${app}:latest@${image.manifest.digest}\n${app}:stable@${image.manifest.digest}\n`)
      assert.deepStrictEqual(yield* registry.tags("team/app"), ["latest", "stable", "v1"])

      assert.strictEqual((yield* run("rm", `${app}:latest`)).out, `tag ${app}:latest removed\n`)
      assert.deepStrictEqual(yield* registry.tags("team/app"), ["stable", "v1"])
      assert.deepStrictEqual(Cli.json(yield* run("rm", "--manifest", `${app}:stable`, "--json")), [
        { name: `${app}@${image.manifest.digest}`, removed: "manifest" }
      ])
      assert.deepStrictEqual(yield* registry.tags("team/app"), [])
    })
  )

  it.scoped("tag gives none of its tags when one of them cannot be given", () =>
    Effect.gen(function* () {
      const { path, registry, run } = yield* seeded
      const layout = `oci:${path("layout")}`
      yield* run("pull", `${app}:v1`, layout)
      const codes = yield* Effect.forEach([`${app}:v1`, `${layout}:v1`], (reference) => run("tag", reference, "good", "--", "-bad"))
      assert.deepStrictEqual(
        codes.map(({ code }) => code),
        [2, 2]
      )
      assert.deepStrictEqual(yield* registry.tags("team/app"), ["v1"])
      assert.strictEqual((yield* run("ls", layout)).out, "v1\n")
    })
  )

  it.scoped("rm of several: one that fails leaves the others alone, and it is told which", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* seeded
      yield* run("tag", `${app}:v1`, "a", "b", "c")
      const mixed = yield* run("rm", `${app}:a`, `${app}:none`, `${app}:b`)
      assert.strictEqual(mixed.code, 3)
      assert.match(mixed.out, new RegExp(`^tag ${app}:a removed\n${app}:none: [^\n]+\ntag ${app}:b removed\n$`))
      assert.deepStrictEqual(yield* registry.tags("team/app"), ["c", "v1"])
      const [removed, failed] = Object(Cli.json(yield* run("rm", "--json", `${app}:c`, `${app}:none`)))
      assert.deepStrictEqual(removed, { name: `${app}:c`, removed: "tag" })
      assert.deepInclude(failed, { name: `${app}:none` })
      assert.deepInclude(failed.error, { tag: "ManifestUnknown", exitCode: 3 })
      // All is looked at before anything is removed.
      assert.strictEqual((yield* run("rm", `${app}:v1`, app)).code, 2)
      assert.deepStrictEqual(yield* registry.tags("team/app"), ["v1"])
    })
  )

  it.scoped("rm removes nothing that was not spelled out", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* Cli.make()
      yield* registry.seedImage("team/app", { tag: "latest" })
      const { code, err } = yield* run("rm", app)
      assert.deepStrictEqual([code, err], [2, `effect-oci: ${app}: rm wants the tag or digest spelled out\n`])
      assert.deepStrictEqual(yield* registry.tags("team/app"), ["latest"])
    })
  )

  it.scoped("attach pushes an artifact that referrers finds", () =>
    Effect.gen(function* () {
      const { image, path, run } = yield* seeded
      const file = path("sbom.json")
      yield* Effect.promise(() => writeFile(file, '{"packages":[]}'))
      const attached = yield* run(
        "attach",
        `${app}:v1`,
        `${file}:application/spdx+json`,
        "--artifact-type=application/vnd.example.sbom",
        "--annotation=made.by=a test",
        "--annotation",
        "made.at=once",
        "--json"
      )
      assert.strictEqual(attached.err, "")
      const { digest } = JSON.parse(attached.out)
      const { manifest } = JSON.parse((yield* run("manifest", `${app}@${digest}`, "--json")).out)
      assert.deepInclude(manifest, {
        artifactType: "application/vnd.example.sbom",
        annotations: { "made.by": "a test", "made.at": "once" }
      })
      assert.strictEqual(manifest.subject.digest, image.manifest.digest)
      assert.deepInclude(manifest.layers[0], {
        mediaType: "application/spdx+json",
        annotations: { "org.opencontainers.image.title": "sbom.json" }
      })
      assert.strictEqual((yield* run("blob", `${app}@${manifest.layers[0].digest}`)).out, '{"packages":[]}')

      assert.strictEqual((yield* run("referrers", `${app}:v1`)).out, `${digest}  application/vnd.example.sbom\n`)
      const other = Cli.json(yield* run("referrers", `${app}:v1`, "--artifact-type", "text/plain", "--json"))
      assert.deepStrictEqual(other, { subject: image.manifest.digest, referrers: [] })
    })
  )

  it.scoped("attach without files, and with what is no media type", () =>
    Effect.gen(function* () {
      const { run } = yield* seeded
      assert.strictEqual((yield* run("attach", `${app}:v1`, "--artifact-type", "application/vnd.example.mark")).code, 0)
      const { code, err } = yield* run("attach", `${app}:v1`, "--artifact-type", "mark")
      assert.deepStrictEqual([code, err], [2, "effect-oci: --artifact-type mark is not a media type\n"])
      const missing = yield* run("attach", `${app}:v1`, "/nowhere/file", "--artifact-type", "text/plain")
      assert.strictEqual(missing.code, 3)
      assert.include(missing.err, "/nowhere/file")
    })
  )
})

describe("validate", () => {
  it.scoped("reads everything of every platform", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* withIndex
      const { code, out } = yield* run("validate", `${app}:multi`)
      assert.strictEqual(code, 0)
      assert.match(out, /is valid: 3 manifests and 4 blobs, /)
      yield* registry.clearRequests
      assert.deepInclude(Cli.json(yield* run("validate", `${app}:multi`, "--fast", "--json")), { valid: true, manifests: 3, blobs: 4 })
      assert.notProperty(yield* registry.requestCounts, "GET blob")
    })
  )

  it.scoped("names what is wrong", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* Cli.make()
      const good = yield* registry.seedImage("team/app", { tag: "good" })
      const manifest = JSON.parse(Buffer.from(good.bytes).toString("utf8"))
      const missing = { ...manifest.layers[0], digest: Digest.fromBytes(Buffer.from("nowhere")) }
      yield* registry.seedManifest("team/app", { ...manifest, layers: [missing] }, { tags: ["bad"] })
      const { code, out } = yield* run("validate", `${app}:bad`, "--json")
      assert.strictEqual(code, 3)
      const verdict = JSON.parse(out)
      assert.strictEqual(verdict.valid, false)
      assert.deepStrictEqual(
        verdict.problems.map(({ digest, tag }: { digest: string; tag: string }) => [digest, tag]),
        [[missing.digest, "BlobUnknown"]]
      )
      assert.strictEqual((yield* run("validate", `${app}:bad`, "--fast")).code, 3)
    })
  )

  it.scoped("looks at the diff ids of layers", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* Cli.make()
      const image = yield* registry.seedImage("team/app")
      const config = JSON.parse(Buffer.from(Option.getOrThrow(yield* registry.blob("team/app", image.config.digest))).toString("utf8"))
      config.rootfs.diff_ids = [Digest.fromBytes(Buffer.from("another layer"))]
      const wrong = yield* registry.seedBlob("team/app", JSON.stringify(config), { mediaType: image.config.mediaType })
      const manifest = JSON.parse(Buffer.from(image.bytes).toString("utf8"))
      yield* registry.seedManifest("team/app", { ...manifest, config: wrong }, { tags: ["wrong"] })
      const { code, err } = yield* run("validate", `${app}:wrong`)
      assert.strictEqual(code, 7)
      assert.include(err, "digest")
    })
  )

  /** The manifest of an image, and one that differs in the diff ids of its config only. */
  const withDiffIds = Effect.fnUntraced(function* (registry: MemoryRegistry.Service, diffIds: (right: ReadonlyArray<string>) => unknown) {
    const good = yield* registry.seedImage("team/app")
    const config = JSON.parse(Buffer.from(Option.getOrThrow(yield* registry.blob("team/app", good.config.digest))).toString("utf8"))
    config.rootfs.diff_ids = diffIds(config.rootfs.diff_ids)
    const blob = yield* registry.seedBlob("team/app", JSON.stringify(config), { mediaType: good.config.mediaType })
    const manifest = { ...JSON.parse(Buffer.from(good.bytes).toString("utf8")), config: blob }
    return { good: good.manifest, wrong: yield* registry.seedManifest("team/app", manifest, { tags: ["wrong"] }) }
  })

  it.scoped("looks at the diff ids that each of the images with the same layer has", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* Cli.make()
      const { good, wrong } = yield* withDiffIds(registry, () => [Digest.fromBytes(Buffer.from("another layer"))])
      const index = { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [wrong, good] }
      yield* registry.seedManifest("team/app", index, { tags: ["first"] })
      yield* registry.seedManifest("team/app", { ...index, manifests: [good, wrong] }, { tags: ["last"] })
      for (const tag of ["first", "last"]) {
        const { code, out } = yield* run("validate", `${app}:${tag}`)
        assert.strictEqual(code, 7)
        assert.match(out, /is not valid: 1 of 3 manifests and 3 blobs, /)
      }
    })
  )

  it.scoped("a config with more diff ids than there are layers is wrong", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* Cli.make()
      yield* withDiffIds(registry, (right) => [...right, ...right])
      const { code, err } = yield* run("validate", `${app}:wrong`)
      assert.deepStrictEqual([code, err], [7, "effect-oci: not a valid image config: it has 2 diff ids for 1 layers\n"])
    })
  )
})

describe("errors", () => {
  const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, string]> = [
    [["digest", `${app}:none`], 3, "ManifestUnknown"],
    [["ls", `${Cli.host}/team/none`], 3, "NameUnknown"],
    [["digest", "team//app"], 2, "InvalidReference"],
    [["digest"], 2, "Usage"],
    [["digest", app, "--nothing"], 2, "Usage"],
    [["nothing"], 2, "Usage"],
    [["digest", app, "--platform", "a/b/c/d/e"], 2, "Usage"],
    [["digest", app, "--platform", "garbage/"], 2, "Usage"],
    [["digest", app, "--platform", "/amd64"], 2, "Usage"],
    [["copy", app, `${app}:b`, "--platform", "linux//v8:1"], 2, "Usage"],
    [["copy", app, `${app}:b`, "--jobs", "0"], 2, "Usage"],
    [["copy", app, `${app}:b`, "--jobs", "many"], 2, "Usage"],
    [["blob", app], 2, "Usage"],
    [["blob", `${app}@${Digest.fromBytes(Buffer.from("nowhere"))}`, "-o", ""], 2, "Usage"],
    [["export", `${app}:v1`, ""], 2, "Usage"],
    [["import", "", app], 2, "Usage"],
    [["attach", "--artifact-type", "a/b", `${app}:v1`, ""], 2, "Usage"],
    [["ls", app, "--registry-config="], 2, "Usage"],
    [["serve", "--dir", ""], 2, "Usage"],
    [["serve", "--user", "", "--port", "0"], 2, "Usage"],
    [["copy", app, `${app}:b`, "--platform", ""], 2, "Usage"],
    [["digest", "unreachable.test/team/app"], 5, "TransportError"],
    [["digest", "oci:/nowhere/at-all:v1"], 3, "StoreError"]
  ]

  it.scoped("settings of hosts that are none: Config, exit code 2, and which variable it is", () =>
    Effect.gen(function* () {
      const message = (value: string) =>
        Effect.gen(function* () {
          const cli = yield* Cli.make({ environment: { OCI_REGISTRY_HOSTS: value } })
          yield* cli.registry.seedImage("team/app", { tag: "v1" })
          const { code, err } = yield* cli.run("digest", `${app}:v1`)
          return `${code} ${err}`
        })
      const complaint = "2 effect-oci: OCI_REGISTRY_HOSTS: not the settings of registry hosts as JSON: see "
      assert.strictEqual(yield* message("{bad"), `${complaint}the whole\n`)
      assert.strictEqual(yield* message('{"a.test":{"concurrency":"x"}}'), `${complaint}a.test.concurrency\n`)
      assert.strictEqual(yield* message(""), "0 ")
    })
  )

  for (const [args, code, tag] of cases) {
    it.scoped(`${args.join(" ")}: ${tag}, exit code ${code}`, () =>
      Effect.gen(function* () {
        const cli = yield* seeded
        const run = (...args: ReadonlyArray<string>) => World.throughTime(cli.run(...args))
        const text = yield* run(...args)
        assert.deepStrictEqual([text.code, text.out], [code, ""])
        assert.match(text.err, /^effect-oci: [^\n]+\n$/)
        const json = yield* run(...args, "--json")
        assert.deepStrictEqual([json.code, json.out], [code, ""])
        const error = Cli.jsonError(json)
        assert.deepInclude(error, { tag, exitCode: code })
        assert.strictEqual(`effect-oci: ${error["message"]}\n`, (yield* run(...args)).err)
      })
    )
  }
})
