import * as Encoding from "effect/Encoding"
import { sha2 } from "../../model/internal/sha2.ts"

/** A name for a list of texts, equal for equal lists only, that does not show them. @internal */
export const fingerprint = (parts: ReadonlyArray<string>): string => {
  const hash = sha2("sha256")
  hash.update(new TextEncoder().encode(JSON.stringify(parts)))
  return Encoding.encodeHex(hash.digest())
}
