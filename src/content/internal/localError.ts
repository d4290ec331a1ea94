import type { PlatformError } from "@effect/platform/Error"
import type {
  DigestMismatch,
  InvalidDigest,
  InvalidReference,
  LimitExceeded,
  MalformedContent,
  MediaTypeMismatch,
  SizeMismatch
} from "../../model/RegistryError.ts"
import { StoreError } from "../../model/RegistryError.ts"

/** Why places on this machine fail. @internal */
export type LocalError =
  | DigestMismatch
  | InvalidDigest
  | InvalidReference
  | LimitExceeded
  | MalformedContent
  | MediaTypeMismatch
  | SizeMismatch
  | StoreError

/** @internal */
export const storeError = (store: string, operation: string, reason: string): StoreError => new StoreError({ store, operation, reason })

/** @internal */
export const missing = (store: string, operation: string, what: string): StoreError =>
  new StoreError({ store, operation, reason: `${what} is not there`, missing: true })

/** @internal */
export const isReason =
  (reason: "NotFound" | "AlreadyExists") =>
  (error: PlatformError): boolean =>
    error._tag === "SystemError" && error.reason === reason

/** A failure of the file system. @internal */
export const fromPlatform =
  (store: string, operation: string) =>
  (error: PlatformError): StoreError =>
    new StoreError({ store, operation, reason: error.message, missing: isReason("NotFound")(error) })
