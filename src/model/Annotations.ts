/**
 * Annotations: text by key on descriptors, manifests and indexes, with the keys the image-spec predefines («Annotations»).
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Schema from "effect/Schema"

/** Any keys, known or not; every value is text and may be empty. @since 0.1.0 */
export const Annotations: Schema.Schema<Annotations> = Schema.Record({ key: Schema.String, value: Schema.String }).annotations({
  identifier: "Annotations"
})

/** @since 0.1.0 */
export type Annotations = { readonly [key: string]: string }

/** When it was built, as RFC 3339 text. @since 0.1.0 */
export const created = "org.opencontainers.image.created"

/** Who answers for it. @since 0.1.0 */
export const authors = "org.opencontainers.image.authors"

/** Where to read more. @since 0.1.0 */
export const url = "org.opencontainers.image.url"

/** Where to read its documentation. @since 0.1.0 */
export const documentation = "org.opencontainers.image.documentation"

/** Where its source code is. @since 0.1.0 */
export const source = "org.opencontainers.image.source"

/** The version of what is packaged. @since 0.1.0 */
export const version = "org.opencontainers.image.version"

/** The revision of the source code. @since 0.1.0 */
export const revision = "org.opencontainers.image.revision"

/** Who distributes it. @since 0.1.0 */
export const vendor = "org.opencontainers.image.vendor"

/** Its licenses, as an SPDX expression. @since 0.1.0 */
export const licenses = "org.opencontainers.image.licenses"

/** The name of a descriptor in the index of an image layout; see `isRefName`. @since 0.1.0 */
export const refName = "org.opencontainers.image.ref.name"

/** A title for people; tools that store files as blobs keep the file name here. @since 0.1.0 */
export const title = "org.opencontainers.image.title"

/** @since 0.1.0 */
export const description = "org.opencontainers.image.description"

/** The digest of the image this one was built on. @since 0.1.0 */
export const baseDigest = "org.opencontainers.image.base.digest"

/** The reference of the image this one was built on. @since 0.1.0 */
export const baseName = "org.opencontainers.image.base.name"

const refNameGrammar = /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/

/** Whether the text may stand under `refName`. @since 0.1.0 */
export const isRefName = (text: string): boolean => refNameGrammar.test(text)

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/

// JavaScript reads the 30th of February as the 1st of March.
const isDay = (date: string): boolean => Option.exists(DateTime.make(date), (day) => DateTime.formatIsoDateUtc(day) === date)

/** When it was built; none when that is missing or not RFC 3339. @since 0.1.0 */
export const createdAt = (annotations: Annotations): Option.Option<DateTime.Utc> =>
  Record.get(annotations, created).pipe(
    Option.filter((text) => rfc3339.test(text) && isDay(text.slice(0, 10))),
    Option.flatMap((text) => DateTime.make(text.toUpperCase()))
  )
