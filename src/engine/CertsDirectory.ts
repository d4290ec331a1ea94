/**
 * Trust towards registries as container engines keep it in files, one folder for each host:
 *
 * ```
 * /etc/docker/certs.d/registry.corp:5000/ca.crt        an authority to be trusted, besides those of the system
 * /etc/docker/certs.d/registry.corp:5000/client.cert   a client certificate
 * /etc/docker/certs.d/registry.corp:5000/client.key    and its key
 * ```
 *
 * `EngineHosts` reads these for all hosts at once.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { fromPlatform, isReason } from "../content/internal/localError.ts"
import * as TextFile from "../content/internal/textFile.ts"
import type * as RegistryHosts from "../transport/RegistryHosts.ts"
import { folderName } from "./internal/folderName.ts"

/**
 * A folder whose files do not go together, or whose certificates are none. `reason` is what the engine says, where it says anything, and has
 * nothing of a file in it.
 *
 * @since 0.1.0
 */
export class InvalidCertsDirectory extends Schema.TaggedError<InvalidCertsDirectory>("effect-oci/InvalidCertsDirectory")(
  "InvalidCertsDirectory",
  { directory: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${this.directory}: ${this.reason}`
  }
}

/**
 * Where docker keeps the folders. Others: `/etc/balena-engine/certs.d`, podman's `/etc/containers/certs.d` and, for one user,
 * `~/.config/docker/certs.d` and `~/.config/containers/certs.d`.
 *
 * @since 0.1.0
 */
export const defaultRoots: ReadonlyArray<string> = ["/etc/docker/certs.d"]

/**
 * The folder of a host, `registry.corp` or `registry.corp:5000`, which are two: no port is added or left out. On Windows, where no name has
 * a colon, it has none. Fails for what is no host but leads elsewhere, as `../x` would.
 *
 * @since 0.1.0
 */
export const directoryFor = Effect.fn("CertsDirectory.directoryFor")(function* (root: string, host: string) {
  const path = yield* Path.Path
  if (!/^[^./\\\0][^/\\\0]*$/.test(host)) return yield* new InvalidCertsDirectory({ directory: root, reason: "the folder of no host" })
  return path.join(root, folderName(path, host))
})

const limitBytes = 1024 * 1024

const readFile = (file: string) => TextFile.read(file, "read", limitBytes)

// A label that is followed by other text than base64 is none of a certificate (RFC 7468 §3).
const certificates = (text: string): ReadonlyArray<string> =>
  text.match(/-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g) ?? []

const hasPrivateKey = (text: string): boolean => /-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----/.test(text)

/**
 * Reads the folder of a host; one that does not exist says nothing.
 *
 * - `*.crt`: authorities to be trusted besides those of the system. What is no certificate in them is passed over
 * - `*.cert`, `*.key`: a client certificate, with what leads to its authority, and its key; neither goes without the other
 *
 * A file may have 1 MiB. Engines offer a server all client certificates, so that it can choose; here the first by name is offered, since
 * Node keeps one of each kind of key.
 *
 * @since 0.1.0
 */
export const load = Effect.fn("CertsDirectory.load")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const invalid = (reason: string) => new InvalidCertsDirectory({ directory, reason })
  const names = yield* fs.readDirectory(directory).pipe(
    Effect.catchIf(isReason("NotFound"), () => Effect.succeed<ReadonlyArray<string>>([])),
    Effect.mapError(fromPlatform(directory, "read"))
  )
  const authorities: Array<string> = []
  let client: Pick<RegistryHosts.TlsSettings, "certificate" | "key"> | undefined

  const readClient = Effect.fnUntraced(function* (certificateName: string, keyName: string) {
    const certificate = yield* readFile(path.join(directory, certificateName))
    if (certificates(certificate).length === 0) return yield* invalid(`${certificateName} has no certificate`)
    const key = yield* readFile(path.join(directory, keyName))
    if (!hasPrivateKey(key)) return yield* invalid(`${keyName} has no private key`)
    return { certificate: certificates(certificate).join("\n"), key: Redacted.make(key) }
  })

  for (const name of [...names].sort(Order.string)) {
    if (name.endsWith(".crt")) authorities.push(...certificates(yield* readFile(path.join(directory, name))))
    if (name.endsWith(".cert")) {
      const keyName = `${name.slice(0, -".cert".length)}.key`
      if (!names.includes(keyName)) {
        return yield* invalid(
          `missing key ${keyName} for client certificate ${name}. Note that CA certificates should use the extension .crt`
        )
      }
      client ??= yield* readClient(name, keyName)
    }
    if (name.endsWith(".key")) {
      const certificateName = `${name.slice(0, -".key".length)}.cert`
      if (!names.includes(certificateName)) return yield* invalid(`Missing client certificate ${certificateName} for key ${name}`)
    }
  }
  const settings: RegistryHosts.TlsSettings = { ...(authorities.length > 0 && { ca: authorities }), ...client }
  return settings
})
