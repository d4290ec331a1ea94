/**
 * The external programs `docker-credential-<suffix>` that keep credentials in a keychain or get them from a cloud: docker's protocol of one
 * program, one verb, text on standard input and JSON on standard output.
 *
 * Helpers are slow, may hang, and are asked for the same server again and again. Here each run has a time limit, callers who ask for the
 * same share one run, and answers are kept for a while.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { inAnyCase, parseJson } from "../model/internal/json.ts"
import { sanitizeText, sanitizeUrl } from "../model/internal/sanitize.ts"
import { KeychainError } from "../model/RegistryError.ts"
import * as Credentials from "./Credentials.ts"
import { secretsOf } from "./internal/secrets.ts"
import * as SharedCache from "./internal/sharedCache.ts"

/**
 * `helper` is the suffix of the program's name (`osxkeychain`, `ecr-login`), `server` what it keeps credentials under: a registry, or
 * `https://index.docker.io/v1/` for Docker Hub.
 *
 * @since 0.1.0
 */
export interface Service {
  /** The credentials for a server; none when the helper has none. */
  readonly get: (helper: string, server: string) => Effect.Effect<Option.Option<Credentials.Credentials>, KeychainError>
  /** Keeps `Basic` or `IdentityToken` credentials; helpers have no place for the others. */
  readonly store: (helper: string, server: string, credentials: Credentials.Credentials) => Effect.Effect<void, KeychainError>
  readonly erase: (helper: string, server: string) => Effect.Effect<void, KeychainError>
  /** The servers the helper knows, each with its user name. */
  readonly list: (helper: string) => Effect.Effect<Readonly<Record<string, string>>, KeychainError>
}

/** @since 0.1.0 */
export class CredentialHelper extends Context.Tag("effect-oci/CredentialHelper")<CredentialHelper, Service>() {}

/** @since 0.1.0 */
export interface Options {
  /** How long one run may take before it is killed. Default 30 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
  /** How long an answer of `get` is kept, «none» included; failures are not kept. Default 5 minutes. */
  readonly timeToLive?: Duration.DurationInput | undefined
  /** The most a helper may write to standard output. Default 1 MiB. */
  readonly outputLimitBytes?: number | undefined
}

interface Settings {
  readonly timeout: Duration.DurationInput
  readonly timeToLive: Duration.DurationInput
  readonly outputLimitBytes: number
}

type Verb = "get" | "store" | "erase" | "list"

interface Run {
  readonly helper: string
  readonly verb: Verb
  readonly input: Redacted.Redacted
  /** What the run is about, for errors. */
  readonly server?: string | undefined
  /** Masked should the helper repeat them. */
  readonly secrets?: ReadonlyArray<string> | undefined
}

interface Output {
  readonly exitCode: number
  readonly text: string
}

const programName = (helper: string) => `docker-credential-${helper}`

// The suffix comes from a file; a separator in it would make it name any program on the machine.
const isSuffix = (helper: string) => /^[^\s/\\\p{Cc}]+$/u.test(helper) && !helper.startsWith(".")

const failure = (run: Pick<Run, "helper" | "server">, reason: string) =>
  new KeychainError({
    registry: run.server === undefined ? undefined : sanitizeUrl(run.server),
    source: programName(run.helper),
    reason
  })

const startFailure = (run: Run) => (error: PlatformError) =>
  failure(
    run,
    error._tag === "SystemError" && error.reason === "NotFound"
      ? "the program was not found in the search path"
      : `the program could not be run (${error._tag === "SystemError" ? error.reason : error._tag})`
  )

/** The helper asks to end, and is killed when it does not: a release that waits for it would hang as long as the helper does. */
const endProcess = (process: CommandExecutor.Process) =>
  Effect.flatMap(process.isRunning, (running) =>
    running
      ? Effect.interruptible(process.kill("SIGTERM")).pipe(
          Effect.timeout("1 second"),
          Effect.catchAll(() => process.kill("SIGKILL"))
        )
      : Effect.void
  ).pipe(Effect.ignore)

const collect = (run: Run, limitBytes: number, stdout: Stream.Stream<Uint8Array, PlatformError>) => {
  const decoder = new TextDecoder()
  return stdout.pipe(
    Stream.mapError(startFailure(run)),
    Stream.runFoldEffect({ text: "", size: 0 }, ({ size, text }, bytes) =>
      size + bytes.byteLength > limitBytes
        ? Effect.fail(failure(run, `wrote more than the limit of ${limitBytes} bytes`))
        : Effect.succeed({ text: text + decoder.decode(bytes, { stream: true }), size: size + bytes.byteLength })
    ),
    Effect.map(({ text }) => text + decoder.decode())
  )
}

const execute = (executor: CommandExecutor.CommandExecutor, settings: Settings) =>
  Effect.fnUntraced(
    function* (run: Run) {
      if (!isSuffix(run.helper)) return yield* failure(run, "not the name of a credential helper")
      const command = Command.make(programName(run.helper), run.verb).pipe(Command.feed(Redacted.value(run.input)))
      const process = yield* Effect.mapError(executor.start(command), startFailure(run))
      yield* Effect.addFinalizer(() => endProcess(process))
      // Not waited for: what the helper leaves running may have it still.
      yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(process.stderr)))
      const [text, exitCode] = yield* Effect.all(
        [collect(run, settings.outputLimitBytes, process.stdout), Effect.mapError(process.exitCode, startFailure(run))],
        { concurrency: "unbounded" }
      )
      const output: Output = { exitCode, text }
      return output
    },
    Effect.scoped,
    (effect, run) =>
      // Disconnected: the caller is answered at once, whatever it takes to end the process.
      Effect.timeoutFail(Effect.disconnect(effect), {
        duration: settings.timeout,
        onTimeout: () => failure(run, `gave no answer to "${run.verb}" within ${Duration.format(settings.timeout)}`)
      })
  )

const notFound = "credentials not found in native keychain"

/** What a helper said when it failed: one line, and nothing when it looks like an answer, which would hold secrets. */
const complaint = (run: Run, output: Output): string => {
  const [line = ""] = output.text.trim().split("\n", 1)
  const said = line === "" || line.includes("{") ? "" : `: ${sanitizeText(line, run.secrets ?? []).slice(0, 200)}`
  return `"${run.verb}" ended with exit code ${output.exitCode}${said}`
}

const Answer = Schema.Struct({
  Username: Schema.optional(Schema.NullOr(Schema.String)),
  Secret: Schema.optional(Schema.NullOr(Schema.String))
})

const answerNames = inAnyCase(...Object.keys(Answer.fields))

const Listing = Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String }))

// The error of a failed decoding quotes the answer, and with it the secret: only the fact is kept.
const decode = <A, I>(
  schema: Schema.Schema<A, I>,
  run: Run,
  output: Output,
  names: (json: unknown) => unknown = identity
): Either.Either<A, KeychainError> =>
  parseJson(output.text).pipe(
    Either.flatMap((json) => Schema.decodeUnknownEither(schema)(names(json))),
    Either.mapLeft(() => failure(run, `answered "${run.verb}" with something else than its JSON`))
  )

/** A user name of `<token>` marks the secret as an identity token. */
const toCredentials = (answer: typeof Answer.Type): Option.Option<Credentials.Credentials> => {
  const username = answer.Username ?? ""
  const secret = answer.Secret ?? ""
  if (username === "" && secret === "") return Option.none()
  return Option.some(username === "<token>" ? Credentials.identityToken(secret) : Credentials.basic(username, secret))
}

const toStored = (credentials: Credentials.Credentials): Option.Option<{ readonly Username: string; readonly Secret: string }> => {
  switch (credentials._tag) {
    case "Basic":
      return Option.some({ Username: credentials.username, Secret: Redacted.value(credentials.password) })
    case "IdentityToken":
      return Option.some({ Username: "<token>", Secret: Redacted.value(credentials.token) })
    case "Anonymous":
    case "RegistryToken":
      return Option.none()
  }
}

/** @since 0.1.0 */
export const make = (options?: Options): Effect.Effect<Service, never, CommandExecutor.CommandExecutor> =>
  Effect.map(CommandExecutor.CommandExecutor, (executor) => {
    const settings: Settings = {
      timeout: options?.timeout ?? Duration.seconds(30),
      timeToLive: options?.timeToLive ?? Duration.minutes(5),
      outputLimitBytes: options?.outputLimitBytes ?? 1024 * 1024
    }
    const runHelper = execute(executor, settings)
    const answers = SharedCache.make<Option.Option<Credentials.Credentials>, KeychainError>(settings.timeToLive)
    const keyOf = (helper: string, server: string) => `${helper} ${server}`

    const ask = Effect.fnUntraced(function* (helper: string, server: string) {
      const run: Run = { helper, verb: "get", input: Redacted.make(server), server }
      const output = yield* runHelper(run)
      if (output.exitCode === 0) return toCredentials(yield* decode(Answer, run, output, answerNames))
      return output.text.trim() === notFound ? Option.none() : yield* failure(run, complaint(run, output))
    })

    const change = Effect.fnUntraced(function* (run: Run & { readonly server: string }) {
      const output = yield* Effect.ensuring(runHelper(run), answers.invalidate(keyOf(run.helper, run.server)))
      // To erase what is not there is no failure.
      if (output.exitCode === 0 || (run.verb === "erase" && output.text.trim() === notFound)) return
      return yield* failure(run, complaint(run, output))
    })

    return {
      get: Effect.fn("CredentialHelper.get")((helper: string, server: string) =>
        answers.get(
          keyOf(helper, server),
          Effect.suspend(() => ask(helper, server))
        )
      ),
      store: Effect.fn("CredentialHelper.store")(function* (helper: string, server: string, credentials: Credentials.Credentials) {
        const stored = toStored(credentials)
        if (Option.isNone(stored)) {
          return yield* failure({ helper, server }, `has no place for credentials of kind ${credentials._tag}`)
        }
        const input = Redacted.make(JSON.stringify({ ServerURL: server, ...stored.value }))
        yield* change({ helper, verb: "store", input, server, secrets: secretsOf(credentials) })
      }),
      erase: Effect.fn("CredentialHelper.erase")((helper: string, server: string) =>
        change({ helper, verb: "erase", input: Redacted.make(server), server })
      ),
      list: Effect.fn("CredentialHelper.list")(function* (helper: string) {
        const run: Run = { helper, verb: "list", input: Redacted.make("unused") }
        const output = yield* runHelper(run)
        if (output.exitCode !== 0) return yield* failure(run, complaint(run, output))
        return (yield* decode(Listing, run, output)) ?? {}
      })
    }
  })

/** @since 0.1.0 */
export const layer = (options?: Options): Layer.Layer<CredentialHelper, never, CommandExecutor.CommandExecutor> =>
  Layer.effect(CredentialHelper, make(options))
