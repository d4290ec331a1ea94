/** A registry of the first protocol that is its own index, in memory: as much of docker-registry 0.9 as a push and a pull need. */
import { createHash } from "node:crypto"
import type * as Http from "node:http"
import * as LocalServer from "../support/LocalServer.ts"

interface Image {
  json?: Buffer
  layer?: Buffer
  size?: number
}

export interface Seen {
  readonly line: string
  readonly headers: Http.IncomingHttpHeaders
}

export const make = () => {
  const images = new Map<string, Image>()
  const tags = new Map<string, string>()
  const lists = new Map<string, string>()
  const seen: Array<Seen> = []
  const imageOf = (id: string): Image => {
    const image = images.get(id) ?? {}
    images.set(id, image)
    return image
  }

  const read = async (request: Http.IncomingMessage): Promise<Buffer> => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    return Buffer.concat(chunks)
  }

  const putImage = (id: string, what: string, body: Buffer, request: Http.IncomingMessage): readonly [status: number, error?: string] => {
    const image = imageOf(id)
    if (what === "json") {
      if (image.json !== undefined) return [409, "Image already exists"]
      image.json = body
    } else if (what === "layer") image.layer = body
    else {
      const payload = createHash("sha256")
        .update(image.json ?? "")
        .update("\n")
        .update(image.layer ?? "")
      if (request.headers["x-docker-checksum-payload"] !== `sha256:${payload.digest("hex")}`) return [400, "Checksum mismatch"]
    }
    return [200]
  }

  const answer = async (request: Http.IncomingMessage, response: Http.ServerResponse): Promise<void> => {
    const path = (request.url ?? "").replace(/^\/v1\//, "")
    seen.push({ line: `${request.method} ${path}`, headers: request.headers })
    response.setHeader("set-cookie", ["lb=1; Path=/", "other=2; Path=/v1"])
    const body = await read(request)
    const [, id, what] = /^images\/([^/]+)\/(json|layer|checksum|ancestry)$/.exec(path) ?? []
    const [, name = "", rest = ""] = /^repositories\/([^/]+\/[^/]+)\/(.*)$/.exec(path) ?? []
    if (request.method === "PUT" && id !== undefined && what !== undefined) {
      const [status, error] = putImage(id, what, body, request)
      return LocalServer.json(response, status, error === undefined ? true : { error })
    }
    if (request.method === "PUT" && rest.startsWith("tags/")) {
      tags.set(`${name}:${rest.slice(5)}`, JSON.parse(body.toString()))
      return LocalServer.json(response, 200, true)
    }
    if (request.method === "PUT") {
      lists.set(name, body.toString())
      response.setHeader("x-docker-token", ["signature=1", "access=write"])
      response.setHeader("x-docker-endpoints", request.headers.host ?? "")
      if (rest === "images") return void response.writeHead(204).end()
      return LocalServer.json(response, 200, "")
    }
    const image = images.get(id ?? "")
    if (path === "_ping") return LocalServer.json(response, 200, true)
    if (rest === "images") return void response.writeHead(200).end(lists.get(name) ?? "[]")
    if (rest.startsWith("tags/"))
      return LocalServer.json(response, tags.has(`${name}:${rest.slice(5)}`) ? 200 : 404, tags.get(`${name}:${rest.slice(5)}`))
    if (image !== undefined && what === "ancestry") return LocalServer.json(response, 200, [id])
    if (image?.json !== undefined && what === "json") {
      return void response.writeHead(200, { "x-docker-size": String(image.layer?.length ?? 0) }).end(image.json)
    }
    if (image?.layer !== undefined && what === "layer") return void response.writeHead(200, { "accept-ranges": "bytes" }).end(image.layer)
    return LocalServer.json(response, 404, { error: "not found" })
  }

  const handler: LocalServer.Handler = (request, response) => {
    answer(request, response).catch(() => response.destroy())
  }
  return { handler, seen }
}
