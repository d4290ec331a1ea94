/** Real `docker-registry` processes (the distribution project's registry), each with its own port and folder. */
import { readFile, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import { hash } from "bcryptjs"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Certificate } from "./Certificates.ts"
import * as Folder from "./Folder.ts"
import * as Program from "./Program.ts"
import * as TokenServer from "./TokenServer.ts"

export const program = "docker-registry"

export interface Options {
  /** Users and passwords: the registry asks for Basic authentication. */
  readonly users?: Readonly<Record<string, string>> | undefined
  /** The registry asks for tokens of this service. Not together with `users`. */
  readonly tokens?: TokenServer.Service | undefined
  readonly certificate?: Certificate | undefined
  /** PEM of the authority whose client certificates are demanded; needs `certificate`. */
  readonly clientAuthority?: string | undefined
  /** `Location` headers without scheme and host. */
  readonly relativeUrls?: boolean | undefined
}

export interface Service {
  /** `127.0.0.1:port`, the registry part of a reference. */
  readonly host: string
  readonly origin: string
  /** Where the registry keeps its content. */
  readonly storage: string
  /** What it printed so far, one line per request among it. */
  readonly log: Effect.Effect<string>
}

export class DockerRegistry extends Context.Tag("effect-oci/test/DockerRegistry")<DockerRegistry, Service>() {}

const write = (folder: string, name: string, text: string): Effect.Effect<string> => {
  const path = Path.join(folder, name)
  return Effect.as(
    Effect.promise(() => writeFile(path, text, { mode: 0o600 })),
    path
  )
}

const htpasswd = (users: Readonly<Record<string, string>>): Effect.Effect<string> =>
  Effect.promise(async () => {
    const lines = await Promise.all(Object.entries(users).map(async ([user, password]) => `${user}:${await hash(password, 4)}`))
    return `${lines.join("\n")}\n`
  })

const authSection = Effect.fnUntraced(function* (folder: string, { users, tokens }: Options) {
  if (users !== undefined) return { htpasswd: { realm: "test", path: yield* write(folder, "htpasswd", yield* htpasswd(users)) } }
  if (tokens === undefined) return undefined
  const rootcertbundle = yield* write(folder, "token.pem", tokens.certificate)
  return { token: { realm: tokens.realm, service: tokens.service, issuer: tokens.issuer, rootcertbundle } }
})

const tlsSection = Effect.fnUntraced(function* (folder: string, { certificate, clientAuthority }: Options) {
  if (certificate === undefined) return undefined
  return {
    certificate: yield* write(folder, "server.pem", certificate.certificate),
    key: yield* write(folder, "server-key.pem", certificate.privateKey),
    ...(clientAuthority === undefined ? {} : { clientcas: [yield* write(folder, "clients.pem", clientAuthority)] })
  }
})

/** Port 0: the registry takes a free port itself and prints it, so that two never race for one. */
const configuration = Effect.fnUntraced(function* (folder: string, storage: string, options: Options) {
  const auth = yield* authSection(folder, options)
  const tls = yield* tlsSection(folder, options)
  // JSON is YAML
  return JSON.stringify({
    version: "0.1",
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: "127.0.0.1:0", secret: "test", relativeurls: options.relativeUrls ?? false, ...(tls === undefined ? {} : { tls }) },
    ...(auth === undefined ? {} : { auth })
  })
})

/** Variables that begin so change the configuration, as podman's `REGISTRY_AUTH_FILE` would. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("REGISTRY_")))

/** Waits up to 10 seconds until the registry listens; the time is real even under a test clock. */
export const make = (options: Options = {}): Effect.Effect<Service, Program.ProgramError, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Folder.temporary("registry")
    const storage = Path.join(folder, "storage")
    const logFile = Path.join(folder, "log")
    const config = yield* write(folder, "config.yml", yield* configuration(folder, storage, options))
    const registry = yield* Program.start(program, ["serve", config], logFile, environment)
    const log = Effect.promise(() => readFile(logFile, "utf8"))
    const listening = Effect.gen(function* () {
      const text = yield* log
      const host = /listening on (127\.0\.0\.1:\d+)/.exec(text)?.[1]
      if (host !== undefined) return host
      return yield* new Program.ProgramError({ message: `${program} did not start:\n${text}` })
    })
    const host = yield* listening.pipe(
      Effect.retry({
        schedule: Schedule.spaced("20 millis").pipe(Schedule.intersect(Schedule.recurs(500))),
        until: () => registry.exited
      })
    )
    return { host, origin: `${options.certificate === undefined ? "http" : "https"}://${host}`, storage, log }
  }).pipe(Effect.withClock(Clock.make()))

export const layer = (options?: Options): Layer.Layer<DockerRegistry, Program.ProgramError> => Layer.scoped(DockerRegistry, make(options))

/** A registry together with the token service it trusts. */
export const layerTokens = (options?: TokenServer.Options): Layer.Layer<DockerRegistry | TokenServer.TokenServer, Program.ProgramError> =>
  Layer.scoped(
    DockerRegistry,
    Effect.flatMap(TokenServer.TokenServer, (tokens) => make({ tokens }))
  ).pipe(Layer.provideMerge(TokenServer.layer(options)))
