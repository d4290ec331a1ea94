/**
 * A client that asks less: what it was told is remembered, equal questions at the same time are asked once, and what may have changed is
 * asked for with a condition (RFC 9110, 13.1.2), so that an unchanged manifest costs an answer without a body.
 *
 * ```ts
 * const Registry = Layer.provideMerge(ManifestCache.layer({ freshFor: "30 seconds" }), NodeRegistry.layer)
 * ```
 *
 * A manifest asked for by its digest is what it is for ever: as long as it is kept it is not asked for again, so that nobody hears of it when
 * it is deleted by others. All else is asked for each time, unless `freshFor` says otherwise. What is written or deleted through the client
 * is never answered from before.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Recent from "../auth/internal/recent.ts"
import * as SingleFlight from "../auth/internal/singleFlight.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import type * as Manifest from "../model/Manifest.ts"
import type * as Reference from "../model/Reference.ts"
import { manifestLimitBytes } from "./internal/manifests.ts"
import * as RegistryClient from "./RegistryClient.ts"

/**
 * - `freshFor`: how long an answer holds without asking again: what a tag stands for, that a manifest or blob is there; not at all by default.
 *   That something is not there is never remembered
 * - `maxBytes`: how much of manifests is kept, 16 MiB by default; those not used for the longest time go first
 * - `maxRepositories`: of how many repositories answers are kept, 1000 by default
 *
 * @since 0.1.0
 */
export interface Options {
  readonly freshFor?: Duration.DurationInput | undefined
  readonly maxBytes?: number | undefined
  readonly maxRepositories?: number | undefined
}

/** Answers that are kept of each repository and kind of question. */
const maxAnswers = 1000

/** Questions of one kind about one repository. */
interface Questions<A> {
  readonly flights: SingleFlight.SingleFlight<A>
  readonly answers: Recent.Recent<{ readonly value: A; readonly at: number }>
}

const questions = <A>(): Questions<A> => ({ flights: SingleFlight.make(), answers: Recent.make(maxAnswers) })

/**
 * What is asked about the manifests or the blobs of a repository. Forgotten as a whole when one is written: what is still under way answers
 * those who asked before, and is not kept.
 */
const makeSubject = () => ({ heads: questions<Descriptor.Descriptor>(), exists: questions<boolean>() })

type Subject = ReturnType<typeof makeSubject>

const makeManifests = () => ({ ...makeSubject(), reads: SingleFlight.make<Manifest.Manifest>() })

type Manifests = ReturnType<typeof makeManifests>

/** A client that asks this one, and less. @since 0.1.0 */
export const make = (client: RegistryClient.Service, options: Options = {}): RegistryClient.Service => {
  const freshMillis = Duration.toMillis(options.freshFor ?? 0)
  const maxRepositories = options.maxRepositories ?? 1000
  const aboutManifests = Recent.make<Manifests>(maxRepositories)
  const aboutBlobs = Recent.make<Subject>(maxRepositories)
  const contents = Recent.make<Manifest.Manifest>(options.maxBytes ?? 16 * 1024 * 1024, ({ size }) => size)

  const within = <A>(all: Recent.Recent<A>, repository: Reference.Repository, none: () => A): A => {
    const name = String(repository)
    const known = all.get(name)
    if (known !== undefined) return known
    const fresh = none()
    all.set(name, fresh)
    return fresh
  }
  const manifestsOf = (repository: Reference.Repository) => within(aboutManifests, repository, makeManifests)
  const blobsOf = (repository: Reference.Repository) => within(aboutBlobs, repository, makeSubject)

  const remembered = <A>({ answers }: Questions<A>, name: string): Effect.Effect<A | undefined> =>
    freshMillis === 0
      ? Effect.succeed(undefined)
      : Effect.map(Clock.currentTimeMillis, (now) => {
          const answer = answers.get(name)
          if (answer === undefined) return undefined
          if (answer.at <= now) return now - answer.at < freshMillis ? answer.value : undefined
          // The clock was set back since: nobody knows how old it is.
          answers.delete(name)
          return undefined
        })

  /** What was asked later is not replaced. */
  const remember = <A>({ answers }: Questions<A>, name: string, value: A, askedAt: number): void => {
    const known = answers.get(name)
    if (known === undefined || known.at <= askedAt) answers.set(name, { value, at: askedAt })
  }

  const forget = ({ exists, heads }: Subject, name: string): void => {
    exists.answers.delete(name)
    heads.answers.delete(name)
  }

  /** An answer other than that something is there ends all that was said of it before. */
  const ask = <A, E>(subject: Subject, about: Questions<A>, name: string, question: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(remembered(about, name), (answer) => {
      if (answer !== undefined) return Effect.succeed(answer)
      const asked = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.tapBoth(question, {
          onFailure: () => Effect.sync(() => forget(subject, name)),
          onSuccess: (value) =>
            Effect.sync(() => {
              if (value === false) forget(subject, name)
              else if (freshMillis > 0) remember(about, name, value, now)
            })
        })
      )
      return about.flights.run(name, asked)
    })

  const head = <E>(subject: Subject, name: string, question: Effect.Effect<Descriptor.Descriptor, E>) =>
    ask(subject, subject.heads, name, question)

  /** What was described is there. */
  const isThere = <E>(subject: Subject, name: string, question: Effect.Effect<boolean, E>): Effect.Effect<boolean, E> =>
    Effect.flatMap(remembered(subject.heads, name), (known) =>
      known === undefined ? ask(subject, subject.exists, name, question) : Effect.succeed(true)
    )

  const contentKey = (repository: Reference.Repository, digest: Digest.Digest) => `${repository}@${digest}`

  const contentOf = (repository: Reference.Repository, digest: Digest.Digest, maxBytes = manifestLimitBytes) => {
    const content = contents.get(contentKey(repository, digest))
    return content !== undefined && content.size <= maxBytes ? content : undefined
  }

  /** Unless it was forgotten meanwhile. Schema 1 is not kept: registries disagree on what it is called. */
  const keep = (about: Manifests, { identifier, repository }: Reference.Reference, manifest: Manifest.Manifest, askedAt: number): void => {
    if (manifest._tag === "Schema1Manifest" || aboutManifests.get(String(repository)) !== about) return
    contents.set(contentKey(repository, manifest.digest), manifest)
    remember(about.heads, identifier, manifest.descriptor, askedAt)
  }

  const getManifest: RegistryClient.Service["getManifest"] = (reference, wanted = {}) =>
    Effect.suspend(() => {
      if (wanted.accept !== undefined || wanted.known !== undefined) return client.getManifest(reference, wanted)
      const { digest, identifier, repository } = reference
      const { maxBytes } = wanted
      const known = digest === undefined ? undefined : contentOf(repository, digest, maxBytes)
      if (known !== undefined) return Effect.succeed(known)
      const about = manifestsOf(repository)
      const described = (head: Descriptor.Descriptor | undefined) => head && contentOf(repository, head.digest, maxBytes)
      const read = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.tapBoth(client.getManifest(reference, { ...wanted, known: described(about.heads.answers.get(identifier)?.value) }), {
          onFailure: () => Effect.sync(() => forget(about, identifier)),
          onSuccess: (manifest) => Effect.sync(() => keep(about, reference, manifest, now))
        })
      )
      return Effect.flatMap(remembered(about.heads, identifier), (head) => {
        const manifest = described(head)
        return manifest === undefined ? about.reads.run(`${identifier} ${maxBytes ?? ""}`, read) : Effect.succeed(manifest)
      })
    })

  /** Also what failed may have been done. */
  const forgetting =
    (repository: Reference.Repository, all: { readonly delete: (name: string) => void }) =>
    <A, E, R>(write: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.ensuring(
        write,
        Effect.sync(() => all.delete(String(repository)))
      )

  return {
    ...client,
    resolve: (reference, wanted) =>
      Effect.suspend(() =>
        wanted?.accept === undefined
          ? head(manifestsOf(reference.repository), reference.identifier, client.resolve(reference))
          : client.resolve(reference, wanted)
      ),
    getManifest,
    manifestExists: (reference) =>
      Effect.suspend(() => isThere(manifestsOf(reference.repository), reference.identifier, client.manifestExists(reference))),
    headBlob: (repository, digest) => Effect.suspend(() => head(blobsOf(repository), digest, client.headBlob(repository, digest))),
    blobExists: (repository, digest) => Effect.suspend(() => isThere(blobsOf(repository), digest, client.blobExists(repository, digest))),
    putManifest: (repository, ...rest) => forgetting(repository, aboutManifests)(client.putManifest(repository, ...rest)),
    deleteManifest: (repository, digest, wanted) =>
      client
        .deleteManifest(repository, digest, wanted)
        .pipe(forgetting(repository, aboutManifests), Effect.ensuring(Effect.sync(() => contents.delete(contentKey(repository, digest))))),
    deleteTag: (repository, tag) => forgetting(repository, aboutManifests)(client.deleteTag(repository, tag)),
    putBlob: (repository, ...rest) => forgetting(repository, aboutBlobs)(client.putBlob(repository, ...rest)),
    putBlobStream: (repository, ...rest) => forgetting(repository, aboutBlobs)(client.putBlobStream(repository, ...rest)),
    mountBlob: (repository, ...rest) => forgetting(repository, aboutBlobs)(client.mountBlob(repository, ...rest)),
    deleteBlob: (repository, digest) => forgetting(repository, aboutBlobs)(client.deleteBlob(repository, digest))
  }
}

/** {@link make} in the place of the client it stands on. @since 0.1.0 */
export const layer = (options: Options = {}): Layer.Layer<RegistryClient.RegistryClient, never, RegistryClient.RegistryClient> =>
  Layer.effect(
    RegistryClient.RegistryClient,
    Effect.map(RegistryClient.RegistryClient, (client) => make(client, options))
  )
