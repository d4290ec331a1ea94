import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../../client/RegistryClient.ts"
import * as Digest from "../../model/Digest.ts"
import { StoreError } from "../../model/RegistryError.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

const splitDigest = (text: string) => {
  const at = text.lastIndexOf("@")
  return at === -1
    ? UsageError.fail(`${text}: a blob is named by its digest, registry/repository@sha256:…`)
    : Effect.map(Digest.parse(text.slice(at + 1)), (digest) => ({ name: text.slice(0, at), digest }))
}

const handler = Effect.fnUntraced(function* (text: string, output: Option.Option<string>) {
  const report = yield* Report.Report
  const client = yield* RegistryClient.RegistryClient
  const { digest, name } = yield* splitDigest(text)
  const repository = yield* Places.repository(name)
  const bytes = client.getBlob(repository, digest)
  if (Option.isNone(output)) return yield* Stream.runForEach(bytes, report.raw)
  const fs = yield* FileSystem.FileSystem
  const file = output.value
  const toStoreError = ({ message }: { readonly message: string }) => new StoreError({ store: file, operation: "write", reason: message })
  let size = 0
  yield* Effect.scoped(
    Effect.gen(function* () {
      const opened = yield* Effect.mapError(fs.open(file, { flag: "w" }), toStoreError)
      yield* Stream.runForEach(bytes, (part) => {
        size += part.byteLength
        return Effect.mapError(opened.writeAll(part), toStoreError)
      })
    })
  ).pipe(Effect.onError(() => Effect.ignore(fs.remove(file))))
  yield* report.result({ digest, size, file }, [`${file}  ${digest}`])
})

export const blob = Command.make(
  "blob",
  {
    ...Options.connection,
    output: CliOptions.text("output").pipe(
      CliOptions.withAlias("o"),
      CliOptions.withPseudoName("file"),
      CliOptions.optional,
      CliOptions.withDescription("Write to this file instead of standard output.")
    ),
    blob: Args.text({ name: "blob" }).pipe(Args.withDescription("registry/repository@digest"))
  },
  ({ blob, output }) => handler(blob, output)
).pipe(Command.withDescription(summaries.blob), Session.connect)
