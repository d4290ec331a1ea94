/** The registry of `serve`. Nothing else needs what it is made of, so that it is loaded when it is wanted. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Quirks from "../testing/Quirks.ts"
import * as RegistryOptions from "../testing/RegistryOptions.ts"
import * as RegistryServer from "../testing/RegistryServer.ts"
import * as RegistryStorage from "../testing/RegistryStorage.ts"
import * as Report from "./report.ts"

export interface Settings {
  readonly host: string
  readonly port: number
  readonly dir: Option.Option<string>
  readonly users: ReadonlyArray<readonly [name: string, user: RegistryOptions.User]>
  readonly token: boolean
  readonly sparse: boolean
  readonly like: Option.Option<string>
}

const everything = ["repository:*:*", "registry:catalog:*"]

const authOf = ({ token, users }: Settings): RegistryOptions.Auth => {
  const accounts = Object.fromEntries(users)
  const open = users.length === 0
  if (token) return RegistryOptions.bearer({ users: accounts, anonymous: open ? everything : [] })
  return open ? RegistryOptions.noAuth : RegistryOptions.basic({ users: accounts })
}

const behaviorOf = ({ like, sparse }: Settings): RegistryOptions.Options => {
  const behavior = Option.match(like, { onNone: () => ({}), onSome: (name): RegistryOptions.Options => Quirks.all[name] ?? {} })
  return sparse ? RegistryOptions.merge(behavior, { capabilities: { validateReferences: false } }) : behavior
}

const serverOf = (settings: Settings) => {
  const options = { ...behaviorOf(settings), auth: authOf(settings), hostname: settings.host, port: settings.port }
  return Option.match(settings.dir, {
    onNone: () => RegistryServer.layer(options),
    onSome: (dir) => RegistryServer.layerWithoutStorage(options).pipe(Layer.provide(RegistryStorage.layerFolder(dir)))
  })
}

/** Until it is interrupted. */
export const run = (settings: Settings) =>
  Effect.gen(function* () {
    const report = yield* Report.Report
    const { url } = yield* RegistryServer.RegistryServer
    yield* report.result({ url }, [url])
    return yield* Effect.never
  }).pipe(Effect.provide(serverOf(settings)))
