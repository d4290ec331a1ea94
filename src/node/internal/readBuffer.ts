/**
 * What connections read into. By itself Node takes fresh memory for every 64 KiB it reads, and its parser copies what it passes on: clearing
 * that away is a good part of what a large transfer costs. Here a connection reads into the same memory again and again, and into more of it
 * while a large body comes, so that there are fewer pieces.
 */
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"

const leastBytes = 64 * 1024
const mostBytes = 1024 * 1024

/** What large bodies that come at once share. */
const sharedBytes = 2 * 1024 * 1024

export interface ReadBuffers {
  /** What `connect` makes, reading so. */
  readonly connection: <A extends Duplex | null | undefined>(connect: (onread: Net.OnReadOpts) => A) => A
  /** Told of every answer, before anything of its body is read. */
  readonly expect: (answer: Http.IncomingMessage) => void
}

/** Nothing is read into twice before the parser of this Node was seen to copy; what was read into until then. */
const readOnce = new WeakSet<ArrayBufferLike>()
let parserCopies = false

const seePiece = (piece: Uint8Array) => {
  if (!readOnce.has(piece.buffer)) parserCopies = true
}

const take = (size: number): Buffer => {
  const memory = Buffer.allocUnsafeSlow(size)
  if (!parserCopies) readOnce.add(memory.buffer)
  return memory
}

/** One connection. */
class Reading {
  #socket: Duplex | undefined
  #small: Buffer | undefined
  #large: Buffer | undefined
  #answer: Http.IncomingMessage | undefined
  #largeBytes = leastBytes

  readonly onread: Net.OnReadOpts = {
    buffer: () => (this.#answer?.complete === false ? this.#forBody() : this.#forHead()),
    callback: (size, memory) => {
      const more = this.#socket?.push(memory.subarray(0, size)) === true
      if (!parserCopies || this.#socket?.readableLength !== 0) this.#forget()
      return more
    }
  }

  of(socket: Duplex): void {
    this.#socket = socket
  }

  expect(answer: Http.IncomingMessage, size: number): void {
    this.#answer = answer
    this.#largeBytes = size
  }

  #forBody(): Buffer {
    this.#large ??= take(this.#largeBytes)
    return this.#large
  }

  #forHead(): Buffer {
    this.#large = undefined
    this.#small ??= take(leastBytes)
    return this.#small
  }

  /** What was read is still there to be parsed. */
  #forget(): void {
    this.#large = undefined
    this.#small = undefined
  }
}

export const make = (): ReadBuffers => {
  const readings = new WeakMap<Duplex, Reading>()
  let bodies = 0
  return {
    connection: (connect) => {
      const reading = new Reading()
      const socket = connect(reading.onread)
      if (socket) {
        reading.of(socket)
        readings.set(socket, reading)
      }
      return socket
    },
    expect: (answer) => {
      if (!parserCopies) answer.on("data", seePiece)
      const length = Number(answer.headers["content-length"])
      if (!(length > leastBytes)) return
      bodies += 1
      answer.once("close", () => {
        bodies -= 1
      })
      const size = Math.min(length, mostBytes, Math.floor(sharedBytes / bodies))
      readings.get(answer.socket)?.expect(answer, Math.max(leastBytes, size))
    }
  }
}
