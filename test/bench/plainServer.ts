/** A process of its own that serves the content and takes uploads, as fast as Node can; it prints its origin. */
import * as Http from "node:http"
import { block } from "./content.ts"

const mebibytes = Number(process.argv[2])

const send = (response: Http.ServerResponse) => {
  let sent = 0
  const go = () => {
    while (sent < mebibytes) {
      sent += 1
      if (!response.write(block)) return response.once("drain", go)
    }
    return response.end()
  }
  response.writeHead(200, { "content-length": mebibytes * block.length })
  go()
}

const receive = (request: Http.IncomingMessage, response: Http.ServerResponse) => {
  let size = 0
  request.on("data", (bytes: Buffer) => {
    size += bytes.length
  })
  request.on("end", () => response.writeHead(201).end(String(size)))
}

const server = Http.createServer((request, response) => (request.method === "GET" ? send(response) : receive(request, response)))

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${Object(server.address()).port}`))
