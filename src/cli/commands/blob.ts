import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../../client/RegistryClient.ts"
import { pourInto, tapBytes } from "../../content/internal/blobBytes.ts"
import * as Destination from "../../content/internal/destination.ts"
import * as FolderFiles from "../../content/internal/folderFiles.ts"
import { fromPlatform } from "../../content/internal/localError.ts"
import * as Digest from "../../model/Digest.ts"
import type { RegistryError } from "../../model/RegistryError.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import * as Streams from "../streams.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

const splitDigest = (text: string) => {
  const at = text.lastIndexOf("@")
  return at === -1
    ? UsageError.fail(`${text}: a blob is named by its digest, registry/repository@sha256:…`)
    : Effect.map(Digest.parse(text.slice(at + 1)), (digest) => ({ name: text.slice(0, at), digest }))
}

type Bytes = Stream.Stream<Uint8Array, RegistryError>

/** A file is replaced when all is there; what is no file, such as a pipe, is written to as it is. */
const writeTo = Effect.fnUntraced(function* (file: string, bytes: Bytes) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const failed = fromPlatform(file, "write")
  const { isSpecial, path } = yield* Destination.look(fs, paths, file)
  if (isSpecial) return yield* pourInto(bytes, fs, file, Destination.specialFlag, failed)
  const folder = FolderFiles.make(fs, paths, paths.dirname(path), { label: file, followLinks: true, keepModes: true })
  yield* folder.write([paths.basename(path)], bytes)
})

const handler = Effect.fnUntraced(function* (text: string, output: Option.Option<string>) {
  const report = yield* Report.Report
  const client = yield* RegistryClient.RegistryClient
  const { digest, name } = yield* splitDigest(text)
  const repository = yield* Places.repository(name)
  const bytes = client.getBlob(repository, digest)
  const file = Option.getOrElse(output, () => Streams.dash)
  if (file === Streams.dash) return yield* Stream.runForEach(bytes, report.raw)
  let size = 0
  yield* writeTo(
    file,
    tapBytes(({ length }) => {
      size += length
    })(bytes)
  )
  yield* report.result({ digest, size, file }, [`${file}  ${digest}`])
})

export const blob = Command.make(
  "blob",
  {
    ...Options.connection,
    output: CliOptions.text("output").pipe(
      CliOptions.withPseudoName("file"),
      CliOptions.withAlias("o"),
      CliOptions.optional,
      CliOptions.withDescription("Write to this file instead of standard output (-).")
    ),
    blob: Args.text({ name: "blob" }).pipe(Args.withDescription("registry/repository@digest"))
  },
  ({ blob, output }) => handler(blob, output)
).pipe(Command.withDescription(summaries.blob), Session.connect)
