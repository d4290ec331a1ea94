/** `skopeo`, a client that shares no code with ours. It sees no configuration of the machine but its own. */
import { mkdir, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as DirImage from "./DirImage.ts"
import * as Folder from "./Folder.ts"
import * as Program from "./Program.ts"

export const program = "skopeo"

export interface Login {
  readonly username: string
  readonly password: string
}

export interface Options {
  /** By registry host. */
  readonly logins?: Readonly<Record<string, Login>>
}

const authFile = (logins: Readonly<Record<string, Login>>): string =>
  JSON.stringify({
    auths: Object.fromEntries(
      Object.entries(logins).map(([host, { password, username }]) => [
        host,
        { auth: Buffer.from(`${username}:${password}`).toString("base64") }
      ])
    )
  })

const run = (command: string, args: ReadonlyArray<string>, { logins = {} }: Options): Effect.Effect<Program.Output, Program.ProgramError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const home = yield* Folder.temporary("skopeo")
      const auth = Path.join(home, "auth.json")
      yield* Effect.promise(() => writeFile(auth, authFile(logins), { mode: 0o600 }))
      yield* Effect.promise(() => mkdir(Path.join(home, "tmp")))
      return yield* Program.run(program, ["--insecure-policy", "--tmpdir", Path.join(home, "tmp"), command, "--authfile", auth, ...args], {
        HOME: home,
        XDG_RUNTIME_DIR: home,
        REGISTRY_AUTH_FILE: auth
      })
    })
  )

/** Copies an image, or an index with all its images, changing no byte. Places are written `docker://host/name:tag` or `dir:/path`. */
export const copy = (from: string, to: string, options: Options = {}): Effect.Effect<void, Program.ProgramError> =>
  Effect.asVoid(run("copy", ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests", "--all", from, to], options))

/** Pushes an image to a reference. */
export const push = (image: DirImage.DirImage, reference: string, options: Options = {}): Effect.Effect<void, Program.ProgramError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* Folder.temporary("image")
      yield* DirImage.write(folder, image)
      yield* copy(`dir:${folder}`, `docker://${reference}`, options)
    })
  )

/** Pulls the image of a reference. */
export const pull = (reference: string, options: Options = {}): Effect.Effect<DirImage.DirImage, Program.ProgramError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = Path.join(yield* Folder.temporary("image"), "out")
      yield* copy(`docker://${reference}`, `dir:${folder}`, options)
      return yield* DirImage.read(folder)
    })
  )

/** The manifest as the registry sends it. */
export const rawManifest = (image: string, options: Options = {}): Effect.Effect<string, Program.ProgramError> =>
  Effect.map(run("inspect", ["--tls-verify=false", "--raw", image], options), (_) => _.stdout)
