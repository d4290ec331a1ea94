import { access, readdir, symlink, writeFile } from "node:fs/promises"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { encode, newSave } from "../content/sampleImages.ts"
import * as TarFiles from "../content/tarFiles.ts"
import * as DirImage from "../support/DirImage.ts"
import * as Cli from "./Cli.ts"

const app = `${Cli.host}/team/app`
const copyOf = `${Cli.other}/mirror/app`

const seeded = Effect.gen(function* () {
  const cli = yield* Cli.make()
  const image = yield* cli.registry.seedImage("team/app", { tag: "v1", layers: 3 })
  return { ...cli, image }
})

const platforms = [
  { os: "linux", architecture: "amd64" },
  { os: "linux", architecture: "arm64" },
  { os: "windows", architecture: "amd64" }
]

const seedIndex = (cli: Cli.Cli) => Cli.seedIndex(cli, platforms)

const exists = (file: string) =>
  Effect.promise(() =>
    access(file).then(
      () => true,
      () => false
    )
  )

describe("copy", () => {
  it.scoped("from registry to registry, and again for nothing", () =>
    Effect.gen(function* () {
      const { image, registry, run } = yield* seeded
      const first = yield* run("copy", `${app}:v1`, `${copyOf}:stable`)
      assert.strictEqual(first.code, 0)
      assert.match(first.out, new RegExp(`^${copyOf}:stable@${image.manifest.digest}\\n4 blobs and 1 manifest copied \\(.*\\)\\n$`))
      assert.deepStrictEqual(yield* registry.at(Cli.other).tags("mirror/app"), ["stable"])

      yield* registry.clearRequests
      const again = yield* run("copy", `${app}:v1`, `${copyOf}:stable`, "--json")
      assert.deepStrictEqual(Cli.json(again), {
        source: `${app}:v1`,
        target: `${copyOf}:stable`,
        tags: ["stable"],
        digest: image.manifest.digest,
        mediaType: image.manifest.mediaType,
        size: image.manifest.size,
        unchanged: true,
        blobs: 0,
        manifests: 0,
        bytes: 0,
        skipped: 0,
        mounted: 0
      })
      assert.deepStrictEqual(Object.keys(yield* registry.at(Cli.other).requestCounts).sort(), ["GET base", "HEAD manifest"])
    })
  )

  it.scoped("a line for each piece of content, unless it is to be quiet or JSON", () =>
    Effect.gen(function* () {
      const { run } = yield* seeded
      const told = yield* run("copy", `${app}:v1`, `${copyOf}:a`)
      const lines = told.err.trimEnd().split("\n")
      assert.strictEqual(lines.length, 5)
      for (const line of lines) assert.match(line, /^sha256:[0-9a-f]{12} +[0-9.]+ k?B done$/)
      assert.strictEqual((yield* run("copy", `${app}:v1`, `${Cli.other}/mirror/b:a`, "--quiet")).err, "")
      assert.strictEqual((yield* run("copy", `${app}:v1`, `${Cli.other}/mirror/c:a`, "--json")).err, "")
    })
  )

  it.scoped("without tag at the target, the source's; by digest, none", () =>
    Effect.gen(function* () {
      const { image, registry, run } = yield* seeded
      const target = registry.at(Cli.other)
      yield* run("copy", `${app}:v1`, copyOf)
      assert.deepStrictEqual(yield* target.tags("mirror/app"), ["v1"])
      const byDigest = yield* run("copy", `${app}@${image.manifest.digest}`, `${Cli.other}/mirror/nameless`)
      assert.include(byDigest.out, `${Cli.other}/mirror/nameless@${image.manifest.digest}\n`)
      assert.deepStrictEqual(yield* target.tags("mirror/nameless"), [])
      assert.deepStrictEqual(yield* target.manifests("mirror/nameless"), [image.manifest.digest])
    })
  )

  it.scoped("a target that names a digest is given no other", () =>
    Effect.gen(function* () {
      const { image, registry, run } = yield* seeded
      const wrong = `sha256:${"0".repeat(64)}`
      const { code } = yield* run("copy", `${app}:v1`, `${copyOf}@${wrong}`)
      assert.strictEqual(code, 7)
      assert.deepStrictEqual(yield* registry.at(Cli.other).repositories, [])
      assert.strictEqual((yield* run("copy", `${app}:v1`, `${copyOf}@${image.manifest.digest}`)).code, 0)
    })
  )

  it.scoped("a digest that a target names is that of the platform that gets there", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make()
      const { index, manifests } = yield* seedIndex(cli)
      const arm = manifests[1]?.digest
      const copy = (digest: string | undefined, ...platforms: ReadonlyArray<string>) =>
        cli.run("copy", `${app}:multi`, `${copyOf}:v1@${digest}`, ...platforms.map((name) => `--platform=${name}`))
      assert.strictEqual((yield* copy(index.digest, "linux/arm64")).code, 7)
      const some = yield* copy(index.digest, "linux/amd64", "linux/arm64")
      assert.deepStrictEqual(
        [some.code, some.err],
        [2, "effect-oci: the index of some platforms has a digest of its own: the target cannot name one\n"]
      )
      assert.deepStrictEqual(yield* cli.registry.at(Cli.other).repositories, [])
      assert.strictEqual((yield* copy(arm, "linux/arm64")).code, 0)
      assert.strictEqual((yield* cli.run("digest", `${copyOf}:v1`)).out, `${arm}\n`)
      assert.strictEqual((yield* copy(index.digest)).code, 0)
    })
  )

  it.scoped("all tags", () =>
    Effect.gen(function* () {
      const { image, registry, run } = yield* seeded
      yield* registry.seedImage("team/app", { tag: "v2", seed: 7 })
      const { code, out } = yield* run("copy", "--all-tags", app, copyOf, "--json")
      assert.strictEqual(code, 0)
      const result = JSON.parse(out)
      assert.deepInclude(result, { source: app, target: copyOf, unchanged: false, manifests: 2 })
      assert.deepStrictEqual(result.images[0], { tags: ["v1"], digest: image.manifest.digest, unchanged: false })
      assert.deepStrictEqual(yield* registry.at(Cli.other).tags("mirror/app"), ["v1", "v2"])
      const { code: refused, err } = yield* run("copy", "-a", `${app}:v1`, copyOf)
      assert.deepStrictEqual([refused, err], [2, "effect-oci: --all-tags goes with places that name no tag or digest\n"])
    })
  )

  it.scoped("some of the tags", () =>
    Effect.gen(function* () {
      const { registry, run } = yield* seeded
      for (const [seed, tag] of ["1.0.0", "1.1.0", "1.2.0", "2.0.0"].entries()) yield* registry.seedImage("team/app", { tag, seed })
      const { code } = yield* run("copy", "--all-tags", "--semver=^1", "--latest=2", app, copyOf)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(yield* registry.at(Cli.other).tags("mirror/app"), ["1.1.0", "1.2.0"])
      const none = yield* run("copy", "--all-tags", "--semver=^9", app, copyOf)
      assert.deepStrictEqual([none.code, none.err], [2, `effect-oci: ${app} has no such tags\n`])
      const { code: refused, err } = yield* run("copy", "--semver=^1", app, copyOf)
      assert.deepStrictEqual([refused, err], [2, "effect-oci: options that select tags go with --all-tags\n"])
    })
  )

  it.scoped("--platform: one is its image, several are an index of these", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make()
      const { manifests } = yield* seedIndex(cli)
      const [, arm64, windows] = manifests
      const one = yield* cli.run("copy", `${app}:multi`, `${copyOf}:arm64`, "--platform", "linux/arm64", "--json")
      assert.strictEqual(JSON.parse(one.out).digest, arm64?.digest)
      const args = ["copy", `${app}:multi`, `${copyOf}:two`, "--platform", "linux/arm64", "--platform=windows/amd64"]
      assert.strictEqual((yield* cli.run(...args)).code, 0)
      const { manifest } = JSON.parse((yield* cli.run("manifest", `${copyOf}:two`, "--json")).out)
      assert.deepStrictEqual(
        manifest.manifests.map(({ digest }: { digest: string }) => digest),
        [arm64?.digest, windows?.digest]
      )
      const none = yield* cli.run("copy", `${app}:multi`, copyOf, "--platform", "plan9/386")
      assert.strictEqual(none.code, 8)
      assert.include(none.err, "it has nothing for plan9/386")
    })
  )

  it.scoped("--referrers brings signatures along", () =>
    Effect.gen(function* () {
      const { image, registry, run } = yield* seeded
      const { manifest: subject } = image
      yield* registry.seedImage("team/app", { seed: 3, subject, artifactType: "application/vnd.example.signature" })
      yield* run("copy", `${app}:v1`, `${copyOf}:without`)
      assert.strictEqual((yield* run("referrers", `${copyOf}:without`)).out, "")
      yield* run("copy", `${app}:v1`, `${copyOf}:with`, "--referrers")
      assert.match((yield* run("referrers", `${copyOf}:with`)).out, /^sha256:\S+ {2}application\/vnd.example.signature\n$/)
    })
  )
})

describe("copy to several targets", () => {
  it.scoped("reads once and tells of each; again for nothing", () =>
    Effect.gen(function* () {
      const { image, path, registry, run } = yield* seeded
      const { digest, mediaType, size } = image.manifest
      const layout = `oci:${path("layout")}`
      const archive = `oci-archive:${path("app.tar")}`
      const targets = [`${copyOf}:stable`, `${copyOf}:old`, layout, archive]
      const first = yield* run("copy", `${app}:v1`, ...targets)
      assert.strictEqual(first.code, 0)
      const lines = first.out.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.map((line) => line.slice(0, line.indexOf("@"))),
        [`${copyOf}:stable`, `${copyOf}:old`, `${layout}:v1`, `${archive}:v1`]
      )
      for (const line of lines) assert.match(line, new RegExp(`@${digest}: `))
      assert.match(lines[2] ?? "", /: 4 blobs and 1 manifest copied \(.*\)$/)
      assert.strictEqual((yield* registry.at(Cli.host).requestCounts)["GET blob"], 4)
      assert.deepStrictEqual(yield* registry.at(Cli.other).tags("mirror/app"), ["old", "stable"])
      for (const place of [layout, archive]) assert.strictEqual((yield* run("validate", place)).code, 0)

      const again = yield* run("copy", `${app}:v1`, `${copyOf}:stable`, `${copyOf}:old`, "--json")
      const nothing = {
        tags: ["stable"],
        digest,
        mediaType,
        size,
        unchanged: true,
        blobs: 0,
        manifests: 0,
        bytes: 0,
        skipped: 0,
        mounted: 0
      }
      assert.deepStrictEqual(Cli.json(again), {
        source: `${app}:v1`,
        targets: [
          { target: `${copyOf}:stable`, ...nothing },
          { target: `${copyOf}:old`, ...nothing, tags: ["old"] }
        ]
      })
    })
  )

  it.scoped("what fails at one is told, leaves the others alone, and is the exit code", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make({ hosts: { [Cli.host]: {}, [Cli.other]: { capabilities: { createRepositories: false } } } })
      const { manifest } = yield* cli.registry.seedImage("team/app", { tag: "v1" })
      const layout = `oci:${cli.path("layout")}`
      const text = yield* cli.run("copy", `${app}:v1`, copyOf, layout, "--quiet")
      assert.strictEqual(text.code, 3)
      const [refused = "", done = ""] = text.out.trimEnd().split("\n")
      assert.match(refused, new RegExp(`^${copyOf}:v1: .*NAME_UNKNOWN`))
      assert.isTrue(done.startsWith(`${layout}:v1@${manifest.digest}: `))
      assert.strictEqual(text.err, `effect-oci: ${refused.slice(`${copyOf}:v1: `.length)}\n`)
      assert.strictEqual((yield* cli.run("validate", layout)).code, 0)

      const json = yield* cli.run("copy", `${app}:v1`, layout, copyOf, "--json")
      const { targets } = JSON.parse(json.out)
      assert.deepInclude(targets[0], { target: `${layout}:v1`, unchanged: true })
      assert.deepStrictEqual(targets[1], { target: `${copyOf}:v1`, error: Cli.jsonError(json) })
      assert.deepInclude(targets[1].error, { tag: "NameUnknown", exitCode: 3 })
    })
  )

  it.scoped("nothing is written for a source that is not there, or a promise that cannot be kept", () =>
    Effect.gen(function* () {
      const { path, registry, run } = yield* seeded
      const archive = `oci-archive:${path("app.tar")}`
      assert.strictEqual((yield* run("copy", `${app}:none`, copyOf, archive)).code, 3)
      assert.strictEqual((yield* run("copy", `${app}:v1`, archive, `${copyOf}@sha256:${"0".repeat(64)}`)).code, 7)
      assert.isFalse(yield* exists(path("app.tar")))
      assert.deepStrictEqual(yield* registry.at(Cli.other).repositories, [])
    })
  )

  it.scoped("what cannot be done for several is refused", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make()
      const { manifests } = yield* seedIndex(cli)
      const archive = `docker-archive:${cli.path("app.tar")}`
      const all = yield* cli.run("copy", "--all-tags", app, copyOf, `${copyOf}-two`)
      assert.deepStrictEqual([all.code, all.err], [2, "effect-oci: --all-tags goes with one target\n"])
      const twice = yield* cli.run("copy", `${app}:multi`, `${archive}:app:1`, `${archive}:app:2`)
      assert.deepStrictEqual(
        [twice.code, twice.err],
        [2, `effect-oci: ${cli.path("app.tar")} is the target twice, and an archive is written once\n`]
      )
      const mixed = yield* cli.run("copy", `${app}:multi`, copyOf, archive)
      assert.strictEqual(mixed.code, 2)
      assert.include(mixed.err, "it needs --platform")
      assert.strictEqual((yield* cli.run("copy", `${app}:multi`, copyOf, archive, "--platform", "linux/arm64")).code, 0)
      assert.strictEqual((yield* cli.run("digest", `${copyOf}:multi`)).out, `${manifests[1]?.digest}\n`)
      assert.include((yield* cli.run("config", archive)).out, '"architecture":"arm64"')
    })
  )
})

describe("pull, push, export and import", () => {
  it.scoped("a folder: there and back, byte for byte", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make()
      const { index } = yield* seedIndex(cli)
      const layout = `oci:${cli.path("layout")}`
      assert.include((yield* cli.run("pull", `${app}:multi`, layout)).out, `${layout}:multi@${index.digest}\n`)
      assert.strictEqual((yield* cli.run("ls", layout)).out, "multi\n")
      assert.strictEqual((yield* cli.run("digest", layout)).out, `${index.digest}\n`)
      assert.strictEqual((yield* cli.run("validate", `${layout}:multi`)).code, 0)
      const back = yield* cli.run("push", layout, copyOf, "--json")
      assert.deepInclude(Cli.json(back), { target: `${copyOf}:multi`, digest: index.digest })
    })
  )

  it.scoped("tags and deletions in a folder", () =>
    Effect.gen(function* () {
      const { image, path, run } = yield* seeded
      const layout = `oci:${path("layout")}`
      yield* run("pull", `${app}:v1`, `${layout}:mine`)
      assert.strictEqual((yield* run("tag", `${layout}:mine`, "yours")).out, `${layout}:yours@${image.manifest.digest}\n`)
      assert.strictEqual((yield* run("rm", `${layout}:mine`)).code, 0)
      assert.strictEqual((yield* run("ls", layout)).out, "yours\n")
    })
  )

  it.scoped("archives: OCI keeps the digest, docker's the config", () =>
    Effect.gen(function* () {
      const { image, path, run } = yield* seeded
      const oci = path("app.tar")
      const docker = path("docker.tar")
      assert.strictEqual((yield* run("export", `${app}:v1`, oci)).code, 0)
      assert.strictEqual((yield* run("digest", `oci-archive:${oci}`)).out, `${image.manifest.digest}\n`)
      const imported = yield* run("import", oci, copyOf, "--json")
      assert.deepInclude(Cli.json(imported), { target: `${copyOf}:v1`, digest: image.manifest.digest })

      const exported = yield* run("export", "--format", "docker", `${app}:v1`, docker)
      assert.strictEqual(exported.code, 0)
      assert.include(exported.out, `docker-archive:${docker}:${app}:v1@`)
      assert.strictEqual((yield* run("ls", `docker-archive:${docker}`)).out, `${app}:v1\n`)
      assert.strictEqual((yield* run("ls", `docker-archive:${docker}`, "--glob=v?")).out, `${app}:v1\n`)
      assert.strictEqual((yield* run("import", docker, `${copyOf}:docker`)).code, 0)
      assert.strictEqual((yield* run("config", `${copyOf}:docker`)).out, (yield* run("config", `${app}:v1`)).out)
      assert.strictEqual((yield* run("import", docker, `${copyOf}-named`, "--name", `${app}:v1`)).code, 0)
      assert.strictEqual((yield* run("ls", `${copyOf}-named`)).out, "v1\n")
    })
  )

  it.scoped("what is meant for being tagged latest goes by that, whatever other tags it has; the only image by its first", () =>
    Effect.gen(function* () {
      const { path, registry, run } = yield* seeded
      const { manifest } = yield* registry.seedImage("team/app", { tag: "v2", layers: 1 })
      const layout = `oci:${path("app")}`
      assert.strictEqual((yield* run("copy", `${app}:v2`, layout)).code, 0)
      assert.strictEqual((yield* run("tag", `${layout}:v2`, "latest")).code, 0)
      const target = (yield* run("push", layout, copyOf)).out.split("\n")[0]
      assert.strictEqual(target, `${copyOf}:v2@${manifest.digest}`)
      assert.strictEqual((yield* run("copy", `${app}:v1`, layout)).code, 0)
      const other = (yield* run("push", layout, copyOf)).out.split("\n")[0]
      assert.strictEqual(other, `${copyOf}:latest@${manifest.digest}`)
    })
  )

  it.scoped("the only image of an archive is the one that others refer to", () =>
    Effect.gen(function* () {
      const { image, path, run } = yield* seeded
      const archive = `oci-archive:${path("app.tar")}`
      const { out } = yield* run("attach", `${app}:v1`, "--artifact-type", "application/vnd.example.mark")
      assert.strictEqual((yield* run("copy", "--referrers", `${app}:v1`, archive)).code, 0)
      assert.strictEqual((yield* run("digest", archive)).out, `${image.manifest.digest}\n`)
      const found = yield* run("referrers", archive)
      assert.deepStrictEqual([found.code, found.out], [0, `${out.trim().split("@")[1]}  application/vnd.example.mark\n`])
    })
  )

  it.scoped("an archive of docker save with images of one tag: listed and taken by name, and not all at once", () =>
    Effect.gen(function* () {
      const { path, registry, run } = yield* Cli.make()
      const [first, second] = [DirImage.fromLayers([encode("one")]), DirImage.fromLayers([encode("two")])]
      const file = yield* TarFiles.write(
        path("two.tar"),
        newSave([
          ["app:latest", first],
          ["web:latest", second]
        ])
      )
      const oci = `oci-archive:${file}`
      for (const place of [oci, `docker-archive:${file}`]) assert.strictEqual((yield* run("ls", place)).out, "app:latest\nweb:latest\n")
      for (const args of [
        ["import", file, copyOf],
        ["import", file, copyOf, "--name=latest"],
        ["copy", oci, copyOf],
        ["copy", `${oci}:latest`, copyOf]
      ]) {
        const { code, err } = yield* run(...args)
        assert.strictEqual(code, 10)
        assert.include(err, "several images have the tag latest: name one of app:latest, web:latest", args.join(" "))
      }
      for (const args of [
        ["import", "-a", file, copyOf],
        ["copy", "-a", oci, copyOf]
      ]) {
        const { code, err } = yield* run(...args)
        assert.strictEqual(code, 2)
        assert.match(
          err,
          /^effect-oci: app:latest and web:latest are different images, and both would be \S+:latest: copy them one by one\n$/
        )
      }
      assert.deepStrictEqual(yield* registry.at(Cli.other).repositories, [])
      for (const [args, digest] of [
        [["import", file, copyOf, "--name=web:latest"], second.digest],
        [["copy", `${oci}:app:latest`, copyOf], first.digest]
      ] as const) {
        assert.strictEqual((yield* run(...args)).out.split("\n")[0], `${copyOf}:latest@${digest}`)
      }
    })
  )

  it.scoped("an archive of ctr export, in which the image is named by digest too: the tag is kept", () =>
    Effect.gen(function* () {
      const { path, run } = yield* Cli.make()
      const image = DirImage.fromLayers([encode("one")])
      const saved = newSave([["app:v1", image]]).map(([name, content]): TarFiles.Entry => {
        if (name !== "index.json") return [name, content]
        const { manifests, schemaVersion } = JSON.parse(String(content))
        const called = (refName: string) => ({ ...manifests[0], annotations: { "org.opencontainers.image.ref.name": refName } })
        // As for app@sha256:… and for the name by which Kubernetes knows an image.
        return [name, JSON.stringify({ schemaVersion, manifests: [called(`@${image.digest}`), called(image.digest), ...manifests] })]
      })
      const file = yield* TarFiles.write(path("ctr.tar"), saved)
      assert.strictEqual((yield* run("import", file, copyOf)).out.split("\n")[0], `${copyOf}:v1@${image.digest}`)
    })
  )

  it.scoped("names that others have chosen are shown, one a line, and move no cursor", () =>
    Effect.gen(function* () {
      const { path, run } = yield* Cli.make()
      const saved = newSave([["app:v1", DirImage.fromLayers([encode("one")])]]).map(([name, content]): TarFiles.Entry => {
        const refName = "v1\u001b[2J\u009b1m\nv2"
        return [name, name === "index.json" ? String(content).replace('ref.name":"v1"', `ref.name":${JSON.stringify(refName)}`) : content]
      })
      const file = yield* TarFiles.write(path("names.tar"), saved)
      assert.strictEqual((yield* run("ls", `oci-archive:${file}`)).out, "v1\\u001b[2J\\u009b1m\\u000av2\n")
      const copied = yield* run("import", "-q", file, `oci:${path("\u001b[31mred")}`)
      assert.include(copied.out, "/\\u001b[31mred:latest@")
    })
  )

  it.scoped("all of a docker archive: names may share a tag when they are of one image", () =>
    Effect.gen(function* () {
      const { path, run } = yield* Cli.make()
      const saved = (...layers: ReadonlyArray<string>) =>
        Effect.map(
          TarFiles.write(path("two.tar"), newSave(layers.map((layer, at) => [`app-${at}:v1`, DirImage.fromLayers([encode(layer)])]))),
          (file) => `docker-archive:${file}`
        )
      const { code, err } = yield* run("copy", "-a", yield* saved("one", "one", "two"), `oci:${path("layout")}`)
      assert.strictEqual(code, 2)
      assert.include(err, "app-0:v1 and app-2:v1 are different images")
      assert.strictEqual((yield* run("copy", "-a", yield* saved("one", "one"), copyOf)).code, 0)
      assert.strictEqual((yield* run("ls", copyOf)).out, "v1\n")
    })
  )

  it.scoped("images keep the names they have in an archive in a docker archive", () =>
    Effect.gen(function* () {
      const { path, run } = yield* Cli.make()
      const images = [DirImage.fromLayers([encode("one")]), DirImage.fromLayers([encode("two")])] as const
      const one = `docker-archive:${yield* TarFiles.write(path("one.tar"), newSave([["acme/app:1.4", images[0]]]))}`
      const two = yield* TarFiles.write(
        path("two.tar"),
        newSave([
          ["acme/app:1.4", images[0]],
          ["acme/web:1.4", images[1]]
        ])
      )
      const layout = `oci:${path("layout")}`
      yield* run("copy", one, `${layout}:acme/app:1.4`)
      for (const args of [[one], [`${one}:acme/app:1.4`], [`docker-archive:${two}:acme/app:1.4`], [layout], [`${layout}:acme/app:1.4`]]) {
        const target = `docker-archive:${path("copy.tar")}`
        const copied = yield* run("copy", ...args, target)
        assert.strictEqual(copied.code, 0, copied.err)
        assert.isTrue(copied.out.startsWith(`${target}:acme/app:1.4@sha256:`), copied.out)
        assert.strictEqual((yield* run("ls", target)).out, "acme/app:1.4\n")
        const named = yield* run("copy", ...args, `${target}:else/app:2`)
        assert.strictEqual(named.code, 0, named.err)
        assert.strictEqual((yield* run("ls", target)).out, "else/app:2\n")
      }
      assert.strictEqual((yield* run("copy", "-a", `docker-archive:${two}`, `docker-archive:${path("all.tar")}`)).code, 0)
      assert.strictEqual((yield* run("ls", `docker-archive:${path("all.tar")}`)).out, "acme/app:1.4\nacme/web:1.4\n")
      assert.strictEqual((yield* run("export", "--format=docker", one, path("exported.tar"))).code, 0)
      assert.strictEqual((yield* run("ls", `docker-archive:${path("exported.tar")}`)).out, "acme/app:1.4\n")
    })
  )

  it.scoped("an image without a name does not go into a docker archive, and nothing is read for it", () =>
    Effect.gen(function* () {
      const { folder, path, registry, run } = yield* seeded
      const layout = `oci:${path("layout")}`
      const archive = `docker-archive:${path("app.tar")}`
      yield* run("pull", `${app}:v1`, layout)
      yield* registry.seedImage("team/app", { tag: "v2" })
      for (const args of [["-a", layout], [layout], [layout, `${copyOf}:v1`]]) {
        const { code, err } = yield* run("copy", "--platform=linux/amd64", ...args, archive)
        assert.strictEqual(code, 2)
        assert.strictEqual(
          err,
          'effect-oci: "v1" is not a valid reference: an image in a docker archive needs a name and a tag, such as acme/app:1.4\n'
        )
      }
      assert.deepStrictEqual(
        yield* registry
          .at(Cli.other)
          .tags("mirror/app")
          .pipe(Effect.orElseSucceed(() => [])),
        []
      )
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(folder)), ["layout"])
      assert.strictEqual((yield* run("copy", "-a", app, archive)).code, 0)
      assert.strictEqual((yield* run("ls", archive)).out, `${app}:v1\n${app}:v2\n`)
    })
  )

  it.scoped("an index goes into a docker archive as its image for linux/amd64", () =>
    Effect.gen(function* () {
      const cli = yield* Cli.make()
      yield* seedIndex(cli)
      const archive = `docker-archive:${cli.path("one.tar")}`
      assert.strictEqual((yield* cli.run("copy", `${app}:multi`, archive)).code, 0)
      assert.include((yield* cli.run("config", archive)).out, '"architecture":"amd64"')
    })
  )

  it.scoped("the file of an export may have a colon in its name", () =>
    Effect.gen(function* () {
      const { image, path, run } = yield* seeded
      const file = path("at 10:30.tar")
      assert.strictEqual((yield* run("export", `${app}:v1`, file)).code, 0)
      assert.deepInclude(Cli.json(yield* run("import", file, copyOf, "--json")), { target: `${copyOf}:v1`, digest: image.manifest.digest })
    })
  )

  it.scoped("an archive goes to standard output, and comes from standard input", () =>
    Effect.gen(function* () {
      const { feed, folder, image, path, run } = yield* seeded
      for (const format of ["oci", "docker"]) {
        const exported = yield* run("export", "--format", format, `${app}:v1`, "-")
        assert.strictEqual(exported.code, 0)
        const file = path("app.tar")
        yield* Effect.promise(() => writeFile(file, exported.bytes))
        assert.strictEqual((yield* run("validate", `${format}-archive:${file}`)).code, 0)
        const target = `${copyOf}-${format}:v1`
        for (const bytes of [exported.bytes, gzipSync(exported.bytes)]) {
          assert.strictEqual((yield* feed(bytes, "import", "-", target)).code, 0)
        }
        assert.strictEqual((yield* run("config", target)).out, (yield* run("config", `${app}:v1`)).out)
        if (format === "oci") assert.strictEqual((yield* run("digest", target)).out, `${image.manifest.digest}\n`)
      }
      const none = yield* run("export", `${app}:none`, "-")
      assert.deepStrictEqual([none.code, none.out], [3, ""])
      assert.strictEqual((yield* feed("no archive", "import", "-", copyOf)).code, 7)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(folder)), ["app.tar"])
    })
  )

  it.scoped("an archive that could not be completed leaves the old one in place", () =>
    Effect.gen(function* () {
      const { folder, path, run } = yield* seeded
      const file = path("app.tar")
      yield* Effect.promise(() => writeFile(file, "the old one"))
      const { code } = yield* run("export", `${app}:none`, file)
      assert.strictEqual(code, 3)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(folder)), ["app.tar"])
    })
  )

  it.scoped("what a command is not for is refused", () =>
    Effect.gen(function* () {
      const { path, run } = yield* seeded
      const layout = `oci:${path("layout")}`
      const complaints = yield* Effect.forEach(
        [
          ["pull", `${app}:v1`, `${copyOf}:v1`],
          ["push", `${app}:v1`, `${copyOf}:v1`],
          ["tag", `oci-archive:${path("a.tar")}`, "v2"]
        ],
        (args) => run(...args)
      )
      assert.deepStrictEqual(
        complaints.map(({ code }) => code),
        [2, 2, 2]
      )
      assert.strictEqual((yield* run("ls", layout)).code, 3)
    })
  )

  it.scoped("what is not there is not found, as in a registry", () =>
    Effect.gen(function* () {
      const { path, run } = yield* seeded
      const layout = `oci:${path("layout")}`
      const docker = path("docker.tar")
      yield* run("pull", `${app}:v1`, layout)
      yield* run("export", "--format", "docker", `${app}:v1`, docker)
      const commands = [
        ["digest", `${layout}:nope`],
        ["rm", `${layout}:nope`],
        ["import", docker, copyOf, "--name", "nope:1"],
        ["import", path("nope.tar"), copyOf],
        ["copy", `oci-archive:${path("nope.tar")}`, copyOf]
      ]
      for (const args of commands) {
        const { code, err } = yield* run(...args, "--json")
        assert.deepInclude(JSON.parse(err).error, { tag: "StoreError", missing: true, exitCode: 3 }, args.join(" "))
        assert.strictEqual(code, 3)
      }
      assert.strictEqual((yield* run("export", `${app}:v1`, path("nowhere", "app.tar"))).code, 10)
      yield* Effect.promise(() => symlink(path("nowhere"), path("link")))
      assert.strictEqual((yield* run("pull", `${app}:v1`, `oci:${path("link")}`)).code, 10)
    })
  )
})
