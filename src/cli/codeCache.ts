/**
 * The compiled code of the program, kept from one run to the next in the user's folder for caches: compiling takes longer than most of
 * what the command does. `module.enableCompileCache` would do this from Node 22 on.
 *
 * Nothing depends on it: what cannot be read is done without, and what cannot be written is not told. `NODE_DISABLE_COMPILE_CACHE=1` turns it
 * off, as it does Node's own.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Script } from "node:vm"

/** A run that takes longer does something, such as moving blobs, that a short run of the same command may not have done. */
const longMillis = 1000

const outdatedMillis = 30 * 24 * 60 * 60 * 1000

const digestBytes = 32

const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest()

/** Where the platform has such files, if the environment says where that is. */
const folder = (): string | undefined => {
  const { env, platform } = process
  if (env["NODE_DISABLE_COMPILE_CACHE"] === "1") return undefined
  const home = env["HOME"]
  const own = platform === "win32" ? env["LOCALAPPDATA"] : home && Path.join(home, platform === "darwin" ? "Library/Caches" : ".cache")
  const place = [env["XDG_CACHE_HOME"], own].find((path) => path !== undefined && Path.isAbsolute(path))
  return place && Path.join(place, "effect-oci")
}

const attempt = <A>(evaluate: () => A): A | undefined => {
  try {
    return evaluate()
  } catch {
    return undefined
  }
}

interface Kept {
  /** What was done by the runs whose code this is. */
  readonly kinds: ReadonlyArray<string>
  readonly code: Buffer
}

const nothing: Kept = { kinds: [], code: Buffer.alloc(0) }

/** Where no other user can have written. */
const isOwn = ({ mode, uid }: Fs.Stats): boolean => process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)

const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = Fs.constants

/** Code is run, so that it must not be another user's; and V8 crashes with code that is damaged, so that its digest stands before it. */
const read = (file: string): Kept | undefined => {
  const descriptor = Fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const stats = Fs.fstatSync(descriptor)
    if (!stats.isFile() || !isOwn(stats) || !isOwn(Fs.statSync(Path.dirname(file)))) return undefined
    const bytes = Fs.readFileSync(descriptor)
    const content = bytes.subarray(digestBytes)
    if (!digestOf(content).equals(bytes.subarray(0, digestBytes))) return undefined
    const line = content.indexOf("\n")
    return { kinds: content.toString("utf8", 0, line).split(" "), code: content.subarray(line + 1) }
  } finally {
    Fs.closeSync(descriptor)
  }
}

const write = (file: string, { code, kinds }: Kept): void => {
  const content = Buffer.concat([Buffer.from(`${kinds.join(" ")}\n`), code])
  const beside = `${file}.${process.pid}`
  Fs.mkdirSync(Path.dirname(file), { recursive: true, mode: 0o700 })
  if (!isOwn(Fs.statSync(Path.dirname(file)))) return
  try {
    Fs.writeFileSync(beside, Buffer.concat([digestOf(content), content]), { mode: 0o600, flag: "wx" })
    Fs.renameSync(beside, file)
  } catch {
    Fs.rmSync(beside, { force: true })
  }
}

/** What other versions, of the command or of Node, have left. */
const removeOutdated = (path: string): void => {
  for (const name of Fs.readdirSync(path)) {
    const file = Path.join(path, name)
    if (Date.now() - Fs.statSync(file).mtimeMs > outdatedMillis) Fs.rmSync(file, { force: true })
  }
}

export interface Options {
  readonly source: string
  readonly filename: string
  /** Of the source: V8 itself compares nothing but its length. */
  readonly digest: string
  /** What this run does, as far as its code matters. */
  readonly command: string
}

/** The value of the source, a script; the rest of the run is expected to be its doing. */
export const compile = ({ command, digest, filename, source }: Options) => {
  const place = folder()
  if (place === undefined) return new Script(source, { filename }).runInThisContext()
  const file = Path.join(place, `${digest.slice(0, 16)}-${process.version}-${process.arch}`)
  const found = attempt(() => read(file))
  const script = new Script(source, { filename, ...(found !== undefined && { cachedData: found.code }) })
  const kept = found !== undefined && script.cachedDataRejected === false ? found : nothing
  const keep = (...kinds: ReadonlyArray<string>) => {
    const added = kinds.filter((kind) => !kept.kinds.includes(kind))
    if (added.length === 0) return
    const code = script.createCachedData()
    attempt(() => {
      // V8 forgets code that was not run for a while, such as that of the start.
      write(file, { kinds: [...kept.kinds, ...added], code: code.length > kept.code.length ? code : kept.code })
      removeOutdated(place)
    })
  }
  const kind = command.replace(/[^a-z]/g, "")
  setTimeout(() => {
    process.off("exit", atExit)
    keep(kind, `${kind}+`)
  }, longMillis).unref()
  const atExit = (code: number) => {
    if (code === 0) keep(kind)
  }
  process.once("exit", atExit)
  return script.runInThisContext()
}
