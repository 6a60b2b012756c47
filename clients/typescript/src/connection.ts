/**
 * An address in; a WebSocket whose handshake is done out. What goes wrong becomes this client's
 * own errors: `ws` tells what a server answered in place of the handshake; browsers do not, so the
 * server is asked once more, by HTTP.
 */

import {
  AnswerTimeoutError,
  type Problem,
  ServerError,
  StreamEndedError,
  UnreachableError,
} from "./errors.js";

/** What this client needs of a WebSocket: browsers', Node's own and `ws` have it. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string | ArrayBuffer | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export type SocketClass = new (url: string, protocols: string[]) => Socket;

export interface Server {
  /** As `http://127.0.0.1:8000`; of a page, where it came from if not given. */
  url?: string | undefined;
  apiKey?: string | undefined;
  /** Other than the one that is there (browsers; `ws` in Node). */
  WebSocket?: SocketClass | undefined;
  /** How long a server may take to begin; a model that is scaled to zero is loaded first. */
  openTimeoutMs?: number | undefined;
}

export type Query = Record<string, string | undefined>;
export type Message = string | ArrayBuffer;

const OPEN_TIMEOUT_MS = 150_000;
const DIAGNOSIS_TIMEOUT_MS = 5_000;
const MAX_BUFFERED_BYTES = 64 * 1024;
const DRAIN_MS = 20;
const MAX_ANSWER_CHARACTERS = 4096;

export class Connection {
  /** Settles when there will be no more messages. */
  readonly closed: Promise<StreamEndedError>;
  /** Why the server is about to close; of its last `error` message. */
  complaint: Problem | null = null;
  readonly #socket: Socket;
  #end: (error: StreamEndedError) => void = () => {};

  private constructor(
    socket: Socket,
    /** Where it leads. */
    readonly url: string,
  ) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
      socket.onclose = ({ code, reason }: { code: number; reason: string }) =>
        resolve(new StreamEndedError(code, reason, this.complaint));
    });
  }

  /**
   * @throws {UnreachableError} nothing there speaks WebSocket.
   * @throws {ServerError} the handshake was denied, and why.
   * @throws {AnswerTimeoutError} it was not done in time.
   */
  static async open(
    server: Server,
    path: string,
    query: Query,
    hear: (connection: Connection, message: Message) => void,
  ): Promise<Connection> {
    const url = addressOf(server, path, query);
    const timeoutMs = server.openTimeoutMs ?? OPEN_TIMEOUT_MS;
    const WebSocketClass = server.WebSocket ?? (await webSocketClass());
    const socket = new WebSocketClass(url.href, protocolsOf(server.apiKey));
    socket.binaryType = "arraybuffer";
    const connection = new Connection(socket, url.origin);
    socket.onmessage = ({ data }: { data: Message }) => connection.#hear(hear, data);
    return connection.within(opened(socket, server, url), timeoutMs, url.origin);
  }

  /**
   * This connection, once `begun` has settled; closed, if it does not.
   * @throws {AnswerTimeoutError} not in time.
   * @throws {StreamEndedError} the server closed it before.
   */
  async within(begun: Promise<void>, timeoutMs: number, url: string): Promise<Connection> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeUp = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new AnswerTimeoutError(url, timeoutMs)), timeoutMs);
    });
    try {
      await Promise.race([begun, timeUp]);
      return this;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #hear(hear: (connection: Connection, message: Message) => void, message: Message): void {
    try {
      hear(this, message);
    } catch {
      this.complaint ??= { message: "this is no Chorus server's message" };
      this.end();
    }
  }

  /** Hand over; what a connection that has just broken does not take is lost with it. */
  send(data: string | ArrayBuffer | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  get isFull(): boolean {
    return this.#socket.bufferedAmount > MAX_BUFFERED_BYTES;
  }

  close(): void {
    this.#socket.close(1000);
  }

  /** Close, for what the server has complained about. */
  end(): void {
    this.#end(new StreamEndedError(0, "", this.complaint));
    this.close();
  }
}

/**
 * A connection whose server has said that it is ready: `hear` gives true for the message that says
 * so.
 * @throws as `Connection.open`, and {@link StreamEndedError}: the server closed it before.
 */
export async function begin(
  server: Server,
  path: string,
  query: Query,
  hear: (connection: Connection, message: Message) => boolean,
  greeting?: string,
): Promise<Connection> {
  let isReady = () => {};
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const connection = await Connection.open(server, path, query, (itself, message) => {
    if (hear(itself, message)) isReady();
  });
  if (greeting !== undefined) connection.send(greeting);
  const begun = Promise.race([ready, connection.closed.then((ended) => Promise.reject(ended))]);
  return connection.within(begun, server.openTimeoutMs ?? OPEN_TIMEOUT_MS, connection.url);
}

/** Waits until `isFull` says no: WebSockets tell nobody when they have room again. */
export async function whileFull(isFull: () => boolean): Promise<void> {
  while (isFull()) await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
}

export function addressOf(server: Server, path: string, query: Query): URL {
  const page = typeof document === "undefined" ? undefined : document.baseURI;
  const base = new URL(server.url ?? page ?? "http://127.0.0.1:8000", page);
  const url = new URL(path.replace(/^\//, ""), base.href.replace(/[^/]*$/, ""));
  url.protocol = url.protocol.replace("http", "ws");
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

/** A page cannot send headers with a socket: a key travels as one of the protocols offered. */
function protocolsOf(apiKey: string | undefined): string[] {
  return apiKey ? ["realtime", `openai-insecure-api-key.${apiKey}`] : [];
}

/**
 * `name` is hidden from bundlers, which build for browsers, and those have their own: they would look
 * for the package, and Vite reloads the page once it is found. A constant would be put in its place.
 */
async function webSocketClass(name = "ws"): Promise<SocketClass> {
  if (typeof WebSocket !== "undefined") return WebSocket as unknown as SocketClass;
  const ws = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as {
    WebSocket: SocketClass;
  };
  return ws.WebSocket;
}

function opened(socket: Socket, server: Server, url: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.onopen = () => {
      socket.onerror = () => {}; // `closed` follows
      resolve();
    };
    if (isOfNode(socket)) {
      socket.onerror = ({ message }: { message: string }) =>
        reject(new UnreachableError(url.origin, message));
      socket.on("unexpected-response", (request, response) => {
        socket.onerror = () => {}; // which follows as well
        void denied(response)
          .then(reject)
          .finally(() => request.destroy());
      });
    } else {
      socket.onerror = () => void diagnosed(server, url).then(reject, reject);
    }
  });
}

interface NodeSocket extends Socket {
  on(
    event: "unexpected-response",
    listener: (request: { destroy(): void }, response: NodeResponse) => void,
  ): void;
}

interface NodeResponse extends AsyncIterable<Uint8Array> {
  statusCode?: number;
  headers: Record<string, string | string[] | undefined>;
}

function isOfNode(socket: Socket): socket is NodeSocket {
  return "on" in socket && typeof socket.on === "function";
}

async function denied(response: NodeResponse): Promise<ServerError> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const bytes of response) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length > MAX_ANSWER_CHARACTERS) break;
    }
  } catch {
    // What came of it has to do.
  }
  const retryAfter = Number.parseFloat(String(response.headers["retry-after"]));
  const status = response.statusCode ?? 0;
  return new ServerError(
    status,
    problemIn(text, status),
    Number.isNaN(retryAfter) ? null : retryAfter,
  );
}

/** Why a browser's handshake may have failed. */
async function diagnosed(server: Server, url: URL): Promise<ServerError | UnreachableError> {
  const asked = addressOf(server, "/v1/models", {});
  asked.protocol = asked.protocol.replace("ws", "http");
  const headers: HeadersInit = server.apiKey ? { Authorization: `Bearer ${server.apiKey}` } : {};
  try {
    const signal = AbortSignal.timeout(DIAGNOSIS_TIMEOUT_MS);
    const answer = await fetch(asked, { headers, signal });
    if (!answer.ok)
      return new ServerError(answer.status, problemIn(await answer.text(), answer.status));
  } catch (error) {
    return new UnreachableError(url.origin, String(error));
  }
  const message =
    "the server is there and refused the stream: it may be full, or not know what was asked for";
  return new ServerError(0, { message, code: "refused" });
}

function problemIn(text: string, status: number): Problem {
  try {
    const { error } = JSON.parse(text) as { error?: Problem };
    if (typeof error?.message === "string") return error;
  } catch {
    // A proxy's page.
  }
  return { message: text.trim().slice(0, 200) || `status ${status}`, code: "refused" };
}
