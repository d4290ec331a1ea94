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
  /** Told of a connection that a request has taken. */
  readonly used: (socket: Duplex) => void
  /** Told of one that is kept for the next. */
  readonly unused: (socket: Duplex) => void
}

/** Memory is used once until the parser of this Node was seen to copy. */
let parserCopies = false

/** What was given away until then. */
const readOnce = new WeakSet<ArrayBufferLike>()

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
  #answer: Http.IncomingMessage | undefined
  #bodyBytes = leastBytes
  #used = true
  #memory: Buffer | undefined

  readonly onread: Net.OnReadOpts = {
    buffer: () => {
      const size = this.#answer?.complete === false ? this.#bodyBytes : leastBytes
      if (this.#memory?.byteLength !== size) this.#memory = take(size)
      return this.#memory
    },
    callback: (size, memory) => {
      if (!this.#used) {
        // Where the next answer begins could not be told any more (RFC 9112, 9.2).
        this.#socket?.destroy()
        return false
      }
      const more = this.#socket?.push(memory.subarray(0, size)) === true
      // What is still to be parsed keeps its memory.
      if (!parserCopies || this.#socket?.readableLength !== 0) this.#memory = undefined
      return more
    }
  }

  of(socket: Duplex): void {
    this.#socket = socket
  }

  use(used: boolean): void {
    this.#used = used
  }

  expect(answer: Http.IncomingMessage, bodyBytes: number): void {
    this.#answer = answer
    this.#bodyBytes = bodyBytes
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
      // No number where none is told.
      if (!(length > leastBytes)) return
      bodies += 1
      answer.once("close", () => {
        bodies -= 1
      })
      const size = Math.min(length, mostBytes, Math.floor(sharedBytes / bodies))
      readings.get(answer.socket)?.expect(answer, Math.max(leastBytes, size))
    },
    used: (socket) => readings.get(socket)?.use(true),
    unused: (socket) => readings.get(socket)?.use(false)
  }
}
