/**
 * What a container engine knows of Docker Hub by heart (docker's and balena-engine's package `registry`).
 *
 * @since 0.1.0
 */

/** The name that stands for Docker Hub in references, and the registry of those that name none. @since 0.1.0 */
export const indexName = "docker.io"

/** As {@link indexName}: the seed has two names for it. @since 0.1.0 */
export const defaultNamespace = indexName

/** The host of the index: it answers searches, and once answered the V1 protocol. Another name for {@link indexName}. @since 0.1.0 */
export const indexHostname = "index.docker.io"

/** The address of the index, and the key of Docker Hub's credentials in a credentials file. @since 0.1.0 */
export const indexServer = `https://${indexHostname}/v1/`

/** The host that speaks the distribution specification. @since 0.1.0 */
export const registryHost = "registry-1.docker.io"

/** Where {@link registryHost} is. @since 0.1.0 */
export const registry = `https://${registryHost}`

/** The header by which a registry tells that it speaks version 2; the distribution-spec asks nobody to send it. @since 0.1.0 */
export const apiVersionHeader = "Docker-Distribution-Api-Version"

/** What engines call themselves towards token services. @since 0.1.0 */
export const clientId = "docker"

/** How many results engines ask of a search, unless told otherwise; 1 to 100 are allowed. @since 0.1.0 */
export const defaultSearchLimit = 25

/** Where signatures of Docker Content Trust are kept. It is being shut down, and nothing here speaks to it. @since 0.1.0 */
export const notaryServer = "https://notary.docker.io"

/** Whether a host stands for Docker Hub as a whole: its index, by either name. {@link registryHost} is a registry like others. @since 0.1.0 */
export const isIndex = (host: string): boolean => host === indexName || host === indexHostname
