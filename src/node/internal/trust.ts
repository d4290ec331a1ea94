/** TLS settings in the shape Node connects with. */
import * as Tls from "node:tls"
import * as Redacted from "effect/Redacted"
import type * as RegistryHosts from "../../transport/RegistryHosts.ts"

interface TlsSettings extends RegistryHosts.TlsSettings {
  readonly serverName?: string | undefined
}

export interface ConnectOptions {
  readonly secureContext?: Tls.SecureContext
  readonly rejectUnauthorized?: boolean
  readonly servername?: string
}

/**
 * Node replaces its trusted roots by `ca`, where container tools add to them: so do we. The context is made once per pool, not once per
 * connection, because reading all roots takes milliseconds.
 */
export const connectOptions = (settings: TlsSettings): ConnectOptions => {
  const { ca, certificate, key, serverName, verify } = settings
  const custom = ca !== undefined || certificate !== undefined || key !== undefined
  return {
    ...(custom
      ? {
          secureContext: Tls.createSecureContext({
            ...(ca === undefined ? undefined : { ca: [...Tls.rootCertificates, ...ca] }),
            ...(certificate === undefined ? undefined : { cert: certificate }),
            ...(key === undefined ? undefined : { key: Redacted.value(key) })
          })
        }
      : undefined),
    ...(verify === false ? { rejectUnauthorized: false } : undefined),
    ...(serverName === undefined ? undefined : { servername: serverName })
  }
}
