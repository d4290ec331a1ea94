/**
 * The registry of the test kit as a program: `npm run serve -- --port 5000 --dir ./data --user ann:secret --token`. It runs until it gets SIGINT or
 * SIGTERM. With `--port 0` any free port; the address is the first line it prints.
 */
import { parseArgs } from "node:util"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Quirks, RegistryOptions, RegistryServer, RegistryStorage } from "effect-oci/testing"

const usage = `npm run serve -- [options]

  --port 5000           0: any free port
  --host 127.0.0.1      0.0.0.0 lets others in
  --dir ./data          keeps content in a folder instead of in memory
  --user name:password  asks for Basic credentials; may be given several times
  --token               asks for tokens, which /token of this registry issues to the users, or without users to everyone
  --sparse              takes manifests of which blobs or manifests are missing
  --like ecr            behaves like one of ${Object.keys(Quirks.all).join(", ")}`

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "5000" },
    host: { type: "string", default: "127.0.0.1" },
    dir: { type: "string" },
    user: { type: "string", multiple: true, default: [] },
    token: { type: "boolean", default: false },
    sparse: { type: "boolean", default: false },
    like: { type: "string" },
    help: { type: "boolean", default: false }
  }
})

const parseUser = (text: string): readonly [string, RegistryOptions.User] => {
  const colon = text.indexOf(":")
  if (colon <= 0) throw new Error("--user takes name:password")
  return [text.slice(0, colon), { password: Redacted.make(text.slice(colon + 1)) }]
}

const everything = ["repository:*:*", "registry:catalog:*"]

const auth = (): RegistryOptions.Auth => {
  const users = Object.fromEntries(values.user.map(parseUser))
  const open = values.user.length === 0
  if (values.token) return RegistryOptions.bearer({ users, anonymous: open ? everything : [] })
  return open ? RegistryOptions.noAuth : RegistryOptions.basic({ users })
}

const behavior = (): RegistryOptions.Options => {
  if (values.like === undefined) return {}
  const found = Object.hasOwn(Quirks.all, values.like) ? Quirks.all[values.like] : undefined
  if (found === undefined) throw new Error(`no such registry: ${values.like}`)
  return found
}

const serve = Effect.suspend(() => {
  const port = Number(values.port)
  if (!/^\d+$/.test(values.port) || port > 65535) throw new Error("--port takes a number")
  const sparse = values.sparse ? { capabilities: { validateReferences: false } } : {}
  const options = { ...RegistryOptions.merge(behavior(), sparse), auth: auth(), hostname: values.host, port }
  const server =
    values.dir === undefined
      ? RegistryServer.layer(options)
      : RegistryServer.layerWithoutStorage(options).pipe(Layer.provide(RegistryStorage.layerFolder(values.dir)))
  const announce = Effect.flatMap(RegistryServer.RegistryServer, ({ url }) => Console.log(url))
  return Effect.zipRight(announce, Effect.never).pipe(Effect.provide(server), Effect.provide(NodeContext.layer))
})

NodeRuntime.runMain(values.help ? Console.log(usage) : serve)
