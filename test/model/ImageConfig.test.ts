import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as ImageConfig from "../../src/model/ImageConfig.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const decode = (json: unknown) => ImageConfig.decode(utf8(JSON.stringify(json)))

const diffId = `sha256:${"a".repeat(64)}`

// The example of image-spec «Image Configuration», and Docker's additions.
const example = {
  created: "2015-10-31T22:22:56.015925234Z",
  author: "Alyssa P. Hacker <alyspdev@example.com>",
  architecture: "arm64",
  os: "linux",
  variant: "v8",
  config: {
    User: "alice",
    ExposedPorts: { "8080/tcp": {} },
    Env: ["PATH=/usr/local/sbin:/usr/local/bin", "FOO=oci_is_a"],
    Entrypoint: ["/bin/my-app-binary"],
    Cmd: ["--foreground", "--config", "/etc/my-app.d/default.cfg"],
    Volumes: { "/var/job-result-data": {}, "/var/log/my-app-logs": {} },
    WorkingDir: "/home/alice",
    Labels: { "com.example.project.git.url": "https://example.com/project.git" },
    Healthcheck: { Test: ["CMD", "true"], Interval: 30_000_000_000, Retries: 3 },
    ArgsEscaped: true
  },
  rootfs: { type: "layers", diff_ids: [diffId] },
  history: [
    { created: "2015-10-31T22:22:54.690851953Z", created_by: "/bin/sh -c #(nop) ADD file in /" },
    { created: "2015-10-31T22:22:55.613815829Z", created_by: '/bin/sh -c #(nop) CMD ["sh"]', empty_layer: true }
  ],
  docker_version: "20.10.7",
  container_config: { Hostname: "x" }
}

describe("decode", () => {
  it("reads every member and keeps those it does not know", () => {
    expect(Either.getOrThrow(decode(example))).toEqual(example)
  })

  it("encodes to the same JSON", () => {
    const bytes = ImageConfig.encode(Either.getOrThrow(decode(example)))
    expect(JSON.parse(new TextDecoder().decode(bytes))).toEqual(example)
  })

  it("names the platform", () => {
    expect(ImageConfig.platform(Either.getOrThrow(decode(example)))).toEqual({ architecture: "arm64", os: "linux", variant: "v8" })
    const windows = { architecture: "amd64", os: "windows", "os.version": "10.0.17763.1", "os.features": ["win32k"] }
    expect(ImageConfig.platform(Either.getOrThrow(decode(windows)))).toEqual(windows)
  })

  it("reads null and missing members as Go does", () => {
    const nulls = { config: null, history: null, rootfs: { type: "layers", diff_ids: null } }
    expect(Either.getOrThrow(decode(nulls))).toEqual({ architecture: "", os: "", rootfs: { type: "layers", diff_ids: [] } })
    expect(Either.getOrThrow(decode({}))).toEqual({ architecture: "", os: "", rootfs: { type: "layers", diff_ids: [] } })
    expect(Either.getOrThrow(decode({ os: "linux", config: { Cmd: null, Volumes: null, Labels: null } })).config).toEqual({})
  })

  it.each([
    ["a diff id that is no digest", { rootfs: { type: "layers", diff_ids: ["sha256:abc"] } }, "rootfs.diff_ids.0"],
    ["an environment that is no list", { config: { Env: "A=1" } }, "config.Env"],
    ["a label that is not text", { config: { Labels: { a: 1 } } }, "config.Labels.a"],
    ["an architecture that is not text", { architecture: 64 }, "architecture"],
    ["a list", [], "not a JSON object"]
  ])("refuses %s and says where", (_, json, place) => {
    const error = Either.getOrThrow(Either.flip(decode(json)))
    expect(error._tag).toBe("MalformedContent")
    expect(error.message).toContain("image config")
    expect(error.message).toContain(place)
  })

  it("refuses what is not UTF-8 or not JSON", () => {
    expect(Either.isLeft(ImageConfig.decode(new Uint8Array([0x22, 0xff, 0x22])))).toBe(true)
    expect(Either.isLeft(ImageConfig.decode(utf8("{")))).toBe(true)
    expect(Either.isLeft(ImageConfig.decode(new Uint8Array()))).toBe(true)
  })

  it.prop("never throws", [fc.oneof(fc.json(), fc.string())], ([text]) => {
    expect(Either.isEither(ImageConfig.decode(utf8(text)))).toBe(true)
  })
})
