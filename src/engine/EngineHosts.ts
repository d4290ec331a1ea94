/**
 * The settings of a container engine as those of `RegistryHosts`: its `daemon.json` says which registries are mirrored and which are insecure,
 * and the folders of `certs.d` whom to trust.
 *
 * ```ts
 * const hosts = Layer.unwrapEffect(
 *   Effect.map(EngineConfig.load("/etc/docker/daemon.json"), (config) => EngineHosts.layer({ config }))
 * ).pipe(Layer.provide([NodeContext.layer, NodeHostAddresses.layer]))
 *
 * program.pipe(Effect.provide(Layer.provide(NodeRegistry.layer, hosts)))
 * ```
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Order from "effect/Order"
import { fromPlatform, isReason } from "../content/internal/localError.ts"
import * as Origin from "../http/internal/origin.ts"
import type { StoreError } from "../model/RegistryError.ts"
import * as RegistryHosts from "../transport/RegistryHosts.ts"
import * as CertsDirectory from "./CertsDirectory.ts"
import * as DockerHub from "./DockerHub.ts"
import * as EngineConfig from "./EngineConfig.ts"
import * as HostAddresses from "./HostAddresses.ts"
import { folderName } from "./internal/folderName.ts"

/**
 * - `config`: of the engine
 * - `certsDirectories`: where the folders of hosts are, default `CertsDirectory.defaultRoots`; of several the first that has one for a host
 *   counts
 * - `hosts`: settings by host beside those of the engine. Where they say `tls`, `mirrors` or another `scheme` than `auto` they are right
 *
 * @since 0.1.0
 */
export interface Options {
  readonly config: EngineConfig.EngineConfig
  readonly certsDirectories?: ReadonlyArray<string> | undefined
  readonly hosts?: RegistryHosts.Options | undefined
}

type Problem = CertsDirectory.InvalidCertsDirectory | StoreError
type Loaded = Either.Either<RegistryHosts.TlsSettings, Problem>

/** What the folders of a root say, by their names in lower case. One that is broken is no matter until its host is asked. */
const readRoot = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(root).pipe(
    Effect.catchIf(isReason("NotFound"), () => Effect.succeed<ReadonlyArray<string>>([])),
    Effect.mapError(fromPlatform(root, "read")),
    Effect.map((found) => [...found].sort(Order.string))
  )
  const folders = new Map<string, Loaded>()
  for (const name of names) {
    const folder = path.join(root, name)
    const isFolder = Effect.map(fs.stat(folder), ({ type }) => type === "Directory")
    if (yield* Effect.orElseSucceed(isFolder, () => true)) {
      folders.set(name.toLowerCase(), yield* Effect.either(CertsDirectory.load(folder)))
    }
  }
  return folders
})

/** Where a mirror is; none for what Go takes for a URL and nobody can be reached by. */
const mirrorsOf = (config: EngineConfig.EngineConfig): ReadonlyArray<RegistryHosts.Mirror> =>
  config.mirrors.flatMap((text) => {
    const url = Origin.parse(text)
    return url === undefined || url.host === "" ? [] : [RegistryHosts.mirror(url.origin)]
  })

/** Docker Hub in references, and where it is. Nothing in `daemon.json` or `certs.d` weakens or changes the trust in it. */
const isHub = (host: string): boolean => DockerHub.isIndex(host) || host === DockerHub.registryHost

/** Connections do not tell apart whether port 443 was written, so one of both names is enough. */
const spellings = (host: string): ReadonlyArray<string> => {
  const bare = host.replace(/:443$/, "")
  return /:\d+$/.test(bare) ? [bare] : [bare, `${bare}:443`]
}

const make = Effect.fnUntraced(function* ({ certsDirectories = CertsDirectory.defaultRoots, config, hosts = {} }: Options) {
  const roots = yield* Effect.forEach(certsDirectories, (root) => Effect.either(readRoot(root)))
  const addresses = yield* HostAddresses.HostAddresses
  const path = yield* Path.Path
  const base = RegistryHosts.make(hosts)
  const mirrors = mirrorsOf(config)
  // Names that were looked up and found in a network that is insecure.
  const found = new Set<string>()
  const known = new Map<string, RegistryHosts.HostSettings>()

  const trustOf = (host: string): Loaded => {
    for (const root of roots) {
      if (Either.isLeft(root)) return Either.left(root.left)
      const loaded = spellings(host)
        .map((name) => root.right.get(folderName(path, name.toLowerCase())))
        .find((_) => _ !== undefined)
      if (loaded !== undefined) return loaded
    }
    return Either.right({})
  }

  const isInsecure = (host: string): boolean => !isHub(host) && (found.has(host) || !EngineConfig.isSecureAt(config, host, []))

  const tlsOf = (host: string): RegistryHosts.TlsSettings => {
    if (isHub(host)) return {}
    if (spellings(host).some(isInsecure)) return { verify: false }
    return Either.getOrElse(trustOf(host), () => ({}))
  }

  const find = (host: string): RegistryHosts.HostSettings => {
    const own = base.get(host)
    const { defaults } = RegistryHosts
    return {
      ...own,
      ...(own.scheme === defaults.scheme && { scheme: isInsecure(host) ? "either" : "https" }),
      ...(own.tls === defaults.tls && { tls: tlsOf(host) }),
      ...(own.mirrors === defaults.mirrors && DockerHub.isIndex(host) && { mirrors })
    }
  }

  const prepare = Effect.fnUntraced(function* (name: string) {
    const host = name.toLowerCase()
    if (isHub(host)) return
    const secure = yield* Effect.provideService(EngineConfig.isSecure(config, host), HostAddresses.HostAddresses, addresses)
    if (secure) found.delete(host)
    else found.add(host)
    known.clear()
    if (secure && base.get(host).tls === RegistryHosts.defaults.tls) yield* trustOf(host)
  })

  const service: RegistryHosts.Service = {
    get: (host) => {
      const settings = known.get(host) ?? find(host.toLowerCase())
      known.set(host, settings)
      return settings
    },
    prepare
  }
  return service
})

/**
 * How registries are reached by an engine that is configured like this. The folders are read when it is built.
 *
 * - Docker Hub is reached by its mirrors first, by https alone, and by the trust of the system: no folder of its own is looked at
 * - an insecure registry is asked by https without any verification, and by plain http if nobody answers so, and gets the credentials over both;
 *   its folder is not read
 * - every other one is asked by https alone, with what its folder has. If the folder cannot be read, or is wrong, requests to the registry fail with
 *   `TransportError`, and no other's do. Where all folders cannot be read, say `certsDirectories: []`
 *
 * A network among the insecure registries holds for a name that leads there (`HostAddresses`), which is found out before a registry is asked
 * for the first time. A token service, or a host that is redirected to, is trusted by its own folder, where an engine goes by the registry's.
 *
 * It goes where `RegistryHosts.layer` goes, whose clients on Node make use of the trust.
 *
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(RegistryHosts.RegistryHosts, make(options))
