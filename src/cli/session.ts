/** How a command reaches registries: its options, the environment, and the credentials files become a client. */
import * as Command from "@effect/cli/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Keychain from "../auth/Keychain.ts"
import * as TokenCache from "../auth/TokenCache.ts"
import * as RegistryClient from "../client/RegistryClient.ts"
import * as RegistryHosts from "../transport/RegistryHosts.ts"
import * as RegistryTransport from "../transport/RegistryTransport.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import * as Report from "./report.ts"

/** The wire; it finds the trust settings of the hosts in its context. Tests put registries in memory here. */
export class Network extends Context.Tag("effect-oci/cli/Network")<Network, Layer.Layer<HttpClient.HttpClient>>() {}

export interface Settings {
  readonly plainHttp: ReadonlyArray<string>
  readonly insecure: ReadonlyArray<string>
  readonly registryConfig: Option.Option<string>
}

const settingsOf = (hosts: ReadonlyArray<string>, settings: Partial<RegistryHosts.HostSettings>) =>
  RegistryHosts.make(Object.fromEntries(hosts.map((host) => [host, settings])))

/** `OCI_REGISTRY_HOSTS` with the options over it. A host has the same names in both: trust is asked for without port 443. */
const hosts = ({ insecure, plainHttp }: Settings) => {
  const schemes = settingsOf(plainHttp, { scheme: "http" })
  const trust = settingsOf(insecure, { tls: { verify: false } })
  return Effect.map(
    RegistryHosts.RegistryHosts,
    (base): RegistryHosts.Service => ({
      ...base,
      get: (host) => {
        const settings = base.get(host)
        return {
          ...settings,
          ...(schemes.get(host).scheme === "http" && { scheme: "http" }),
          tls: { ...settings.tls, ...trust.get(host).tls }
        }
      }
    })
  ).pipe(Layer.effect(RegistryHosts.RegistryHosts), Layer.provide(RegistryHosts.layerConfig()))
}

/** Registries warn their users (distribution-spec «Warnings»). */
const warnings = Layer.scopedDiscard(
  Effect.gen(function* () {
    const transport = yield* RegistryTransport.RegistryTransport
    const report = yield* Report.Report
    yield* Effect.forkScoped(Stream.runForEach(transport.warnings, ({ host, text }) => report.note(`${host} warns: ${text}`)))
  })
)

export type Requirements = Network | Report.Report | FileSystem.FileSystem | Path.Path | CommandExecutor.CommandExecutor

export type Session = RegistryClient.RegistryClient | RegistryTransport.RegistryTransport

export const layerWith = <E, R>(
  settings: Settings,
  keychain: Layer.Layer<Keychain.Keychain, E, R>
): Layer.Layer<Session, E | ConfigError.ConfigError, Network | Report.Report | R> =>
  Layer.unwrapEffect(
    Effect.map(Network, (network) =>
      warnings.pipe(
        Layer.provideMerge(RegistryClient.layer),
        Layer.provideMerge(RegistryTransport.layer()),
        Layer.provide([keychain, TokenCache.layerMemory, RetryPolicy.layer()]),
        Layer.provide(network),
        Layer.provide(hosts(settings))
      )
    )
  )

/** With credentials from docker's and podman's files and helpers. */
export const layer = (settings: Settings): Layer.Layer<Session, ConfigError.ConfigError, Requirements> =>
  layerWith(settings, Keychain.layerDockerConfig({ path: Option.getOrUndefined(settings.registryConfig) }))

/** Gives a command the session its options ask for. */
export const connect = <Name extends string, R, E, A extends Settings>(command: Command.Command<Name, R, E, A>) =>
  Command.provide(command, (settings: A) => layer(settings))
