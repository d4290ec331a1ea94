/**
 * The `auth` field of a credentials file: base64 of `user:password`.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"

export interface UserAndPassword {
  readonly username: string
  readonly password: string
}

/**
 * `file` is docker's reading of its own files: padding is required, there must be a user, and zero bytes around the password are cut.
 * `loose` is that of Kubernetes secrets and go-containerregistry: padding may be missing and the user may be empty.
 */
export type Reading = "file" | "loose"

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

// Line breaks, of which the decoder takes none for a character, do not count.
const pad = (field: string) => {
  const text = field.replace(/[\r\n]/g, "")
  return text.trim().endsWith("=") ? text : text.padEnd(Math.ceil(text.length / 4) * 4, "=")
}

/** The reasons never quote the field. */
export const decode = (field: string, reading: Reading): Either.Either<UserAndPassword, string> =>
  Encoding.decodeBase64(reading === "file" ? field : pad(field)).pipe(
    Either.mapLeft(() => "is not base64"),
    Either.flatMap((bytes) => {
      const text = decoder.decode(bytes)
      const colon = text.indexOf(":")
      if (colon === -1) return Either.left("is not the base64 of user:password")
      if (reading === "file" && colon === 0) return Either.left("has no user")
      const password = text.slice(colon + 1)
      return Either.right({
        username: text.slice(0, colon),
        password: reading === "file" ? trimZeros(password) : password
      })
    })
  )

const trimZeros = (text: string): string => {
  let start = 0
  let end = text.length
  while (start < end && text.charCodeAt(start) === 0) start += 1
  while (end > start && text.charCodeAt(end - 1) === 0) end -= 1
  return text.slice(start, end)
}

export const encode = (user: UserAndPassword): string => Encoding.encodeBase64(`${user.username}:${user.password}`)
