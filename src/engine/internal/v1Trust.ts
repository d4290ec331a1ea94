/**
 * Whom Docker's clients tell who they are without having been asked: Docker itself, over TLS (balena-engine v18 `registry.trustedLocation`).
 */
const trusted = /(?:^|\.)docker\.(?:com|io)$/

/** On any port. @internal */
export const isTrusted = ({ hostname, protocol }: URL): boolean => protocol === "https:" && trusted.test(hostname)

/** Whether a redirect may take credentials along. @internal */
export const areTrusted = (from: URL, to: URL): boolean => isTrusted(from) && isTrusted(to)
