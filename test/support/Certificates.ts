/** Certificates made on the spot: an authority, and what it signs for servers and clients. */
import "reflect-metadata"
import * as X509 from "@peculiar/x509"
import * as Effect from "effect/Effect"

export interface Certificate {
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS#8. */
  readonly privateKey: string
}

export interface Authority extends Certificate {
  /** A certificate for names (`localhost`) or addresses (`127.0.0.1`), good for servers and clients. */
  readonly issue: (hosts: ReadonlyArray<string>) => Effect.Effect<Certificate>
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
const day = 24 * 60 * 60 * 1000

const validity = () => ({ notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30 * day) })

const keyPair = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])

const encode = async (certificate: X509.X509Certificate, keys: CryptoKeyPair): Promise<Certificate> => ({
  certificate: certificate.toString("pem"),
  privateKey: X509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY")
})

const alternativeName = (host: string): X509.JsonGeneralName => ({ type: /^[\d.]+$|:/.test(host) ? "ip" : "dns", value: host })

/** A self-signed certificate that may sign others. */
export const authority = (name: string): Effect.Effect<Authority> =>
  Effect.promise(async () => {
    const keys = await keyPair()
    const own = await X509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      ...validity(),
      extensions: [new X509.BasicConstraintsExtension(true, undefined, true)]
    })
    const issue = async (hosts: ReadonlyArray<string>): Promise<Certificate> => {
      const leaf = await keyPair()
      const certificate = await X509.X509CertificateGenerator.create({
        subject: `CN=${hosts[0] ?? name}`,
        issuer: own.subject,
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        ...validity(),
        extensions: [
          new X509.SubjectAlternativeNameExtension(hosts.map(alternativeName)),
          new X509.ExtendedKeyUsageExtension([X509.ExtendedKeyUsage.serverAuth, X509.ExtendedKeyUsage.clientAuth])
        ]
      })
      return encode(certificate, leaf)
    }
    return { ...(await encode(own, keys)), issue: (hosts) => Effect.promise(() => issue(hosts)) }
  })
